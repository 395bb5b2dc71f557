//! Tensors as they lie in files: their type, shape and bytes, in place.
//!
//! Mental model: a checkpoint is a set of named tensors, in one GGUF file or in the safetensors shards of a folder; a
//! [`Checkpoint`] finds them under one set of names (those of Hugging Face) and hands out slices of mapped files. Nothing is
//! converted here; packing is the kernels' matter.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::EngineError;
use super::gguf::Gguf;
use super::kernels::Format;
use super::map::Mapped;
use super::split;

/// Bytes of a tensor; `None` where the rows are no whole blocks, or the product is beyond reason.
#[must_use]
pub fn bytes_of(format: Format, shape: &[usize]) -> Option<usize> {
    let row = *shape.last()?;
    if !row.is_multiple_of(format.block_len()) {
        return None;
    }
    let rows = shape
        .iter()
        .rev()
        .skip(1)
        .try_fold(1usize, |product, size| product.checked_mul(*size))?;
    rows.checked_mul(row / format.block_len())?
        .checked_mul(format.block_bytes())
}

/// A tensor in place. The shape has rows first; `bytes` are exactly as many as kind and shape need.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    /// How they are stored.
    pub format: Format,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// The numbers.
    pub bytes: &'a [u8],
}

impl Tensor<'_> {
    /// Rows and columns of a matrix.
    #[must_use]
    pub fn matrix(&self) -> Option<(usize, usize)> {
        match self.shape.as_slice() {
            [rows, columns] => Some((*rows, *columns)),
            _ => None,
        }
    }

    /// A vector as floats; `None` for quantised kinds.
    #[must_use]
    pub fn floats(&self) -> Option<Vec<f32>> {
        let halves = || {
            let (pairs, _) = self.bytes.as_chunks::<2>();
            pairs.iter().map(|pair| u16::from_le_bytes(*pair))
        };
        Some(match self.format {
            Format::F32 => {
                let (words, _) = self.bytes.as_chunks::<4>();
                words.iter().map(|word| f32::from_le_bytes(*word)).collect()
            }
            Format::F16 => halves()
                .map(|bits| half::f16::from_bits(bits).to_f32())
                .collect(),
            Format::BF16 => halves()
                .map(|bits| half::bf16::from_bits(bits).to_f32())
                .collect(),
            _ => return None,
        })
    }
}

/// The files of a model, mapped.
pub enum Files {
    /// A GGUF file, or all files that it was split into, the first one first.
    Gguf(Vec<(PathBuf, Mapped)>),
    /// Shards of a folder, and which tensor lies in which.
    Folder(Vec<(PathBuf, Mapped)>),
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

impl Files {
    /// Map what a path names: a `.gguf` file (of a model that is split, any of its files), or a folder with safetensors (an index,
    /// or one file).
    ///
    /// # Errors
    /// Where a file or a shard that the index names is missing; the sentence names all that are.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        if path.is_file() {
            let name = path.file_name().map(|name| name.to_string_lossy());
            let folder = path.parent().unwrap_or(Path::new(""));
            return match name.as_deref().and_then(split::parts) {
                Some((stem, count)) => {
                    let parts = (1..=count).map(|number| split::part(stem, number, count));
                    let names: Vec<String> = parts.collect();
                    Ok(Self::Gguf(mapped(folder, &names)?))
                }
                None => Ok(Self::Gguf(vec![(path.to_owned(), Mapped::open(path)?)])),
            };
        }
        let index = path.join("model.safetensors.index.json");
        let mut names: Vec<String> = if index.is_file() {
            let failed = |why: String| EngineError::Weights {
                origin: index.display().to_string(),
                why,
            };
            let text =
                std::fs::read_to_string(&index).map_err(|error| failed(error.to_string()))?;
            let found: ShardIndex =
                serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
            found.weight_map.into_values().collect()
        } else {
            vec!["model.safetensors".to_owned()]
        };
        names.sort();
        names.dedup();
        // A name of the index is a file of this folder and nothing else.
        let outside = |name: &&String| name.contains('/') || name.starts_with('.');
        if let Some(name) = names.iter().find(outside) {
            return Err(EngineError::Weights {
                origin: index.display().to_string(),
                why: format!("`{name}` is no file of this folder"),
            });
        }
        Ok(Self::Folder(mapped(path, &names)?))
    }

    /// Read the heads of the files.
    ///
    /// # Errors
    /// Where one is not what it should be.
    pub fn checkpoint(&self) -> Result<Checkpoint<'_>, EngineError> {
        match self {
            Self::Gguf(parts) => {
                let mut read = Vec::new();
                for (path, mapped) in parts {
                    read.push(Gguf::read(mapped.bytes(), &path.display().to_string())?);
                }
                let mut read = read.into_iter();
                let first = read.next().ok_or_else(|| EngineError::Weights {
                    origin: "a model".into(),
                    why: "it has no file".into(),
                })?;
                Ok(Checkpoint::Gguf(first.with(read)))
            }
            Self::Folder(shards) => {
                let (mut all, mut unread) = (HashMap::new(), BTreeMap::new());
                for (path, mapped) in shards {
                    let (tensors, others) =
                        safetensors(mapped.bytes()).map_err(|why| EngineError::Weights {
                            origin: path.display().to_string(),
                            why,
                        })?;
                    all.extend(tensors);
                    unread.extend(others);
                }
                Ok(Checkpoint::Safetensors(all, unread))
            }
        }
    }
}

