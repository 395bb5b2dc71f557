//! What is left out when a conversation no longer fits: the oldest half, in whole turns.
//!
//! A turn is an assistant message and everything until the next one: its results, and what a person or the scaffold said
//! to it. Turns are never split, so a call always stays with its result. The opening and the last turn always stay.

use crate::model::{Message, Role};

/// Which messages to leave out, ascending: half of the turns (rounded up) after the first `keep_opening` messages, oldest
/// first. Empty where nothing can be left out: then the rollout must end.
#[must_use]
pub fn drop_oldest_half(messages: &[Message], keep_opening: usize) -> Vec<usize> {
    let starts: Vec<usize> = messages
        .iter()
        .enumerate()
        .skip(keep_opening)
        .filter(|(_, message)| message.role == Role::Assistant)
        .map(|(index, _)| index)
        .collect();
    let drop_turns = starts.len().div_ceil(2).min(starts.len().saturating_sub(1));
    let Some(end) = starts.get(drop_turns) else {
        return Vec::new();
    };
    if drop_turns == 0 {
        return Vec::new();
    }
    (keep_opening..*end).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ToolCall;

    fn conversation(opening: usize, turns: &[(usize, usize)]) -> Vec<Message> {
        let mut all = vec![Message::text(Role::User, "opening"); opening];
        for (turn, (calls, remarks)) in turns.iter().enumerate() {
            let calls: Vec<ToolCall> = (0..*calls)
                .map(|n| ToolCall {
                    id: format!("{turn}-{n}"),
                    name: "bash".into(),
                    arguments: "{}".into(),
                })
                .collect();
            let mut said = Message::text(Role::Assistant, "thought");
            said.tool_calls.clone_from(&calls);
            all.push(said);
            all.extend(calls.iter().map(|call| Message::tool_result(call, "done")));
            all.extend(vec![Message::text(Role::User, "go on"); *remarks]);
        }
        all
    }

    proptest! {
        #[test]
        fn calls_stay_with_their_results_and_the_opening_and_the_last_turn_stay(
            opening in 0usize..4, turns in prop::collection::vec((0usize..4, 0usize..3), 0..12),
        ) {
            let messages = conversation(opening, &turns);
            let dropped = drop_oldest_half(&messages, opening);
            prop_assert!(dropped.iter().all(|index| *index >= opening));
            let kept: Vec<&Message> = messages.iter().enumerate()
                .filter(|(index, _)| !dropped.contains(index)).map(|(_, message)| message).collect();
            for message in &kept {
                for call in &message.tool_calls {
                    prop_assert!(kept.iter().any(|other| other.tool_call_id.as_deref() == Some(&call.id)));
                }
                if let Some(id) = &message.tool_call_id {
                    prop_assert!(kept.iter().any(|other| other.tool_calls.iter().any(|call| &call.id == id)));
                }
            }
            let left = kept.iter().filter(|message| message.role == Role::Assistant).count();
            prop_assert_eq!(left, turns.len() - (turns.len().div_ceil(2)).min(turns.len().saturating_sub(1)));
            prop_assert_eq!(messages.last(), kept.last().copied());
        }
    }

    #[test]
    fn repeated_it_ends_with_one_turn_and_then_says_that_nothing_can_go() {
        let mut messages = conversation(2, &[(1, 0); 9]);
        let mut rounds = 0;
        loop {
            let dropped = drop_oldest_half(&messages, 2);
            if dropped.is_empty() {
                break;
            }
            rounds += 1;
            messages = messages
                .into_iter()
                .enumerate()
                .filter(|(i, _)| !dropped.contains(i))
                .map(|(_, m)| m)
                .collect();
        }
        assert_eq!(messages.len(), 4);
        assert_eq!(rounds, 3, "9 turns, then 4, 2, 1");
    }
}
