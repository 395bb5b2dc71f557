//! The state machine over text that streams.
//!
//! Every decision is made as soon as the text so far allows only one, or at the end. So the result does not depend on
//! how the text is cut into pieces.

use serde_json::{Map, Value};

use super::json_call::name_and_arguments;
use super::{Form, Piece, TextCall, json_scan, schema, xml};
use crate::model::ToolSpec;

const FUNCTION: &str = "<function=";
const CALL: &str = "<tool_call>";
const CALL_END: &str = "</tool_call>";
const PYTHON: &str = "<|python_tag|>";

/// Reads prose and calls from text that streams.
#[derive(Debug)]
pub struct Parser {
    form: Form,
    tools: Vec<ToolSpec>,
    /// What is not decided yet; begins with the marker, where a call is open.
    text: String,
    state: State,
    prose: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space so far: a bare object may come.
    Start,
    /// Words.
    Prose,
    /// After `<function=`.
    Function,
    /// After `<tool_call>`: which form it holds is not known.
    Wrapper,
    /// `<tool_call>` around `<function=`.
    WrappedFunction,
    /// `<tool_call>` around JSON.
    WrappedJson,
    /// `<tool_call>` around something else.
    WrappedJunk,
    /// A call inside `<tool_call>` is done; its end may come.
    WrapperEnd,
    /// After `<|python_tag|>`.
    Python,
    /// An object at the start of the message.
    Bare,
    /// An object of Llama's is done; another may come.
    Another,
}

impl Parser {
    /// A parser for one message.
    #[must_use]
    pub fn new(form: Form, tools: &[ToolSpec]) -> Self {
        Self {
            form,
            tools: tools.to_vec(),
            text: String::new(),
            state: State::Start,
            prose: String::new(),
        }
    }

