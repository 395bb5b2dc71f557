//! Which request goes where, and what holds for all of them: the key, the size of the body, the counting.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::fields::Fields;
use super::refusal::Refusal;
use super::{Answer, House, chat, completions};
use crate::engine::adapter::Adapter;

/// Answer a request, whatever it is.
pub(super) async fn answer(house: &Arc<House>, request: Request<Incoming>) -> Answer {
    let route = route(request.uri().path());
    let answer = Box::pin(answered(house, route, request)).await;
    let mut answer = answer.unwrap_or_else(|refusal| refusal.answer());
    house.metrics.answered(route, answer.status().as_u16());
    let nosniff = HeaderName::from_static("x-content-type-options");
    answer
        .headers_mut()
        .insert(nosniff, HeaderValue::from_static("nosniff"));
    answer
}

/// The route's name, for the counters too: a bounded set.
fn route(path: &str) -> &'static str {
    match path {
        "/v1/models" => "models",
        "/v1/chat/completions" => "chat",
        "/v1/completions" => "completions",
        "/health" => "health",
        "/metrics" => "metrics",
        path if path.starts_with("/v1/models/") => "model",
        _ => "unknown",
    }
}

async fn answered(
    house: &Arc<House>,
    route: &'static str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    if route != "health" {
        allowed(house, request.headers())?;
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let wanted = match route {
        "unknown" => {
            let status = StatusCode::NOT_FOUND;
            return Err(Refusal::address(status, head.method.as_str(), path));
        }
        "chat" | "completions" => Method::POST,
        _ => Method::GET,
    };
    if head.method != wanted {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Refusal::address(status, head.method.as_str(), path));
    }
    match route {
        "health" => Ok(health(house)),
        "metrics" => Ok(metrics(house).await),
        "models" => Ok(super::json(StatusCode::OK, &models(house))),
        "model" => {
            // A client that follows the rules asks for `org%2Fname`.
            let name = path.strip_prefix("/v1/models/").unwrap_or_default();
            let name = decoded(name);
            let all = models(house);
            let mut found = all["data"].as_array().into_iter().flatten();
            let found = found.find(|model| model["id"] == name.as_str());
            found
                .map(|model| super::json(StatusCode::OK, model))
                .ok_or_else(|| Refusal::model(&name, &names(house)))
        }
        _ => {
            if house.closing.is_cancelled() {
                return Err(Refusal::closing());
            }
            let asked = read(house, body).await?;
            match route {
                "chat" => chat::answer(house, &asked).await,
                _ => completions::answer(house, &asked).await,
            }
        }
    }
}

/// A part of an address without its percent signs, where these stand for bytes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code = code.filter(|code| code.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = after.get(byte.map_or(0, |_| 2)..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The key is compared by its hash, so that how long that takes tells nothing of it.
fn allowed(house: &House, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(key) = &house.key else {
        return Ok(());
    };
    let given = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let same = given.is_some_and(|given| Sha256::digest(given) == Sha256::digest(key.expose()));
    if same { Ok(()) } else { Err(Refusal::key()) }
}

/// The body as JSON.
async fn read(house: &House, body: Incoming) -> Result<Value, Refusal> {
    let limits = &house.limits;
    let whole = Limited::new(body, limits.body).collect();
    let bytes = match tokio::time::timeout(limits.body_time, whole).await {
        Err(_elapsed) => return Err(Refusal::slow(limits.body_time.as_secs())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Refusal::too_large(limits.body));
        }
        Ok(Err(error)) => return Err(Refusal::wrong(format!("The body broke off: {error}"))),
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::wrong(format!("The body is not valid JSON: {error}")))
}

fn health(house: &House) -> Answer {
    if house.closing.is_cancelled() {
        let body = json!({"status": "closing"});
        return super::json(StatusCode::SERVICE_UNAVAILABLE, &body);
    }
    super::json(StatusCode::OK, &json!({"status": "ok"}))
}

async fn metrics(house: &House) -> Answer {
    let load = house.engine.load().await;
    let (running, waiting) = (house.admission.running(), house.admission.waiting());
    let text = house.metrics.text(&load, running, waiting);
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Names that a request may give for the model.
pub(super) fn names(house: &House) -> Vec<String> {
    let mut names = house.engine.adapters();
    names.insert(0, house.name.clone());
    names
}

/// The model that a request names: the base, or one of its adapters.
pub(super) fn model(
    house: &House,
    fields: Fields<'_>,
) -> Result<(String, Option<Arc<Adapter>>), Refusal> {
    let name = fields.needed_text("model")?;
    if name == house.name {
        return Ok((name.to_owned(), None));
    }
    match house.engine.adapter(name) {
        Some(adapter) => Ok((name.to_owned(), Some(adapter))),
        None => Err(Refusal::model(name, &names(house))),
    }
}

fn models(house: &House) -> Value {
    let context = house.engine.context();
    let model = |id: String| {
        // As vLLM says what is an adapter of what.
        let parent = (id != house.name).then_some(&house.name);
        json!({
            "id": id, "object": "model", "created": house.started, "owned_by": "spotter",
            "max_model_len": context, "parent": parent,
        })
    };
    let data: Vec<Value> = names(house).into_iter().map(model).collect();
    json!({"object": "list", "data": data})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_addresses_are_read_as_clients_write_them() {
        for (written, name) in [
            ("org%2Fname", "org/name"),
            ("org%2fname", "org/name"),
            ("org/name", "org/name"),
            ("%C3%A4", "\u{e4}"),
            ("50%", "50%"),
            ("50%2", "50%2"),
            ("%+1%zz", "%+1%zz"),
            ("%\u{e4}", "%\u{e4}"),
            ("%FF", "\u{fffd}"),
        ] {
            assert_eq!(decoded(written), name);
        }
    }
}
