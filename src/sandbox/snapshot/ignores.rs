//! Which files the workspace's own ignore rules hide: `.gitignore` of every folder, deeper ones first.
//!
//! A tracked file is never hidden, as in git. Rules are data written by the agent; they can hide its files from the
//! patch (as they would in git) and nothing else.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The rules from the top of the workspace down to one folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Ignores(Vec<Gitignore>);

impl Ignores {
    /// The rules one folder further down, given its `.gitignore`'s text. `folder` is relative to the workspace, as text.
    pub(super) fn enter(&self, folder: &str, text: &str) -> Self {
        let mut builder = GitignoreBuilder::new(folder);
        for line in text.lines() {
            // A line that cannot be understood hides nothing.
            let _ = builder.add_line(None, line);
        }
        let mut rules = self.0.clone();
        rules.extend(builder.build().ok());
        Self(rules)
    }

    /// Whether a path (relative to the workspace) is hidden by a rule for itself; its parents are the caller's matter.
    pub(super) fn hide(&self, path: &str, is_folder: bool) -> bool {
        for rules in self.0.iter().rev() {
            match rules.matched(path, is_folder) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }
}
