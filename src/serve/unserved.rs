//! What is not served: fields that would change a reply, refused by their names.
//!
//! Mental model: such a field, of OpenAI's protocol or of the servers that people run (vLLM, `SGLang`, llama.cpp), may be left
//! out, be null, or say what holds here anyway. Whatever else it says is refused: a reply that was made without it would look
//! like one that was made with it.
//!
//! What changes nothing of a reply (`user`, `metadata`, `priority`, …) is passed over, and so is what nobody here has heard
//! of: clients send both. Fields that are served are read where they belong.

use serde_json::{Value, json};

use super::fields::Fields;
use super::refusal::Refusal;

/// Refused whatever they say.
const NULL_ONLY: &[&str] = &[
    "allowed_token_ids",
    "audio",
    "chat_template",
    "custom_logit_processor",
    "ebnf",
    "guided_choice",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "input_embeds",
    "json_schema",
    "lora_path",
    "n_predict",
    "prediction",
    "prompt_embeds",
    "prompt_logprobs",
    "reasoning",
    "reasoning_effort",
    "regex",
    "samplers",
    "thinking",
    "thinking_budget_tokens",
    "thinking_token_budget",
    "truncate_prompt_tokens",
    "verbosity",
    "web_search_options",
];
/// Refused unless they are false.
const FALSE_ONLY: &[&str] = &[
    "continue_final_message",
    "ignore_eos",
    "include_stop_str_in_output",
    "no_stop_trim",
    "return_hidden_states",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "skip_special_tokens",
    "use_beam_search",
];
/// Refused unless they are 0.
const ZERO_ONLY: &[&str] = &[
    "dry_multiplier",
    "dynatemp_range",
    "min_keep",
    "min_tokens",
    "mirostat",
    "n_probs",
    "xtc_probability",
];
/// Refused unless they are 1.
const ONE_ONLY: &[&str] = &["length_penalty", "repeat_penalty", "tfs_z", "typical_p"];
/// Refused unless there is nothing in them.
const EMPTY_ONLY: &[&str] = &[
    "bad_words",
    "documents",
    "functions",
    "grammar",
    "logits_processors",
    "lora",
    "stop_regex",
    "stop_token_ids",
    "structured_outputs",
    "suffix",
    "vllm_xargs",
];

/// Refuse what neither chats nor completions serve.
fn anywhere(fields: Fields<'_>) -> Result<(), Refusal> {
    for (names, neutral) in [
        (NULL_ONLY, vec![]),
        (FALSE_ONLY, vec![json!(false)]),
        (ZERO_ONLY, vec![json!(0), json!(0.0)]),
        (ONE_ONLY, vec![json!(1), json!(1.0)]),
        (EMPTY_ONLY, vec![json!(""), json!([]), json!({})]),
    ] {
        for name in names {
            fields.unserved(name, &neutral)?;
        }
    }
    fields.unserved("top_n_sigma", &[json!(-1), json!(-1.0)])?;
    fields.unserved("function_call", &[json!("none")])?;
    fields.unserved("modalities", &[json!(["text"])])
}

/// Refuse what chats do not serve.
pub(super) fn in_chats(fields: Fields<'_>) -> Result<(), Refusal> {
    anywhere(fields)?;
    fields.unserved("echo", &[json!(false)])?;
    fields.unserved("add_special_tokens", &[json!(false)])?;
    fields.unserved("parse_tool_calls", &[json!(true)])?;
    fields.unserved("add_generation_prompt", &[json!(true)])
}

/// Refuse what completions do not serve; much of it is a chat's.
pub(super) fn in_completions(fields: Fields<'_>) -> Result<(), Refusal> {
    anywhere(fields)?;
    for (name, neutral) in [
        ("chat_template_kwargs", json!({})),
        ("max_completion_tokens", Value::Null),
        ("response_format", json!({"type": "text"})),
        ("tools", json!([])),
        ("top_logprobs", json!(0)),
    ] {
        fields.unserved(name, &[neutral])?;
    }
    Ok(())
}

/// Refuse to draw more choices than are sent back.
pub(super) fn best_of(fields: Fields<'_>, choices: usize) -> Result<(), Refusal> {
    match fields.whole("best_of", 1..=u64::MAX)? {
        Some(best_of) if best_of != choices as u64 => {
            Err(fields.refused("best_of", "must be the same as `n` here"))
        }
        _ => Ok(()),
    }
}
