//! What a server offers: `GET /models`.

use std::time::Duration;

use serde::Deserialize;

use super::{Failed, Server};
use crate::model::ModelError;

#[derive(Deserialize)]
struct List {
    data: Vec<Offered>,
}

/// One entry. Servers tell the context's length in fields of their own.
#[derive(Debug, Deserialize)]
pub(super) struct Offered {
    id: String,
    max_model_len: Option<u32>,
    context_length: Option<u32>,
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    n_ctx: Option<u32>,
    n_ctx_train: Option<u32>,
}

impl Offered {
    fn context(&self) -> Option<u32> {
        let meta = self.meta.as_ref();
        self.max_model_len
            .or(self.context_length)
            .or_else(|| meta.and_then(|meta| meta.n_ctx.or(meta.n_ctx_train)))
    }
}

/// A list is at hand or the server is not well; only replies take long.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn offered(server: &Server) -> Result<Vec<Offered>, ModelError> {
    let failed = |why: String| ModelError::Unavailable {
        server: server.base.to_string(),
        attempts: 1,
        last: why,
    };
    let ask = async {
        let response = server
            .send(server.request(reqwest::Method::GET, "models")?)
            .await?;
        let status = response.status().as_u16();
        let body = server.body(response, 4 << 20).await?;
        Ok::<_, Failed>((status, body))
    };
    let Ok(answer) = tokio::time::timeout(PATIENCE.min(server.idle), ask).await else {
        return Err(failed(format!(
            "it did not list its models within {} s",
            PATIENCE.min(server.idle).as_secs_f32()
        )));
    };
    match answer {
        Ok((200..300, body)) => {
            let list: List =
                serde_json::from_str(&body).map_err(|error| ModelError::Malformed {
                    server: server.base.to_string(),
                    message: format!("its list of models: {error}"),
                })?;
            Ok(list.data)
        }
        Ok((status @ (401 | 403), _)) => Err(ModelError::Auth {
            server: server.base.to_string(),
            status,
        }),
        Ok((404, _)) => Err(failed(
            "404: there is no /models here; the address usually ends in /v1".to_owned(),
        )),
        Ok((status, body)) => Err(failed(format!(
            "{status}: {}",
            super::refusal::message(&body)
        ))),
        Err(Failed::ForGood(error)) => Err(error),
        Err(Failed::Perhaps { why, .. }) => Err(failed(why)),
    }
}

pub(super) fn context_of(offered: &[Offered], name: &str) -> Option<u32> {
    offered.iter().find(|model| model.id == name)?.context()
}

/// The only model that the server has.
pub(super) fn only(
    server: &Server,
    mut offered: Vec<Offered>,
) -> Result<(String, Option<u32>), ModelError> {
    match (offered.len(), offered.pop()) {
        (1, Some(model)) => {
            let context = model.context();
            Ok((model.id, context))
        }
        (_, None) => Err(ModelError::Spec(format!("{} offers no model", server.base))),
        (_, Some(last)) => {
            offered.push(last);
            Err(ModelError::Spec(format!(
                "{} offers several models ({}); name one, as in {}#{}",
                server.base,
                names(&offered),
                server.base,
                offered.first().map_or("", |model| &model.id)
            )))
        }
    }
}

/// The error for a name that the server does not know, or for an address where no such server is.
pub(super) fn unknown(
    server: &Server,
    name: &str,
    offered: Result<Vec<Offered>, ModelError>,
    said: &str,
) -> ModelError {
    let base = server.base.to_string();
    match offered {
        Ok(offered) if offered.iter().any(|model| model.id == name) => ModelError::Refused {
            server: base,
            status: 404,
            message: said.to_owned(),
        },
        Ok(offered) => ModelError::UnknownModel {
            server: base,
            model: name.to_owned(),
            offered: names(&offered),
        },
        Err(_) => ModelError::Refused {
            server: base,
            status: 404,
            message: format!("{said}; the address usually ends in /v1"),
        },
    }
}

fn names(offered: &[Offered]) -> String {
    let names: Vec<&str> = offered
        .iter()
        .map(|model| model.id.as_str())
        .take(20)
        .collect();
    match offered.len() {
        0 => "nothing".to_owned(),
        n if n > names.len() => format!("{} and {} more", names.join(", "), n - names.len()),
        _ => names.join(", "),
    }
}
