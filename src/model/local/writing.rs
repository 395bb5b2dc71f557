//! From the text of a reply to its message: stop phrases, and calls written as text.
//!
//! Mental model: text goes in as it comes, pieces come out as soon as they are certain. Text that may be the beginning of a
//! stop phrase waits; text inside a call waits for the call's end. What came out in pieces, put together, is the message.
//!
//! A call that is open where the reply was cut off is half a call: what stands in it may be the beginning of something else.
//! It is text, or a call that cannot be carried out.

use crate::model::tool_text::{Form, Parser, Piece, TextCall, check_native};
use crate::model::{Delta, Message, Role, ToolCall, ToolSpec};

/// See the module.
pub struct Writing {
    parser: Option<Parser>,
    tools: Vec<ToolSpec>,
    stops: Vec<String>,
    /// Text that may be the beginning of a stop phrase.
    kept: String,
    message: Message,
    nameless: Nameless,
    /// Calls that a reply may hold.
    calls: usize,
    over: bool,
}

/// What becomes of a call in which no name can be made out, or that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nameless {
    /// It stays a call with its text as arguments: the agent says what is wrong with it.
    Call,
    /// It is text: clients of a protocol have no use for a call of nothing.
    Text,
}

/// What more text brought.
#[derive(Debug, Default)]
pub struct Written {
    /// Pieces.
    pub pieces: Vec<Delta>,
    /// The reply ends here: a stop phrase has come, or the last call that it may hold.
    pub over: bool,
}

impl Writing {
    /// Calls are looked for where tools are offered.
    #[must_use]
    pub fn new(tools: &[ToolSpec], stops: Vec<String>, nameless: Nameless, calls: usize) -> Self {
        Self {
            parser: (!tools.is_empty()).then(|| Parser::new(Form::Any, tools)),
            tools: tools.to_vec(),
            stops,
            kept: String::new(),
            message: Message::text(Role::Assistant, ""),
            nameless,
            calls,
            over: false,
        }
    }

    /// A stop phrase has come, or the last call.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The message so far.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// More text.
    pub fn push(&mut self, text: &str) -> Written {
        self.kept.push_str(text);
        let first = self
            .stops
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| self.kept.find(stop.as_str()))
            .min();
        if let Some(at) = first {
            self.over = true;
            self.kept.truncate(at);
            let rest = std::mem::take(&mut self.kept);
            return Written {
                pieces: self.write(&rest),
                over: true,
            };
        }
        let safe = self.kept.len() - longest_beginning(&self.kept, &self.stops);
        let ready: String = self.kept.drain(..safe).collect();
        let pieces = self.write(&ready);
        self.over = self.message.tool_calls.len() >= self.calls;
        Written {
            pieces,
            over: self.over,
        }
    }

    fn write(&mut self, text: &str) -> Vec<Delta> {
        if text.is_empty() {
            return Vec::new();
        }
        let pieces = match &mut self.parser {
            Some(parser) => parser.push(text),
            None => vec![Piece::Text(text.to_owned())],
        };
        self.take(pieces, false)
    }

    /// Take pieces; `cut` where a call among them is half a one.
    fn take(&mut self, pieces: Vec<Piece>, cut: bool) -> Vec<Delta> {
        let mut deltas = Vec::new();
        for piece in pieces {
            if self.message.tool_calls.len() >= self.calls {
                break;
            }
            deltas.push(match piece {
                Piece::Text(text) => self.say(text),
                Piece::Call(call)
                    if (cut || call.name.is_empty()) && self.nameless == Nameless::Text =>
                {
                    self.say(call.raw)
                }
                Piece::Call(call) => self.call(call, cut),
            });
        }
        deltas
    }

    fn say(&mut self, text: String) -> Delta {
        self.message.content.push_str(&text);
        Delta::Text { text }
    }

    fn call(&mut self, written: TextCall, cut: bool) -> Delta {
        let index = self.message.tool_calls.len();
        let mut call = ToolCall {
            id: format!("call_{}", ulid::Ulid::generate().to_string().to_lowercase()),
            name: written.name,
            arguments: written.arguments,
        };
        let is_problem = cut || written.problem.is_some();
        // The agent looks at the arguments only. Where they hide that something is wrong they are what was written, which
        // is no JSON: so it is told, and not carried out.
        if is_problem && (call.name.is_empty() || check_native(&call, &self.tools).is_ok()) {
            call.arguments = written.raw;
        }
        self.message.tool_calls.push(call.clone());
        Delta::Tool {
            index,
            name: Some(call.name),
            arguments: call.arguments,
        }
    }

    /// The text is over: what waited is decided. `cut` where the model did not end it itself, but a limit did.
    pub fn finish(&mut self, cut: bool) -> Vec<Delta> {
        let rest = std::mem::take(&mut self.kept);
        let mut deltas = self.write(&rest);
        let last = self.parser.as_mut().map(Parser::finish).unwrap_or_default();
        // A stop phrase cuts as a limit does. And a value that is open is half a value, whoever ended it.
        let open = |piece: &Piece| matches!(piece, Piece::Call(call) if call.problem.is_some());
        let cut = cut || self.over || last.iter().any(open);
        deltas.extend(self.take(last, cut));
        if !self.message.tool_calls.is_empty() {
            let whole = self.message.content.trim_end().len();
            self.message.content.truncate(whole);
        }
        deltas
    }
}

