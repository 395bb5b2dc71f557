//! An adapter merged into its base: a model of its own, in Hugging Face's layout.
//!
//! W' = W + s·B·A, reckoned in single precision and stored as the base is. Tensors go from file to file one by one, in the
//! order in which they lie there; those that the adapter does not change, of whatever kind, are copied byte for byte, and so
//! are the base's other files, but for copies of its weights in other formats: they would be those of another model.
//!
//! Whether all that the adapter changes is there is known before anything is written. The folder is written beside its place
//! and renamed when it is whole: where something fails, nothing of it is left.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Permissions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use serde_json::{Map, Value, json};

use super::{Found, read};
use crate::engine::EngineError;
use crate::engine::config::Config;
use crate::engine::kernels::Format;
use crate::engine::weights::{Files, Stored, Tensor, stored};

/// Chat templates besides the first.
const TEMPLATES: &str = "additional_chat_templates";

/// Endings of files of weights that are not the ones that are merged: of torch, llama.cpp, ONNX, TensorFlow, Flax and Rust.
const WEIGHTS: [&str; 10] = [
    "bin",
    "pt",
    "pth",
    "ckpt",
    "gguf",
    "onnx",
    "onnx_data",
    "h5",
    "msgpack",
    "ot",
];

/// What is added to a matrix: A, B and their scale.
struct Added {
    down: Vec<f32>,
    up: Vec<f32>,
    rank: usize,
    scale: f32,
}

/// A tensor of the base, and what becomes of it.
struct Part<'a> {
    name: String,
    stored: Stored<'a>,
    /// As numbers, with what is added to them; `None` where it is copied.
    changed: Option<(Tensor<'a>, &'a Added)>,
}

/// A file of the base.
struct Shard<'a> {
    path: &'a Path,
    about: Value,
    parts: Vec<Part<'a>>,
}

/// Write the model that `base` with `adapter` is, to a folder that is empty or not there.
///
/// # Errors
/// Where a file cannot be read or written, the adapter is for another model, or the base is no folder of safetensors.
pub fn export(base: &Path, adapter: &Path, out: &Path) -> Result<(), EngineError> {
    if !base.is_dir() {
        let why = "an adapter is merged into a folder of safetensors, not into a GGUF file";
        return Err(refused(base, why));
    }
    let out = vacant(out)?;
    let added = added(base, adapter)?;
    let Files::Folder(files) = Files::open(base)? else {
        return Err(refused(base, "it has no safetensors"));
    };
    let mut shards = Vec::with_capacity(files.len());
    for (path, mapped) in &files {
        let shard = Shard::read(path, mapped.bytes(), &added);
        shards.push(shard.map_err(|why| refused(path, why))?);
    }
    let parts = shards.iter().flat_map(|shard| &shard.parts);
    let there: HashSet<&str> = parts.map(|part| part.name.as_str()).collect();
    let missing = added.keys().filter(|name| !there.contains(name.as_str()));
    if let Some(name) = missing.min() {
        let why = format!("`{name}`, which the adapter changes, is not there");
        return Err(refused(base, why));
    }
    let beside = out.parent().unwrap_or(&out);
    std::fs::create_dir_all(beside).map_err(failed(beside))?;
    let part = tempfile::Builder::new()
        .prefix(".merging-")
        // As any folder that a person makes: the model may be for others, too.
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(beside)
        .map_err(failed(beside))?;
    copy_all_but_weights(base, part.path())?;
    for shard in &shards {
        shard.put(part.path())?;
    }
    std::fs::rename(part.path(), &out).map_err(failed(&out))?;
    // Under its old name there is nothing left to remove.
    let _renamed = part.keep();
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> EngineError {
    let path = path.display().to_string();
    move |source| EngineError::File { path, source }
}

fn refused(path: &Path, why: impl Into<String>) -> EngineError {
    EngineError::Weights {
        origin: path.display().to_string(),
        why: why.into(),
    }
}

/// The whole path of where the model goes, which is an empty folder or nothing yet.
fn vacant(out: &Path) -> Result<PathBuf, EngineError> {
    match std::fs::canonicalize(out) {
        Ok(there) => {
            let mut inside = std::fs::read_dir(&there).map_err(failed(&there))?;
            if inside.next().is_some() {
                return Err(refused(&there, "the folder is not empty"));
            }
            Ok(there)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::path::absolute(out).map_err(failed(out))
        }
        Err(error) => Err(failed(out)(error)),
    }
}

/// What the adapter adds, by the name of the matrix.
fn added(base: &Path, adapter: &Path) -> Result<HashMap<String, Added>, EngineError> {
    let about = base.join("config.json");
    let text = std::fs::read_to_string(&about).map_err(failed(&about))?;
    let config = Config::from_json(&text, &about.display().to_string())?;
    let mut added: HashMap<String, Added> = HashMap::new();
    read(adapter, &config, |found: Found<'_>| {
        let Found {
            layer,
            module,
            down,
            up,
            scale,
        } = found;
        let floats = |tensor: &Tensor<'_>| tensor.floats().unwrap_or_default();
        let (rank, _) = down.matrix().unwrap_or_default();
        let name = format!("model.layers.{layer}.{}.weight", module.path());
        let (down, up) = (floats(down), floats(up));
        let one = Added {
            down,
            up,
            rank,
            scale,
        };
        added.insert(name, one);
        Ok(())
    })?;
    Ok(added)
}

