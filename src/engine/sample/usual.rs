//! How a model's makers would have it drawn from, where nobody says otherwise.

use serde_json::Value;

/// How a model's makers would have it drawn from, by its `generation_config.json`; `None` where that says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usual {
    /// Temperature.
    pub temperature: Option<f64>,
    /// Of the likeliest tokens, this share.
    pub top_p: Option<f64>,
    /// So many of the likeliest tokens.
    pub top_k: Option<u32>,
    /// Tokens of at least this part of the likeliest one's chance.
    pub min_p: Option<f64>,
    /// What was said before is divided by it.
    pub repetition_penalty: Option<f64>,
}

impl Usual {
    /// Numbers that cannot be meant are passed over.
    pub(in crate::engine) fn of(settings: &Value) -> Self {
        let within = |name: &str, most: f64| {
            let number = settings.get(name).and_then(Value::as_f64);
            number.filter(|number| (0.0..=most).contains(number))
        };
        Self {
            temperature: within("temperature", 2.0),
            top_p: within("top_p", 1.0),
            top_k: settings
                .get("top_k")
                .and_then(Value::as_u64)
                .and_then(|most| u32::try_from(most).ok()),
            min_p: within("min_p", 1.0),
            repetition_penalty: within("repetition_penalty", 100.0).filter(|by| *by > 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_meant_are_as_if_they_were_not_there() {
        let of = |text: &str| Usual::of(&serde_json::from_str(text).unwrap());
        let all = Usual {
            temperature: Some(0.7),
            top_p: Some(0.8),
            top_k: Some(20),
            min_p: Some(0.0),
            repetition_penalty: Some(1.05),
        };
        let text = r#"{"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0, "repetition_penalty": 1.05, "do_sample": true}"#;
        assert_eq!(of(text), all);
        assert_eq!(of("null"), Usual::default());
        let text = r#"{"temperature": -1, "top_p": 1.5, "top_k": -5, "min_p": "a", "repetition_penalty": 0}"#;
        assert_eq!(of(text), Usual::default());
    }
}
