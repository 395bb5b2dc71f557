//! Which tier works on this machine: found by trying, not by reading settings.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use super::host::Host;
use super::protocol::Tier;
use crate::sandbox::{Base, Kind, Limits, SandboxError, Spec};

/// One tier tried out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Tried {
    /// Which.
    pub tier: Tier,
    /// Why it does not work here; `None` when it does.
    pub problem: Option<String>,
    /// How to get it, where it does not work.
    pub remedy: Option<&'static str>,
}

/// The best tier that works, tried once per program. `SPOTTER_TIER` (`namespaces`, `bubblewrap`, `landlock`) asks for a
/// given one instead.
///
/// # Errors
/// None works; the text has every tier's reason.
pub fn best() -> Result<Tier, SandboxError> {
    static BEST: OnceLock<Result<Tier, String>> = OnceLock::new();
    let asked = match std::env::var("SPOTTER_TIER").ok().as_deref() {
        Some("namespaces") => Some(Tier::Namespaces),
        Some("bubblewrap") => Some(Tier::Bubblewrap),
        Some("landlock") => Some(Tier::Landlock),
        _ => None,
    };
    if let Some(tier) = asked {
        return Ok(tier);
    }
    BEST.get_or_init(|| {
        let mut reasons = Vec::new();
        for tier in [Tier::Namespaces, Tier::Bubblewrap, Tier::Landlock] {
            match probe(tier) {
                Ok(()) => return Ok(tier),
                Err(why) => reasons.push(why),
            }
        }
        Err(reasons.join("; "))
    })
    .clone()
    .map_err(SandboxError::NoTier)
}

/// Try every tier; for `spotter doctor`.
#[must_use]
pub fn survey() -> Vec<Tried> {
    [Tier::Namespaces, Tier::Bubblewrap, Tier::Landlock]
        .into_iter()
        .map(|tier| {
            let problem = probe(tier).err();
            let remedy = problem.as_ref().map(|_| remedy(tier));
            Tried {
                tier,
                problem,
                remedy,
            }
        })
        .collect()
}

fn remedy(tier: Tier) -> &'static str {
    match tier {
        Tier::Namespaces => {
            "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
             user.max_user_namespaces>0; on Ubuntu 24.04 also kernel.apparmor_restrict_unprivileged_userns=0) \
             on a kernel from 5.11 on; inside a container, start that with its /proc unmasked"
        }
        Tier::Bubblewrap => "install bubblewrap (apt-get install bubblewrap)",
        Tier::Landlock => {
            "use a kernel from 5.13 on with landlock among its security modules (lsm=…,landlock)"
        }
    }
}

fn probe(tier: Tier) -> Result<(), String> {
    let scratch = tempfile::Builder::new()
        .prefix("spotter-probe-")
        .tempdir()
        .map_err(|error| error.to_string())?;
    // Another user may have to pass through.
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o711))
        .map_err(|error| error.to_string())?;
    let base = scratch.path().join("base");
    std::fs::create_dir(&base).map_err(|error| error.to_string())?;
    let spec = Spec {
        kind: Kind::Local,
        base: Base::Folder(base.clone()),
        image: None,
        state: scratch.path().join("state"),
        cache: scratch.path().join("cache"),
        owner: "probe".into(),
        network: false,
        limits: Limits::default(),
        snapshot_ignored: false,
    };
    let started = Host::start(&spec, Path::new(&base), tier).map(|(host, _)| host.stop());
    let _ = super::remove_tree(scratch.path());
    started.map_err(|error| error.to_string())
}
