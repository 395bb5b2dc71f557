//! The socket: connections come, are served, and are let finish when the server is told to end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patience::Patient;
use super::{House, Options, routes};
use crate::engine::Engine;

/// A server that is bound and not yet running.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    house: Arc<House>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Take the address.
    ///
    /// # Errors
    /// Where it cannot be had: somebody else has it, or it is not this machine's.
    pub async fn bind(engine: Arc<Engine>, options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let closing = CancellationToken::new();
        Ok(Self {
            listener,
            address,
            house: Arc::new(House::new(engine, options, closing.clone())),
            closing,
            tasks: TaskTracker::new(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name that requests must give for the model.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.house.name
    }

    /// Connections that are open, to be looked at from outside while it runs.
    #[must_use]
    pub fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Serve until `stop` fires; then take nothing new, let what is being answered finish for as long as the limits say,
    /// and end. True where everything finished.
    pub async fn run(self, stop: CancellationToken) -> bool {
        let room = Arc::new(Semaphore::new(self.house.limits.connections.max(1)));
        // Dropped at the end: whatever is still open then is cut off.
        let cut = CancellationToken::new();
        let _cut_at_the_end = cut.clone().drop_guard();
        loop {
            let place = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                place = Arc::clone(&room).acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            let socket = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((socket, _)) = socket else {
                // Out of descriptors, or the client has gone again: neither ends the server.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                continue;
            };
            let served = connection(socket, Arc::clone(&self.house), cut.clone(), place);
            self.tasks.spawn(served);
        }
        self.closing.cancel();
        self.tasks.close();
        drop(self.listener);
        let drain = self.house.limits.drain;
        tokio::time::timeout(drain, self.tasks.wait()).await.is_ok()
    }
}

async fn connection(
    socket: TcpStream,
    house: Arc<House>,
    cut: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    // Tokens are small: each is sent when it comes.
    let _ = socket.set_nodelay(true);
    let closing = house.closing.clone();
    let socket = TokioIo::new(Patient::new(socket, house.limits.stalled));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(house.limits.head)
        .max_headers(64)
        .max_buf_size(64 << 10);
    let service = service_fn(move |request| {
        let house = Arc::clone(&house);
        async move { Ok::<_, Infallible>(routes::answer(&house, request).await) }
    });
    let serving = http.serve_connection(socket, service);
    tokio::pin!(serving);
    // An error here is a client that went away or does not speak HTTP: nothing to tell anybody.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = cut.cancelled() => return,
        () = closing.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = serving.as_mut() => {}
        () = cut.cancelled() => {}
    }
}
