//! A line was typed in answer to a question.

use crate::app::effect::Effect;
use crate::app::field::Field;
use crate::app::layer::{Ask, Asked, Layer};
use crate::app::messages::Weight;
use crate::app::run::Search;
use crate::app::state::{State, View};
use crate::rollout::Op;

/// Lines that are remembered.
const REMEMBERED: usize = 100;

/// Take what is typed.
pub fn accept(state: &mut State) -> Vec<Effect> {
    if !state.layers.is_empty() {
        return match state.layers.last() {
            Some(Layer::Picker(_)) => super::choose(state),
            _ => Vec::new(),
        };
    }
    let Some(ask) = state.ask.take() else {
        match state.view {
            View::Library => state.library.query.active = false,
            _ => state.tasks.query.active = false,
        }
        return Vec::new();
    };
    let text = ask.field.text().to_owned();
    if !text.trim().is_empty() {
        state.typed.retain(|there| *there != text);
        state.typed.insert(0, text.clone());
        state.typed.truncate(REMEMBERED);
    }
    answer(state, ask, text)
}

fn answer(state: &mut State, ask: Ask, text: String) -> Vec<Effect> {
    let id = state.run().map(|run| run.id.clone()).unwrap_or_default();
    let control = |op| vec![Effect::Control { id: id.clone(), op }];
    let empty = text.trim().is_empty();
    match ask.what {
        Asked::Say if empty => Vec::new(),
        Asked::Say => control(Op::Say { text }),
        Asked::Shell if empty => control(Op::HandBack),
        Asked::Shell => {
            let effects = control(Op::Shell { command: text });
            // The shell is held until an empty line gives it back.
            state.ask = Some(Ask {
                what: Asked::Shell,
                label: "$".into(),
                field: Field::default(),
                history: None,
            });
            effects
        }
        Asked::Edit { index } => {
            let arguments = match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(value) if value.is_object() => value,
                _ if ask.label == "command" => serde_json::json!({ "command": text }),
                Ok(_) => return again(state, ask, "arguments are a JSON object"),
                Err(error) => {
                    let why = format!("that is no JSON: {error}");
                    return again(state, ask, &why);
                }
            };
            control(Op::Edit {
                index,
                arguments,
                name: None,
            })
        }
        Asked::Limit => match text.trim().parse::<u32>() {
            Ok(turns) if turns > 0 => control(Op::Limits {
                turns: Some(turns),
                tokens: None,
                wall_seconds: None,
                command_seconds: None,
            }),
            _ => again(state, ask, "a limit is a whole number above 0"),
        },
        Asked::Step => match text.trim().parse::<u32>() {
            Ok(step) => super::step_to(state, step),
            Err(_) => again(state, ask, "a step is a whole number"),
        },
        Asked::Branch { step } => {
            let say = (!empty).then_some(text);
            match state.run() {
                Some(run) if run.live && run.story.ended.is_none() => {
                    control(Op::Rewind { step, say })
                }
                _ => vec![Effect::Branch { id, step, say }],
            }
        }
        Asked::Stop => control(Op::Stop { why: text }),
        Asked::Search => search(state, &text),
        Asked::Value => {
            if let Some(entry) = state.tasks.form.current() {
                let before = std::mem::replace(&mut entry.value, Field::with(text.trim()));
                if let Err(why) = entry.check() {
                    entry.value = before;
                    state.say(Weight::Error, why);
                    state.ask = Some(ask);
                }
            }
            Vec::new()
        }
        Asked::Source => {
            if empty {
                return Vec::new();
            }
            vec![state.change_source(text.trim())]
        }
    }
}

/// Ask once more, with what was typed.
fn again(state: &mut State, ask: Ask, why: &str) -> Vec<Effect> {
    state.say(Weight::Error, why);
    state.ask = Some(ask);
    Vec::new()
}

fn search(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(run) = state.run_mut() else {
        return Vec::new();
    };
    if text.is_empty() {
        run.search = None;
        return Vec::new();
    }
    let search = match Search::of(text, &run.story) {
        Ok(search) => search,
        Err(error) => {
            state.say(Weight::Error, error.to_string());
            return Vec::new();
        }
    };
    let found = search.steps.len();
    run.search = Some(search);
    if run.log.is_none() {
        let words = crate::app::words::many(found, "step holds it", "steps hold it");
        state.say(Weight::Info, words);
    }
    super::search_next(state, true)
}

/// What was typed before, or after that.
pub fn history(state: &mut State, by: i64) -> Vec<Effect> {
    let typed = &state.typed;
    let Some(ask) = &mut state.ask else {
        return Vec::new();
    };
    let at = ask.history.map_or(-1, |at| i64::try_from(at).unwrap_or(-1)) + by;
    match usize::try_from(at)
        .ok()
        .and_then(|at| Some((at, typed.get(at)?)))
    {
        Some((at, text)) => {
            ask.history = Some(at);
            ask.field = Field::with(text.clone());
        }
        None if at < 0 => {
            ask.history = None;
            ask.field = Field::default();
        }
        None => {}
    }
    Vec::new()
}