/// The files at the top, and the templates that lie below. Other folders hold weights in other formats (`onnx`, `original`).
fn copy_all_but_weights(base: &Path, to: &Path) -> Result<(), EngineError> {
    copy_files(base, to)?;
    let templates = base.join(TEMPLATES);
    if templates.is_dir() {
        let to = to.join(TEMPLATES);
        std::fs::create_dir(&to).map_err(failed(&to))?;
        copy_files(&templates, &to)?;
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> Result<(), EngineError> {
    for entry in std::fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let path = entry.path();
        if path.is_file() && !is_weights(&entry.file_name().to_string_lossy()) {
            std::fs::copy(&path, to.join(entry.file_name())).map_err(failed(&path))?;
        }
    }
    Ok(())
}

/// Whether a file holds weights, or says where they are: `pytorch_model.bin`, `pytorch_model.bin.index.json`, `model.onnx_data`.
/// The index of the safetensors holds for the merged ones, too.
fn is_weights(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let (name, is_index) = match name.strip_suffix(".index.json") {
        Some(name) => (name.to_owned(), true),
        None => (name, false),
    };
    let Some((_, kind)) = name.rsplit_once('.') else {
        return false;
    };
    WEIGHTS.contains(&kind) || kind == "safetensors" && !is_index
}

impl<'a> Shard<'a> {
    /// Read the head of a file and find in it what the adapter changes.
    fn read(
        path: &'a Path,
        bytes: &'a [u8],
        added: &'a HashMap<String, Added>,
    ) -> Result<Self, String> {
        let (tensors, about) = stored(bytes)?;
        let mut parts = Vec::with_capacity(tensors.len());
        for (name, stored) in tensors {
            let changed = match added.get(&name) {
                None => None,
                Some(added) => Some((matrix(&name, &stored, added)?, added)),
            };
            parts.push(Part {
                name,
                stored,
                changed,
            });
        }
        // Readers want numbers to begin at multiples of their size, and the file has them so.
        parts.sort_by(|a, b| a.place().cmp(&b.place()));
        Ok(Self {
            path,
            about: about.unwrap_or_else(|| json!({"format": "pt"})),
            parts,
        })
    }

    /// Write it into a folder, under its own name.
    fn put(&self, folder: &Path) -> Result<(), EngineError> {
        let to = folder.join(self.path.file_name().unwrap_or_default());
        let file = File::create_new(&to).map_err(failed(&to))?;
        self.write(&mut BufWriter::new(file)).map_err(failed(&to))
    }

    /// Its head, then its tensors.
    fn write(&self, file: &mut impl Write) -> std::io::Result<()> {
        let mut head = Map::new();
        head.insert("__metadata__".into(), self.about.clone());
        let mut from = 0;
        for Part { name, stored, .. } in &self.parts {
            let to = from + stored.bytes.len();
            let entry = json!({
                "dtype": stored.dtype, "shape": stored.shape, "data_offsets": [from, to],
            });
            head.insert(name.clone(), entry);
            from = to;
        }
        let mut head = Value::Object(head).to_string();
        // The data begins at a multiple of eight.
        while !head.len().is_multiple_of(8) {
            head.push(' ');
        }
        file.write_all(&(head.len() as u64).to_le_bytes())?;
        file.write_all(head.as_bytes())?;
        for part in &self.parts {
            match &part.changed {
                None => file.write_all(part.stored.bytes)?,
                Some((matrix, added)) => file.write_all(&merged(matrix, added))?,
            }
        }
        file.flush()
    }
}

impl Part<'_> {
    /// Where it lies in its file; one without any numbers lies before the next.
    fn place(&self) -> (usize, usize, &str) {
        (
            self.stored.begin,
            self.stored.bytes.len(),
            self.name.as_str(),
        )
    }
}

/// A matrix that the adapter changes, of a kind and shape that something can be added to.
fn matrix<'a>(name: &str, stored: &Stored<'a>, added: &Added) -> Result<Tensor<'a>, String> {
    let rank = added.rank.max(1);
    let (rows, columns) = (added.up.len() / rank, added.down.len() / rank);
    match stored.tensor().map_err(|why| format!("`{name}`: {why}"))? {
        Some(tensor) if tensor.matrix() == Some((rows, columns)) => Ok(tensor),
        Some(tensor) => Err(format!(
            "`{name}`, which the adapter changes, has the shape {:?}, not {rows} × {columns}",
            tensor.shape
        )),
        None => Err(format!(
            "`{name}`, which the adapter changes, is stored as {}; only F32, F16 and BF16 can be added to",
            stored.dtype
        )),
    }
}

fn merged(tensor: &Tensor<'_>, added: &Added) -> Vec<u8> {
    let mut weights = tensor.floats().unwrap_or_default();
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    let rows = weights
        .chunks_exact_mut(columns)
        .zip(added.up.chunks_exact(added.rank.max(1)));
    for (row, factors) in rows {
        for (factor, line) in factors.iter().zip(added.down.chunks_exact(columns)) {
            let factor = factor * added.scale;
            for (weight, more) in row.iter_mut().zip(line) {
                *weight += factor * more;
            }
        }
    }
    let numbers = weights.into_iter();
    match tensor.format {
        Format::F16 => numbers
            .flat_map(|number| f16::from_f32(number).to_le_bytes())
            .collect(),
        Format::BF16 => numbers
            .flat_map(|number| bf16::from_f32(number).to_le_bytes())
            .collect(),
        _ => numbers.flat_map(f32::to_le_bytes).collect(),
    }
}
