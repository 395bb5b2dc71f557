//! One moment: run, kill, examine, start again, examine.

use std::path::Path;
use std::time::Instant;

use super::draw::Aim;
use super::trace::{Phase, Whole};
use super::victim::{Ended as Run, Program};
use super::{left, script};
use crate::cli::Failure;
use crate::grade::Verdict;
use crate::trajectory::fold::State;
use crate::trajectory::{Ended, Event, Record, RolloutId, Store};

/// How one moment came out.
pub(super) struct Came {
    pub(super) aim: Aim,
    /// What the program was doing when it died.
    pub(super) phase: Phase,
    /// Events that had been printed and are not in the file.
    pub(super) lost: usize,
    /// What is still there after the next start.
    pub(super) left: Vec<String>,
    /// The next start went on (where nothing had begun: began anew), to the undisturbed run's end.
    pub(super) resumed: bool,
    /// Questions that were asked a second time: their answer had not been recorded.
    pub(super) twice: u32,
    /// Questions that were asked again although their answer was on record.
    pub(super) in_vain: u32,
    /// Everything that is not as it must be, in words.
    pub(super) wrong: Vec<String>,
}

/// A run that nobody kills: what the others must come out as.
pub(super) async fn undisturbed(program: &Program) -> Result<Whole, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::error)?;
    let script = script().await?;
    let began = Instant::now();
    let run = program
        .attempt(folder.path(), &script.spec(), None)
        .await
        .map_err(Failure::error)?;
    let took = began.elapsed();
    if run.code != Some(0) {
        return Err(Failure::error(format!(
            "the undisturbed run was not resolved (exit {:?}): {} {}",
            run.code,
            run.complained.trim(),
            run.printed.last().map_or("", String::as_str)
        )));
    }
    let store = Store::open(folder.path()).map_err(Failure::error)?;
    let id = store.find("last").map_err(Failure::error)?;
    Ok(Whole::of(&store.read(&id).map_err(Failure::error)?, took))
}

/// Kill at a moment and start again.
pub(super) async fn run(
    program: &Program,
    aim: Aim,
    whole: &Whole,
    keep: Option<&Path>,
) -> Result<Came, Failure> {
    let mut folder = tempfile::tempdir().map_err(Failure::error)?;
    let root = std::fs::canonicalize(folder.path()).map_err(Failure::error)?;
    let script = script().await?;
    let killed = program
        .attempt(&root, &script.spec(), Some(aim))
        .await
        .map_err(Failure::error)?;
    let mut came = Came {
        aim,
        phase: Phase::Start,
        lost: 0,
        left: Vec::new(),
        resumed: false,
        twice: 0,
        in_vain: 0,
        wrong: Vec::new(),
    };
    let before = as_it_lies(&root, &killed, &mut came);
    let asked = script.asked();
    let again = match &before {
        Some((id, records)) if !records.is_empty() => program.resume(&root, id.as_str()).await,
        _ => program.attempt(&root, &script.spec(), None).await,
    };
    match again {
        Ok(again) => {
            let records = before.map(|(_, records)| records).unwrap_or_default();
            came_out(&root, &records, &again, whole, &mut came);
            count(&records, &asked, &script.asked(), &mut came);
        }
        Err(error) => came.wrong.push(format!("the next start: {error}")),
    }
    came.left = left::behind(&root, &killed.descendants, program.in_docker()).await;
    if !came.left.is_empty() {
        came.wrong
            .push(format!("left behind: {}", came.left.join(", ")));
    }
    if let (Some(keep), false) = (keep, came.wrong.is_empty()) {
        folder.disable_cleanup(true);
        let place = keep.join(folder.path().file_name().unwrap_or_default());
        std::fs::rename(folder.path(), &place).map_err(Failure::error)?;
    }
    // The store is removed in its own way: layers may be closed to their owner.
    let _ = crate::sandbox::clear(&root.join("rollouts"));
    Ok(came)
}

