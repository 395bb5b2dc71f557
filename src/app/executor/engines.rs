//! A look at the models that are computed in this process.

use std::sync::Arc;

use super::Shared;
use crate::app::engines::Look;
use crate::app::news::News;
use crate::engine::Engine;
use crate::model::local;

/// Tells an engine from all others that are open.
pub(super) fn identity(engine: &Arc<Engine>) -> usize {
    Arc::as_ptr(engine).addr()
}

/// Ask each engine; it answers between two of its steps.
pub(super) async fn look(shared: Arc<Shared>) {
    let opened = local::opened();
    let opening = opened.is_none();
    // Together: a slow step of one does not hold up the others.
    let looks = opened
        .unwrap_or_default()
        .into_iter()
        .map(|engine| async move {
            let (load, streams) = engine.look().await;
            Look {
                id: identity(&engine),
                name: engine.name().to_owned(),
                sentence: engine.sentence(),
                context: engine.context(),
                load,
                streams,
            }
        });
    let looks = futures_util::future::join_all(looks).await;
    let news = News::Engines {
        looks,
        opening,
        coming: shared.coming.now(),
    };
    let _ = shared.news.send(news).await;
}
