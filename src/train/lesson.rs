//! What was said in a demonstration, with a note at each of the model's turns: learn it, or leave it.
//!
//! Mental model: a rollout's model calls are walked in order. As long as each asks with what came before plus what followed,
//! they are one conversation, so one lesson teaches all its turns; where a context was cut or edited another lesson begins. A
//! turn is learned where the model's own reply stands in the trajectory as it was given: not what a person wrote, not a reply
//! that was dropped or cut off or that a person edited or skipped, not a step that is marked as a [`MISTAKE`] on purpose or as
//! [said again](SAID_AGAIN) after a failed attempt. Where a person took the model's place nothing is learned.
//!
//! Conversations in OpenAI's fine-tuning form (JSON Lines with `messages`, and `weight` 0 at turns to leave) are read as well.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::BufRead as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::TrainError;
use super::error::file;
use crate::grade::Verdict;
use crate::model::local::as_templates_read_it;
use crate::model::{Finish, Message, ModelKind, Role};
use crate::trajectory::event::{Author, MISTAKE, SAID_AGAIN};
use crate::trajectory::request::Parts;
use crate::trajectory::{Ended, Event, Origin, Record, Store};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The task, or the file's line.
    pub about: String,
    /// Messages as templates read them.
    pub messages: Vec<Value>,
    /// Which of them are learned.
    pub learned: Vec<bool>,
}

/// Whose words are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The gym's expert.
    Expert,
    /// A model, in a rollout.
    Model,
    /// Answers that were known beforehand.
    Recorded,
    /// Whoever wrote a file of conversations.
    File,
}

impl Source {
    /// For the card, after a number.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Expert => "rollouts of a scripted expert that knows the answers",
            Self::Model => "rollouts of models",
            Self::Recorded => "rollouts of recorded answers",
            Self::File => "conversations of files",
        }
    }
}

/// Lessons, and what was left out, by reason.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lessons {
    /// They.
    pub all: Vec<Lesson>,
    /// Rollouts and conversations that gave them, by whose words they are.
    pub sources: BTreeMap<Source, usize>,
    /// How often, by why.
    pub left_out: BTreeMap<&'static str, usize>,
}

