//! Questions to the hub: what a revision is, what a file is, and what its refusals mean.

use futures_util::StreamExt as _;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::cache::{check_name, is_commit};
use super::download::{ATTEMPTS, PAUSE};
use super::error::may_pass;
use super::http::chain;
use super::{Hub, HubError, Repo, RepoKind, Snapshot};

/// The largest JSON answer that is read; listings of the largest datasets stay below.
const LARGEST_ANSWER: usize = 64 << 20;

#[derive(Deserialize)]
struct Revision {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// What the hub says of a file before it is downloaded.
pub(super) struct Meta {
    pub(super) etag: String,
    pub(super) size: Option<u64>,
}

pub(super) async fn resolve(hub: &Hub, repo: &Repo, revision: &str) -> Result<Snapshot, HubError> {
    let what = format!("{repo} at {revision}");
    let mut parts = vec!["api", repo.plural()];
    parts.extend(repo.id.split('/'));
    parts.extend(["revision", revision]);
    let url = address(&hub.settings.endpoint, &parts)?;
    let response = sent(with_token(hub, hub.clients.follow.get(url))).await;
    let response = response.map_err(|error| unreachable(&what, &error))?;
    let response = accepted(hub, repo, &what, response).await?;
    let body = bounded(response, LARGEST_ANSWER)
        .await
        .map_err(|why| HubError::Unreachable {
            what: what.clone(),
            why,
        })?;
    let answer = |why: String| HubError::Answer {
        what: what.clone(),
        why,
    };
    let parsed: Revision =
        serde_json::from_slice(&body).map_err(|error| answer(error.to_string()))?;
    if !is_commit(&parsed.sha) {
        return Err(answer(format!("`{}` is no commit", parsed.sha)));
    }
    let files: Vec<String> = parsed.siblings.into_iter().map(|s| s.rfilename).collect();
    for file in &files {
        check_name(file)?;
    }
    Ok(Snapshot {
        repo: repo.clone(),
        commit: parsed.sha,
        files,
        from_cache: None,
    })
}

/// The address of a file's content.
pub(super) fn content_address(hub: &Hub, snapshot: &Snapshot, name: &str) -> Result<Url, HubError> {
    let mut parts = Vec::new();
    if snapshot.repo.kind == RepoKind::Dataset {
        parts.push("datasets");
    }
    parts.extend(snapshot.repo.id.split('/'));
    parts.extend(["resolve", snapshot.commit.as_str()]);
    parts.extend(name.split('/'));
    address(&hub.settings.endpoint, &parts)
}

/// Hash and size of a file. Large ones answer with a redirect to where the content is; its own headers are those of a
/// store that knows neither, so the redirect is read and not followed, unless it only corrects the repository's name.
pub(super) async fn meta(hub: &Hub, snapshot: &Snapshot, name: &str) -> Result<Meta, HubError> {
    let what = format!("`{name}` of {}", snapshot.repo);
    let mut url = content_address(hub, snapshot, name)?;
    for _ in 0..5 {
        let request = with_token(hub, hub.clients.stay.head(url.clone()));
        let response = sent(request)
            .await
            .map_err(|error| unreachable(&what, &error))?;
        let headers = response.headers();
        let linked = text(headers, "x-linked-etag");
        let status = response.status();
        if status.is_redirection() && linked.is_none() {
            let next = headers
                .get(LOCATION)
                .and_then(|l| l.to_str().ok())
                .and_then(|l| url.join(l).ok());
            if let Some(next) = next.filter(|next| next.origin() == url.origin()) {
                url = next;
                continue;
            }
        }
        if !status.is_success() && !status.is_redirection() {
            accepted(hub, &snapshot.repo, &what, response).await?;
            break;
        }
        let etag = linked
            .or_else(|| text(headers, "etag"))
            .map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
        let fits = |etag: &String| {
            !etag.is_empty()
                && etag.len() <= 128
                && etag
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let size = text(headers, "x-linked-size")
            .or_else(|| text(headers, "content-length").filter(|_| status.is_success()))
            .and_then(|size| size.parse().ok());
        return match etag.filter(fits) {
            Some(etag) => Ok(Meta { etag, size }),
            None => Err(HubError::Answer {
                what,
                why: "there is no usable etag".to_owned(),
            }),
        };
    }
    Err(HubError::Answer {
        what,
        why: "it redirects in a circle".to_owned(),
    })
}

/// Send a question, again while the answer is that it may be answered in a moment: as often as content is asked for.
async fn sent(request: RequestBuilder) -> reqwest::Result<Response> {
    for failures in 0..ATTEMPTS - 1 {
        let Some(again) = request.try_clone() else {
            break;
        };
        let response = again.send().await?;
        if !may_pass(response.status().as_u16()) {
            return Ok(response);
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(failures)).await;
    }
    request.send().await
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn address(endpoint: &str, parts: &[&str]) -> Result<Url, HubError> {
    let bad = |why: &str| HubError::Setup(format!("HF_ENDPOINT `{endpoint}`: {why}"));
    let mut url = Url::parse(endpoint).map_err(|error| bad(&error.to_string()))?;
    url.path_segments_mut()
        .map_err(|()| bad("not a web address"))?
        .pop_if_empty()
        .extend(parts);
    Ok(url)
}

pub(super) fn with_token(hub: &Hub, request: RequestBuilder) -> RequestBuilder {
    match &hub.settings.token {
        Some(token) => request.bearer_auth(token.expose()),
        None => request,
    }
}

pub(super) fn unreachable(what: &str, error: &reqwest::Error) -> HubError {
    HubError::Unreachable {
        what: what.to_owned(),
        why: chain(error),
    }
}

/// The answer, or what its status means.
pub(super) async fn accepted(
    hub: &Hub,
    repo: &Repo,
    what: &str,
    response: Response,
) -> Result<Response, HubError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let what = what.to_owned();
    let code = text(response.headers(), "x-error-code").unwrap_or_default();
    let said = text(response.headers(), "x-error-message").unwrap_or_default();
    if code == "GatedRepo" || (status == StatusCode::FORBIDDEN && said.contains("gated")) {
        let folder = if repo.kind == RepoKind::Dataset {
            "datasets/"
        } else {
            ""
        };
        let page = format!("{}/{folder}{}", hub.settings.endpoint, repo.id);
        return Err(HubError::Gated { what, page });
    }
    Err(match status {
        StatusCode::UNAUTHORIZED => HubError::Token { what },
        StatusCode::FORBIDDEN => HubError::Forbidden { what },
        StatusCode::NOT_FOUND => HubError::NotFound { what },
        _ => {
            let body = bounded(response, 2000).await.unwrap_or_default();
            let body = String::from_utf8_lossy(&body);
            let message = if said.is_empty() { body.trim() } else { &said };
            HubError::Status {
                what,
                status: status.as_u16(),
                message: message.chars().take(300).collect(),
            }
        }
    })
}

/// A body of at most `most` bytes.
async fn bounded(response: Response, most: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| chain(&error))?;
        if body.len() + piece.len() > most {
            return Err(format!("the answer is longer than {most} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
