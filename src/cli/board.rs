//! Many rollouts in a terminal: one line for each that runs, one that sums up, and a line above them for each that is
//! over. In a pipe, and for a single rollout, there is the [`super::stream`] instead.
//!
//! [`Tally`] counts and says what the lines are; [`Board`] puts them on the screen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::ink::{self, Ink};
use super::{stream, width};
use crate::batch::{JobNumber, News};
use crate::grade::{Verdict, report};
use crate::model::ModelKind;
use crate::text::safe::one_line;
use crate::trajectory::RolloutId;
use crate::trajectory::event::Event;

/// From so many finished ones on, a guess at the time left is worth something.
const ENOUGH: usize = 3;

/// A rollout that runs.
#[derive(Debug)]
struct Runs {
    name: String,
    id: RolloutId,
    began: Instant,
    step: u32,
    turns: u32,
    doing: String,
}

/// What news of many rollouts add up to.
#[derive(Debug, Default)]
struct Tally {
    /// Jobs that were there at first, and branches that came of them.
    total: usize,
    resolved: usize,
    unresolved: usize,
    /// Over in any other way: no verdict, or an error.
    other: usize,
    running: BTreeMap<JobNumber, Runs>,
    /// It was said that a recorded model acts.
    recorded: bool,
    /// Jobs that have begun: one that begins again does so as a branch.
    begun: std::collections::BTreeSet<JobNumber>,
}

impl Tally {
    /// Take news in; a line for what is over now.
    fn take(&mut self, news: &News, ink: Ink) -> Option<String> {
        match news {
            News::Begun { job, name, id, .. } => {
                if !self.begun.insert(*job) {
                    self.total += 1;
                }
                let runs = Runs {
                    name: one_line(name),
                    id: id.clone(),
                    began: Instant::now(),
                    step: 0,
                    turns: 0,
                    doing: "sandbox".into(),
                };
                self.running.insert(*job, runs);
                None
            }
            News::Record { id, record } => {
                let runs = self.running.values_mut().find(|runs| runs.id == *id)?;
                runs.take(&record.event);
                let recorded = matches!(
                    &record.event,
                    Event::Started(start) if start.model.kind == ModelKind::Recorded
                );
                (recorded && !std::mem::replace(&mut self.recorded, true))
                    .then(|| ink.attention(stream::RECORDED))
            }
            News::Over { job, name, id, how } => {
                let runs = self.running.remove(job);
                match how {
                    Ok(Some(Verdict::Resolved)) => self.resolved += 1,
                    Ok(Some(Verdict::Unresolved)) => self.unresolved += 1,
                    _ => self.other += 1,
                }
                Some(over(name, id.as_ref(), how, runs.as_ref(), ink))
            }
            News::Missed { id, why, .. } | News::NoSocket { id, why } => {
                Some(ink.attention(&format!("rollout {id}: {}", one_line(why))))
            }
        }
    }

    fn done(&self) -> usize {
        self.resolved + self.unresolved + self.other
    }

    /// The line that sums up.
    fn sum(&self, elapsed: Duration, ink: Ink) -> String {
        let waiting = self.total.saturating_sub(self.done() + self.running.len());
        let mut parts = vec![
            ink.good(&format!("✓ {}", self.resolved)),
            ink.bad(&format!("✗ {}", self.unresolved)),
            format!("! {}", self.other),
            ink.accent(&format!("▶ {}", self.running.len())),
            ink.dim(&format!("○ {waiting}")),
            clock(elapsed),
        ];
        let left = self.total.saturating_sub(self.done());
        if self.done() >= ENOUGH && left > 0 {
            let each = elapsed.as_secs_f64() / self.done() as f64;
            let guess = Duration::from_secs_f64(each * left as f64);
            parts.push(ink.dim(&format!("about {} left", clock(guess))));
        }
        parts.join("  ")
    }
}

impl Runs {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Started(start) => self.turns = start.limits.turns,
            Event::LimitsChanged { limits } => self.turns = limits.turns,
            Event::Asked { step, .. } => self.step = *step,
            Event::Action { step, call, .. } => {
                self.step = *step;
                let (sign, what) = stream::sign(call);
                self.doing = format!("{sign} {}", one_line(&what));
            }
            Event::Paused { paused: true, why } => self.doing = format!("‖ {}", one_line(why)),
            Event::Ended { .. } => self.doing = "ended".into(),
            Event::GradingStarted { step: None, .. } => self.doing = "◐ grading".into(),
            _ => {}
        }
    }

    fn line(&self, columns: usize) -> String {
        let line = format!(
            "{}  step {} of {}  {}",
            self.name, self.step, self.turns, self.doing
        );
        width::cut(&line, columns)
    }
}