/// Bytes at the end of a text with which some stop phrase begins.
fn longest_beginning(text: &str, stops: &[String]) -> usize {
    let beginnings = stops.iter().flat_map(|stop| {
        stop.char_indices()
            .skip(1)
            .filter_map(|(end, _)| stop.get(..end))
            .filter(|beginning| text.ends_with(beginning))
            .map(str::len)
    });
    beginnings.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written_with(
        tools: &[ToolSpec],
        stops: &[&str],
        pieces: &[&str],
        nameless: Nameless,
        calls: usize,
    ) -> (Message, bool) {
        ended(tools, stops, pieces, nameless, calls, false)
    }

    fn ended(
        tools: &[ToolSpec],
        stops: &[&str],
        pieces: &[&str],
        nameless: Nameless,
        calls: usize,
        cut: bool,
    ) -> (Message, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut writing = Writing::new(tools, stops, nameless, calls);
        let (mut deltas, mut stopped) = (Vec::new(), false);
        for piece in pieces {
            let written = writing.push(piece);
            deltas.extend(written.pieces);
            if written.over {
                stopped = true;
                break;
            }
        }
        deltas.extend(writing.finish(cut));
        let message = writing.message().clone();
        let mut text = String::new();
        for delta in deltas {
            if let Delta::Text { text: piece } = delta {
                text.push_str(&piece);
            }
        }
        assert_eq!(
            text.trim_end(),
            message.content.trim_end(),
            "what streamed is what was said"
        );
        (message, stopped)
    }

    fn written(tools: &[ToolSpec], stops: &[&str], pieces: &[&str]) -> (Message, bool) {
        written_with(tools, stops, pieces, Nameless::Call, usize::MAX)
    }

    fn tool() -> ToolSpec {
        ToolSpec {
            name: "bash".into(),
            description: String::new(),
            parameters: json!({"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}),
        }
    }

    #[test]
    fn a_stop_phrase_ends_the_reply_however_it_was_cut_and_is_no_part_of_it() {
        for pieces in [
            &["one </fun", "ction two"][..],
            &["one ", "<", "/", "function", " two"],
            &["one </function two"],
        ] {
            let (message, stopped) = written(&[], &["</function", "never"], pieces);
            assert!(stopped);
            assert_eq!(message.content, "one ");
        }
        let (message, stopped) = written(&[], &["</function"], &["a </f", "oo"]);
        assert!(!stopped);
        assert_eq!(message.content, "a </foo");
    }

    const GOOD: &str = "I look.\n<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>";

    #[test]
    fn calls_come_out_of_the_text_and_bad_ones_are_kept() {
        let tools = [tool()];
        let (message, _) = written(&tools, &[], &[GOOD]);
        assert_eq!(message.content, "I look.");
        assert_eq!(message.tool_calls.len(), 1);
        assert_eq!(message.tool_calls[0].name, "bash");
        let bad = "<tool_call>\n{\"name\": \"bash\", oops\n</tool_call>";
        let (message, _) = written(&tools, &[], &[bad]);
        assert_eq!(message.tool_calls.len(), 1, "{message:?}");
        assert!(message.tool_calls[0].arguments.contains("oops"));
        let (message, _) = written_with(&tools, &[], &[bad], Nameless::Text, usize::MAX);
        assert!(message.tool_calls.is_empty() && message.content.contains("oops"));
        // Without tools it is text.
        let (message, _) = written(&[], &[], &[GOOD]);
        assert!(message.tool_calls.is_empty() && message.content.contains("<tool_call>"));
    }

    #[test]
    fn a_call_that_is_cut_off_is_never_carried_out() {
        let tools = [tool()];
        let half = "<function=bash>\n<parameter=command>rm -rf /tmp/x";
        let closed = format!("{half}</parameter>\n");
        for (text, cut) in [(half, true), (half, false), (closed.as_str(), true)] {
            let text = format!("I clean up.\n{text}");
            let all = usize::MAX;
            let (message, _) = ended(&tools, &[], &[&text], Nameless::Text, all, cut);
            assert!(message.tool_calls.is_empty(), "{message:?}");
            assert_eq!(message.content, text);
            let (message, _) = ended(&tools, &[], &[&text], Nameless::Call, all, cut);
            let [call] = message.tool_calls.as_slice() else {
                panic!("no call in {message:?}");
            };
            assert_eq!(call.name, "bash");
            assert!(check_native(call, &tools).is_err(), "{call:?}");
        }
        // The model itself ended this one, and one that is whole is a call whatever comes after it.
        let whole = format!("{closed}</function>");
        for (text, cut) in [(closed.as_str(), false), (whole.as_str(), true)] {
            for nameless in [Nameless::Text, Nameless::Call] {
                let (message, _) = ended(&tools, &[], &[text], nameless, usize::MAX, cut);
                assert!(check_native(&message.tool_calls[0], &tools).is_ok());
            }
        }
        // A stop phrase in the middle of it cuts it, too.
        let stops = ["-rf"];
        let (message, _) = written_with(&tools, &stops, &[half], Nameless::Text, usize::MAX);
        assert!(message.tool_calls.is_empty());
        assert!(message.content.ends_with("<parameter=command>rm "));
    }

    #[test]
    fn what_is_wrong_with_a_call_is_not_lost_where_its_arguments_look_right() {
        let twice = "<function=bash><parameter=command>a</parameter><parameter=command>b</parameter></function>";
        let (message, _) = written(&[tool()], &[], &[twice]);
        assert_eq!(message.tool_calls[0].arguments, twice);
        assert!(check_native(&message.tool_calls[0], &[tool()]).is_err());
    }

    #[test]
    fn the_last_call_that_a_reply_may_hold_ends_it() {
        let twice = format!("{GOOD}\n{GOOD}");
        let (message, over) = written_with(&[tool()], &[], &[&twice], Nameless::Call, 1);
        assert!(over);
        assert_eq!(message.tool_calls.len(), 1);
        assert_eq!(written(&[tool()], &[], &[&twice]).0.tool_calls.len(), 2);
    }
}
