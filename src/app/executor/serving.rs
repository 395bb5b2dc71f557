//! A local model served from within the workbench: the server of `spotter serve`, on the loopback address only.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::engines::identity;
use super::{Shared, fetching};
use crate::app::engines::Served;
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::batch::supply::{Fetching, Telling};
use crate::engine::Engine;
use crate::model::local;
use crate::model::spec::ModelSpec;
use crate::serve::{Limits, Options, Server};
use crate::text::secret::Secret;

/// Where `spotter serve` listens, too.
const PORT: u16 = 8000;

/// Open the model, or share it with the attempts that use it, and serve until `stop` fires.
pub(super) async fn serve(shared: Arc<Shared>, model: String, stop: CancellationToken) {
    let telling = fetching::telling(&shared);
    let bound = tokio::select! {
        biased;
        () = stop.cancelled() => {
            // Whoever fetched is let go of and tells nothing more.
            telling(Fetching::Over);
            let _ = shared.news.send(News::Serving { served: None }).await;
            let text = "the model is not served: that was ended before it was open";
            return shared.say(Weight::Info, text).await;
        }
        bound = bound(&telling, &model) => bound,
    };
    let (server, beside, engine) = match bound {
        Ok(bound) => bound,
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
        served: Some(Served {
            engine,
            name,
            address,
        }),
    };
    let _ = shared.news.send(news).await;
    shared.say(Weight::Info, text).await;
    let finished = server.run(stop).await;
    drop(beside);
    let _ = shared.news.send(News::Serving { served: None }).await;
    let text = if finished {
        "the model is served no more"
    } else {
        "the model is served no more; replies that took too long were cut off"
    };
    shared.say(Weight::Info, text).await;
}

/// An adapter under a name that requests may give, as long as this lives.
struct Beside {
    engine: Arc<Engine>,
    name: String,
    /// Tells it from one that was loaded under its name later.
    key: u64,
}

impl Beside {
    async fn load(engine: &Arc<Engine>, folder: PathBuf) -> Result<Self, String> {
        let name = folder.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        if name == engine.name() {
            return Err(format!(
                "{}: the adapter's folder is called like its model, and requests could not tell them apart; rename it",
                folder.display()
            ));
        }
        let (to, under) = (Arc::clone(engine), name.clone());
        let loaded = move || to.load_adapter(&under, &folder);
        let loaded = tokio::task::spawn_blocking(loaded).await;
        loaded
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        Ok(Self {
            engine: Arc::clone(engine),
            key: engine.adapter(&name).map_or(0, |adapter| adapter.key()),
            name,
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let there = self.engine.adapter(&self.name);
        if there.is_some_and(|adapter| adapter.key() == self.key) {
            self.engine.unload_adapter(&self.name);
        }
    }
}

/// The server, the adapter beside its model, and which engine it asks.
async fn bound(telling: &Telling, model: &str) -> Result<(Server, Option<Beside>, usize), String> {
    let spec: ModelSpec = model
        .parse()
        .map_err(|error: crate::model::ModelError| error.to_string())?;
    let spec = spec.absolute().map_err(|error| error.to_string())?;
    let weights = spec.weights(&|news| telling(Fetching::File(news))).await;
    telling(Fetching::Over);
    let weights = weights.map_err(|error| error.to_string())?;
    let engine = local::engine(&weights, spec.precision()).await;
    let engine = engine.map_err(|error| error.to_string())?;
    // By its folder's name.
    let beside = match spec.adapter() {
        Some(folder) => Some(Beside::load(&engine, folder.to_owned()).await?),
        None => None,
    };
    let options = |port| Options {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        key: std::env::var("SPOTTER_SERVE_KEY")
            .ok()
            .as_deref()
            .and_then(Secret::new),
        name: None,
        limits: Limits::default(),
    };
    let id = identity(&engine);
    let server = match Server::bind(Arc::clone(&engine), options(PORT)).await {
        Ok(server) => server,
        // Somebody else has it: any free one will do, and is said.
        Err(_) => Server::bind(engine, options(0))
            .await
            .map_err(|error| error.to_string())?,
    };
    Ok((server, beside, id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::effect::Effect;
    use crate::app::executor::{Executor, Folders, WAITING};
    use crate::app::news::News;
    use crate::trajectory::Store;

    #[tokio::test]
    async fn a_model_that_is_no_longer_wanted_before_it_is_open_is_not_served() {
        let keep = tempfile::tempdir().unwrap();
        let store = Store::open(keep.path()).unwrap();
        let (sender, mut news) = tokio::sync::mpsc::channel(WAITING);
        let settings = crate::config::Settings::default();
        let mut executor = Executor::new(store, settings, Folders::default(), sender);
        let model = "policy".to_owned();
        executor.carry_out(Effect::Serve { model });
        executor.carry_out(Effect::EndServing);
        let mut told = Vec::new();
        while told.len() < 2 {
            let next = tokio::time::timeout(Duration::from_secs(60), news.recv()).await;
            match next.unwrap().unwrap() {
                News::Serving { served } => told.push(format!("{served:?}")),
                News::Message { text, .. } => told.push(text),
                _ => {}
            }
        }
        assert_eq!(told[0], "None");
        assert!(told[1].contains("ended before it was open"), "{told:?}");
    }
}
