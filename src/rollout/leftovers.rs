//! What a killed spotter left behind: layers of sandboxes whose rollout no process runs any more, stale sockets,
//! containers. Swept at the next start; trajectories, logs and shadow repositories stay.

use crate::sandbox;
use crate::trajectory::Store;

/// What was found and removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rollouts whose layers were removed.
    pub rollouts: usize,
    /// Containers that were removed.
    pub containers: usize,
}

/// Sweep a store. Rollouts that a live process holds are left alone.
pub async fn sweep(store: &Store) -> Swept {
    let mut swept = Swept::default();
    let mut running = Vec::new();
    for id in store.list().unwrap_or_default() {
        // Held while it is cleaned up, so that nobody starts it meanwhile.
        let Some(_hold) = store.hold(&id) else {
            running.push(id.to_string());
            continue;
        };
        let folder = store.folder(&id);
        let mut found = std::fs::remove_file(folder.join(super::socket::NAME)).is_ok();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if name == "sandbox" {
                found |= sandbox::clear_layers(&path).unwrap_or(false);
            } else if name.to_string_lossy().ends_with(".sandbox") {
                found |= sandbox::clear(&path).is_ok();
            }
        }
        swept.rollouts += usize::from(found);
    }
    super::ground::sweep_bases(&store.bases());
    swept.containers = sandbox::sweep_containers(store.root(), &running).await;
    swept
}