/// Map files of a folder.
fn mapped(folder: &Path, names: &[String]) -> Result<Vec<(PathBuf, Mapped)>, EngineError> {
    let missing: Vec<&str> = names
        .iter()
        .filter(|name| !folder.join(name).is_file())
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(EngineError::Missing {
            folder: folder.display().to_string(),
            of: names.len(),
            files: missing.join(", "),
        });
    }
    let map = |name| {
        let at = folder.join(name);
        Mapped::open(&at).map(|mapped| (at, mapped))
    };
    names.iter().map(map).collect()
}

/// Named tensors.
pub enum Checkpoint<'a> {
    /// Of a GGUF file.
    Gguf(Gguf<'a>),
    /// Of safetensors shards, and what they hold besides.
    Safetensors(HashMap<String, Tensor<'a>>, Unread),
}

/// Tensors that cannot be computed with, by their names: the kinds of their numbers, in the file's word (`F8_E4M3`).
pub type Unread = BTreeMap<String, String>;

impl<'a> Checkpoint<'a> {
    /// A tensor by its Hugging Face name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<Tensor<'a>> {
        match self {
            Self::Gguf(file) => file.tensor(&ggml_name(name)?),
            Self::Safetensors(all, _) => all.get(name).cloned(),
        }
    }

    /// Of a tensor that is there and cannot be computed with, the kind of its numbers.
    #[must_use]
    pub fn unread(&self, name: &str) -> Option<&str> {
        match self {
            // A file with such a one is refused when it is read.
            Self::Gguf(_) => None,
            Self::Safetensors(_, unread) => unread.get(name).map(String::as_str),
        }
    }

    /// Formats and sizes of all matrices.
    #[must_use]
    pub fn matrices(&self) -> Vec<(Format, u64)> {
        let shape = |format, shape: &[usize]| {
            let numbers = shape.iter().map(|size| *size as u64).product();
            (shape.len() > 1).then_some((format, numbers))
        };
        match self {
            Self::Gguf(file) => file
                .shapes()
                .filter_map(|(format, sizes)| shape(format, sizes))
                .collect(),
            Self::Safetensors(all, _) => all
                .values()
                .filter_map(|tensor| shape(tensor.format, &tensor.shape))
                .collect(),
        }
    }

    /// Whether q and k rows of Llama lie interleaved, as `convert_hf_to_gguf.py` leaves them.
    #[must_use]
    pub fn interleaves_heads(&self) -> bool {
        matches!(self, Self::Gguf(_))
    }
}

