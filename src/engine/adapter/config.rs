//! `adapter_config.json` as PEFT writes it: what it says, and what of that is not computed here.
//!
//! Fields that are unknown are ignored and fields that are missing have PEFT's defaults, as PEFT itself does it. What would
//! change the numbers and is not computed is refused by name.

use std::path::Path;

use regex::Regex;
use serde_json::{Map, Value};

use crate::engine::EngineError;

/// What an adapter's configuration says.
#[derive(Debug)]
pub(super) struct AdapterConfig {
    origin: String,
    rank: u64,
    alpha: f64,
    /// α/√r in place of α/r (Kalajdzievski 2023).
    stabilised: bool,
    ranks: Vec<(Regex, f64)>,
    alphas: Vec<(Regex, f64)>,
}

impl AdapterConfig {
    /// Read it from an adapter's folder.
    pub(super) fn open(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("adapter_config.json");
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|source| EngineError::File {
            path: origin.clone(),
            source,
        })?;
        Self::read(&text, &origin)
    }

    pub(super) fn read(text: &str, origin: &str) -> Result<Self, EngineError> {
        let refused = |why: String| EngineError::Config {
            origin: origin.to_owned(),
            why,
        };
        let fields: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| refused(format!("it is no JSON object: {error}")))?;
        let kind = fields.get("peft_type").and_then(Value::as_str);
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("lora")) {
            let kind = kind.unwrap_or("missing");
            return Err(refused(format!(
                "`peft_type` is {kind}; only LORA is computed here"
            )));
        }
        if let Some(field) = unsupported(&fields) {
            return Err(refused(format!(
                "`{field}` is set, which is not computed here"
            )));
        }
        let number = |field: &str| fields.get(field).and_then(Value::as_f64);
        let patterns = |field: &str| match fields.get(field) {
            Some(Value::Object(patterns)) => patterns
                .iter()
                .map(|(pattern, value)| {
                    let value = value.as_f64().filter(|value| *value > 0.0);
                    // PEFT: a key is the end of a module's path.
                    let regex = Regex::new(&format!(r"^(?:.*\.)?(?:{pattern})$"));
                    regex.ok().zip(value).ok_or_else(|| {
                        refused(format!("`{field}` has `{pattern}`, which cannot be read"))
                    })
                })
                .collect(),
            _ => Ok(Vec::new()),
        };
        let rank = fields.get("r").map_or(Some(8), Value::as_u64);
        Ok(Self {
            rank: rank
                .filter(|rank| *rank > 0)
                .ok_or_else(|| refused("`r` must be a whole number above 0".into()))?,
            alpha: number("lora_alpha").unwrap_or(8.0),
            stabilised: fields.get("use_rslora") == Some(&Value::Bool(true)),
            ranks: patterns("rank_pattern")?,
            alphas: patterns("alpha_pattern")?,
            origin: origin.to_owned(),
        })
    }

    /// What the product of a module's two matrices is multiplied with; an error where its rank is not what was said.
    #[expect(clippy::cast_possible_truncation, reason = "a factor needs no more")]
    pub(super) fn scale(&self, module: &str, rank: usize) -> Result<f32, EngineError> {
        let of = |patterns: &[(Regex, f64)]| {
            let found = patterns
                .iter()
                .find(|(pattern, _)| pattern.is_match(module));
            found.map(|(_, value)| *value)
        };
        let said = of(&self.ranks).unwrap_or(self.rank as f64);
        let rank = rank as f64;
        if (said - rank).abs() > 0.5 {
            return Err(EngineError::Config {
                origin: self.origin.clone(),
                why: format!("`{module}` should have rank {said}, but its matrices have {rank}"),
            });
        }
        let alpha = of(&self.alphas).unwrap_or(self.alpha);
        let divisor = if self.stabilised { rank.sqrt() } else { rank };
        Ok((alpha / divisor) as f32)
    }
}

