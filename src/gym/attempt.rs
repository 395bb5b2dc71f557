//! Attempts of a model that failed, as far as an expert can go on from them.
//!
//! Mental model: an attempt is what the model said, step by step, with the patch as of each. The gym's sandbox answers the same to the same
//! calls, so who says the same comes to the same place. It is read up to where it hands in, says what is no call, or gets no further: where
//! a step says what an earlier one said and the files are as they were after that one. What the quick check let pass, and the tests did
//! not, is no place to go on from: one would take back what has just been found right.
//!
//! Which step to go on from is the expert's business ([`super::expert`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::MakeError;
use super::edit::patched;
use super::script::{lines_of, reply};
use crate::agent::Scaffold;
use crate::grade::Verdict;
use crate::model::{Finish, Message, ModelKind, Reply};
use crate::sandbox;
use crate::task::Task;
use crate::text::diff;
use crate::trajectory::event::{Author, Ended, Origin};
use crate::trajectory::fold::State;
use crate::trajectory::{Event, Record, RolloutId, Store};

/// See the module.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Its rollout.
    pub(super) id: RolloutId,
    /// What it was at.
    pub(super) task: Arc<Task>,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    said: Message,
    /// From the task's files to those after the step.
    patch: String,
}

const GONE: &str = "rollouts whose snapshots are gone";

/// How many attempts cannot be gone on from, by why.
pub type PassedOver = BTreeMap<&'static str, usize>;

impl Attempt {
    /// The failed attempts of a store at some tasks, by their names, in the order of the rollouts, and how many others there are.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(super) fn all(
        store: &Store,
        scaffold: &Scaffold,
        tasks: &HashMap<&str, &Arc<Task>>,
    ) -> Result<(Vec<Self>, PassedOver), MakeError> {
        let ids = store.list();
        let ids = ids.map_err(|error| MakeError::Row(error.to_string()))?;
        let (mut all, mut passed) = (Vec::new(), PassedOver::new());
        for id in ids {
            let read = store
                .read(&id)
                .map_err(|_unread| "rollouts that cannot be read")
                .and_then(|records| Self::of(store, &id, &records, scaffold, tasks));
            match read {
                Ok(attempt) => all.push(attempt),
                Err(why) => *passed.entry(why).or_default() += 1,
            }
        }
        Ok((all, passed))
    }

    /// A rollout's attempt, or why it is none.
    fn of(
        store: &Store,
        id: &RolloutId,
        records: &[Record],
        scaffold: &Scaffold,
        tasks: &HashMap<&str, &Arc<Task>>,
    ) -> Result<Self, &'static str> {
        let state = State::of(records);
        let (Some(start), Some(base)) = (&state.start, &state.base) else {
            return Err("rollouts that never began");
        };
        let task = tasks.get(start.instance_id.as_str());
        let task = task.filter(|task| task.hash == start.task_hash);
        let task = task.ok_or("rollouts of other tasks")?;
        if start.model.kind == ModelKind::Expert {
            return Err("rollouts of the expert");
        }
        if start.scaffold_hash != scaffold.hash() || start.tool_form != scaffold.form() {
            return Err("rollouts with another scaffold");
        }
        match state.verdict {
            Some(Verdict::Resolved) => return Err("rollouts that solved their task"),
            None | Some(Verdict::NotGraded { .. } | Verdict::InfrastructureError { .. }) => {
                return Err("rollouts that were not graded");
            }
            Some(_) => {}
        }
        if records.iter().any(|record| is_a_person_s(&record.event)) {
            return Err("rollouts in which a person took part");
        }
        let folder = store.folder(id).join("sandbox");
        if !folder.is_dir() {
            return Err(GONE);
        }
        let (said, passed) = (said(records, &state), passed(records, &state));
        let mut steps: Vec<Step> = Vec::new();
        let mut before = (base, String::new());
        for number in 1..=state.step {
            let (Some([message]), Some(snapshot)) = (
                said.get(&number).map(Vec::as_slice),
                state.snapshot_at(number),
            ) else {
                break;
            };
            if before.0 != snapshot {
                let patch = sandbox::stored_diff(&folder, base, snapshot);
                before = (snapshot, patch.map_err(|_missing| GONE)?);
            }
            let patch = before.1.clone();
            if passed.contains(&number) {
                truncate_to(&mut steps, &patch);
                break;
            }
            let is_again = |step: &Step| step.said == *message && step.patch == patch;
            if message.content.trim() == "submit" || steps.iter().any(is_again) {
                break;
            }
            let said = message.clone();
            steps.push(Step { said, patch });
        }
        // Said again, what ended it would end it again.
        let is_stuck = matches!(state.ended, Some((Ended::Stuck { .. }, _)));
        if is_stuck && u32::try_from(steps.len()) == Ok(state.step) {
            steps.pop();
        }
        if steps.is_empty() {
            return Err("rollouts without a whole step");
        }
        Ok(Self {
            id: id.clone(),
            task: Arc::clone(task),
            steps,
        })
    }

    /// What was said, and the patch as of then.
    #[cfg(test)]
    pub(super) fn made(task: &Task, steps: &[(&str, String)]) -> Self {
        let steps = steps.iter().map(|(said, patch)| Step {
            said: Message::text(crate::model::Role::Assistant, *said),
            patch: patch.clone(),
        });
        Self {
            id: RolloutId::generate(),
            task: Arc::new(task.clone()),
            steps: steps.collect(),
        }
    }

    /// Its steps.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The first step that changes something or tries to; the last one, where none does.
    pub(super) fn first_change(&self) -> usize {
        let tries = |step: &Step| step.said.content.trim().starts_with("change ");
        let first = self.steps.iter().position(tries);
        first.map_or(self.len(), |first| first + 1)
    }

    /// What it said in its first `steps` steps, as replies of `by`.
    pub(super) fn replies(&self, steps: usize, by: &str) -> Vec<Reply> {
        let first = self.steps.iter().take(steps);
        first.map(|step| reply(step.said.clone(), by)).collect()
    }

    /// The lines of the modules that are not as they were, after `steps` steps.
    pub(super) fn modules(&self, steps: usize) -> BTreeMap<String, Vec<String>> {
        let files = diff::parse(self.patch(steps));
        let changed = files.iter().filter(|file| !file.hunks.is_empty());
        let modules = changed.filter_map(|file| {
            let module = file.path.strip_suffix(".py")?;
            Some((
                module.to_owned(),
                patched(&lines_of(&self.task, module), file),
            ))
        });
        modules.collect()
    }

    /// Whether it tested since the files were as they are after `steps` steps.
    pub(super) fn is_tested(&self, steps: usize) -> bool {
        let since = (1..=steps)
            .rev()
            .take_while(|step| self.patch(*step) == self.patch(steps));
        let mut said = since.filter_map(|step| self.steps.get(step - 1));
        said.any(|step| step.said.content.trim() == "test")
    }

    fn patch(&self, steps: usize) -> &str {
        let step = steps.checked_sub(1).and_then(|at| self.steps.get(at));
        step.map_or("", |step| &step.patch)
    }
}

