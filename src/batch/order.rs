//! Orders: what is to be attempted, said in full, and made into jobs.
//!
//! Mental model: a command line, or a form on a screen, is turned into an [`Order`]; [`Order::jobs`] reads the tasks, opens
//! the model and the scaffold, and gives one job for each attempt. What an order lacks is found then; what each attempt
//! needs on disk is made when its turn comes. Nothing is printed: warnings come back as sentences, downloads tell a
//! callback.
//!
//! Going on with a rollout, and branching off one, are [`super::again`].

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::models::Models;
use super::supply::{self, Telling};
use super::{Job, checks, proposal};
use crate::agent::{Limits, Scaffold, ToolForm};
use crate::grade::{self, RuleSet};
use crate::model::{ModelKind, Sampling, bundled};
use crate::rollout::ground::Wishes;
use crate::rollout::{Attempt, Draft, Price, Rollout, RolloutError};
use crate::sandbox::{self, Kind};
use crate::trajectory::{RolloutId, Store};

/// The task that the program shows itself with: one that the bundled policy has never seen and may solve.
const DEMO_TASK: &str = "gym__l4-comparison-h2026-00003";

/// Why an order cannot be made into jobs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The order says something wrongly; another order would do.
    #[error("{0}")]
    Wrong(String),
    /// What it names cannot be had.
    #[error("{0}")]
    Failed(String),
}

impl OrderError {
    pub(super) fn wrong(what: impl std::fmt::Display) -> Self {
        Self::Wrong(what.to_string())
    }

    pub(super) fn failed(what: impl std::fmt::Display) -> Self {
        Self::Failed(what.to_string())
    }
}

/// Which tasks of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those with these ids, in this order.
    Ids(Vec<String>),
    /// Those that a filter takes.
    Filter(String),
}

/// Limits that are to hold in place of others; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LimitWishes {
    /// Most turns.
    pub turns: Option<u32>,
    /// Most tokens over a rollout, prompts and replies.
    pub tokens: Option<u64>,
    /// Most seconds for a rollout.
    pub wall_seconds: Option<u64>,
    /// Most seconds for one command.
    pub command_seconds: Option<u64>,
    /// Most dollars for a rollout.
    pub cost: Option<f64>,
}

impl LimitWishes {
    /// These laid over others.
    #[must_use]
    pub fn over(&self, limits: &Limits) -> Limits {
        Limits {
            turns: self.turns.unwrap_or(limits.turns),
            command_seconds: self.command_seconds.unwrap_or(limits.command_seconds),
            wall_seconds: self.wall_seconds.unwrap_or(limits.wall_seconds),
            tokens: self.tokens.unwrap_or(limits.tokens),
            cost: self.cost.unwrap_or(limits.cost),
            format_errors: limits.format_errors,
        }
    }
}

/// New attempts at tasks.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where tasks come from (`--tasks` text); it goes into each trajectory.
    pub tasks: String,
    /// Which of them.
    pub which: Which,
    /// What acts (`--model` text).
    pub model: String,
    /// The agent's design: a builtin name or a folder.
    pub scaffold: String,
    /// How tool calls are written, where not as the scaffold says.
    pub tool_form: Option<ToolForm>,
    /// Attempts at each task.
    pub attempts: u32,
    /// Temperature of each attempt in turn; the last one holds for the rest.
    pub temperatures: Vec<f64>,
    /// Sampling of the first attempt; each further one counts the seed up. Its temperature is not looked at.
    pub sampling: Sampling,
    /// Limits in place of the scaffold's.
    pub limits: LimitWishes,
    /// How sandboxes are made.
    pub wishes: Wishes,
    /// Rule set in place of the row's.
    pub rules: Option<RuleSet>,
    /// Give the agent the hints of the row.
    pub hints: bool,
    /// Wait for approval of each step.
    pub step_mode: bool,
    /// The least time between the beginnings of two steps, for people who watch.
    pub pace: Duration,
    /// Price of the model, where it was said.
    pub price: Option<Price>,
    /// Prices by model name, looked at where it was not.
    pub prices: BTreeMap<String, Price>,
}

/// Jobs, and what should be known about them before they run.
#[derive(Default)]
pub struct Prepared {
    /// One for each attempt.
    pub jobs: Vec<Job>,
    /// Sentences. They may quote rows and files: make them visible before they reach a terminal.
    pub warnings: Vec<String>,
}

