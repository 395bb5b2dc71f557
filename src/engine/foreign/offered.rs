//! The tensors of a folder, offered to a model of candle-transformers, which asks for those that it computes with.
//!
//! Mental model: a family that passes over a tensor (a bias, an output head of its own) computes another model than the file's, and
//! says nothing. So what is asked for is written down, and what is left over afterwards is a reason to refuse the model.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::SimpleBackend;

use crate::engine::kernels::Format;
use crate::engine::weights;

/// How many tensors a sentence names.
const NAMED: usize = 3;

/// See the module.
pub(super) struct Offered<'a> {
    all: &'a HashMap<String, weights::Tensor<'a>>,
    unread: &'a weights::Unread,
    asked: Mutex<BTreeSet<String>>,
}

impl<'a> Offered<'a> {
    pub(super) fn new(
        all: &'a HashMap<String, weights::Tensor<'a>>,
        unread: &'a weights::Unread,
    ) -> Self {
        Self {
            all,
            unread,
            asked: Mutex::default(),
        }
    }

    /// What was never asked for although a model would need it, as a sentence. Tables that follow from the configuration may lie
    /// there, and so may a head that is the embedding (`tied`, or the same bytes).
    pub(super) fn left_over(&self, tied: bool) -> Option<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = |name: &str| self.all.get(name).map(|tensor| tensor.bytes);
        let tied = tied || bytes("lm_head.weight") == bytes("model.embed_tokens.weight");
        let follows = |name: &str| name.ends_with(".inv_freq") || tied && name == "lm_head.weight";
        let mut left: Vec<&str> = self.all.keys().map(String::as_str).collect();
        left.retain(|name| !asked.contains(*name) && !follows(name));
        left.sort_unstable();
        let count = left.len();
        left.truncate(NAMED);
        let names = left.join(", ");
        let more = if count > NAMED { ", …" } else { "" };
        (count > 0).then(|| {
            format!(
                "candle-transformers would compute it without {count} of its tensors ({names}{more}), as another model than it is"
            )
        })
    }

    fn tensor(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let Some(found) = self.all.get(name) else {
            return Err(match self.unread.get(name) {
                Some(dtype) => Error::Msg(weights::unreadable(name, dtype)),
                None => Error::CannotFindTensor { path: name.into() },
            });
        };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(name.to_owned());
        let stored = match found.format {
            Format::F16 => DType::F16,
            Format::BF16 => DType::BF16,
            _ => DType::F32,
        };
        Tensor::from_raw_buffer(found.bytes, stored, &found.shape, device)?.to_dtype(dtype)
    }
}

/// What a `VarBuilder` owns of it.
pub(super) struct Asking<'a>(pub(super) &'a Offered<'a>);

impl SimpleBackend for Asking<'_> {
    fn get(&self, s: Shape, name: &str, _: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        let tensor = self.0.tensor(name, dtype, dev)?;
        if *tensor.shape() != s {
            return Err(Error::UnexpectedShape {
                msg: format!("shape mismatch for {name}"),
                expected: s,
                got: tensor.shape().clone(),
            });
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, dev: &Device) -> Result<Tensor> {
        self.0.tensor(name, dtype, dev)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.all.contains_key(name) || self.0.unread.contains_key(name)
    }
}
