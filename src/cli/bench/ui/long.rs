//! An hour's events, fed as fast as they are taken: memory and the time of a frame, tenth by tenth.

use std::io;
use std::time::{Duration, Instant};

use super::Bench;
use super::drive::{self, memory};
use super::stream::{Live, Speed};
use super::table::{Goal, at_most};

/// No longer than this, whatever is left.
const MOST: Duration = Duration::from_secs(2400);

/// Feed so many events, and look all the while.
pub(super) fn measure(bench: &mut Bench, events: u64) -> io::Result<()> {
    let mut live = Live::begin(&bench.workload)?;
    let store = bench.workload.store()?;
    let terminal = bench.ours(&[live.id.as_str()], store.root())?;
    drive::until_shown(&terminal, "▌Transcript")?;
    let pid = terminal
        .pid()
        .ok_or_else(|| io::Error::other("it has no process"))?;
    let began = Instant::now();
    let flow = live.flow(Speed::AsTaken(pid), events)?;
    // Memory at the end of each tenth.
    let mut tenths: Vec<f64> = Vec::new();
    while !flow.is_over() {
        let tenth =
            usize::try_from(flow.written() * 10 / events.max(1)).map_or(9, |tenth| tenth.min(9));
        bench.focus(&terminal, &frame(tenth), Goal::None, 2)?;
        let now = memory(&terminal);
        match tenths.get_mut(tenth) {
            Some(last) => *last = now,
            None => tenths.resize(tenth + 1, now),
        }
        if began.elapsed() > MOST {
            bench
                .table
                .say(format!("long run: stopped after {} s", MOST.as_secs()));
            break;
        }
    }
    let written = flow.stop()?;
    let rate = written as f64 / began.elapsed().as_secs_f64();
    bench
        .table
        .say(format!("long run: {written} events, {rate:.0} a second"));
    let each: Vec<String> = tenths.iter().map(|value| format!("{value:.1}")).collect();
    bench.table.say(format!(
        "long run: memory in MB after each tenth: {}",
        each.join(" ")
    ));
    let (Some(second), Some(last)) = (tenths.get(1), tenths.last()) else {
        return Ok(());
    };
    bench.table.note(
        "long run: memory gained from the second tenth to the last",
        "MB",
        Goal::Most(1.0),
        last - second,
    );
    bench
        .table
        .note("long run: memory at its end", "MB", Goal::None, *last);
    let middle = |tenth| at_most(bench.table.values(&frame(tenth)), 0.5);
    if let (Some(second), Some(last)) = (middle(1), middle(tenths.len() - 1)) {
        bench.table.note(
            "long run: key → frame, last tenth over the second (p50)",
            "×",
            Goal::Most(1.5),
            last / second,
        );
    }
    Ok(())
}

fn frame(tenth: usize) -> String {
    format!("long run, tenth {}: key → frame", tenth + 1)
}