impl Order {
    /// Make the order into jobs.
    ///
    /// # Errors
    /// Where the order says something wrongly, or its tasks, scaffold or model cannot be had.
    pub async fn jobs(&self, store: &Store, telling: &Telling) -> Result<Prepared, OrderError> {
        let (all, mut warnings) = supply::load(&self.tasks, telling).await?;
        let tasks = supply::choose(all, &self.which, &self.tasks)?;
        let scaffold = Arc::new(self.open_scaffold()?);
        let limits = scaffold.limits().clone();
        let count = tasks.len() as u64 * u64::from(self.attempts);
        let batch = (count > 1).then(|| RolloutId::generate().to_string());
        let models = Models::new(&self.model, count, telling)?;
        let first = models.next().await?;
        let price = self.price_of(&first.info().name);
        if limits.cost > 0.0 && price.is_none() {
            return Err(OrderError::Wrong(format!(
                "a cost limit needs a price for `{}`: give --price IN,OUT (dollars for a million tokens) or leave --cost out",
                first.info().name
            )));
        }
        let mut first = Some(first);
        let mut jobs = Vec::new();
        for task in tasks {
            let plan = grade::plan(&task, self.wishes.place(), self.rules);
            let plan = plan.map(Arc::new).map_err(|why| why.to_string());
            if let Err(why) = &plan {
                warnings.push(format!("{} will not be graded: {why}", task.instance_id));
            }
            warnings.extend(checks::doubt(store, &task));
            for number in 1..=self.attempts {
                let model = match first.take() {
                    Some(model) => model,
                    None => models.next().await?,
                };
                let sampling = self.sampling_of(number, model.info().kind);
                let draft = Draft {
                    store: store.clone(),
                    task: Arc::clone(&task),
                    tasks: self.tasks.clone(),
                    scaffold: Arc::clone(&scaffold),
                    model,
                    sampling,
                    limits: limits.clone(),
                    price,
                    plan: plan.clone(),
                    hints: self.hints,
                    number,
                    of: self.attempts,
                    batch: batch.clone(),
                    demonstrates: None,
                    step_mode: self.step_mode,
                    pace: self.pace,
                };
                jobs.push(attempt(
                    draft,
                    self.wishes.clone(),
                    telling,
                    Rollout::create,
                ));
            }
        }
        Ok(Prepared { jobs, warnings })
    }

    /// The order that shows the program on what is bundled: a task of the gym, the policy, the local sandbox.
    #[must_use]
    pub fn demo() -> Self {
        Self {
            tasks: proposal::GYM.into(),
            which: Which::Ids(vec![DEMO_TASK.into()]),
            model: bundled::NAME.into(),
            scaffold: proposal::GYM_SCAFFOLD.into(),
            tool_form: None,
            attempts: 1,
            temperatures: Vec::new(),
            sampling: Sampling::default(),
            limits: LimitWishes::default(),
            wishes: Wishes {
                kind: Kind::Local,
                repos: None,
                image: None,
                network: false,
                limits: sandbox::Limits::default(),
                snapshot_ignored: false,
            },
            rules: None,
            hints: false,
            step_mode: false,
            pace: Duration::ZERO,
            price: None,
            prices: BTreeMap::new(),
        }
    }

    fn open_scaffold(&self) -> Result<Scaffold, OrderError> {
        let scaffold = Scaffold::load(&self.scaffold).map_err(OrderError::wrong)?;
        let form = self.tool_form.unwrap_or_else(|| scaffold.form());
        if self.sampling.require_call && form != ToolForm::Native {
            return Err(OrderError::Wrong(format!(
                "--require-call holds replies to native tool calls, and `{}` writes its calls as text: leave it out, or \
                 say --tool-form native",
                self.scaffold
            )));
        }
        let limits = self.limits.over(scaffold.limits());
        Ok(scaffold.with_form(form).with_limits(limits))
    }

