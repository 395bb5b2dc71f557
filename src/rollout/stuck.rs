//! Loop detection: `OpenHands`' four rules, and the SWE-Gym paper's own definition as a separate mark.
//!
//! The rules (`OpenHands`, `controller/stuck.py`), over the actions and observations since a person last spoke:
//! 1. the last four actions are equal and the last four observations are equal;
//! 2. the last three actions are equal and each ended in an error;
//! 3. the last three messages without an action are equal, with no observation between;
//! 4. the last six actions alternate A, B, A, B, A, B, and so do their observations.
//!
//! Observations of commands are compared by command and exit status alone, as there: different output can still be a
//! loop. The paper (SWE-Gym, §4) calls a rollout stuck when its last three actions are the same; that is recorded and
//! ends nothing.

use crate::agent::Outcome;
use crate::model::ToolCall;

/// One thing that happened, as far as the rules look.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Beat {
    Action {
        name: String,
        arguments: String,
        seen: String,
        error: bool,
    },
    Words(String),
}

/// Watches a rollout.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    beats: Vec<Beat>,
}

impl Watch {
    /// An action was carried out.
    pub fn action(&mut self, call: &ToolCall, outcome: &Outcome) {
        let seen = match outcome.exit {
            Some(exit) => format!("exit {exit}"),
            None => outcome.text.clone(),
        };
        self.beats.push(Beat::Action {
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            seen,
            error: outcome.error,
        });
        self.forget_the_distant_past();
    }

    /// The model spoke without acting.
    pub fn words(&mut self, text: &str) {
        self.beats.push(Beat::Words(text.to_owned()));
        self.forget_the_distant_past();
    }

    /// A person spoke: what was before no longer counts.
    pub fn human(&mut self) {
        self.beats.clear();
    }

    fn forget_the_distant_past(&mut self) {
        let over = self.beats.len().saturating_sub(16);
        self.beats.drain(..over);
    }

    /// The first rule that fits, by name.
    #[must_use]
    pub fn stuck(&self) -> Option<&'static str> {
        let actions: Vec<(&str, &str, &str, bool)> = self
            .beats
            .iter()
            .rev()
            .filter_map(|beat| match beat {
                Beat::Action {
                    name,
                    arguments,
                    seen,
                    error,
                } => Some((name.as_str(), arguments.as_str(), seen.as_str(), *error)),
                Beat::Words(_) => None,
            })
            .collect();
        let same_action =
            |a: &(&str, &str, &str, bool), b: &(&str, &str, &str, bool)| a.0 == b.0 && a.1 == b.1;
        let same = |a: &(&str, &str, &str, bool), b: &(&str, &str, &str, bool)| {
            same_action(a, b) && a.2 == b.2
        };
        if let Some([a, b, c, d]) = actions.first_chunk::<4>()
            && same(a, b)
            && same(b, c)
            && same(c, d)
        {
            return Some("same action, same observation, four times");
        }
        // As in the original this rule looks only once four actions have been seen.
        if let Some([a, b, c, _]) = actions.first_chunk::<4>()
            && same_action(a, b)
            && same_action(b, c)
            && [a, b, c].iter().all(|action| action.3)
        {
            return Some("same action, error each time, three times");
        }
        if let [.., Beat::Words(a), Beat::Words(b), Beat::Words(c)] = self.beats.as_slice()
            && a == b
            && b == c
        {
            return Some("same words without an action, three times");
        }
        if let Some([a, b, c, d, e, f]) = actions.first_chunk::<6>()
            && same(a, c)
            && same(c, e)
            && same(b, d)
            && same(d, f)
            && !same_action(a, b)
        {
            return Some("two actions in turn, three times");
        }
        None
    }

    /// The paper's definition: the last three actions are the same.
    #[must_use]
    pub fn repeating(&self) -> bool {
        let mut last = self.beats.iter().rev().filter_map(|beat| match beat {
            Beat::Action {
                name, arguments, ..
            } => Some((name, arguments)),
            Beat::Words(_) => None,
        });
        match (last.next(), last.next(), last.next()) {
            (Some(a), Some(b), Some(c)) => a == b && b == c,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &str) -> ToolCall {
        ToolCall {
            id: "x".into(),
            name: "execute_bash".into(),
            arguments: arguments.into(),
        }
    }

    fn outcome(exit: i32, text: &str) -> Outcome {
        Outcome {
            text: text.into(),
            exit: Some(exit),
            error: exit != 0,
            submitted: false,
            dropped: 0,
            took: std::time::Duration::ZERO,
        }
    }

    fn after(steps: &[(&str, i32, &str)]) -> Watch {
        let mut watch = Watch::default();
        for (arguments, exit, text) in steps {
            watch.action(&call(arguments), &outcome(*exit, text));
        }
        watch
    }

    #[test]
    fn four_equal_actions_with_equal_exit_are_a_loop_whatever_they_print() {
        assert_eq!(
            after(&[("a", 0, "1"), ("a", 0, "2"), ("a", 0, "3")]).stuck(),
            None
        );
        assert!(
            after(&[("a", 0, "1"), ("a", 0, "2"), ("a", 0, "3"), ("a", 0, "4")])
                .stuck()
                .is_some()
        );
    }

    #[test]
    fn three_failing_repeats_count_once_four_actions_were_seen() {
        assert_eq!(
            after(&[("a", 1, ""), ("a", 2, ""), ("a", 3, "")]).stuck(),
            None
        );
        let rule = after(&[("b", 0, ""), ("a", 1, ""), ("a", 2, ""), ("a", 3, "")]).stuck();
        assert!(rule.is_some_and(|rule| rule.contains("error")));
    }

    #[test]
    fn two_actions_in_turn_are_a_loop_after_six() {
        let turns = [
            ("a", 0, ""),
            ("b", 0, ""),
            ("a", 0, ""),
            ("b", 0, ""),
            ("a", 0, ""),
        ];
        assert_eq!(after(&turns).stuck(), None);
        let mut watch = after(&turns);
        watch.action(&call("b"), &outcome(0, ""));
        assert!(watch.stuck().is_some_and(|rule| rule.contains("in turn")));
    }

    #[test]
    fn words_three_times_are_a_loop_and_a_person_breaks_it() {
        let mut watch = Watch::default();
        watch.words("done?");
        watch.words("done?");
        watch.human();
        watch.words("done?");
        assert_eq!(watch.stuck(), None);
        watch.words("done?");
        watch.words("done?");
        assert!(watch.stuck().is_some());
    }

    #[test]
    fn the_papers_definition_needs_three_equal_actions_and_no_equal_results() {
        assert!(!after(&[("a", 0, ""), ("a", 0, "")]).repeating());
        assert!(after(&[("b", 0, ""), ("a", 0, "1"), ("a", 1, "2"), ("a", 0, "3")]).repeating());
    }
}
