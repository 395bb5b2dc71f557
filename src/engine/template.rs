//! Chat templates: from messages to the text that a model was trained on.
//!
//! Mental model: the template is the model's own Jinja source; it is rendered as `transformers` renders it (blocks trimmed,
//! Python's methods on strings, lists and dicts, `tojson` with Python's spacing, `raise_exception`, `strftime_now`).
//! What `Jinja2` says otherwise than minijinja of nothing (`none` is not iterable, the length of what is not there is 0) is said as there.
//! `{% generation %}` blocks, which only training reads, are transparent. What the template refuses is an error with its own
//! words.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Environment, ErrorKind, Value};
use serde::Serialize;

use super::EngineError;

const NAME: &str = "chat";
/// The template for conversations with tools, where there is one.
const WITH_TOOLS: &str = "tool_use";

/// A model's template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    has_with_tools: bool,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Read a template. `bos` and `eos` are the texts of those tokens; either may be empty.
    ///
    /// # Errors
    /// Where it is no Jinja; the sentence has the line.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self, EngineError> {
        Self::with(source, None, bos, eos)
    }

    /// The same, with another template for conversations in which tools are offered (transformers calls it `tool_use`).
    ///
    /// # Errors
    /// Where one of them is no Jinja.
    pub fn with(
        source: &str,
        with_tools: Option<&str>,
        bos: &str,
        eos: &str,
    ) -> Result<Self, EngineError> {
        let mut environment = Environment::new();
        let syntax = minijinja::syntax::SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(EngineError::template)?;
        environment.set_syntax(syntax);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_function(
            "raise_exception",
            |why: String| -> Result<(), minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, why))
            },
        );
        environment.add_function("strftime_now", |format: String| {
            jiff::Zoned::now().strftime(&format).to_string()
        });
        environment.add_filter("tojson", to_json);
        environment.add_filter("length", length);
        environment.add_filter("count", length);
        environment.add_test("iterable", |value: &Value| {
            has_parts(value) || value.kind() == ValueKind::Iterable
        });
        environment.add_test("sequence", |value: &Value| has_parts(value));
        for (name, source) in [(NAME, Some(source)), (WITH_TOOLS, with_tools)] {
            if let Some(source) = source {
                environment
                    .add_template_owned(name, without_generation(source))
                    .map_err(EngineError::template)?;
            }
        }
        Ok(Self {
            environment,
            source: format!("{source}{}", with_tools.unwrap_or_default()),
            has_with_tools: with_tools.is_some(),
            bos: bos.to_owned(),
            eos: eos.to_owned(),
        })
    }

    /// Whether its source has a text.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.source.contains(text)
    }

    /// Render a conversation. `messages` and `tools` are as the OpenAI protocol has them, arguments of calls as objects;
    /// `answer` begins the assistant's turn.
    ///
    /// # Errors
    /// What the template refuses.
    pub fn render(
        &self,
        messages: &impl Serialize,
        tools: Option<&impl Serialize>,
        answer: bool,
    ) -> Result<String, EngineError> {
        self.render_with(messages, tools, answer, &serde_json::Map::new())
    }

    /// The same, with variables of the caller besides; those above stay what they are.
    ///
    /// # Errors
    /// What the template refuses.
    pub fn render_with(
        &self,
        messages: &impl Serialize,
        tools: Option<&impl Serialize>,
        answer: bool,
        variables: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<String, EngineError> {
        let template = self
            .environment
            .get_template(match tools {
                Some(_) if self.has_with_tools => WITH_TOOLS,
                _ => NAME,
            })
            .map_err(EngineError::template)?;
        let context = minijinja::context! {
            messages => Value::from(Serde(messages)),
            tools => tools.map(|tools| Value::from(Serde(tools))),
            add_generation_prompt => answer,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            ..Value::from(Serde(variables))
        };
        template.render(context).map_err(EngineError::template)
    }
}

/// `{% generation %} … {% endgeneration %}` as a block that is always taken.
fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let (tag, after) = tag.split_at(end);
        let word = tag.trim_matches(['{', '}', '%', '-', '+', ' ', '\n', '\t']);
        match word {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What has a length and parts by Python's lights: text and what is not there among them, `none` not.
fn has_parts(value: &Value) -> bool {
    use ValueKind::{Map, Seq, String, Undefined};
    matches!(value.kind(), Seq | Map | String | Undefined)
}

fn length(value: &Value) -> Result<usize, minijinja::Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    minijinja::filters::length(value)
}

/// `json.dumps(value, ensure_ascii=…, indent=…, separators=…, sort_keys=…)`, as `transformers` has it.
#[expect(clippy::needless_pass_by_value, reason = "filters are called so")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let (comma, colon) = match separators.as_deref() {
        None if indent.is_some() => (",", ": "),
        None => (", ", ": "),
        Some([comma, colon]) => (comma.as_str(), colon.as_str()),
        Some(other) => {
            let why = format!("tojson: `separators` are two texts, not {}", other.len());
            return Err(minijinja::Error::new(ErrorKind::InvalidOperation, why));
        }
    };
    let dump = Dump {
        indent,
        comma,
        colon,
        sorted: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        ascii: options
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
    };
    options.assert_all_used()?;
    let tree = serde_json::to_value(value).map_err(|error| {
        minijinja::Error::new(ErrorKind::BadSerialization, "tojson").with_source(error)
    })?;
    let mut text = String::new();
    dump.write(&tree, 0, &mut text);
    Ok(Value::from_safe_string(text))
}

/// How Python writes JSON.
struct Dump<'a> {
    indent: Option<usize>,
    comma: &'a str,
    colon: &'a str,
    sorted: bool,
    ascii: bool,
}

impl Dump<'_> {
    fn write(&self, value: &serde_json::Value, depth: usize, out: &mut String) {
        match value {
            serde_json::Value::Array(items) if !items.is_empty() => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.before(at, depth + 1, out);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push(']');
            }
            serde_json::Value::Object(fields) if !fields.is_empty() => {
                out.push('{');
                let mut fields: Vec<_> = fields.iter().collect();
                if self.sorted {
                    fields.sort_by_key(|(name, _)| *name);
                }
                for (at, (name, item)) in fields.into_iter().enumerate() {
                    self.before(at, depth + 1, out);
                    self.leaf(&name.as_str().into(), out);
                    out.push_str(self.colon);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push('}');
            }
            other => self.leaf(other, out),
        }
    }

    /// What stands before an item.
    fn before(&self, at: usize, depth: usize, out: &mut String) {
        if at > 0 {
            out.push_str(self.comma);
        }
        self.line(depth, out);
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    /// Numbers, texts, and what is empty are written alike, but for letters that are not ASCII where that is asked for.
    fn leaf(&self, value: &serde_json::Value, out: &mut String) {
        let text = value.to_string();
        if !self.ascii || text.is_ascii() {
            out.push_str(&text);
            return;
        }
        for letter in text.chars() {
            if letter.is_ascii() {
                out.push(letter);
                continue;
            }
            for half in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{half:04x}");
            }
        }
    }
}
