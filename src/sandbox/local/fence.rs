//! The Landlock rules of commands: what they may read, run and write, whatever the mounts say.
//!
//! In the top tier this is a second wall behind the private root; in the lowest tier it is the only one.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};

/// Folders by what may be done beneath them.
#[derive(Debug, Clone)]
pub(super) struct Fence {
    /// Read and run.
    pub(super) read: Vec<PathBuf>,
    /// Read, run and change.
    pub(super) write: Vec<PathBuf>,
    /// Also keep signals and abstract sockets inside (where there is no namespace for that).
    pub(super) scoped: bool,
}

impl Fence {
    /// Confine this process and its descendants for good. `true` when the kernel enforces any of it.
    pub(super) fn enforce(&self) -> Result<bool, String> {
        let abi = ABI::V6;
        let all = AccessFs::from_all(abi);
        let read = AccessFs::from_read(abi);
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)
            .map_err(|error| text(&error))?;
        if self.scoped {
            rules = rules
                .scope(Scope::from_all(abi))
                .map_err(|error| text(&error))?;
        }
        let status = rules
            .create()
            .map_err(|error| text(&error))?
            .add_rules(path_beneath_rules(&self.read, read))
            .map_err(|error| text(&error))?
            .add_rules(path_beneath_rules(&self.write, all))
            .map_err(|error| text(&error))?
            .restrict_self()
            .map_err(|error| text(&error))?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}