/// The first field that would change the numbers in a way that is not computed.
fn unsupported(fields: &Map<String, Value>) -> Option<&'static str> {
    let is_set = |field: &str| {
        fields.get(field).is_some_and(|value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(items) => !items.is_empty(),
            _ => true,
        })
    };
    let flags = [
        "use_dora",
        "use_qalora",
        "lora_bias",
        "fan_in_fan_out",
        "modules_to_save",
        "layer_replication",
        "target_parameters",
        "trainable_token_indices",
        "alora_invocation_tokens",
        "arrow_config",
        "use_bdlora",
        "kasa_config",
        "monteclora_config",
    ];
    if let Some(field) = flags.into_iter().find(|field| is_set(field)) {
        return Some(field);
    }
    let word = |field: &str| fields.get(field).and_then(Value::as_str);
    if word("bias").is_some_and(|bias| bias != "none") {
        return Some("bias");
    }
    // These change the base's own weights, unless the adapter was converted when it was saved.
    let changes_base = |init: &str| {
        ["pissa", "olora", "corda", "loftq", "lora_ga"]
            .iter()
            .any(|name| init.to_ascii_lowercase().starts_with(name))
    };
    word("init_lora_weights")
        .is_some_and(changes_base)
        .then_some("init_lora_weights")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PEFT 0.20 writes it.
    const PEFT: &str = r#"{"alpha_pattern":{},"auto_mapping":null,"base_model_name_or_path":"Qwen/Qwen2.5-Coder-7B-Instruct",
        "bias":"none","fan_in_fan_out":false,"inference_mode":true,"init_lora_weights":true,"layer_replication":null,
        "layers_pattern":null,"layers_to_transform":null,"loftq_config":{},"lora_alpha":64,"lora_bias":false,"lora_dropout":0,
        "megatron_config":null,"megatron_core":"megatron.core","modules_to_save":null,"peft_type":"LORA","peft_version":"0.20.0",
        "r":16,"rank_pattern":{},"revision":null,"target_modules":["q_proj","v_proj"],"target_parameters":null,
        "task_type":"CAUSAL_LM","trainable_token_indices":null,"use_dora":false,"use_rslora":false}"#;

    fn scale(text: &str, module: &str, rank: usize) -> Result<f32, String> {
        let config = AdapterConfig::read(text, "x").map_err(|error| error.to_string())?;
        config
            .scale(module, rank)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_factor_is_that_of_peft() {
        let module = "model.layers.3.self_attn.q_proj";
        assert_eq!(scale(PEFT, module, 16), Ok(4.0));
        let stabilised = PEFT.replace("\"use_rslora\":false", "\"use_rslora\":true");
        assert_eq!(scale(&stabilised, module, 16), Ok(16.0));
        let own = PEFT
            .replace(
                "\"rank_pattern\":{}",
                "\"rank_pattern\":{\"layers.3.self_attn.q_proj\":32}",
            )
            .replace("\"alpha_pattern\":{}", "\"alpha_pattern\":{\"q_proj\":96}");
        assert_eq!(scale(&own, module, 32), Ok(3.0));
        assert_eq!(scale(&own, "model.layers.4.self_attn.q_proj", 16), Ok(6.0));
        assert_eq!(scale(&own, "model.layers.3.mlp.up_proj", 16), Ok(4.0));
        assert!(scale(PEFT, module, 8).unwrap_err().contains("rank 16"));
        assert_eq!(scale("{\"peft_type\":\"LORA\"}", module, 8), Ok(1.0));
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        for (field, value) in [
            ("use_dora", "true"),
            ("lora_bias", "true"),
            ("fan_in_fan_out", "true"),
            ("modules_to_save", "[\"lm_head\"]"),
            ("bias", "\"all\""),
            ("init_lora_weights", "\"pissa_niter_4\""),
            ("trainable_token_indices", "[1]"),
        ] {
            let text = format!("{{\"peft_type\":\"LORA\",\"{field}\":{value}}}");
            let why = AdapterConfig::read(&text, "x").unwrap_err().to_string();
            assert!(why.contains(&format!("`{field}`")), "{why}");
        }
        for text in [
            "{\"peft_type\":\"IA3\"}",
            "{}",
            "[]",
            "{\"peft_type\":\"LORA\",}",
        ] {
            let why = AdapterConfig::read(text, "there/adapter_config.json").unwrap_err();
            assert!(
                why.to_string().starts_with("there/adapter_config.json: "),
                "{why}"
            );
        }
    }
}
