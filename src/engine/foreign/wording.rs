//! A `config.json` in the words that candle-transformers reads: those of transformers 4.
//!
//! Version 5 gathers what is said about rotary positions in `rope_parameters` (Gemma 3 by kinds of layers) and the kinds of layers in
//! `layer_types`, calls experts local ones, and leaves away what no longer counts. What stands there is said again by the older names,
//! where those say nothing themselves. A window that is not used is as wide as the context: candle's `qwen2_moe` looks through it anyhow.

use serde_json::{Map, Value};

/// See the module. What is no object is given back as it is.
pub(super) fn older(json: &str) -> String {
    let Ok(Value::Object(mut config)) = serde_json::from_str(json) else {
        return json.to_owned();
    };
    let rope = object(&config, "rope_parameters");
    let full = rope.get("full_attention").and_then(Value::as_object);
    let full = full.unwrap_or(&rope);
    let sliding = rope.get("sliding_attention");
    let sliding = sliding.and_then(|sliding| sliding.get("rope_theta"));
    say(&mut config, "rope_theta", full.get("rope_theta"));
    say(
        &mut config,
        "partial_rotary_factor",
        full.get("partial_rotary_factor"),
    );
    say(&mut config, "rope_local_base_freq", sliding);
    let pattern = pattern(&config);
    say(&mut config, "sliding_window_pattern", pattern.as_ref());
    for (name, instead) in [
        ("num_experts", "num_local_experts"),
        ("max_window_layers", "num_hidden_layers"),
    ] {
        let value = config.get(instead).cloned();
        say(&mut config, name, value.as_ref());
    }
    if config.get("use_sliding_window") == Some(&Value::Bool(false)) {
        let width = config.get("max_position_embeddings").cloned();
        config.insert("sliding_window".into(), width.unwrap_or_default());
    }
    Value::Object(config).to_string()
}

fn object(config: &Map<String, Value>, name: &str) -> Map<String, Value> {
    let found = config.get(name).and_then(Value::as_object);
    found.cloned().unwrap_or_default()
}

/// Say something by a name that says nothing yet.
fn say(config: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    let unsaid = config.get(name).is_none_or(Value::is_null);
    if let Some(value) = value.filter(|_| unsaid) {
        config.insert(name.to_owned(), value.clone());
    }
}

/// Each how manieth layer attends to everything, where `layer_types` is such a rule; a number beyond all layers where none does.
fn pattern(config: &Map<String, Value>) -> Option<Value> {
    let types = config.get("layer_types")?.as_array()?;
    let is_full = |kind: &Value| kind == "full_attention";
    let every = types.iter().position(is_full).unwrap_or(types.len()) + 1;
    let follows = |(at, kind)| ((at + 1) % every == 0) == is_full(kind);
    let is_rule = types.iter().enumerate().all(follows);
    is_rule.then(|| every.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(config: &Value) -> Value {
        serde_json::from_str(&older(&config.to_string())).unwrap()
    }

    #[test]
    fn what_version_5_gathers_is_said_by_the_older_names() {
        let found = said(&json!({
            "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.5},
        }));
        assert_eq!(found["rope_theta"], 5000.0);
        assert_eq!(found["partial_rotary_factor"], 0.5);
        assert_eq!(found.get("rope_local_base_freq"), None);
        let found = said(&json!({
            "rope_parameters": {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}},
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention"],
        }));
        assert_eq!(found["rope_theta"], 1e6);
        assert_eq!(found["rope_local_base_freq"], 1e4);
        assert_eq!(found["sliding_window_pattern"], 2);
    }

    #[test]
    fn what_is_said_already_stays_and_layers_without_a_rule_have_no_pattern() {
        let older_one = json!({"rope_theta": 300.0, "rope_parameters": {"rope_theta": 5.0}, "sliding_window_pattern": 6});
        let found = said(&older_one);
        assert_eq!(found["rope_theta"], 300.0);
        assert_eq!(found["sliding_window_pattern"], 6);
        let found = said(
            &json!({"layer_types": ["full_attention", "sliding_attention", "full_attention"]}),
        );
        assert_eq!(found.get("sliding_window_pattern"), None);
        let experts = json!({"num_local_experts": 4, "num_hidden_layers": 2, "use_sliding_window": false, "sliding_window": 0,
            "max_position_embeddings": 512});
        let found = said(&experts);
        assert_eq!(found["num_experts"], 4);
        assert_eq!(found["max_window_layers"], 2);
        assert_eq!(found["sliding_window"], 512);
        let found = said(&json!({"layer_types": ["sliding_attention", "sliding_attention"]}));
        assert_eq!(found["sliding_window_pattern"], 3);
        assert_eq!(older("[1"), "[1");
    }
}
