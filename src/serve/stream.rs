//! An answer as it is generated: server-sent events, each a chunk of JSON, and `[DONE]`.
//!
//! The chunks of a chat and of a completion differ; what makes them is a [`Form`].

use std::convert::Infallible;
use std::fmt::Write as _;

use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

use super::Answer;
use super::generation::{Generation, Told};
use super::refusal::Refusal;
use crate::model::{Finish, TokenLogprob, ToolCall, Usage};

/// Makes chunks of what is told.
pub(super) trait Form: Send + 'static {
    /// Before anything is said.
    fn begin(&mut self) -> Vec<Value>;
    /// For what was said; often nothing yet.
    fn told(&mut self, told: Told) -> Vec<Value>;
    /// After everything.
    fn end(&mut self, usage: Usage) -> Vec<Value>;
}

struct Streaming<F> {
    generation: Generation,
    form: F,
    begun: bool,
    over: bool,
}

impl<F: Form> Streaming<F> {
    /// The next events' bytes.
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        loop {
            if self.over {
                return None;
            }
            let chunks = if self.begun {
                match self.generation.next().await {
                    Some(Ok(told)) => self.form.told(told),
                    Some(Err(error)) => {
                        self.over = true;
                        vec![Refusal::from(error).body()]
                    }
                    None => {
                        self.over = true;
                        let mut last = self.form.end(self.generation.usage());
                        last.push("[DONE]".into());
                        last
                    }
                }
            } else {
                self.begun = true;
                self.form.begin()
            };
            if !chunks.is_empty() {
                let bytes = Bytes::from(events(&chunks));
                return Some((Ok(Frame::data(bytes)), self));
            }
        }
    }
}

fn events(chunks: &[Value]) -> String {
    let mut text = String::new();
    for chunk in chunks {
        let _ = match chunk {
            Value::String(word) => write!(text, "data: {word}\n\n"),
            chunk => write!(text, "data: {chunk}\n\n"),
        };
    }
    text
}

/// The answer.
pub(super) fn answer(generation: Generation, form: impl Form) -> Answer {
    let streaming = Streaming {
        generation,
        form,
        begun: false,
        over: false,
    };
    let frames = stream::unfold(streaming, Streaming::next);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that collect answers are asked not to.
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
    response
}

/// A choice, whole.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
    pub(super) scored: Vec<TokenLogprob>,
    pub(super) finish: Option<Finish>,
}

/// All choices, whole.
pub(super) async fn collected(
    mut generation: Generation,
    choices: usize,
) -> Result<(Vec<Whole>, Usage), Refusal> {
    let mut all: Vec<Whole> = Vec::new();
    all.resize_with(choices, Whole::default);
    while let Some(told) = generation.next().await {
        let told = told?;
        if let Some(choice) = all.get_mut(told.choice) {
            choice.text.push_str(&told.text);
            choice
                .calls
                .extend(told.calls.into_iter().map(|(_, call)| call));
            choice.scored.extend(told.scored);
            choice.finish = told.finish.or(choice.finish.take());
        }
    }
    Ok((all, generation.usage()))
}
