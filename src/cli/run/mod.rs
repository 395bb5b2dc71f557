//! `spotter run`: let an agent attempt tasks, and grade what it did.
//!
//! New rollouts, a resumed one and a branch are the same from here on: attempts that are handed to the batch, whose news
//! are printed as a plain stream or as JSON.

mod args;
mod tally;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use args::Args;

use super::board::Board;
use super::stream::Stream;
use super::{Failure, INTERRUPTED, NOT_RESOLVED, ink, place, progress};
use crate::batch::{self, Came, News, Order, Prepared, again};
use crate::grade::Verdict;
use crate::rollout::{RolloutError, leftovers};
use crate::text::safe::visible;
use crate::trajectory::RolloutId;
use crate::trajectory::event::{Event, Record};
use crate::trajectory::fold::State;

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let store = args.store.open(&settings)?;
    args.models.share();
    tell_swept(&leftovers::sweep(&store).await);
    let telling = progress::telling();
    let prepared = if let Some(name) = &args.resume {
        let id = store.find(name).map_err(Failure::error)?;
        let records = store.read(&id).map_err(Failure::error)?;
        let state = State::of(&records);
        if state.is_settled() {
            return Ok(tell_settled(&id, records, &state, args.json));
        }
        again::resume(&store, &id, &args.limits(), args.step, &telling).await?
    } else if let Some(text) = &args.branch {
        let (name, step) = Args::branch_point(text)?;
        let id = store.find(name).map_err(Failure::error)?;
        let (say, limits) = (args.say.clone(), args.limits());
        again::branch(&store, &id, step, say, &limits, args.step, &telling).await?
    } else {
        args.order(&settings)?.jobs(&store, &telling).await?
    };
    let at_once = args.jobs.or(settings.jobs).unwrap_or(1);
    let came = drive(prepared, at_once, args.json).await?;
    Ok(ExitCode::from(sum_up(&came, args.json)))
}

/// What the program does when it is started with nothing to do.
pub(crate) async fn show_itself() -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let store = place::StoreArgs {
        store: std::env::var_os("SPOTTER_STORE").map(Into::into),
    }
    .open(&settings)?;
    tell_swept(&leftovers::sweep(&store).await);
    ink::print(
        "This is spotter showing itself: the bundled policy, a very small model computed on\n\
         this machine, attempts a task that it has never seen, in the local sandbox.",
    );
    ink::print("Next: `spotter tasks list --tasks gym`, `spotter run --help`, `spotter doctor`.\n");
    let prepared = Order::demo().jobs(&store, &progress::telling()).await?;
    let came = drive(prepared, 1, false).await?;
    Ok(ExitCode::from(sum_up(&came, false)))
}

pub(super) fn tell_swept(swept: &leftovers::Swept) {
    if swept.rollouts + swept.containers > 0 {
        ink::complain(&format!(
            "removed what an interrupted spotter left behind: layers of {} rollouts, {} containers",
            swept.rollouts, swept.containers
        ));
    }
}

/// Say how a rollout that is over came out; nothing is opened or asked for it.
fn tell_settled(id: &RolloutId, records: Vec<Record>, state: &State, json: bool) -> ExitCode {
    let mut stream = Stream::new(json, false);
    let last = |what: fn(&Event) -> bool| records.iter().rposition(|record| what(&record.event));
    let told = [
        last(|event| matches!(event, Event::Ended { .. })),
        last(|event| {
            matches!(
                event,
                Event::Graded { step: None, .. } | Event::NotGraded { step: None, .. }
            )
        }),
    ];
    for (_, record) in (0..)
        .zip(records)
        .filter(|(at, _)| told.contains(&Some(*at)))
    {
        stream.tell(&News::Record {
            id: id.clone(),
            record: Box::new(record),
        });
    }
    ExitCode::from(code_of(state))
}

fn code_of(state: &State) -> u8 {
    if state.verdict == Some(Verdict::Resolved) {
        0
    } else {
        NOT_RESOLVED
    }
}

/// Run rollouts and print what happens, and what went wrong.
pub(super) async fn drive(
    prepared: Prepared,
    at_once: usize,
    json: bool,
) -> Result<Vec<Came>, Failure> {
    let Prepared { jobs, warnings } = prepared;
    place::warn(&warnings);
    let abandon = CancellationToken::new();
    let (sender, mut receiver) = mpsc::channel(batch::WAITING_NEWS);
    let many = jobs.len() > 1;
    let on_board =
        many && !json && std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    let printing = if on_board {
        tokio::spawn(show_on(Board::new(jobs.len()), receiver))
    } else {
        let mut stream = Stream::new(json, many);
        tokio::spawn(async move {
            while let Some(news) = receiver.recv().await {
                stream.tell(&news);
            }
        })
    };
    let on_signal = abandon.clone();
    let signals = tokio::spawn(async move {
        if interrupted().await.is_ok() {
            on_signal.cancel();
        }
    });
    let came = batch::run(jobs, at_once, &abandon, sender).await;
    signals.abort();
    let _ = printing.await;
    for error in came.iter().filter_map(|one| one.result.as_ref().err()) {
        ink::complain(&visible(&error.to_string()));
    }
    Ok(came)
}

/// Keep the board up to date; its clock goes on when there are no news.
async fn show_on(mut board: Board, mut news: mpsc::Receiver<News>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            news = news.recv() => match news {
                Some(news) => board.tell(&news),
                None => return,
            },
            _ = second.tick() => board.tick(),
        }
    }
}

/// Ctrl-C, or the terminal or system asking to end.
async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

/// The exit status of a rollout that could not be carried to its end.
pub(super) fn code_of_error(error: &RolloutError) -> u8 {
    match error {
        RolloutError::Abandoned(_) | RolloutError::NotBegun(_) => INTERRUPTED,
        _ => 1,
    }
}

fn sum_up(came: &[Came], json: bool) -> u8 {
    let mut code = 0;
    for one in came {
        match &one.result {
            Ok(state) => code = code.max(code_of(state)),
            Err(error) => {
                code = match code_of_error(error) {
                    INTERRUPTED => INTERRUPTED,
                    other => code.max(other),
                };
            }
        }
    }
    if came.len() > 1 && !json {
        let results = came.iter().map(|one| {
            let resolved = match &one.result {
                Ok(state) => Some(state.verdict == Some(Verdict::Resolved)),
                Err(error) if code_of_error(error) == INTERRUPTED => None,
                Err(_) => Some(false),
            };
            (one.name.as_str(), resolved)
        });
        for line in tally::lines(results) {
            ink::print(&line);
        }
    }
    code
}
