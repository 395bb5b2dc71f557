//! An hour's events, fed as fast as they are taken: memory and the time of a frame, tenth by tenth.

use std::io;
use std::time::{Duration, Instant};

use super::Bench;
use super::drive::{self, memory};
use super::hour::{self, last_line};
use super::stream::{Live, Speed};
use super::table::{Goal, at_most};

/// No longer than this, whatever is left.
const MOST: Duration = Duration::from_secs(2400);

/// Events before anything is measured.
const PAGE: u64 = 2 * hour::STEP;

const REST: &str = "long run: key → frame at rest before it";
const AFTER: &str = "long run: key → frame at rest after it";

/// Feed so many events, and look all the while.
pub(super) fn measure(bench: &mut Bench, events: u64) -> io::Result<()> {
    // Whole steps: the last one's last line is what is waited for.
    let events = events.next_multiple_of(hour::STEP);
    let mut live = Live::begin(&bench.workload)?;
    let store = bench.workload.store()?;
    let terminal = bench.ours(&[live.id.as_str()], store.root())?;
    drive::until_shown(&terminal, "▌Transcript")?;
    let pid = terminal
        .pid()
        .ok_or_else(|| io::Error::other("it has no process"))?;
    drive::quiet(&terminal);
    let descriptor = live.descriptor(pid)?;
    // A page that is full, as it is later: a frame of little text costs less.
    let page = live.flow(Speed::AsTaken(pid, descriptor), PAGE)?;
    while !page.is_over() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = page.stop()?;
    drive::until_shown(&terminal, &last_line(before))?;
    drive::quiet(&terminal);
    // At rest, before it and after it: in between, what is waited for is the flood.
    bench.focus(&terminal, REST, Goal::None, 40)?;
    let began = Instant::now();
    let flow = live.flow(Speed::AsTaken(pid, descriptor), events)?;
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
    drive::until_shown(&terminal, &last_line(before + written))?;
    let rate = written as f64 / began.elapsed().as_secs_f64();
    bench.table.say(format!(
        "long run: {written} events, {rate:.0} a second, the last of them on the screen"
    ));
    drive::quiet(&terminal);
    if let Some(last) = tenths.last_mut() {
        *last = memory(&terminal);
    }
    bench.focus(&terminal, AFTER, Goal::None, 40)?;
    let each: Vec<String> = tenths.iter().map(|value| format!("{value:.1}")).collect();
    bench.table.say(format!(
        "long run: memory in MB after each tenth: {}",
        each.join(" ")
    ));
    let (Some(second), Some(last)) = (tenths.get(1), tenths.last()) else {
        return Ok(());
    };
    // What an hour at two thousand a second gains, of which this is so many minutes.
    let minutes = written as f64 / (2000.0 * 60.0) * (tenths.len() as f64 - 2.0) / 10.0;
    bench.table.note(
        "long run: memory gained for a minute at 2,000/s, after the second tenth",
        "MB",
        Goal::Most(1.0),
        (last - second) / minutes.max(0.1),
    );
    bench
        .table
        .note("long run: memory at its end", "MB", Goal::None, *last);
    let third = |tenths: std::ops::Range<usize>| {
        let values: Vec<f64> = tenths
            .flat_map(|tenth| bench.table.values(&frame(tenth)).to_vec())
            .collect();
        at_most(&values, 0.5)
    };
    let rest = |what| at_most(bench.table.values(what), 0.5);
    for (what, first, last) in [
        (
            "long run: key → frame, last three tenths over the first three (p50)",
            third(0..3),
            third(7..10),
        ),
        (
            "long run: key → frame at rest, after it over before it (p50)",
            rest(REST),
            rest(AFTER),
        ),
    ] {
        if let (Some(first), Some(last)) = (first, last) {
            bench
                .table
                .note(what, "×", Goal::Most(1.5), last / first.max(0.01));
        }
    }
    Ok(())
}

fn frame(tenth: usize) -> String {
    format!("long run, tenth {}: key → frame", tenth + 1)
}
