//! An earlier policy that a run begins with, in place of random weights: its shape, vocabulary and weights.
//!
//! Its weights are those of its folder (bfloat16); means and squares of gradients begin anew. What stands in the folder otherwise, template
//! and settings, is what every policy's folder has.

use std::fs;
use std::path::Path;

use super::TrainError;
use super::error::file;
use super::folder::TOKENIZER;
use super::shape::{Layout, Shape};
use crate::engine::config::{Architecture, Config, Scaling};
use crate::engine::weights::Files;
use crate::trajectory::request::sha256;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Its sizes.
    pub shape: Shape,
    /// Its weights, as [`Layout`] lays them out.
    pub weights: Vec<f32>,
    /// Names the weights: SHA-256.
    pub digest: String,
}

impl Start {
    /// Read a policy's folder.
    ///
    /// # Errors
    /// Where it is none that is trained here.
    pub fn read(folder: &Path) -> Result<Self, TrainError> {
        let refused = |why: String| TrainError::Start {
            folder: folder.display().to_string(),
            why,
        };
        let path = folder.join("config.json");
        let text = fs::read_to_string(&path).map_err(file(&path, "read"))?;
        let config = Config::from_json(&text, &path.display().to_string())?;
        let is_ours = config.architecture == Architecture::Qwen2
            && config.tied
            && config.scaling == Scaling::None;
        if !is_ours {
            return Err(refused(
                "it is no policy of `spotter train policy` (Qwen2, the head being the embedding, positions not scaled)"
                    .into(),
            ));
        }
        let shape = Shape {
            vocab: config.vocab,
            hidden: config.hidden,
            layers: config.layers,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            intermediate: config.intermediate,
            context: config.context,
            rope_theta: config.rope_theta,
            rms_eps: config.rms_eps,
        };
        shape.check()?;
        let layout = Layout::new(shape);
        let files = Files::open(folder)?;
        let checkpoint = files.checkpoint()?;
        let mut weights = vec![0.0; layout.total];
        for named in layout.tensors() {
            let floats = checkpoint
                .tensor(&named.name)
                .filter(|tensor| tensor.shape == named.sizes)
                .and_then(|tensor| tensor.floats());
            let (Some(floats), Some(place)) = (floats, weights.get_mut(named.at)) else {
                let (name, sizes) = (named.name, named.sizes);
                return Err(refused(format!("it has no floats {name} of {sizes:?}")));
            };
            place.copy_from_slice(&floats);
        }
        Ok(Self {
            shape,
            digest: sha256(bytemuck::cast_slice(&weights)),
            weights,
        })
    }
}

/// Take its vocabulary over into another folder.
///
/// # Errors
/// What the file system says.
pub fn take_vocabulary(from: &Path, to: &Path) -> Result<(), TrainError> {
    let path = from.join(TOKENIZER);
    let text = fs::read(&path).map_err(file(&path, "read"))?;
    super::folder::write(&to.join(TOKENIZER), &text)
}
