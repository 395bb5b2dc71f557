//! `FAIL_TO_PASS` and `PASS_TO_PASS` in every encoding that the field's files have.
//!
//! A list may be a JSON or Arrow list, a string that holds a JSON list, or what numpy prints for one. What cannot be read
//! for certain is [`TestList::Unknown`] with the reason: a list that was read as empty by mistake would grade every
//! patch as a success. `FAIL_TO_PASS` may not be empty at all, `PASS_TO_PASS` may.

use serde_json::Value;

use super::{TestList, numpy_list};

/// Read the list called `name`.
pub(super) fn decode(name: &str, value: Option<&Value>, may_be_empty: bool) -> TestList {
    match ids(value) {
        Ok(ids) if ids.is_empty() && !may_be_empty => {
            TestList::Unknown(format!("{name} is an empty list"))
        }
        Ok(ids) => TestList::Known(ids),
        Err(what) => TestList::Unknown(format!("{name} {what}")),
    }
}

fn ids(value: Option<&Value>) -> Result<Vec<String>, String> {
    match value {
        None | Some(Value::Null) => Err("is missing".to_owned()),
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(at, item)| id(at, item))
            .collect(),
        Some(Value::String(text)) => from_text(text),
        Some(_) => Err("is not a list of test ids".to_owned()),
    }
}

fn id(at: usize, item: &Value) -> Result<String, String> {
    match item {
        Value::String(id) if !id.is_empty() => Ok(id.clone()),
        _ => Err(format!(
            "holds something that is no test id at position {}",
            at + 1
        )),
    }
}

fn from_text(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is an empty string".to_owned());
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => ids(Some(&Value::Array(items))),
        // Encoded twice.
        Ok(Value::String(inner)) if inner.trim_start().starts_with('[') => from_text(&inner),
        Ok(Value::Null) => Err("is missing".to_owned()),
        _ => numpy_list::parse(text).map_err(|what| match what {
            numpy_list::NoList::Elided => "was elided by numpy (`...`)".to_owned(),
            numpy_list::NoList::Unreadable => {
                "is neither a JSON list nor a printed array".to_owned()
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "calls read as `f2p(json!(…))`"
    )]
    fn f2p(value: Value) -> TestList {
        decode("FAIL_TO_PASS", Some(&value), false)
    }

    fn known(ids: &[&str]) -> TestList {
        TestList::Known(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    fn unknown(why: &str) -> TestList {
        TestList::Unknown(format!("FAIL_TO_PASS {why}"))
    }

    #[test]
    fn lists_and_strings_of_lists_are_read() {
        assert_eq!(f2p(json!(["a::b", "c d"])), known(&["a::b", "c d"]));
        assert_eq!(f2p(json!("[\"a\", \"b[\\u00e9]\"]")), known(&["a", "b[é]"]));
        assert_eq!(f2p(json!("\"[\\\"a\\\"]\"")), known(&["a"]));
        assert_eq!(
            f2p(json!("['a' \"it's\"\n 'c']")),
            known(&["a", "it's", "c"])
        );
    }

    #[test]
    fn an_empty_or_unreadable_list_is_unknown_and_says_why() {
        assert_eq!(decode("FAIL_TO_PASS", None, false), unknown("is missing"));
        assert_eq!(f2p(Value::Null), unknown("is missing"));
        assert_eq!(f2p(json!("")), unknown("is an empty string"));
        assert_eq!(f2p(json!([])), unknown("is an empty list"));
        assert_eq!(f2p(json!("[]")), unknown("is an empty list"));
        assert_eq!(f2p(json!(3)), unknown("is not a list of test ids"));
        assert_eq!(
            f2p(json!(["a", 3])),
            unknown("holds something that is no test id at position 2")
        );
        assert_eq!(
            f2p(json!("['a' ... 'z']")),
            unknown("was elided by numpy (`...`)")
        );
        assert_eq!(
            f2p(json!("test_a")),
            unknown("is neither a JSON list nor a printed array")
        );
    }

    #[test]
    fn pass_to_pass_may_be_an_empty_list_but_not_an_empty_string() {
        let p2p = |value: Value| decode("PASS_TO_PASS", Some(&value), true);
        assert_eq!(p2p(json!([])), TestList::Known(Vec::new()));
        assert_eq!(p2p(json!("[]")), TestList::Known(Vec::new()));
        assert!(matches!(p2p(json!("")), TestList::Unknown(_)));
    }

    proptest! {
        #[test]
        fn no_text_becomes_an_empty_list(text in any::<String>()) {
            prop_assert_ne!(f2p(json!(text)), TestList::Known(Vec::new()));
        }
    }
}
