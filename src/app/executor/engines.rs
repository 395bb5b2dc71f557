//! A look at the models that are computed in this process.

use std::sync::Arc;

use super::Shared;
use crate::app::engines::Look;
use crate::app::news::News;
use crate::model::local;

/// Ask each engine; it answers between two of its steps.
pub(super) async fn look(shared: Arc<Shared>) {
    let mut looks = Vec::new();
    for engine in local::opened() {
        let (load, streams) = engine.look().await;
        looks.push(Look {
            name: engine.name().to_owned(),
            sentence: engine.sentence(),
            context: engine.context(),
            load,
            streams,
        });
    }
    let _ = shared.news.send(News::Engines { looks }).await;
}
