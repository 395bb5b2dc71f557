//! Decoders that are not ours: candle-transformers computes them, one stream at a time.
//!
//! Mental model: such a model keeps its own keys and values and knows one text; a new text begins by forgetting the old one.
//! So nothing is shared and nothing runs together, but everything above (schedule, sampling, templates, tools) is the same.
//! Weights are those of a Hugging Face folder; GGUF files are for the decoders that are ours. A prompt comes in several pieces, for
//! which those models' sliding windows are not written: the context ends where the window does ([`super::config`]).

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{
    gemma, gemma2, gemma3, glm4_new, mistral, olmo2, phi3, qwen2_moe, qwen3_moe, starcoder2,
};

use super::EngineError;
use super::adapter::Adapter;
use super::compute::Compute;
use super::config::Config;
use super::decoder::{Part, Wanted};
use super::prefix::Page;
use super::weights::Checkpoint;

use self::offered::{Asking, Offered};

mod offered;
mod wording;

/// Declares the families: a variant, the name in `config.json`, the module, the model's type, and what is built first.
macro_rules! families {
    ($($family:ident = $name:literal, $module:ident :: $model:ident ($($first:expr),*);)*) => {
        /// Architectures by the name that `config.json` gives.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Family {
            $(#[doc = concat!("`", $name, "`.")] $family,)*
        }

        impl Family {
            /// All of them.
            pub const ALL: &[(&'static str, Self)] = &[$(($name, Self::$family),)*];
        }

        enum Model {
            $($family(Box<$module::$model>),)*
        }

        impl Model {
            fn build(family: Family, config: &str, weights: VarBuilder<'_>) -> Result<Self> {
                Ok(match family {
                    $(Family::$family => {
                        let config: $module::Config =
                            serde_json::from_str(config).map_err(candle_core::Error::wrap)?;
                        Self::$family(Box::new($module::$model::new($($first,)* &config, weights)?))
                    })*
                })
            }

            fn forward(&mut self, tokens: &Tensor, past: usize) -> Result<Tensor> {
                match self {
                    $(Self::$family(model) => model.forward(tokens, past),)*
                }
            }

            fn clear(&mut self) {
                match self {
                    $(Self::$family(model) => model.clear_kv_cache(),)*
                }
            }
        }
    };
}

families! {
    Mistral = "MistralForCausalLM", mistral::Model();
    Gemma = "GemmaForCausalLM", gemma::Model(false);
    Gemma2 = "Gemma2ForCausalLM", gemma2::Model(false);
    Gemma3 = "Gemma3ForCausalLM", gemma3::Model(false);
    Phi3 = "Phi3ForCausalLM", phi3::Model();
    Starcoder2 = "Starcoder2ForCausalLM", starcoder2::Model();
    Olmo2 = "Olmo2ForCausalLM", olmo2::Model();
    Qwen2Moe = "Qwen2MoeForCausalLM", qwen2_moe::Model();
    Qwen3Moe = "Qwen3MoeForCausalLM", qwen3_moe::ModelForCausalLM();
    Glm4 = "Glm4ForCausalLM", glm4_new::ModelForCausalLM();
}

/// See the module.
pub struct Foreign {
    config: Config,
    model: Model,
    device: Device,
    /// Tokens that the model has taken in.
    past: usize,
}

impl Foreign {
    /// Build a model of a folder's configuration and weights.
    ///
    /// # Errors
    /// Where the configuration or a tensor is not as the family wants it.
    pub fn load(
        family: Family,
        config: &Config,
        json: &str,
        checkpoint: &Checkpoint<'_>,
        device: &Device,
        origin: &str,
    ) -> std::result::Result<Self, EngineError> {
        let refused = |error: candle_core::Error| EngineError::Weights {
            origin: origin.to_owned(),
            why: first_line(&error),
        };
        let Checkpoint::Safetensors(all, unread) = checkpoint else {
            return Err(EngineError::Weights {
                origin: origin.to_owned(),
                why: "a GGUF file of this architecture is not computed here; its safetensors folder is".into(),
            });
        };
        let offered = Offered::new(all, unread);
        let asking = Box::new(Asking(&offered));
        let weights = VarBuilder::from_backend(asking, dtype(device), device.clone());
        let model = Model::build(family, &wording::older(json), weights).map_err(refused)?;
        if let Some(why) = offered.left_over(config.tied) {
            return Err(EngineError::Weights {
                origin: origin.to_owned(),
                why,
            });
        }
        Ok(Self {
            config: config.clone(),
            model,
            device: device.clone(),
            past: 0,
        })
    }

    fn forward(&mut self, part: &Part<'_>) -> Result<Vec<f32>> {
        if part.past == 0 {
            self.model.clear();
            self.past = 0;
        }
        if part.past != self.past {
            candle_core::bail!(
                "{} tokens were taken in, {} are meant",
                self.past,
                part.past
            );
        }
        let tokens = Tensor::new(part.tokens, &self.device)?.unsqueeze(0)?;
        let logits = self.model.forward(&tokens, part.past)?;
        self.past += part.tokens.len();
        match part.wanted {
            Wanted::None => Ok(Vec::new()),
            Wanted::Last => {
                // [1, 1, vocabulary], or [1, tokens, vocabulary].
                let rows = logits.dim(1)?;
                let last = logits.narrow(1, rows - 1, 1)?;
                last.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
            }
            Wanted::All => candle_core::bail!("only the last token's logits can be had"),
        }
    }
}

/// What it computes with on a device, keys and values, too.
pub(super) fn dtype(device: &Device) -> DType {
    if device.is_cpu() {
        DType::F32
    } else {
        DType::BF16
    }
}

fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

impl Compute for Foreign {
    fn config(&self) -> &Config {
        &self.config
    }

    fn step(
        &mut self,
        parts: &[Part<'_>],
        _adapters: &[Option<&Adapter>],
    ) -> std::result::Result<Vec<f32>, EngineError> {
        // None is ever opened for these: see `Engine::load_adapter`.
        let mut logits = Vec::new();
        for part in parts {
            let part = self.forward(part);
            logits.extend(part.map_err(|error| EngineError::Computing(first_line(&error)))?);
        }
        Ok(logits)
    }

    fn copy(&mut self, _: Page, _: Page, _: usize) -> std::result::Result<(), EngineError> {
        Ok(())
    }

    fn forget(&mut self) {
        self.model.clear();
        self.past = 0;
    }

    fn streams(&self) -> usize {
        1
    }

    fn guesses(&self) -> bool {
        false
    }

    fn shares(&self) -> bool {
        false
    }
}