/// Look at the store as the kill left it.
fn as_it_lies(root: &Path, killed: &Run, came: &mut Came) -> Option<(RolloutId, Vec<Record>)> {
    let store = match Store::open(root) {
        Ok(store) => store,
        Err(error) => {
            came.wrong.push(format!("the store does not open: {error}"));
            return None;
        }
    };
    let id = store.list().ok()?.into_iter().next()?;
    let records = match store.read(&id) {
        Ok(records) => records,
        Err(error) => {
            came.wrong
                .push(format!("the trajectory cannot be read: {error}"));
            return Some((id, Vec::new()));
        }
    };
    came.phase = Phase::of(&records);
    if let Some((at, record)) = (0u64..)
        .zip(&records)
        .find(|(at, record)| record.seq != *at)
    {
        came.wrong
            .push(format!("event {at} is numbered {}", record.seq));
    }
    let file = store.folder(&id).join("events.jsonl");
    let kept: Vec<serde_json::Value> = std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .map(|mut kept: serde_json::Value| {
            // Printed events name their rollout.
            kept["rollout"] = id.as_str().into();
            kept
        })
        .collect();
    for line in &killed.printed {
        let printed: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        came.lost += usize::from(!kept.contains(&printed));
    }
    if came.lost > 0 {
        came.wrong.push(format!(
            "{} events were shown and are not in the file",
            came.lost
        ));
    }
    Some((id, records))
}

/// Look at what the next start made of it.
fn came_out(root: &Path, before: &[Record], again: &Run, whole: &Whole, came: &mut Came) {
    let wrong = came.wrong.len();
    if again.code != Some(0) {
        came.wrong.push(format!(
            "the next start ended with {:?}: {}",
            again.code,
            again.complained.trim()
        ));
    }
    let store = Store::open(root);
    let read = store.and_then(|store| {
        // Where nothing had begun there are two: the one that never did, and the new one.
        let id = store
            .list()?
            .pop()
            .ok_or_else(|| crate::trajectory::TrajectoryError::Unknown("no rollout".into()))?;
        store.read(&id)
    });
    let records = match read {
        Ok(records) => records,
        Err(error) => {
            came.wrong.push(format!("after the next start: {error}"));
            return;
        }
    };
    if !records.starts_with(before) {
        came.wrong
            .push("the next start changed what was written before".into());
    }
    let (earlier, state) = (State::of(before), State::of(&records));
    let ended = matches!(&state.ended, Some((Ended::Submitted, _)));
    if !ended || state.verdict != Some(Verdict::Resolved) {
        came.wrong.push(format!(
            "it ended as {:?}, verdict {:?}",
            state.ended.as_ref().map(|(how, _)| how),
            state.verdict
        ));
    }
    if state
        .ended
        .as_ref()
        .is_some_and(|(_, patch)| *patch != whole.patch)
    {
        came.wrong
            .push("its patch is not that of the undisturbed run".into());
    }
    let resumed = records
        .iter()
        .skip(before.len())
        .find_map(|record| match &record.event {
            Event::Resumed { step, .. } => Some(*step),
            _ => None,
        });
    let wanted = (earlier.base.is_some() && earlier.ended.is_none()).then_some(earlier.step);
    if resumed != wanted {
        came.wrong.push(format!(
            "it went on after step {resumed:?} instead of {wanted:?}"
        ));
    }
    if came.phase == Phase::Over && again.printed.is_empty() {
        came.wrong
            .push("nothing was said of a rollout that was over".into());
    }
    came.resumed = came.wrong.len() == wrong;
}

/// Compare what the server was asked with what had been answered.
fn count(before: &[Record], then: &[u32], now: &[u32], came: &mut Came) {
    let answered = before
        .iter()
        .filter(|record| matches!(record.event, Event::Replied { .. }))
        .count();
    for (turn, (then, now)) in then.iter().zip(now).enumerate() {
        let again = now - then;
        if turn < answered {
            came.in_vain += again;
        } else {
            came.twice += now.saturating_sub(1);
            if again != 1 {
                came.wrong.push(format!(
                    "question {turn} was asked {again} times by the next start"
                ));
            }
        }
    }
    if came.in_vain > 0 {
        came.wrong.push(format!(
            "{} answered questions were asked again",
            came.in_vain
        ));
    }
}
