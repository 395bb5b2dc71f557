//! Many rollouts: what is to be attempted, made into jobs, and the floor on which they run.
//!
//! ```text
//! Order::jobs (new) ─┐
//! again::resume     ─┼─▶ Job ─▶ Floor: so many at a time ─▶ News, one bounded channel
//! again::branch     ─┤              └─ remote(id), a control socket for each
//! again::reexecute  ─┘
//! ```
//!
//! This is what a command line and a screen both call. Nothing here prints: warnings are values, downloads tell a
//! callback, errors say whether the order was wrong or something failed.

pub mod again;
pub mod as_of;
pub mod check;
pub mod checks;
pub mod choose;
pub mod floor;
mod models;
pub mod news;
pub mod order;
pub mod proposal;
pub mod supply;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use floor::{Came, Floor, Going, Job};
pub use news::{JobNumber, News, WAITING_NEWS};
pub use order::{LimitWishes, Order, OrderError, Prepared, Which};

/// Run jobs on a floor of their own, `at_once` at a time. Results come in the order in which they end.
pub async fn run(
    jobs: Vec<Job>,
    at_once: usize,
    abandon: &CancellationToken,
    news: mpsc::Sender<News>,
) -> Vec<Came> {
    let floor = Floor::new(at_once.max(1), news);
    let mut going: FuturesUnordered<_> =
        jobs.into_iter().map(|job| floor.add(job).over()).collect();
    let mut came = Vec::new();
    loop {
        tokio::select! {
            over = going.next() => match over {
                Some(over) => came.extend(over),
                None => return came,
            },
            () = abandon.cancelled(), if !floor.is_abandoned() => floor.abandon(),
        }
    }
}