    /// Take text in; what it decides comes out.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.text.push_str(text);
        // An open call ends in one of these; looking again at each token of a long file would be quadratic.
        let waits = matches!(
            self.state,
            State::Function
                | State::WrappedFunction
                | State::WrappedJson
                | State::WrappedJunk
                | State::Python
                | State::Bare
        );
        if waits && !text.contains(['>', '}', ']']) {
            return Vec::new();
        }
        let mut out = Vec::new();
        while self.step(&mut out, false) {}
        self.flush(&mut out);
        out
    }

    /// The message is over: whatever is open is decided now.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut out = Vec::new();
        while self.step(&mut out, true) {}
        self.prose.push_str(&std::mem::take(&mut self.text));
        self.flush(&mut out);
        out
    }

    /// Decide one thing; false where the text does not allow it yet.
    fn step(&mut self, out: &mut Vec<Piece>, last: bool) -> bool {
        match self.state {
            State::Start => self.start(),
            State::Prose => self.words(last),
            State::Function => self.function(out, last, FUNCTION.len(), State::Prose),
            State::Wrapper => self.wrapper(last),
            State::WrappedFunction => {
                let inside = self.text.find(FUNCTION).map_or(0, |at| at + FUNCTION.len());
                self.function(out, last, inside, State::WrapperEnd)
            }
            State::WrappedJson => self.object(out, last, CALL.len(), State::WrapperEnd),
            State::WrappedJunk => self.junk(out, last),
            State::WrapperEnd => self.wrapper_end(last),
            State::Python => self.python(out, last),
            State::Bare => self.bare(out, last),
            State::Another => self.another(last),
        }
    }

    fn start(&mut self) -> bool {
        let Some(first) = self.text.trim_start().chars().next() else {
            return false;
        };
        let bare = matches!(self.form, Form::Llama | Form::Any) && first == '{';
        self.state = if bare { State::Bare } else { State::Prose };
        true
    }

    fn markers(&self) -> &'static [(&'static str, State)] {
        match self.form {
            Form::Xml => &[(FUNCTION, State::Function), (CALL, State::Wrapper)],
            Form::Hermes => &[(CALL, State::Wrapper)],
            Form::Llama => &[(PYTHON, State::Python)],
            Form::Any => &[
                (FUNCTION, State::Function),
                (CALL, State::Wrapper),
                (PYTHON, State::Python),
            ],
        }
    }

    fn words(&mut self, last: bool) -> bool {
        let markers = self.markers();
        let found = markers
            .iter()
            .filter_map(|(marker, state)| Some((self.text.find(marker)?, *state)))
            .min_by_key(|(at, _)| *at);
        if let Some((at, state)) = found {
            let words = self.take(at);
            self.prose.push_str(&words);
            self.state = state;
            return true;
        }
        // The text's end may be the start of a marker.
        let held = if last {
            0
        } else {
            self.possible_start(markers)
        };
        let words = self.take(self.text.len() - held);
        self.prose.push_str(&words);
        false
    }

    /// How many bytes at the end could begin a marker.
    fn possible_start(&self, markers: &[(&str, State)]) -> usize {
        let begins = |from: usize| {
            let tail = self.text.get(from..);
            tail.is_some_and(|tail| markers.iter().any(|(marker, _)| marker.starts_with(tail)))
        };
        let longest = markers
            .iter()
            .map(|(marker, _)| marker.len())
            .max()
            .unwrap_or(0);
        let first = self.text.len().saturating_sub(longest);
        (first..self.text.len())
            .find(|from| begins(*from))
            .map_or(0, |from| self.text.len() - from)
    }

    fn function(&mut self, out: &mut Vec<Piece>, last: bool, skip: usize, then: State) -> bool {
        let inside = self.text.get(skip..).unwrap_or_default();
        let (body, length) = match xml::end(inside) {
            Some(end) => {
                let body = inside.get(..end).unwrap_or_default();
                (body.strip_suffix("</function>").unwrap_or(body), skip + end)
            }
            // Cut by the stop phrase, or by the end of the reply.
            None if last => {
                let body = inside.trim_end();
                (body.strip_suffix(CALL_END).unwrap_or(body), self.text.len())
            }
            None => return false,
        };
        let body = xml::body(body);
        let raw = self.take(length);
        self.call(out, &body.name, body.arguments, body.problem, raw);
        self.state = then;
        true
    }

    fn wrapper(&mut self, last: bool) -> bool {
        let inside = self.text.get(CALL.len()..).unwrap_or_default().trim_start();
        let xml = !matches!(self.form, Form::Hermes);
        self.state = if inside.starts_with(FUNCTION) && xml {
            State::WrappedFunction
        } else if inside.starts_with('{') {
            State::WrappedJson
        } else if !last && (inside.is_empty() || (xml && FUNCTION.starts_with(inside))) {
            return false;
        } else {
            State::WrappedJunk
        };
        true
    }

    fn junk(&mut self, out: &mut Vec<Piece>, last: bool) -> bool {
        let length = match self.text.find(CALL_END) {
            Some(at) => at + CALL_END.len(),
            None if last => self.text.len(),
            None => return false,
        };
        let raw = self.take(length);
        let problem = format!(
            "`{CALL}` must hold one JSON object with `name` and `arguments`, or `{FUNCTION}`."
        );
        self.call(out, "", Map::new(), Some(problem), raw);
        self.state = State::Prose;
        true
    }

    fn wrapper_end(&mut self, last: bool) -> bool {
        let rest = self.text.trim_start();
        if let Some(after) = rest.strip_prefix(CALL_END) {
            self.text = after.to_owned();
        } else if CALL_END.starts_with(rest) {
            if !last {
                return false;
            }
            self.text.clear();
        }
        self.state = State::Prose;
        true
    }

    /// A JSON call that begins behind `skip` bytes of marker.
    fn object(&mut self, out: &mut Vec<Piece>, last: bool, skip: usize, then: State) -> bool {
        let inside = self.text.get(skip..).unwrap_or_default();
        let blank = inside.len() - inside.trim_start().len();
        let inside = inside.trim_start();
        let length = match json_scan::balanced(inside) {
            Some(end) => end,
            None if last => inside
                .trim_end()
                .trim_end_matches(CALL_END)
                .trim_end()
                .len(),
            None => return false,
        };
        let parsed = serde_json::from_str::<Value>(inside.get(..length).unwrap_or_default());
        let complete = json_scan::balanced(inside).is_some();
        let raw = self.take(if complete {
            skip + blank + length
        } else {
            self.text.len()
        });
        match parsed {
            Ok(value) => self.json_call(out, &value, raw),
            Err(error) => {
                let problem = format!("The call is not valid JSON: {error}.");
                self.call(out, "", Map::new(), Some(problem), raw);
            }
        }
        self.state = then;
        true
    }

    fn python(&mut self, out: &mut Vec<Piece>, last: bool) -> bool {
        let inside = self
            .text
            .get(PYTHON.len()..)
            .unwrap_or_default()
            .trim_start();
        if inside.starts_with('{') {
            return self.object(out, last, PYTHON.len(), State::Another);
        }
        if inside.is_empty() && !last {
            return false;
        }
        if !last {
            // Code, or nothing that is known: only the end shows where it ends.
            return false;
        }
        let raw = self.take(self.text.len());
        let problem =
            format!("`{PYTHON}` must be followed by a JSON object with `name` and `parameters`.");
        self.call(out, "", Map::new(), Some(problem), raw);
        self.state = State::Prose;
        true
    }

    fn bare(&mut self, out: &mut Vec<Piece>, last: bool) -> bool {
        let inside = self.text.trim_start();
        let length = json_scan::balanced(inside);
        if length.is_none() && !last {
            return false;
        }
        let object = inside.get(..length.unwrap_or(inside.len()));
        let object = object.unwrap_or_default();
        if begins_a_call(object, &self.tools) {
            return self.object(out, last, 0, State::Another);
        }
        let Some(length) = length else {
            self.state = State::Prose;
            return true;
        };
        let named = |value: &Value| {
            let call = name_and_arguments(value);
            call.is_some_and(|(name, _)| self.tools.iter().any(|tool| tool.name == name))
        };
        let value = serde_json::from_str::<Value>(object).ok();
        match value.filter(named) {
            Some(value) => {
                let blank = self.text.len() - inside.len();
                let raw = self.take(blank + length);
                self.json_call(out, &value, raw);
                self.state = State::Another;
            }
            // An object that is no call is what the model wanted to say.
            None => self.state = State::Prose,
        }
        true
    }

    fn another(&mut self, last: bool) -> bool {
        let rest = self
            .text
            .trim_start_matches([' ', '\n', '\r', '\t', ';', ',']);
        let Some(next) = rest.chars().next() else {
            if last {
                self.text.clear();
            }
            return false;
        };
        let ends = ["<|eom_id|>", "<|eot_id|>"];
        if let Some(after) = ends.iter().find_map(|end| rest.strip_prefix(end)) {
            self.text = after.to_owned();
            self.state = State::Prose;
        } else if !last && ends.iter().any(|end| end.starts_with(rest)) {
            return false;
        } else if next == '{' {
            self.text = rest.to_owned();
            self.state = State::Bare;
        } else {
            self.state = State::Prose;
        }
        true
    }

    fn json_call(&mut self, out: &mut Vec<Piece>, value: &Value, raw: String) {
        match name_and_arguments(value) {
            None => {
                let problem =
                    "The call must be a JSON object with `name` and `arguments`.".to_owned();
                self.call(out, "", Map::new(), Some(problem), raw);
            }
            Some((name, Ok(arguments))) => self.call(out, name, arguments, None, raw),
            Some((name, Err(problem))) => self.call(out, name, Map::new(), Some(problem), raw),
        }
    }

    fn call(
        &mut self,
        out: &mut Vec<Piece>,
        name: &str,
        arguments: Map<String, Value>,
        problem: Option<String>,
        raw: String,
    ) {
        self.flush(out);
        let (arguments, problem) = match problem {
            None => schema::check(name, arguments, &self.tools),
            some => (arguments, some),
        };
        out.push(Piece::Call(TextCall {
            name: name.to_owned(),
            arguments: Value::Object(arguments).to_string(),
            problem,
            raw,
        }));
    }

    fn flush(&mut self, out: &mut Vec<Piece>) {
        if !self.prose.is_empty() {
            out.push(Piece::Text(std::mem::take(&mut self.prose)));
        }
    }

    /// The first bytes of what is open. `length` is on a character's boundary; if it were not, everything is taken.
    fn take(&mut self, length: usize) -> String {
        let rest = self.text.get(length..).unwrap_or_default().to_owned();
        let mut taken = std::mem::replace(&mut self.text, rest);
        taken.truncate(taken.len() - self.text.len());
        taken
    }
}

