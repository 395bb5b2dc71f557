//! An adapter merged into its base: a model of its own, in Hugging Face's layout.
//!
//! W' = W + s·B·A, reckoned in single precision and stored as the base is. Tensors go from file to file one by one; nothing
//! else of the base changes, and its other files are copied.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use half::{bf16, f16};

use super::{Found, read};
use crate::engine::EngineError;
use crate::engine::config::Config;
use crate::engine::kernels::Format;
use crate::engine::weights::{Files, Tensor};

/// What is added to a matrix: A, B and their scale.
struct Added {
    down: Vec<f32>,
    up: Vec<f32>,
    rank: usize,
    scale: f32,
}

/// Write the model that `base` with `adapter` is, to a folder that is empty or not there.
///
/// # Errors
/// Where a file cannot be read or written, the adapter is for another model, or the base is no folder of safetensors.
pub fn export(base: &Path, adapter: &Path, out: &Path) -> Result<(), EngineError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| EngineError::File { path, source }
    };
    let refused = |path: &Path, why: &str| EngineError::Weights {
        origin: path.display().to_string(),
        why: why.to_owned(),
    };
    let about = base.join("config.json");
    if !base.is_dir() {
        let why = "an adapter is merged into a folder of safetensors, not into a GGUF file";
        return Err(refused(base, why));
    }
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
    std::fs::create_dir_all(out).map_err(failed(out))?;
    if std::fs::read_dir(out)
        .map_err(failed(out))?
        .next()
        .is_some()
    {
        return Err(refused(out, "the folder is not empty"));
    }
    for entry in std::fs::read_dir(base).map_err(failed(base))?.flatten() {
        let path = entry.path();
        let is_weights = path.extension().is_some_and(|kind| kind == "safetensors");
        if path.is_file() && !is_weights {
            std::fs::copy(&path, out.join(entry.file_name())).map_err(failed(&path))?;
        }
    }
    let Files::Folder(shards) = Files::open(base)? else {
        return Err(refused(base, "it has no safetensors"));
    };
    for (path, mapped) in &shards {
        let tensors = crate::engine::weights::safetensors(mapped.bytes())
            .map_err(|why| refused(path, &why))?;
        let mut tensors: Vec<(String, Tensor<'_>)> = tensors.into_iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let to: PathBuf = out.join(path.file_name().unwrap_or_default());
        let file = File::create_new(&to).map_err(failed(&to))?;
        let mut file = BufWriter::new(file);
        write(&mut file, &tensors, &mut added).map_err(failed(&to))?;
    }
    match added.into_keys().next() {
        None => Ok(()),
        Some(name) => Err(refused(
            base,
            &format!("`{name}`, which the adapter changes, is not there"),
        )),
    }
}

/// A shard: its head, then its tensors.
fn write(
    file: &mut impl std::io::Write,
    tensors: &[(String, Tensor<'_>)],
    added: &mut HashMap<String, Added>,
) -> std::io::Result<()> {
    let mut head = serde_json::Map::new();
    head.insert("__metadata__".into(), serde_json::json!({"format": "pt"}));
    let mut from = 0;
    for (name, tensor) in tensors {
        let to = from + tensor.bytes.len();
        let kind = match tensor.format {
            Format::F16 => "F16",
            Format::BF16 => "BF16",
            _ => "F32",
        };
        let entry = serde_json::json!({
            "dtype": kind, "shape": tensor.shape, "data_offsets": [from, to],
        });
        head.insert(name.clone(), entry);
        from = to;
    }
    let mut head = serde_json::Value::Object(head).to_string();
    // The data begins at a multiple of eight.
    while !head.len().is_multiple_of(8) {
        head.push(' ');
    }
    file.write_all(&(head.len() as u64).to_le_bytes())?;
    file.write_all(head.as_bytes())?;
    for (name, tensor) in tensors {
        match added.remove(name) {
            None => file.write_all(tensor.bytes)?,
            Some(added) => file.write_all(&merged(tensor, &added))?,
        }
    }
    file.flush()
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