impl Lessons {
    /// Read a store's folder or a file of conversations. `heard` is called with the number of rollouts read so far, and of all;
    /// where it answers false, reading ends with what there is. A rollout that cannot be read is left out.
    ///
    /// # Errors
    /// Where the store or the file cannot be read, or nothing is to be learned.
    pub fn read(
        path: &Path,
        heard: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Self, TrainError> {
        let mut lessons = Self::default();
        if path.is_file() {
            lessons.take_file(path)?;
        } else if path.join("rollouts").is_dir() {
            let store = Store::open(path)?;
            let ids = store.list()?;
            for (number, id) in ids.iter().enumerate() {
                if !heard(number, ids.len()) {
                    return Ok(lessons);
                }
                match store.read(id) {
                    Ok(records) => lessons.take(&records),
                    // One damaged file is no reason to learn nothing from the others.
                    Err(_) => lessons.leave("rollouts that cannot be read"),
                }
            }
        } else {
            return Err(TrainError::Nothing {
                origin: path.display().to_string(),
                why: "it is neither a store (a folder with `rollouts`) nor a file of conversations"
                    .into(),
            });
        }
        if lessons.all.is_empty() {
            let left = lessons.left_out.iter();
            let reasons: Vec<String> = left.map(|(why, count)| format!("{count} {why}")).collect();
            return Err(TrainError::Nothing {
                origin: path.display().to_string(),
                why: if reasons.is_empty() {
                    "there are no rollouts in it".into()
                } else {
                    reasons.join(", ")
                },
            });
        }
        Ok(lessons)
    }

    /// Take those of another store, too.
    pub fn join(&mut self, other: Self) {
        self.all.extend(other.all);
        for (source, count) in other.sources {
            *self.sources.entry(source).or_default() += count;
        }
        for (why, count) in other.left_out {
            *self.left_out.entry(why).or_default() += count;
        }
    }

    fn leave(&mut self, why: &'static str) {
        *self.left_out.entry(why).or_default() += 1;
    }

    /// Take a trajectory's lessons.
    pub fn take(&mut self, records: &[Record]) {
        let walked = Walked::over(records);
        let source = match walked.kind {
            Some(ModelKind::Human) => return self.leave("rollouts in which a person answered"),
            Some(ModelKind::Expert) => Source::Expert,
            Some(ModelKind::Recorded) => Source::Recorded,
            Some(ModelKind::Http | ModelKind::Local) | None => Source::Model,
        };
        match walked.ended {
            Some(Ended::Submitted) => {}
            Some(_) => return self.leave("rollouts that did not end by submitting"),
            None => return self.leave("rollouts that have not ended"),
        }
        match walked.verdict {
            Some(Verdict::Resolved | Verdict::NotGraded { .. }) | None => {}
            Some(_) => return self.leave("rollouts whose verdict is not *resolved*"),
        }
        let parts = Parts::of(records);
        let mut taken = false;
        for chain in walked.chains() {
            let messages: Vec<&Message> = chain
                .messages
                .iter()
                .filter_map(|id| parts.message(*id))
                .collect();
            if messages.len() != chain.messages.len() {
                return self.leave("rollouts with a message missing");
            }
            if messages
                .iter()
                .any(|message| !message.tool_calls.is_empty())
            {
                return self.leave("rollouts with tool calls that are not text");
            }
            let learned = chain.messages.iter().map(|id| chain.learned.contains(id));
            let learned: Vec<bool> = learned.collect();
            if learned.contains(&true) {
                taken = true;
                self.all.push(Lesson {
                    about: walked.task.clone(),
                    messages: messages.into_iter().map(as_templates_read_it).collect(),
                    learned,
                });
            }
        }
        if taken {
            *self.sources.entry(source).or_default() += 1;
        } else {
            self.leave("rollouts without a turn to learn");
        }
    }

    fn take_file(&mut self, path: &Path) -> Result<(), TrainError> {
        let opened = std::fs::File::open(path).map_err(file(path, "open"))?;
        for (number, line) in (1..).zip(std::io::BufReader::new(opened).lines()) {
            let line = line.map_err(file(path, "read"))?;
            if line.trim().is_empty() {
                continue;
            }
            let wrong = |why: String| TrainError::Conversation {
                path: path.display().to_string(),
                line: number,
                why,
            };
            let said: Said =
                serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
            let learned = said.messages.iter().map(|turn| {
                turn.message.role == Role::Assistant && turn.weight.unwrap_or(1.0) > 0.0
            });
            let learned: Vec<bool> = learned.collect();
            if !learned.contains(&true) {
                self.leave("conversations without a turn to learn");
                continue;
            }
            let messages = said.messages.iter();
            if messages
                .clone()
                .any(|turn| !turn.message.tool_calls.is_empty())
            {
                self.leave("conversations with tool calls that are not text");
                continue;
            }
            *self.sources.entry(Source::File).or_default() += 1;
            self.all.push(Lesson {
                about: said.about.unwrap_or_else(|| format!("line {number}")),
                messages: messages
                    .map(|turn| as_templates_read_it(&turn.message))
                    .collect(),
                learned,
            });
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Said {
    messages: Vec<SaidTurn>,
    #[serde(default, alias = "instance_id")]
    about: Option<String>,
}

#[derive(Deserialize)]
struct SaidTurn {
    #[serde(flatten)]
    message: Message,
    #[serde(default)]
    weight: Option<f64>,
}

/// One call that was answered.
struct Call {
    step: u32,
    messages: Vec<u32>,
    reply: u32,
    whole: bool,
}

/// Calls that go on from each other.
struct Chain {
    messages: Vec<u32>,
    learned: BTreeSet<u32>,
}

/// What lessons need of a trajectory.
#[derive(Default)]
struct Walked {
    task: String,
    kind: Option<ModelKind>,
    ended: Option<Ended>,
    verdict: Option<Verdict>,
    calls: Vec<Call>,
    /// Steps that are there to be gone on from.
    left: HashSet<u32>,
    /// Replies that stand as the model gave them.
    own: HashSet<u32>,
}

impl Walked {
    fn over(records: &[Record]) -> Self {
        let mut walked = Self::default();
        let mut asked: BTreeMap<u32, (u32, Vec<u32>)> = BTreeMap::new();
        let mut answered: BTreeMap<u32, usize> = BTreeMap::new();
        for record in records {
            match &record.event {
                Event::Started(start) => {
                    walked.task.clone_from(&start.instance_id);
                    walked.kind = Some(start.model.kind);
                }
                Event::Message {
                    id,
                    origin: Origin::Model,
                    ..
                } => {
                    walked.own.insert(*id);
                }
                // What is asked next begins otherwise, so it is another chain: this one ends with the reply, unlearned.
                Event::Message {
                    replaces: Some(reply),
                    ..
                } => {
                    walked.own.remove(reply);
                }
                Event::Skipped { step, .. }
                | Event::Action {
                    step,
                    by: Author::Human,
                    ..
                } => {
                    walked.left.insert(*step);
                }
                Event::Asked {
                    call,
                    step,
                    messages,
                    ..
                } => {
                    asked.insert(*call, (*step, messages.clone()));
                }
                Event::Replied {
                    call,
                    message,
                    finish,
                    ..
                } => {
                    if let Some((step, messages)) = asked.remove(call) {
                        answered.insert(*call, walked.calls.len());
                        walked.calls.push(Call {
                            step,
                            messages,
                            reply: *message,
                            whole: matches!(finish, Finish::Stop | Finish::ToolCalls),
                        });
                    }
                }
                Event::Dropped { call, .. } => {
                    if let Some(call) = answered.get(call).and_then(|at| walked.calls.get_mut(*at))
                    {
                        call.whole = false;
                    }
                }
                Event::Marked(mark) if [MISTAKE, SAID_AGAIN].contains(&mark.kind.as_str()) => {
                    walked.left.insert(mark.step);
                }
                Event::Ended { how, .. } => {
                    walked.ended = Some(how.clone());
                    walked.verdict = None;
                }
                Event::Graded {
                    step: None,
                    grading,
                    ..
                } => walked.verdict = Some(grading.verdict.clone()),
                Event::NotGraded {
                    step: None,
                    verdict,
                } => walked.verdict = Some(verdict.clone()),
                _ => {}
            }
        }
        walked
    }

    fn chains(&self) -> Vec<Chain> {
        let mut chains: Vec<Chain> = Vec::new();
        for call in &self.calls {
            let goes_on = chains
                .last()
                .is_some_and(|chain| call.messages.starts_with(&chain.messages));
            if !goes_on {
                chains.push(Chain {
                    messages: Vec::new(),
                    learned: BTreeSet::new(),
                });
            }
            let Some(chain) = chains.last_mut() else {
                continue;
            };
            chain.messages.clone_from(&call.messages);
            chain.messages.push(call.reply);
            let is_learned =
                call.whole && self.own.contains(&call.reply) && !self.left.contains(&call.step);
            if is_learned {
                chain.learned.insert(call.reply);
            }
        }
        chains
    }
}
