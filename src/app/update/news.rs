//! News from the executor. A late answer, to a question that is no longer asked, is dropped.

use std::sync::Arc;

use crate::app::effect::{Effect, Screen};
use crate::app::layer::Asked;
use crate::app::messages::Weight;
use crate::app::news::{News, Purpose};
use crate::app::state::State;
use crate::rollout::Op;
use crate::trajectory::Record;

#[expect(
    clippy::too_many_lines,
    reason = "one arm for each kind of news, each of them small"
)]
pub(super) fn news(state: &mut State, news: News) -> Vec<Effect> {
    match news {
        News::Tasks {
            request,
            source,
            result,
        } => {
            if state.tasks.request != Some(request) {
                return Vec::new();
            }
            state.tasks.request = None;
            match result {
                Ok(tasks) => {
                    state.tasks.error = None;
                    state.tasks.all = tasks;
                    state.tasks.fences = None;
                    state.tasks.source = source;
                    state.tasks.refilter();
                    for run in &mut state.runs {
                        if let Some(start) = &run.story.start {
                            run.task = state.tasks.named(&start.instance_id).cloned();
                        }
                    }
                }
                Err(why) => {
                    state.say(Weight::Error, format!("{source}: {why}"));
                    state.tasks.error = Some(why);
                }
            }
            Vec::new()
        }
        News::Library { rows, complete } => {
            state.library.take(rows, complete);
            state.tasks.recount(&state.library.rows);
            Vec::new()
        }
        News::Engines {
            looks,
            opening,
            coming,
        } => {
            state.engines.coming = coming;
            state.engines.take(looks, opening, state.now);
            Vec::new()
        }
        News::Serving { served } => {
            state.engines.served = served;
            state.engines.serving = None;
            super::look_at_engines(state)
        }
        News::Gone { ids } => {
            state.library.drop_rows(&ids);
            state.tasks.recount(&state.library.rows);
            Vec::new()
        }
        News::Begun { id, focus } => {
            if focus {
                return super::open_run(state, &id);
            }
            if state.runs.iter().any(|run| run.id == id) {
                return Vec::new();
            }
            let (current, view) = (state.current, state.view);
            let effects = super::open_run(state, &id);
            state.current = current.min(state.runs.len().saturating_sub(1));
            state.view = view;
            effects
        }
        News::Records {
            id,
            generation,
            records,
            live,
            caught_up,
        } => {
            records_of(state, &id, generation, records, live, caught_up);
            Vec::new()
        }
        News::Unreadable { id, why } => {
            if let Some(run) = state.run_named(&id) {
                run.unreadable = Some(why.clone());
                run.live = false;
            }
            state.say(Weight::Error, why);
            Vec::new()
        }
        News::Answered {
            id: _,
            what,
            answer,
        } => {
            let refused = !answer.as_ref().is_ok_and(|answer| answer.ok);
            if refused && what == "take over" {
                // Nobody holds the shell: there is nothing to type into.
                state.ask.take_if(|ask| ask.what == Asked::Shell);
            }
            match answer {
                Ok(answer) if answer.ok => {
                    let said = answer
                        .more
                        .get("said")
                        .or_else(|| answer.more.get("note"))
                        .and_then(serde_json::Value::as_str);
                    state.say(
                        Weight::Info,
                        said.map_or_else(
                            || format!("{what}: done"),
                            |said| format!("{what}: {said}"),
                        ),
                    );
                }
                Ok(answer) => {
                    let why = answer.error.unwrap_or_else(|| "refused".into());
                    state.say(Weight::Error, format!("{what}: {why}"));
                }
                Err(why) => state.say(Weight::Error, format!("{what}: {why}")),
            }
            Vec::new()
        }
        News::Diff {
            id,
            request,
            result,
        } => {
            if let Some(run) = state.run_named(&id) {
                run.diff.take(request, result);
            }
            Vec::new()
        }
        News::Code { id, span, code } => {
            if let Some(run) = state.run_named(&id) {
                run.diff.take_code(span, code);
            }
            Vec::new()
        }
        News::Fences { task, fences } => {
            state.tasks.highlighting = false;
            state.tasks.fences = Some((task, fences));
            Vec::new()
        }
        News::Log { id, file, result } => {
            if let Some(log) = state
                .run_named(&id)
                .and_then(|run| run.log.as_mut())
                .filter(|log| log.file == file)
            {
                log.log = Some(result);
            }
            Vec::new()
        }
        News::Edited { purpose, result } => edited(state, purpose, result),
        News::Keymap {
            name,
            keymap,
            warnings,
        } => {
            state.keymap = *keymap;
            state.keymap_name.clone_from(&name);
            state.pending.clear();
            match warnings.first() {
                None => state.say(Weight::Info, format!("keymap: {name}")),
                Some(first) => {
                    let more = warnings.len() - 1;
                    let more = if more > 0 {
                        format!(" (and {more} more: g m)")
                    } else {
                        String::new()
                    };
                    state.say(Weight::Warning, format!("{first}{more}"));
                }
            }
            Vec::new()
        }
        News::Files { themes, keymaps } => {
            let mut effects = Vec::new();
            if let Some(names) = themes {
                state.settings.themes = names;
                effects.push(Effect::Screen(Screen::ThemeAgain {
                    name: state.theme.clone(),
                }));
            }
            if let Some(names) = keymaps {
                state.settings.keymaps = names;
                effects.push(Effect::KeymapAgain {
                    name: state.keymap_name.clone(),
                });
            }
            effects
        }
        News::Settings { theme, keymap } => {
            let mut effects = Vec::new();
            if theme.is_some() {
                // What was picked before gives way to what was written after.
                state.session.theme = None;
                crate::theme::choose(theme.as_ref(), state.light).clone_into(&mut state.theme);
                effects.push(Effect::Screen(Screen::Theme {
                    name: state.theme.clone(),
                    keep: true,
                }));
            }
            if let Some(name) = keymap {
                state.session.keymap = None;
                effects.push(Effect::Keymap { name });
            }
            effects.extend(super::save(state));
            effects
        }
        News::Message { weight, text } => {
            state.say(weight, text);
            Vec::new()
        }
    }
}

