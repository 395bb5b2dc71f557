//! Attempts of a model that failed, as far as an expert can go on from them.
//!
//! Mental model: an attempt is what the model said, step by step, with the patch as of each. The gym's sandbox answers the same to the same
//! calls, so who says the same comes to the same place. It is read up to where it hands in, or gets no further: where a step says what an
//! earlier one said and the files are as they were after that one.
//!
//! Which step to go on from is the expert's business ([`super::expert`]).

use std::collections::{BTreeMap, HashMap};

use super::MakeError;
use super::edit::patched;
use super::script::{lines_of, reply};
use crate::agent::Scaffold;
use crate::grade::Verdict;
use crate::model::{Message, ModelKind, Reply};
use crate::sandbox;
use crate::task::Task;
use crate::text::diff;
use crate::trajectory::fold::State;
use crate::trajectory::{Event, Record, RolloutId, Store};

/// See the module.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The task's name.
    pub(super) instance_id: String,
    /// Names what the task was.
    pub(super) task_hash: String,
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
    /// The failed attempts of a store, in the order of their names, and how many others there are.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(super) fn all(
        store: &Store,
        scaffold: &Scaffold,
    ) -> Result<(Vec<Self>, PassedOver), MakeError> {
        let unread = |error: &dyn std::fmt::Display| MakeError::Row(error.to_string());
        let (mut all, mut passed) = (Vec::new(), PassedOver::new());
        for id in store.list().map_err(|error| unread(&error))? {
            let records = store.read(&id).map_err(|error| unread(&error))?;
            match Self::of(store, &id, &records, scaffold) {
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
    ) -> Result<Self, &'static str> {
        let state = State::of(records);
        let (Some(start), Some(base)) = (&state.start, &state.base) else {
            return Err("rollouts that never began");
        };
        if start.model.kind == ModelKind::Expert {
            return Err("rollouts of the expert");
        }
        if start.scaffold_hash != scaffold.hash() {
            return Err("rollouts with another scaffold");
        }
        match state.verdict {
            Some(Verdict::Resolved) => return Err("rollouts that solved their task"),
            None | Some(Verdict::NotGraded { .. }) => {
                return Err("rollouts that were not graded");
            }
            Some(_) => {}
        }
        let folder = store.folder(id).join("sandbox");
        if !folder.is_dir() {
            return Err(GONE);
        }
        let said = said(records);
        let mut steps: Vec<Step> = Vec::new();
        for number in 1..=state.step {
            let (Some([message]), Some(snapshot)) = (
                said.get(&number).map(Vec::as_slice),
                state.snapshot_at(number),
            ) else {
                break;
            };
            let Ok(patch) = sandbox::stored_diff(&folder, base, snapshot) else {
                return Err(GONE);
            };
            let hands_in = message.content.trim() == "submit";
            let is_again = |step: &Step| step.said == *message && step.patch == patch;
            if hands_in || steps.iter().any(is_again) {
                break;
            }
            steps.push(Step {
                said: message.clone(),
                patch,
            });
        }
        if steps.is_empty() {
            return Err("rollouts without a whole step");
        }
        Ok(Self {
            instance_id: start.instance_id.clone(),
            task_hash: start.task_hash.clone(),
            steps,
        })
    }

    /// What was said, and the patch as of then.
    #[cfg(test)]
    pub(super) fn said(task: &Task, steps: &[(&str, String)]) -> Self {
        let steps = steps.iter().map(|(said, patch)| Step {
            said: Message::text(crate::model::Role::Assistant, *said),
            patch: patch.clone(),
        });
        Self {
            instance_id: task.instance_id.clone(),
            task_hash: task.hash.clone(),
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
    pub(super) fn modules(&self, task: &Task, steps: usize) -> HashMap<String, Vec<String>> {
        let files = diff::parse(self.patch(steps));
        let modules = files.iter().filter_map(|file| {
            let module = file.path.strip_suffix(".py")?;
            Some((module.to_owned(), patched(&lines_of(task, module), file)))
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

/// What was said in each step and not dropped.
fn said(records: &[Record]) -> HashMap<u32, Vec<Message>> {
    let (mut messages, mut steps, mut replies) = (HashMap::new(), HashMap::new(), BTreeMap::new());
    for record in records {
        match &record.event {
            Event::Message { id, message, .. } => {
                messages.insert(*id, message);
            }
            Event::Asked { call, step, .. } => {
                steps.insert(*call, *step);
            }
            Event::Replied { call, message, .. } => {
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
        if let (Some(step), Some(message)) = (steps.get(&call), messages.get(&message)) {
            said.entry(*step).or_default().push((*message).clone());
        }
    }
    said
}
