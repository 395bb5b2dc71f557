//! Images without a future: a published task image holds the repository's later history, in which the fix lies. A copy
//! without it is made once per image and used in its place.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptions, StartContainerOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt;

use super::daemon::{Daemon, OWNER, STATE};
use crate::sandbox::{SandboxError, Spec};

/// Part of the copies' names: count it up when the script changes.
const VERSION: u32 = 1;

/// A long history takes its time to be packed again.
const PATIENCE: Duration = Duration::from_mins(15);

/// Forget every ref that is not an ancestor of HEAD, every trace of others, and then every object that nothing reaches.
const SCRIPT: &str = r#"cd "$1" 2>/dev/null || exit 0
git() { command git -c safe.directory='*' -c core.hooksPath=/dev/null -c core.fsmonitor=false -c gc.auto=0 "$@"; }
git rev-parse -q --verify HEAD >/dev/null 2>&1 || exit 0
for remote in $(git remote); do git remote remove "$remote"; done
git for-each-ref --format='%(refname)' | while read -r ref; do
  git merge-base --is-ancestor "$ref" HEAD 2>/dev/null || git update-ref -d "$ref"
done
git stash clear
rm -f .git/FETCH_HEAD .git/ORIG_HEAD .git/MERGE_HEAD
git reflog expire --expire=now --expire-unreachable=now --all
git repack -a -d -q && git prune --expire=now
exit 0"#;

/// The id of the prepared copy of an image.
pub(super) async fn without_future(
    daemon: &Daemon,
    spec: &Spec,
    image: &str,
    workdir: &str,
) -> Result<String, SandboxError> {
    let short: String = image
        .trim_start_matches("sha256:")
        .chars()
        .take(32)
        .collect();
    let repository = "spotter-prepared";
    let tag = format!("{short}-{VERSION}");
    if let Some(id) = daemon.image_id(&format!("{repository}:{tag}")).await? {
        return Ok(id);
    }
    let failed = |error| daemon.error("preparing an image", error);
    let original = daemon.docker.inspect_image(image).await.map_err(failed)?;
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(Vec::new()),
        cmd: Some(
            ["sh", "-c", SCRIPT, "prepare", workdir]
                .map(String::from)
                .to_vec(),
        ),
        user: Some("0".into()),
        // As any other container of the rollout: one that is left behind is found and removed.
        labels: Some(HashMap::from([
            (OWNER.to_owned(), spec.owner.clone()),
            (STATE.to_owned(), spec.state.to_string_lossy().into_owned()),
        ])),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let made = daemon
        .docker
        .create_container(None::<CreateContainerOptions>, body)
        .await
        .map_err(failed)?;
    let work = async {
        daemon
            .docker
            .start_container(&made.id, None::<StartContainerOptions>)
            .await
            .map_err(failed)?;
        let mut waiting = daemon
            .docker
            .wait_container(&made.id, None::<WaitContainerOptions>);
        let ended = tokio::time::timeout(PATIENCE, waiting.next()).await;
        let why = match ended {
            Ok(Some(Ok(answer))) if answer.status_code == 0 => None,
            Ok(Some(Ok(answer))) => Some(format!("its clean-up ended with {}", answer.status_code)),
            Ok(Some(Err(error))) => Some(error.to_string()),
            Ok(None) => Some("its clean-up was not seen to end".into()),
            Err(_) => Some(format!(
                "its clean-up took longer than {} s",
                PATIENCE.as_secs()
            )),
        };
        if let Some(why) = why {
            return Err(SandboxError::Image {
                image: image.into(),
                why,
            });
        }
        let options = CommitContainerOptionsBuilder::default()
            .container(&made.id)
            .repo(repository)
            .tag(&tag)
            .build();
        let kept = original.config.unwrap_or_default();
        let config = ContainerConfig {
            env: kept.env,
            cmd: kept.cmd,
            entrypoint: kept.entrypoint,
            working_dir: kept.working_dir,
            user: kept.user,
            // A container's labels go into its image unless they are overwritten, and from there into containers that a
            // person makes of it.
            labels: Some(HashMap::from([
                ("dev.spotter.prepared-from".to_owned(), image.to_owned()),
                (OWNER.to_owned(), String::new()),
                (STATE.to_owned(), String::new()),
            ])),
            ..ContainerConfig::default()
        };
        daemon
            .docker
            .commit_container(options, config)
            .await
            .map(|made| made.id)
            .map_err(failed)
    };
    let done = work.await;
    daemon.remove(&made.id).await;
    done
}
