//! A local model served from within the workbench: the server of `spotter serve`, on the loopback address only.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::app::engines::Served;
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::model::local;
use crate::model::spec::ModelSpec;
use crate::serve::{Limits, Options, Server};
use crate::text::secret::Secret;

/// Where `spotter serve` listens, too.
const PORT: u16 = 8000;

/// Open the model, or share it with the attempts that use it, and serve until `stop` fires.
pub(super) async fn serve(shared: Arc<Shared>, model: String, stop: CancellationToken) {
    let server = match bound(&model).await {
        Ok(server) => server,
        Err(why) => {
            let _ = shared.news.send(News::Serving { served: None }).await;
            return shared
                .say(Weight::Error, format!("cannot serve: {why}"))
                .await;
        }
    };
    let name = server.model().to_owned();
    let address = server.address().to_string();
    let text = format!("http://{address}/v1 serves `{name}` to programs of this machine");
    let news = News::Serving {
        served: Some(Served { name, address }),
    };
    let _ = shared.news.send(news).await;
    shared.say(Weight::Info, text).await;
    let finished = server.run(stop).await;
    let _ = shared.news.send(News::Serving { served: None }).await;
    let text = if finished {
        "the model is served no more"
    } else {
        "the model is served no more; replies that took too long were cut off"
    };
    shared.say(Weight::Info, text).await;
}

async fn bound(model: &str) -> Result<Server, String> {
    let spec: ModelSpec = model
        .parse()
        .map_err(|error: crate::model::ModelError| error.to_string())?;
    let weights = spec.weights(&|_, _, _| {}).await;
    let weights = weights.map_err(|error| error.to_string())?;
    let engine = local::engine(&weights, spec.precision()).await;
    let engine = engine.map_err(|error| error.to_string())?;
    if let Some(folder) = spec.adapter().map(Path::to_path_buf) {
        // Beside the model, by its folder's name.
        let name = folder.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let to = Arc::clone(&engine);
        let loaded = move || to.load_adapter(&name, &folder);
        let loaded = tokio::task::spawn_blocking(loaded).await;
        loaded
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
    }
    let options = |port| Options {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        key: std::env::var("SPOTTER_SERVE_KEY")
            .ok()
            .as_deref()
            .and_then(Secret::new),
        name: None,
        limits: Limits::default(),
    };
    match Server::bind(Arc::clone(&engine), options(PORT)).await {
        Ok(server) => Ok(server),
        // Somebody else has it: any free one will do, and is said.
        Err(_) => Server::bind(engine, options(0))
            .await
            .map_err(|error| error.to_string()),
    }
}
