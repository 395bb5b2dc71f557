//! Downloads from a local server that behaves as the hub does, and as networks do.

use std::collections::HashMap;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use super::scripted::{COMMIT, Script, hub, serve};
use super::*;
use crate::text::hex::hex;

fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn script() -> Script {
    Script {
        files: HashMap::from([("data/train-00000-of-00001.parquet".to_owned(), content())]),
        ..Script::default()
    }
}

const NAME: &str = "data/train-00000-of-00001.parquet";

async fn fetch(hub: &Hub) -> Result<PathBuf, HubError> {
    let snapshot = hub.resolve(&Repo::dataset("o/n"), None, &|_| {}).await?;
    hub.file(&snapshot, NAME, &|_| {}).await
}

#[tokio::test]
async fn a_large_file_comes_through_a_redirect_into_the_standard_layout() {
    let (url, shared) = serve(script()).await;
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&url, dir.path(), false);
    let seen = Mutex::new(Vec::new());
    let snapshot = hub
        .resolve(&Repo::dataset("o/n"), None, &|_| {})
        .await
        .unwrap();
    assert_eq!(
        (snapshot.commit.as_str(), snapshot.files.len()),
        (COMMIT, 1)
    );
    let path = hub
        .file(&snapshot, NAME, &|news| {
            if let News::Coming { file, done, total } = news {
                seen.lock().unwrap().push((file.to_owned(), done, total));
            }
        })
        .await
        .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content());
    let root = dir.path().join("datasets--o--n");
    assert_eq!(path, root.join("snapshots").join(COMMIT).join(NAME));
    assert_eq!(
        std::fs::read_to_string(root.join("refs/main")).unwrap(),
        COMMIT
    );
    let target = std::fs::read_link(&path).unwrap();
    assert_eq!(
        target,
        PathBuf::from("../../../blobs").join(hex(&Sha256::digest(content())))
    );
    let size = content().len() as u64;
    assert_eq!(
        seen.lock().unwrap().last().unwrap(),
        &(NAME.to_owned(), size, Some(size))
    );
    assert!(
        shared
            .lock()
            .unwrap()
            .seen
            .iter()
            .all(|(_, _, token)| *token),
        "the same host keeps the token"
    );

    let before = shared.lock().unwrap().seen.len();
    hub.file(&snapshot, NAME, &|_| {}).await.unwrap();
    assert_eq!(
        shared.lock().unwrap().seen.len(),
        before,
        "what is in the cache is not asked for"
    );
}