/// `model.layers.3.self_attn.q_proj.weight` is `blk.3.attn_q.weight`.
fn ggml_name(name: &str) -> Option<String> {
    let whole = match name {
        "model.embed_tokens.weight" => "token_embd.weight",
        "model.norm.weight" => "output_norm.weight",
        "lm_head.weight" => "output.weight",
        _ => "",
    };
    if !whole.is_empty() {
        return Some(whole.to_owned());
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, ending) = rest.rsplit_once('.')?;
    let part = match part {
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => "ffn_norm",
        _ => return None,
    };
    Some(format!("blk.{layer}.{part}.{ending}"))
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// A tensor of whatever kind, as it lies in a safetensors file.
pub(super) struct Stored<'a> {
    /// The kind, in the file's word: `BF16`, `I64`, `F8_E4M3`, …
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    /// Where it begins in the data.
    pub(super) begin: usize,
    pub(super) bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// With numbers that can be computed with; `None` where it has others.
    pub(super) fn tensor(&self) -> Result<Option<Tensor<'a>>, String> {
        let format = match self.dtype.as_str() {
            "F32" => Format::F32,
            "F16" => Format::F16,
            "BF16" => Format::BF16,
            _ => return Ok(None),
        };
        let (shape, bytes) = (self.shape.clone(), self.bytes);
        if bytes_of(format, &shape) != Some(bytes.len()) {
            return Err(format!("{shape:?} in {} bytes of {format:?}", bytes.len()));
        }
        Ok(Some(Tensor {
            format,
            shape,
            bytes,
        }))
    }
}

/// What a safetensors file holds (a length, a JSON head, the data): its tensors, and what it says of itself.
pub(super) fn stored(
    bytes: &[u8],
) -> Result<(HashMap<String, Stored<'_>>, Option<serde_json::Value>), String> {
    let (length, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or("it is shorter than a safetensors head")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
    let head = rest
        .get(..length)
        .ok_or_else(|| format!("its head should have {length} bytes; the file is cut off"))?;
    let data = rest.get(length..).unwrap_or_default();
    let mut head: HashMap<String, serde_json::Value> =
        serde_json::from_slice(head).map_err(|error| format!("its head: {error}"))?;
    let about = head.remove("__metadata__");
    let mut all = HashMap::with_capacity(head.len());
    for (name, value) in head {
        let entry: Entry =
            serde_json::from_value(value).map_err(|error| format!("`{name}`: {error}"))?;
        let (begin, end) = entry.data_offsets;
        let there = data.get(begin..end).ok_or_else(|| {
            format!(
                "`{name}` should end at byte {end} of the data, but there are {}: the file is cut off",
                data.len()
            )
        })?;
        let one = Stored {
            dtype: entry.dtype,
            shape: entry.shape,
            begin,
            bytes: there,
        };
        all.insert(name, one);
    }
    Ok((all, about))
}

/// The tensors of a safetensors file that can be computed with, and the others: not every one is a weight of the decoder.
pub(super) fn safetensors(bytes: &[u8]) -> Result<(HashMap<String, Tensor<'_>>, Unread), String> {
    let (all, _) = stored(bytes)?;
    let (mut tensors, mut unread) = (HashMap::with_capacity(all.len()), Unread::new());
    for (name, stored) in all {
        match stored.tensor().map_err(|why| format!("`{name}`: {why}"))? {
            Some(tensor) => {
                tensors.insert(name, tensor);
            }
            None => {
                unread.insert(name, stored.dtype);
            }
        }
    }
    Ok((tensors, unread))
}

/// Why a tensor that a model is computed with cannot be had, where it is there in other numbers.
pub(super) fn unreadable(name: &str, dtype: &str) -> String {
    format!(
        "`{name}` is stored as {dtype}; only F32, F16 and BF16 are read here: take the model's repository without \
         quantisation, or a GGUF file of it"
    )
}
