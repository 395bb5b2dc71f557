//! `spotter serve` as a client sees it, over real sockets, with a model small enough for a test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::items_after_statements,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::large_futures,
    reason = "a test that cannot go on should say where"
)]

mod calls;
mod client;
mod endings;
mod malformed;
mod protocol;
mod storm;
#[path = "../tiny_model/mod.rs"]
mod tiny_model;
mod workbench;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use spotter::engine::{Engine, Wishes};
use spotter::serve::{Limits, Options, Server};
use spotter::text::secret::Secret;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server that runs.
pub(crate) struct Served {
    pub(crate) at: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) running: JoinHandle<bool>,
    _folder: tempfile::TempDir,
}

pub(crate) fn engine(folder: &std::path::Path, wishes: &Wishes) -> Arc<Engine> {
    let path = folder.join("tiny");
    tiny_model::put(&path);
    Arc::new(Engine::open(&path, wishes).unwrap())
}

impl Served {
    pub(crate) async fn with(limits: Limits, key: Option<&str>, wishes: Wishes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path(), &wishes);
        Self::of(engine, folder, limits, key).await
    }

    pub(crate) async fn of(
        engine: Arc<Engine>,
        folder: tempfile::TempDir,
        limits: Limits,
        key: Option<&str>,
    ) -> Self {
        let options = Options {
            address: "127.0.0.1:0".parse().unwrap(),
            key: key.and_then(Secret::new),
            name: None,
            limits,
        };
        let server = Server::bind(Arc::clone(&engine), options).await.unwrap();
        let stop = CancellationToken::new();
        Self {
            at: server.address(),
            engine,
            stop: stop.clone(),
            tasks: server.tasks(),
            running: tokio::spawn(server.run(stop)),
            _folder: folder,
        }
    }

    pub(crate) async fn new() -> Self {
        Self::with(Limits::default(), None, few_threads()).await
    }

    /// Until nothing is served any more, no page is held and no connection is open.
    pub(crate) async fn is_at_rest(&self) {
        let mut last = None;
        for _ in 0..2_000 {
            let load = self.engine.load().await;
            let connections = self.tasks.len();
            if (load.streams, load.waiting, load.pages.held, connections) == (0, 0, 0, 0) {
                return;
            }
            last = Some((load, connections));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("still at work: {last:?}");
    }
}

/// Tests run side by side.
pub(crate) fn few_threads() -> Wishes {
    Wishes {
        threads: Some(1),
        ..Wishes::default()
    }
}