/// A run was opened to be replayed, and is read now.
fn begin_if_wanted(state: &mut State, at: usize) {
    let Some(run) = state.runs.get_mut(at) else {
        return;
    };
    if !run.caught_up || !std::mem::take(&mut run.replay_when_told) {
        return;
    }
    if run.live {
        let why = "it still runs: a replay is for what is stored";
        state.say(Weight::Warning, why);
    } else if state.current == at {
        super::begin_replay(state);
    }
}

fn records_of(
    state: &mut State,
    id: &str,
    generation: u64,
    records: Vec<Record>,
    live: bool,
    caught_up: bool,
) {
    let Some(at) = state
        .runs
        .iter()
        .position(|run| run.id == id && run.generation == generation)
    else {
        return;
    };
    let was = {
        let Some(run) = state.runs.get_mut(at) else {
            return;
        };
        let was = (run.story.verdict.is_some(), run.live);
        run.tell(&records, live, caught_up);
        // A live run may go on for days: what a replay of it needs is read again when one begins.
        if !live && run.replay.is_none() {
            run.keep(records);
        }
        was
    };
    begin_if_wanted(state, at);
    // Its task, and the library's row, follow.
    let Some(run) = state.runs.get(at) else {
        return;
    };
    if run.task.is_none()
        && let Some(start) = &run.story.start
    {
        let task = state.tasks.named(&start.instance_id).map(Arc::clone);
        if let Some(run) = state.runs.get_mut(at) {
            run.task = task;
        }
    }
    let Some(run) = state.runs.get(at) else {
        return;
    };
    if was.1
        && !was.0
        && state.outcome()
        && let Some(verdict) = &run.story.verdict
    {
        let name = run
            .story
            .start
            .as_ref()
            .map_or("", |start| start.instance_id.as_str());
        let text = format!("{name}: {}", crate::grade::report::sentence(verdict));
        let weight = match verdict {
            crate::grade::Verdict::InfrastructureError { .. } => Weight::Error,
            _ => Weight::Info,
        };
        state.say(weight, text);
    }
}

