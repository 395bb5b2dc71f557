//! For tests: a local server that behaves as the hub does, and as networks do.
//!
//! It has one repository, `o/n`, whose files can be asked for as those of a dataset and as those of a model, and writes down
//! what it was asked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::{Hub, Settings};
use crate::text::hex::hex;
use crate::text::secret::Secret;

/// What `main` is.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The files of `o/n`, and how the hub misbehaves.
#[derive(Default)]
pub(crate) struct Script {
    /// By their paths.
    pub(crate) files: HashMap<String, Vec<u8>>,
    /// Send small files with a git hash instead of as large files behind a redirect.
    pub(crate) small: bool,
    /// Break the connection after this many bytes, this many times.
    pub(crate) cut: (usize, usize),
    /// Answer so many requests with 503 first.
    pub(crate) busy: usize,
    /// Answer everything so.
    pub(crate) refuse: Option<(u16, &'static str)>,
    /// Ignore `Range`.
    pub(crate) no_ranges: bool,
    /// Announce the hash of other content.
    pub(crate) lie: bool,
    /// Announce another size of large files.
    pub(crate) announce: Option<usize>,
    /// Method and path of each request, its `Range`, and whether it had a token.
    pub(crate) seen: Vec<(String, Option<String>, bool)>,
}

/// The script while it is played.
pub(crate) type Shared = Arc<Mutex<Script>>;

/// Play a script; its address comes back.
pub(crate) async fn serve(script: Script) -> (String, Shared) {
    let shared = Arc::new(Mutex::new(script));
    let app = Router::new().fallback(answer).with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, shared)
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let mut script = shared.lock().unwrap();
    let path = request.uri().path().to_owned();
    let header = |name: &str| header_of(request.headers(), name);
    let range = header("range");
    script.seen.push((
        format!("{} {path}", request.method()),
        range.clone(),
        header("authorization").is_some(),
    ));
    let build = Response::builder();
    if script.busy > 0 {
        script.busy -= 1;
        return build.status(503).body(Body::empty()).unwrap();
    }
    if let Some((status, code)) = script.refuse {
        return build
            .status(status)
            .header("x-error-code", code)
            .body(Body::empty())
            .unwrap();
    }
    if ["datasets", "models"]
        .iter()
        .any(|kind| path.starts_with(&format!("/api/{kind}/o/n/revision/")))
    {
        let siblings: Vec<_> = script
            .files
            .keys()
            .map(|f| serde_json::json!({"rfilename": f}))
            .collect();
        let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
        return build.body(Body::from(body)).unwrap();
    }
    let resolved = resolved(&path);
    let name = resolved.or_else(|| path.strip_prefix("/cdn/"));
    let Some(content) = name.and_then(|name| script.files.get(name)).cloned() else {
        return build
            .status(404)
            .header("x-error-code", "EntryNotFound")
            .body(Body::empty())
            .unwrap();
    };
    let hashed = if script.lie {
        b"another".to_vec()
    } else {
        content.clone()
    };
    if let Some(name) = resolved
        && !script.small
    {
        return build
            .status(302)
            .header("location", format!("/cdn/{name}"))
            .header(
                "x-linked-etag",
                format!("\"{}\"", hex(&Sha256::digest(&hashed))),
            )
            .header("x-linked-size", script.announce.unwrap_or(content.len()))
            .body(Body::empty())
            .unwrap();
    }
    let from = range.filter(|_| !script.no_ranges).and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    let git = git2::Oid::hash_object(git2::ObjectType::Blob, &hashed).unwrap();
    let build = build.header("etag", format!("\"{git}\""));
    let build = match from {
        Some(from) => build.status(StatusCode::PARTIAL_CONTENT).header(
            "content-range",
            format!("bytes {from}-{}/{}", content.len() - 1, content.len()),
        ),
        None => build,
    };
    let rest = content[from.unwrap_or(0)..].to_vec();
    let build = build.header("content-length", rest.len());
    if request.method() == "GET" && script.cut.1 > 0 {
        script.cut.1 -= 1;
        let part = Bytes::copy_from_slice(&rest[..script.cut.0.min(rest.len())]);
        let pieces = futures_util::stream::unfold(Some(part), |part| async {
            if let Some(part) = part {
                return Some((Ok(part), None));
            }
            // What was sent must reach the client before the connection breaks.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            Some((Err(std::io::Error::other("cut")), None))
        });
        return build.body(Body::from_stream(pieces)).unwrap();
    }
    build.body(Body::from(rest)).unwrap()
}

/// The file whose content an address of the hub names.
fn resolved(path: &str) -> Option<&str> {
    let path = path.strip_prefix("/datasets").unwrap_or(path);
    let below = path.strip_prefix("/o/n/resolve/")?;
    below.strip_prefix(COMMIT)?.strip_prefix('/')
}

/// The files that anything was asked of, each once, as they came.
pub(crate) fn asked(shared: &Shared) -> Vec<String> {
    let script = shared.lock().unwrap();
    let mut names: Vec<String> = Vec::new();
    for (what, ..) in &script.seen {
        let (_, path) = what.split_once(' ').unwrap();
        let name = resolved(path).or_else(|| path.strip_prefix("/cdn/"));
        if let Some(name) = name
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

fn header_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// A client of it.
pub(crate) fn hub(url: &str, cache: &Path, offline: bool) -> Hub {
    Hub::new(Settings {
        endpoint: url.to_owned(),
        cache: cache.to_owned(),
        token: Secret::new("hf_secret"),
        offline,
    })
    .unwrap()
}