/// Leave out the first step after which the files were as this patch says, and all that came then. They may have been so before, and
/// otherwise between.
fn truncate_to(steps: &mut Vec<Step>, patch: &str) {
    let first = steps.iter().position(|step| step.patch == patch);
    steps.truncate(first.unwrap_or(steps.len()));
}

/// Whether a person had a hand in it: that is not said again by saying what the model said.
fn is_a_person_s(event: &Event) -> bool {
    match event {
        Event::Message { origin, .. } => *origin == Origin::Human,
        Event::Action { by, .. } => *by == Author::Human,
        Event::Skipped { .. } | Event::Typed { .. } | Event::HandedBack { .. } => true,
        _ => false,
    }
}

/// The steps whose check found everything right.
fn passed(records: &[Record], state: &State) -> HashSet<u32> {
    let tests = state.actions.iter().filter(|(_, call)| call.name == "test");
    let tests: HashSet<u32> = tests.map(|(step, _)| *step).collect();
    let passed = records.iter().filter_map(|record| match &record.event {
        Event::Observed { step, outcome, .. } if outcome.exit == Some(0) => Some(*step),
        _ => None,
    });
    passed.filter(|step| tests.contains(step)).collect()
}

/// What was said in each step, as far as it was a call, whole, and not dropped.
fn said(records: &[Record], state: &State) -> HashMap<u32, Vec<Message>> {
    let acted: HashSet<u32> = state.actions.iter().map(|(step, _)| *step).collect();
    let (mut steps, mut replies) = (HashMap::new(), BTreeMap::new());
    for record in records {
        match &record.event {
            Event::Asked { call, step, .. } => {
                steps.insert(*call, *step);
            }
            Event::Replied {
                call,
                message,
                finish,
                ..
            } if *finish != Finish::Length => {
                replies.insert(*call, *message);
            }
            Event::Dropped { call, .. } => {
                replies.remove(call);
            }
            _ => {}
        }
    }
    let mut said: HashMap<u32, Vec<Message>> = HashMap::new();
    for (call, message) in replies {
        let step = steps.get(&call).filter(|step| acted.contains(step));
        if let (Some(step), Some(message)) = (step, state.parts().message(message)) {
            said.entry(*step).or_default().push(message.clone());
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_files_were_first_right_is_left_out_also_where_they_were_otherwise_between()
     {
        let steps = ["", "wrong", "right", "wrong", "worse", "right", "wrong"];
        for (patch, left) in [("right", 2), ("wrong", 1), ("never", 7)] {
            let mut steps: Vec<Step> = steps
                .map(|patch| Step {
                    said: Message::text(crate::model::Role::Assistant, "test"),
                    patch: patch.into(),
                })
                .into();
            truncate_to(&mut steps, patch);
            assert_eq!(steps.len(), left, "{patch}");
        }
    }
}