fn edited(state: &mut State, purpose: Purpose, result: Result<String, String>) -> Vec<Effect> {
    let text = match result {
        Ok(text) => text,
        Err(why) => {
            state.say(Weight::Error, why);
            return Vec::new();
        }
    };
    match purpose {
        Purpose::Say { id } if !text.trim().is_empty() => vec![Effect::Control {
            id,
            op: Op::Say { text },
        }],
        Purpose::Look | Purpose::Say { .. } => Vec::new(),
        Purpose::Action { id, index } => match serde_json::from_str(&text) {
            Ok(arguments) => vec![Effect::Control {
                id,
                op: Op::Edit {
                    index,
                    arguments,
                    name: None,
                },
            }],
            Err(error) => {
                state.say(
                    Weight::Error,
                    format!("not edited: what came back is no JSON: {error}"),
                );
                Vec::new()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::story::Story;
    use crate::trajectory::event::Event;

    fn told(state: &mut State, live: bool, caught_up: bool, seq: u64) {
        let generation = state.runs[0].generation;
        let record = Record {
            seq,
            at: jiff::Timestamp::UNIX_EPOCH,
            event: Event::Repeating { step: 1 },
        };
        records_of(state, "a", generation, vec![record], live, caught_up);
    }

    fn opened() -> State {
        let keymap = crate::keymap::load("default", None, &crate::app::executor::known()).0;
        let session = crate::app::session::Session::default();
        let given = crate::app::state::Settings::default();
        let mut state = State::new(given, session, keymap, jiff::Timestamp::UNIX_EPOCH);
        crate::app::update::open_run(&mut state, "a");
        state.runs[0].replay_when_told = true;
        state
    }

    #[test]
    fn a_run_that_was_opened_for_a_replay_is_replayed_once_all_of_it_is_read() {
        let mut state = opened();
        told(&mut state, false, false, 0);
        assert!(state.runs[0].replay.is_none());
        told(&mut state, false, true, 1);
        assert!(state.runs[0].replay.is_some());
        super::super::end_replay(&mut state);
        told(&mut state, false, true, 2);
        assert!(state.runs[0].replay.is_none(), "only once");
    }

    #[test]
    fn a_replay_of_too_many_records_says_what_it_leaves_out_and_has_every_step() {
        let mut state = opened();
        let generation = state.runs[0].generation;
        let text = "x".to_owned();
        let delta = Event::Delta {
            call: 1,
            deltas: vec![crate::model::Delta::Text { text }],
        };
        let pieces = std::iter::repeat_n(delta, 1_000);
        let last = Event::Repeating { step: 1 };
        let records: Vec<Record> = (0..)
            .zip(pieces.chain([last]))
            .map(|(seq, event)| Record {
                seq,
                at: jiff::Timestamp::UNIX_EPOCH,
                event,
            })
            .collect();
        records_of(&mut state, "a", generation, records, false, true);
        assert!(state.runs[0].replay.is_some());
        assert_eq!(
            (state.runs[0].records.len(), state.runs[0].left_out),
            (401, 600)
        );
        let said: Vec<String> = state.messages.newest().map(|m| m.text.clone()).collect();
        assert!(said[0].contains("401 of 1001 records"), "{said:?}");
        // It is not read again and again for what does not fit.
        super::super::end_replay(&mut state);
        state.runs[0].story = Story::default();
        let records = state.runs[0].records.clone();
        for record in records {
            state.runs[0].story.tell(&record);
        }
        state.runs[0].story.told = 1_001;
        assert!(super::super::begin_replay(&mut state).is_empty());
        assert!(state.runs[0].replay.is_some());
    }

    #[test]
    fn a_run_that_still_runs_is_not_replayed() {
        let mut state = opened();
        told(&mut state, true, true, 0);
        assert!(state.runs[0].replay.is_none());
    }
}
