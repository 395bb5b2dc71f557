//! Starting, going on, branching, carrying out again: orders made into jobs by the same code that the command line uses.

use std::sync::Arc;
use std::time::Duration;

use super::{Shared, fetching};
use crate::app::form::Form;
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::batch::{self, Job, LimitWishes, Order, OrderError, Prepared, Which, again};
use crate::model::Sampling;
use crate::rollout::ground::Wishes;
use crate::rollout::{Op, Price};
use crate::sandbox::{Kind, Limits};
use crate::trajectory::RolloutId;

/// What a step of the bundled task takes at least: the policy alone has solved it before one has read its first line.
const DEMO_PACE: Duration = Duration::from_millis(1500);

pub(super) async fn order(shared: &Arc<Shared>, form: &Form) -> Vec<Job> {
    let settings = &shared.settings;
    let order = Order {
        tasks: form.source.clone(),
        which: Which::Ids(form.tasks.clone()),
        model: form.value("model").to_owned(),
        scaffold: form.value("scaffold").to_owned(),
        tool_form: None,
        attempts: form.value("k").parse().unwrap_or(1),
        temperatures: vec![form.value("temperature").parse().unwrap_or(0.0)],
        sampling: Sampling {
            seed: form.value("seed").parse().ok(),
            ..Sampling::default()
        },
        limits: LimitWishes {
            turns: form.value("steps").parse().ok(),
            ..LimitWishes::default()
        },
        wishes: Wishes {
            kind: if form.value("sandbox") == "docker" {
                Kind::Docker
            } else {
                Kind::Local
            },
            repos: settings.repos.clone(),
            image: None,
            network: false,
            limits: Limits::default(),
            snapshot_ignored: false,
        },
        rules: None,
        hints: false,
        step_mode: form.value("step mode") == "on",
        pace: Duration::from_secs(form.value("pace").parse().unwrap_or(0)),
        price: None,
        prices: settings
            .prices
            .iter()
            .map(|(name, price)| {
                let price = Price {
                    prompt: price.prompt,
                    reply: price.reply,
                };
                (name.clone(), price)
            })
            .collect(),
    };
    let made = order.jobs(&shared.store, &fetching::telling(shared)).await;
    told(shared, made, "cannot start").await
}

pub(super) async fn demo(shared: &Arc<Shared>) -> Vec<Job> {
    let order = Order {
        pace: DEMO_PACE,
        ..Order::demo()
    };
    let made = order.jobs(&shared.store, &fetching::telling(shared)).await;
    told(shared, made, "cannot show the bundled task").await
}

pub(super) async fn resume(shared: &Arc<Shared>, name: &str) -> Vec<Job> {
    let Some(id) = RolloutId::parse(name) else {
        return Vec::new();
    };
    let limits = LimitWishes::default();
    let made = again::resume(
        &shared.store,
        &id,
        &limits,
        false,
        &fetching::telling(shared),
    )
    .await;
    told(shared, made, "cannot go on").await
}

pub(super) async fn branch(
    shared: &Arc<Shared>,
    name: &str,
    step: u32,
    say: Option<String>,
) -> Vec<Job> {
    let Some(id) = RolloutId::parse(name) else {
        return Vec::new();
    };
    let limits = LimitWishes::default();
    let made = again::branch(
        &shared.store,
        &id,
        step,
        say,
        &limits,
        false,
        &fetching::telling(shared),
    )
    .await;
    told(shared, made, "cannot branch").await
}

pub(super) async fn reexecute(shared: &Arc<Shared>, name: &str) -> Vec<Job> {
    let Some(id) = RolloutId::parse(name) else {
        return Vec::new();
    };
    let made = again::reexecute(&shared.store, &id, &fetching::telling(shared)).await;
    told(shared, made, "cannot carry the actions out again").await
}

async fn told(shared: &Arc<Shared>, made: Result<Prepared, OrderError>, failed: &str) -> Vec<Job> {
    match made {
        Ok(prepared) => {
            for warning in prepared.warnings {
                shared.say(Weight::Warning, warning).await;
            }
            prepared.jobs
        }
        Err(error) => {
            shared
                .say(Weight::Error, format!("{failed}: {error}"))
                .await;
            Vec::new()
        }
    }
}

/// What happens on the floor, as far as the state does not read it from the trajectories.
pub(super) async fn on_the_floor(shared: &Arc<Shared>, news: batch::News) {
    match news {
        batch::News::Begun { id, .. } => {
            let id = id.to_string();
            let _ = shared.news.send(News::Begun { id, focus: true }).await;
        }
        batch::News::NoSocket { why, .. } => {
            let text = format!("this run cannot be steered: {why}");
            shared.say(Weight::Warning, text).await;
        }
        batch::News::Over {
            name,
            how: Err(why),
            ..
        } => {
            shared.say(Weight::Error, format!("{name}: {why}")).await;
        }
        batch::News::Over { id: Some(id), .. } => super::library::refresh(shared, &id),
        _ => {}
    }
}

/// An operation in a word.
pub(super) fn name_of(op: &Op) -> String {
    if let Op::StepMode { on } = op {
        return format!("step mode {}", if *on { "on" } else { "off" });
    }
    serde_json::to_value(op)
        .ok()
        .and_then(|value| Some(value.get("op")?.as_str()?.replace('_', " ")))
        .unwrap_or_default()
}
