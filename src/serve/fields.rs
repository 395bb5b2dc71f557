//! Reading the fields of a request: what is there must be of its kind and in its range; `null` is nothing.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The fields of an object, with its place in the request.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// As `messages[3].`; empty at the top.
    place: &'a str,
}

impl<'a> Fields<'a> {
    /// The request itself.
    pub(super) fn top(value: &'a Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(object) => Ok(Self { object, place: "" }),
            other => Err(Refusal::wrong(format!(
                "The body must be a JSON object, not {}",
                kind(other)
            ))),
        }
    }

    /// An object inside of it; `place` ends with a dot.
    pub(super) fn within(value: &'a Value, place: &'a str) -> Result<Self, Refusal> {
        match value {
            Value::Object(object) => Ok(Self { object, place }),
            other => Err(Refusal::parameter(
                place.trim_end_matches('.'),
                format_args!("must be an object, not {}", kind(other)),
            )),
        }
    }

    pub(super) fn name(&self, field: &str) -> String {
        format!("{}{field}", self.place)
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn refused(&self, field: &str, why: impl std::fmt::Display) -> Refusal {
        Refusal::parameter(self.name(field), why)
    }

    fn not_a<T>(&self, field: &str, wanted: &str, found: &Value) -> Result<T, Refusal> {
        Err(self.refused(field, format_args!("must be {wanted}, not {}", kind(found))))
    }

    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => self.not_a(field, "true or false", other),
        }
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<&'a str>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => self.not_a(field, "a string", other),
        }
    }

    pub(super) fn needed_text(&self, field: &str) -> Result<&'a str, Refusal> {
        self.text(field)?
            .ok_or_else(|| self.refused(field, "is missing; it must be a string"))
    }

    pub(super) fn list(&self, field: &str) -> Result<Option<&'a [Value]>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => self.not_a(field, "an array", other),
        }
    }

    pub(super) fn number(
        &self,
        field: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        let Some(number) = value.as_f64() else {
            return self.not_a(field, "a number", value);
        };
        if range.contains(&number) {
            return Ok(Some(number));
        }
        Err(self.refused(
            field,
            format_args!(
                "must be from {} to {}, not {number}",
                range.start(),
                range.end()
            ),
        ))
    }

    pub(super) fn whole(
        &self,
        field: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        if !value.is_number() {
            return self.not_a(field, "a whole number", value);
        }
        let number = value.as_u64().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| {
            self.refused(
                field,
                format_args!(
                    "must be a whole number from {} to {}, not {value}",
                    range.start(),
                    range.end()
                ),
            )
        })
    }

    /// A field that is not served unless it says what holds anyway.
    pub(super) fn unserved(&self, field: &str, neutral: &[Value]) -> Result<(), Refusal> {
        match self.get(field) {
            None => Ok(()),
            Some(value) if neutral.contains(value) => Ok(()),
            Some(_) => Err(self.refused(field, "is not served here; leave it out")),
        }
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