fn over(
    name: &str,
    id: Option<&RolloutId>,
    how: &Result<Option<Verdict>, String>,
    runs: Option<&Runs>,
    ink: Ink,
) -> String {
    let name = one_line(name);
    let words = match how {
        Ok(Some(verdict)) => {
            let words = format!(
                "{} {name}  {}",
                report::glyph(verdict),
                one_line(&report::sentence(verdict))
            );
            stream::verdict(&words, ink)
        }
        Ok(None) => format!("! {name}  over without a verdict"),
        Err(why) => ink.bad(&format!("! {name}  {}", one_line(why))),
    };
    let mut rest = Vec::new();
    if let Some(runs) = runs {
        rest.push(format!("{} steps", runs.step));
        rest.push(clock(runs.began.elapsed()));
    }
    rest.extend(id.map(ToString::to_string));
    format!("{words}  {}", ink.dim(&rest.join(" · ")))
}

/// Minutes and seconds, hours where there are any.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// See the module.
pub(crate) struct Board {
    tally: Tally,
    began: Instant,
    ink: Ink,
    screen: MultiProgress,
    sum: ProgressBar,
    bars: BTreeMap<JobNumber, ProgressBar>,
}

impl Board {
    /// For so many jobs.
    pub(crate) fn new(total: usize) -> Self {
        let screen = MultiProgress::new();
        let sum = screen.add(bar());
        let tally = Tally {
            total,
            ..Tally::default()
        };
        let mut board = Self {
            tally,
            began: Instant::now(),
            ink: Ink::detect(),
            screen,
            sum,
            bars: BTreeMap::new(),
        };
        board.tick();
        board
    }

    /// Take news in and show what changed.
    pub(crate) fn tell(&mut self, news: &News) {
        let line = self.tally.take(news, self.ink);
        let running = &self.tally.running;
        self.bars.retain(|job, bar| {
            let runs = running.contains_key(job);
            if !runs {
                bar.finish_and_clear();
            }
            runs
        });
        for (job, runs) in running {
            let bar = self
                .bars
                .entry(*job)
                .or_insert_with(|| self.screen.insert_before(&self.sum, bar()));
            bar.set_message(runs.line(width::columns() - 1));
        }
        if let Some(line) = line {
            self.screen.suspend(|| ink::print(&line));
        }
        self.tick();
    }

    /// Time passes.
    pub(crate) fn tick(&mut self) {
        let sum = self.tally.sum(self.began.elapsed(), self.ink);
        self.sum.set_message(sum);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.screen.clear();
    }
}

fn bar() -> ProgressBar {
    // The template is fixed; were it wrong, the message alone would be missing.
    let style = ProgressStyle::with_template("{msg}");
    let bar = ProgressBar::new_spinner();
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(job: u64) -> News {
        News::Begun {
            job: JobNumber(job),
            name: format!("task-{job}"),
            id: RolloutId::generate(),
            copied: 0,
        }
    }

    fn over(job: u64, how: Result<Option<Verdict>, String>) -> News {
        News::Over {
            job: JobNumber(job),
            name: format!("task-{job}"),
            id: None,
            how,
        }
    }

    fn sum(tally: &Tally) -> String {
        tally.sum(Duration::from_secs(60), Ink::plain())
    }

    #[test]
    fn everything_is_counted_once_and_time_is_guessed_from_three_on() {
        let mut tally = Tally {
            total: 6,
            ..Tally::default()
        };
        let mut take = |news: News| tally.take(&news, Ink::plain());
        for job in 1..=4 {
            assert_eq!(take(begun(job)), None);
        }
        assert!(
            take(over(1, Ok(Some(Verdict::Resolved))))
                .unwrap()
                .starts_with("✓ task-1")
        );
        take(over(2, Ok(Some(Verdict::Unresolved))));
        assert_eq!(sum(&tally), "✓ 1  ✗ 1  ! 0  ▶ 2  ○ 2  1:00");
        let line = tally.take(&over(3, Err("no\x1b[2Jroom".into())), Ink::plain());
        assert!(!line.unwrap().contains('\x1b'));
        assert_eq!(
            sum(&tally),
            "✓ 1  ✗ 1  ! 1  ▶ 1  ○ 2  1:00  about 1:00 left"
        );
        // A branch is one more.
        tally.take(&over(4, Ok(None)), Ink::plain());
        tally.take(&begun(4), Ink::plain());
        assert_eq!(tally.total, 7);
        assert!(sum(&tally).starts_with("✓ 1  ✗ 1  ! 2  ▶ 1  ○ 2"));
    }

    #[test]
    fn a_running_line_is_cut_to_the_width_and_holds_nothing_raw() {
        let mut tally = Tally::default();
        let news = begun(1);
        tally.take(&news, Ink::plain());
        let runs = tally.running.get_mut(&JobNumber(1)).unwrap();
        runs.take(&Event::Action {
            step: 3,
            index: 0,
            call: crate::model::ToolCall {
                id: String::new(),
                name: "execute_bash".into(),
                arguments:
                    "{\"command\": \"echo \\u001b[2J \\u202e and a long tail of words\\nmore\"}"
                        .into(),
            },
            by: crate::trajectory::event::Author::Model,
            original: None,
        });
        let line = runs.line(30);
        assert!(line.starts_with("task-1  step 3 of 0  $ echo"), "{line}");
        assert!(
            line.chars().count() <= 31 && !line.contains(['\x1b', '\n', '\u{202e}']),
            "{line:?}"
        );
    }
}