/// Whether a bare object is meant as a call of a tool that is there, even where none can be read from it: then its problem is
/// told, and not lost among words. Nothing marks a bare object as a call but the tool's name: an answer in JSON may well have
/// a `name`, too. A name that is cut off counts for every tool that it could become.
fn begins_a_call(text: &str, tools: &[ToolSpec]) -> bool {
    let after = |words: &[&str]| {
        let mut words = words.iter();
        words.try_fold(text, |rest, word| rest.trim_start().strip_prefix(*word))
    };
    let name = after(&["{", "\"name\""]).or_else(|| {
        let inside = after(&["{", "\"type\"", ":", "\"function\""])?;
        inside.split_once("\"name\"").map(|(_, name)| name)
    });
    let Some(name) = name.map(str::trim_start) else {
        return false;
    };
    let name = name.strip_prefix(':').unwrap_or(name).trim_start();
    let (name, is_whole) = if let Some(quoted) = name.strip_prefix('"') {
        let end = quoted.find('"');
        (quoted.get(..end.unwrap_or(quoted.len())), end.is_some())
    } else {
        // The quotes may be what is wrong with it.
        let end = name.find(|letter: char| !letter.is_alphanumeric() && !"_-.".contains(letter));
        (name.get(..end.unwrap_or(name.len())), end.is_some())
    };
    let name = name.unwrap_or_default();
    tools.iter().any(|tool| {
        let could_be = !is_whole && tool.name.starts_with(name);
        tool.name == name || could_be
    })
}