    /// Sampling settings of attempt `number`, from 1. Where chance decides and no seed was given, weights on this machine get one that
    /// is drawn, so that it stands on record; a server draws its own.
    fn sampling_of(&self, number: u32, kind: ModelKind) -> Sampling {
        let before = number.saturating_sub(1);
        let at = usize::try_from(before).unwrap_or(usize::MAX);
        let temperature = self.temperatures.get(at).or(self.temperatures.last());
        let by_chance = temperature.is_some_and(|temperature| *temperature > 0.0);
        let seed = self.sampling.seed;
        let seed = seed.map(|seed| seed.wrapping_add(u64::from(before)));
        Sampling {
            temperature: temperature.copied(),
            seed: seed.or_else(|| (by_chance && kind == ModelKind::Local).then(any_seed)),
            ..self.sampling.clone()
        }
    }

    fn price_of(&self, model: &str) -> Option<Price> {
        self.price.or_else(|| self.prices.get(model).copied())
    }
}

/// A seed by chance, short enough to be typed again.
pub(super) fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() >> 32
}

/// The job of a new attempt that was drafted elsewhere.
#[must_use]
pub fn job(draft: Draft, wishes: Wishes, telling: &Telling) -> Job {
    attempt(draft, wishes, telling, Rollout::create)
}

/// The job of an attempt: its ground is laid when its turn comes, then `open` opens its trajectory.
pub(super) fn attempt(
    draft: Draft,
    wishes: Wishes,
    telling: &Telling,
    open: impl FnOnce(Arc<Attempt>) -> Result<Rollout, RolloutError> + Send + 'static,
) -> Job {
    let telling = Arc::clone(telling);
    Job {
        name: draft.task.instance_id.clone(),
        step_mode: draft.step_mode,
        open: Box::pin(async move {
            let ground = supply::lay(&draft.task, &wishes, &draft.store, &telling).await;
            let ground = ground.map_err(|error| RolloutError::Ground(error.to_string()))?;
            open(Arc::new(Attempt { draft, ground }))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_take_temperatures_in_turn_and_count_the_seed_up() {
        let order = Order {
            temperatures: vec![0.0, 0.7],
            sampling: Sampling {
                seed: Some(5),
                ..Sampling::default()
            },
            ..Order::demo()
        };
        let taken: Vec<_> = (1..=3)
            .map(|number| order.sampling_of(number, ModelKind::Local))
            .map(|sampling| (sampling.temperature, sampling.seed))
            .collect();
        assert_eq!(
            taken,
            [
                (Some(0.0), Some(5)),
                (Some(0.7), Some(6)),
                (Some(0.7), Some(7))
            ]
        );
    }

    #[test]
    fn attempts_of_local_weights_draw_their_seeds_where_chance_decides_and_none_was_given() {
        let order = Order {
            temperatures: vec![0.0, 0.7],
            ..Order::demo()
        };
        let seeds = |kind| {
            let attempts = (1..=4).map(|number| order.sampling_of(number, kind).seed);
            attempts.collect::<Vec<_>>()
        };
        let local = seeds(ModelKind::Local);
        assert_eq!(local[0], None);
        let drawn: std::collections::BTreeSet<_> = local[1..].iter().flatten().collect();
        assert_eq!(drawn.len(), 3, "{local:?}");
        assert_eq!(seeds(ModelKind::Http), [None; 4]);
    }

    #[tokio::test]
    async fn an_order_says_what_it_lacks_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let why = |order: Order| {
            let store = store.clone();
            async move { order.jobs(&store, &supply::untold()).await.err().unwrap() }
        };
        let nothing = Order {
            which: Which::Filter("repo:nowhere".into()),
            ..Order::demo()
        };
        assert!(matches!(why(nothing).await, OrderError::Wrong(why) if why.contains("fits")));
        let unknown = Order {
            which: Which::Ids(vec!["gym__l1-guard-h2026-00021".into()]),
            ..Order::demo()
        };
        assert!(
            matches!(why(unknown).await, OrderError::Wrong(why) if why.contains("did you mean"))
        );
        let dear = Order {
            model: concat!(
                "recorded:",
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/recorded/spotter__tally-108.jsonl"
            )
            .into(),
            limits: LimitWishes {
                cost: Some(1.0),
                ..LimitWishes::default()
            },
            ..Order::demo()
        };
        assert!(matches!(why(dear).await, OrderError::Wrong(why) if why.contains("price")));
        let twice = Order {
            model: "human".into(),
            attempts: 2,
            ..Order::demo()
        };
        assert!(matches!(why(twice).await, OrderError::Wrong(why) if why.contains("one attempt")));
        assert!(store.list().unwrap().is_empty());
    }
}