#[tokio::test]
async fn a_small_file_is_checked_by_its_git_hash() {
    let (url, _) = serve(Script {
        small: true,
        ..script()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let path = fetch(&hub(&url, dir.path(), false)).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
}

#[tokio::test]
async fn a_cut_connection_is_resumed_where_it_broke() {
    let (url, shared) = serve(Script {
        cut: (1000, 2),
        ..script()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let path = fetch(&hub(&url, dir.path(), false)).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
    let shared = shared.lock().unwrap();
    let ranges: Vec<_> = shared
        .seen
        .iter()
        .filter(|(what, ..)| what.starts_with("GET /cdn"))
        .map(|(_, range, _)| range.clone())
        .collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=1000-".to_owned()),
            Some("bytes=2000-".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_server_that_cannot_resume_sends_the_whole_again() {
    let (url, _) = serve(Script {
        cut: (1000, 1),
        no_ranges: true,
        ..script()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let path = fetch(&hub(&url, dir.path(), false)).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
}

#[tokio::test]
async fn content_with_another_hash_is_deleted_and_reported_with_both_hashes() {
    for small in [false, true] {
        let (url, _) = serve(Script {
            lie: true,
            small,
            ..script()
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let error = fetch(&hub(&url, dir.path(), false)).await.unwrap_err();
        let hash = |content: &[u8]| {
            let (kind, whole) = if small {
                let id = git2::Oid::hash_object(git2::ObjectType::Blob, content).unwrap();
                ("git blob", id.to_string())
            } else {
                ("sha256", hex(&Sha256::digest(content)))
            };
            format!("{kind} {}", whole.get(..12).unwrap())
        };
        let sentence = format!(
            "`{NAME}` of dataset o/n: what was downloaded has {}, but the hub says {}; it was deleted: try again",
            hash(&content()),
            hash(b"another")
        );
        assert!(error.to_string().starts_with(&sentence), "{error}");
        assert!(matches!(error, HubError::Corrupt { .. }));
        let blobs = std::fs::read_dir(dir.path().join("datasets--o--n/blobs")).unwrap();
        assert_eq!(blobs.count(), 0);
    }
}

#[tokio::test]
async fn content_of_another_size_is_deleted_and_reported_with_both_sizes() {
    let (url, _) = serve(Script {
        announce: Some(1000),
        ..script()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let error = fetch(&hub(&url, dir.path(), false)).await.unwrap_err();
    assert!(matches!(error, HubError::Corrupt { .. }), "{error}");
    let error = error.to_string();
    let beginning = format!("`{NAME}` of dataset o/n: what was downloaded has at least ");
    assert!(error.starts_with(&beginning), "{error}");
    assert!(
        error.contains(" bytes, but the hub says 1000 bytes; it was deleted: try again"),
        "{error}"
    );
    let blobs = std::fs::read_dir(dir.path().join("datasets--o--n/blobs")).unwrap();
    assert_eq!(blobs.count(), 0);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (status, code, words) in [
        (401, "RepoNotFound", "HF_TOKEN"),
        (403, "GatedRepo", "accept its terms at http://127.0.0.1"),
        (403, "", "the token may not read it"),
        (404, "RevisionNotFound", "does not exist"),
        (418, "", "the hub answered 418"),
    ] {
        let (url, _) = serve(Script {
            refuse: Some((status, code)),
            ..script()
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let error = fetch(&hub(&url, dir.path(), false))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(words) && error.contains("o/n"), "{error}");
        assert!(!error.contains("hf_secret"));
    }
}

#[tokio::test]
async fn offline_the_cache_answers_for_what_it_has() {
    let (url, shared) = serve(script()).await;
    let dir = tempfile::tempdir().unwrap();
    let path = fetch(&hub(&url, dir.path(), false)).await.unwrap();
    let before = shared.lock().unwrap().seen.len();
    let offline = hub(&url, dir.path(), true);
    assert_eq!(fetch(&offline).await.unwrap(), path);
    assert_eq!(shared.lock().unwrap().seen.len(), before);
    let unreachable = hub("http://127.0.0.1:9", dir.path(), false);
    assert_eq!(fetch(&unreachable).await.unwrap(), path);
    let snapshot = unreachable
        .resolve(&Repo::dataset("o/n"), None, &|_| {})
        .await
        .unwrap();
    let why = snapshot.from_cache.as_deref().unwrap();
    assert!(why.contains("the hub cannot be reached"), "{why}");
    for hub in [&offline, &unreachable] {
        let error = hub
            .file(&snapshot, "other.parquet", &|_| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`other.parquet` of dataset o/n is not in the cache"),
            "{error}"
        );
        let error = hub
            .resolve(&Repo::model("a/b"), None, &|_| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("model a/b is not in the cache"), "{error}");
    }
}

#[tokio::test]
async fn a_hub_that_refuses_or_fails_does_not_take_away_what_is_in_the_cache() {
    let (url, shared) = serve(script()).await;
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&url, dir.path(), false);
    let path = fetch(&hub).await.unwrap();
    for (refused, words) in [
        ((401, "RepoNotFound"), "the hub wants a token (401)"),
        ((403, "GatedRepo"), "is gated"),
        ((403, ""), "may not read it (403)"),
        ((429, ""), "the hub answered 429"),
    ] {
        shared.lock().unwrap().refuse = Some(refused);
        let heard = std::sync::Mutex::new(Vec::new());
        let hear = |news: News<'_>| {
            if let News::Cached { repo, why } = news {
                heard.lock().unwrap().push(format!("{repo}: {why}"));
            }
        };
        let snapshot = hub
            .resolve(&Repo::dataset("o/n"), None, &hear)
            .await
            .unwrap();
        let why = snapshot.from_cache.as_deref().unwrap();
        assert!(why.contains(words), "{why}");
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard, [format!("dataset o/n: {why}")], "it is told");
        let found = hub.file(&snapshot, NAME, &|_| {}).await;
        assert_eq!(found.unwrap(), path);
        if refused.0 < 404 {
            // What is not there is asked for, and the answer is told.
            let error = hub
                .resolve(&Repo::model("o/n"), None, &|_| {})
                .await
                .unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    shared.lock().unwrap().refuse = Some((404, "RepoNotFound"));
    let error = fetch(&hub).await.unwrap_err();
    assert!(matches!(error, HubError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_hub_that_is_busy_is_asked_again_whatever_it_was_asked() {
    let (url, shared) = serve(Script {
        busy: 1,
        ..script()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&url, dir.path(), false);
    let snapshot = hub
        .resolve(&Repo::dataset("o/n"), None, &|_| {})
        .await
        .unwrap();
    assert_eq!(snapshot.from_cache, None);
    shared.lock().unwrap().busy = 1;
    let path = hub.file(&snapshot, NAME, &|_| {}).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
}

#[tokio::test]
async fn two_that_want_the_same_file_download_it_once() {
    let (url, shared) = serve(script()).await;
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (hub(&url, dir.path(), false), hub(&url, dir.path(), false));
    let (a, b) = tokio::join!(fetch(&one), fetch(&two));
    assert_eq!(a.unwrap(), b.unwrap());
    let shared = shared.lock().unwrap();
    assert_eq!(
        shared
            .seen
            .iter()
            .filter(|(what, ..)| what.starts_with("GET /cdn"))
            .count(),
        1
    );
}

#[tokio::test]
async fn names_that_leave_the_cache_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub("http://127.0.0.1:9", dir.path(), false);
    let error = hub
        .resolve(&Repo::dataset("../x"), None, &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, HubError::Name(_)));
    let snapshot = Snapshot {
        repo: Repo::dataset("o/n"),
        commit: COMMIT.to_owned(),
        files: Vec::new(),
        from_cache: None,
    };
    for name in ["../../x", "/etc/passwd", "a/../b", ""] {
        let error = hub.file(&snapshot, name, &|_| {}).await.unwrap_err();
        assert!(matches!(error, HubError::Path(_)), "{name}");
    }
}
