//! Low-rank adapters (Hu et al. 2021) in PEFT's layout, computed beside the base.
//!
//! Mental model: an adapter is, for some of a decoder's matrices, a pair A (r × in) and B (out × r); their product, scaled, is
//! added to what the matrix gives: y = W·x + s·B·(A·x). The base stays as it is and is computed once for all rows of a step;
//! each adapter adds to the rows of its own streams, gathered, so that a step can carry streams of several adapters and of
//! none. Loading one reads its two files and nothing else.
//!
//! What a row gets depends on its own input alone, to the bit, as with every kernel here; base and adapter computed beside
//! each other differ from merged weights ([`merge`]) in the last bits only.

mod config;
pub(super) mod folders;
pub mod merge;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::EngineError;
use super::config::Config;
use super::kernels::{Cpu, Keep, Packed, Scratch};
use super::map::Mapped;
use super::memory;
use super::weights::{Tensor, safetensors};
use config::AdapterConfig;

/// The matrices of a layer that an adapter may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// Queries.
    Query,
    /// Keys.
    Key,
    /// Values.
    Value,
    /// Attention's output.
    Output,
    /// Gate of the feed-forward part.
    Gate,
    /// Its width.
    Up,
    /// And back.
    Down,
}

impl Module {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];

    /// Its path within a layer, as Hugging Face names it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Query => "self_attn.q_proj",
            Self::Key => "self_attn.k_proj",
            Self::Value => "self_attn.v_proj",
            Self::Output => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
        }
    }

    /// Its outputs and inputs.
    fn shape(self, config: &Config) -> (usize, usize) {
        let (hidden, inner) = (config.hidden, config.intermediate);
        match self {
            Self::Query => (config.query_width(), hidden),
            Self::Key | Self::Value => (config.kv_width(), hidden),
            Self::Output => (hidden, config.query_width()),
            Self::Gate | Self::Up => (inner, hidden),
            Self::Down => (hidden, inner),
        }
    }
}

/// A and B of one matrix.
struct Pair {
    down: Packed,
    up: Packed,
    scale: f32,
}

/// See the module.
pub struct Adapter {
    key: u64,
    layers: Vec<[Option<Pair>; 7]>,
    pairs: usize,
    bytes: usize,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adapter")
            .field("key", &self.key)
            .field("pairs", &self.pairs)
            .finish_non_exhaustive()
    }
}

/// The key of no adapter.
pub const NONE: u64 = 0;
/// Each adapter that is loaded is another one, even from the same files: they may have changed.
static KEYS: AtomicU64 = AtomicU64::new(NONE + 1);

impl Adapter {
    /// Read a folder of PEFT's layout for a decoder.
    ///
    /// # Errors
    /// Where a file is missing, cannot be read, is for another decoder, or asks for what is not computed here.
    pub fn open(folder: &Path, config: &Config, cpu: &Cpu) -> Result<Self, EngineError> {
        let mut layers: Vec<[Option<Pair>; 7]> = Vec::new();
        layers.resize_with(config.layers, Default::default);
        let (mut pairs, mut bytes) = (0, 0);
        read(folder, config, |found| {
            let Found {
                layer,
                module,
                down,
                up,
                scale,
            } = found;
            let pack = |tensor: &Tensor<'_>| {
                let (rows, columns) = tensor.matrix().unwrap_or_default();
                let keep = Keep::Stored;
                Packed::from_bytes(tensor.format, rows, columns, tensor.bytes, keep, cpu)
            };
            let pair = Pair {
                down: pack(down)?,
                up: pack(up)?,
                scale,
            };
            pairs += 1;
            bytes += pair.down.bytes() + pair.up.bytes();
            let place = layers
                .get_mut(layer)
                .and_then(|all| all.get_mut(module as usize));
            if let Some(place) = place {
                *place = Some(pair);
            }
            Ok(())
        })?;
        Ok(Self {
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            layers,
            pairs,
            bytes,
        })
    }

    /// Tells it from all others of this process; never [`NONE`].
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Bytes of its matrices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn pair(&self, layer: usize, module: Module) -> Option<&Pair> {
        self.layers.get(layer)?.get(module as usize)?.as_ref()
    }
}

/// Room for what an adapter computes; it grows to the largest call.
#[derive(Default)]
pub(super) struct Room {
    rows: Vec<f32>,
    narrow: Vec<f32>,
    wide: Vec<f32>,
}

/// The rows of a step that one adapter changes.
pub(super) struct Group<'a> {
    adapter: &'a Adapter,
    ranges: Vec<Range<usize>>,
    count: usize,
}

/// Groups of a step: `parts` are the rows of each stream and its adapter, in order.
pub(super) fn groups<'a>(
    parts: impl Iterator<Item = (usize, Option<&'a Adapter>)>,
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut from = 0;
    for (rows, adapter) in parts {
        let range = from..from + rows;
        from += rows;
        let Some(adapter) = adapter else { continue };
        let known = groups
            .iter_mut()
            .find(|group| group.adapter.key == adapter.key);
        match known {
            Some(group) => {
                group.count += rows;
                group.ranges.push(range);
            }
            None => groups.push(Group {
                adapter,
                ranges: vec![range],
                count: rows,
            }),
        }
    }
    groups
}

impl Group<'_> {
    /// Add s·B·(A·x) to the outputs of this group's rows.
    pub(super) fn add(
        &self,
        (layer, module): (usize, Module),
        input: &[f32],
        output: &mut [f32],
        cpu: &Cpu,
        (scratch, room): (&mut Scratch, &mut Room),
    ) -> Result<(), EngineError> {
        let Some(pair) = self.adapter.pair(layer, module) else {
            return Ok(());
        };
        let (inputs, outputs) = (pair.down.columns(), pair.up.rows());
        let Room { rows, narrow, wide } = room;
        rows.clear();
        for range in &self.ranges {
            let there = range.start * inputs..range.end * inputs;
            rows.extend_from_slice(input.get(there).unwrap_or_default());
        }
        narrow.resize(self.count * pair.down.rows(), 0.0);
        wide.resize(self.count * outputs, 0.0);
        cpu.matmul((&pair.down).into(), rows, narrow, scratch)?;
        cpu.matmul((&pair.up).into(), narrow, wide, scratch)?;
        let mut added = wide.chunks_exact(outputs);
        for range in &self.ranges {
            let there = range.start * outputs..range.end * outputs;
            let own = output.get_mut(there).unwrap_or_default();
            for (row, more) in own.chunks_exact_mut(outputs).zip(&mut added) {
                for (number, more) in row.iter_mut().zip(more) {
                    *number += pair.scale * more;
                }
            }
        }
        Ok(())
    }
}

/// A pair as it lies in the file.
struct Found<'a> {
    layer: usize,
    module: Module,
    down: &'a Tensor<'a>,
    up: &'a Tensor<'a>,
    scale: f32,
}

/// Go through all pairs of an adapter's folder, checked against the decoder's shape.
fn read(
    folder: &Path,
    config: &Config,
    mut take: impl FnMut(Found<'_>) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let about = AdapterConfig::open(folder)?;
    let path = folder.join("adapter_model.safetensors");
    let origin = path.display().to_string();
    let refused = |why: String| EngineError::Weights {
        origin: origin.clone(),
        why,
    };
    if !path.is_file() && folder.join("adapter_model.bin").is_file() {
        let why = "only adapter_model.bin is there, a pickle that is not read here; save the adapter as safetensors";
        return Err(refused(why.into()));
    }
    let mapped = Mapped::open(&path)?;
    let (bytes, free) = (mapped.bytes().len() as u64, memory::free());
    if let Some(free) = free.filter(|free| bytes > *free) {
        return Err(EngineError::Memory(format!(
            "{origin}: too little memory: the adapter has {} MiB, {} are free",
            bytes >> 20,
            free >> 20
        )));
    }
    let (tensors, unread) = safetensors(mapped.bytes()).map_err(refused)?;
    if let Some((name, dtype)) = unread.first_key_value() {
        let why = format!(
            "`{name}` is stored as {dtype}; only F32, F16 and BF16 are read here: save the adapter as one of these"
        );
        return Err(refused(why));
    }
    let mut halves: HashMap<(usize, usize), [Option<&Tensor<'_>>; 2]> = HashMap::new();
    for (name, tensor) in &tensors {
        let (layer, module, half) = place(name).ok_or_else(|| {
            refused(format!(
                "`{name}` is no part of a layer that is adapted here"
            ))
        })?;
        if layer >= config.layers {
            let of = config.layers;
            return Err(refused(format!(
                "`{name}` is of layer {layer}; the model has {of}"
            )));
        }
        let place = halves.entry((layer, module as usize)).or_default();
        if let Some(place) = place.get_mut(half) {
            *place = Some(tensor);
        }
    }
    if halves.is_empty() {
        return Err(refused("it holds no matrices".into()));
    }
    let mut order: Vec<_> = halves.into_iter().collect();
    order.sort_unstable_by_key(|(place, _)| *place);
    for ((layer, number), pair) in order {
        let Some(module) = Module::ALL.get(number).copied() else {
            continue;
        };
        let path = format!("model.layers.{layer}.{}", module.path());
        let [Some(down), Some(up)] = pair else {
            return Err(refused(format!(
                "`{path}` has one of its two matrices only"
            )));
        };
        let (outputs, inputs) = module.shape(config);
        let (Some((rank, columns)), Some((rows, rank_of_up))) = (down.matrix(), up.matrix()) else {
            return Err(refused(format!("`{path}` is no pair of matrices")));
        };
        if (rows, columns) != (outputs, inputs) || rank != rank_of_up || rank == 0 {
            return Err(refused(format!(
                "`{path}` has matrices of {rank} × {columns} and {rows} × {rank_of_up}; the model's has {outputs} outputs \
                 and {inputs} inputs: it is an adapter of another model"
            )));
        }
        take(Found {
            layer,
            module,
            down,
            up,
            scale: about.scale(&path, rank)?,
        })?;
    }
    Ok(())
}

/// Layer, matrix, and 0 for A or 1 for B, of a tensor's name. PEFT strips the adapter's own name; some copies still have it.
fn place(name: &str) -> Option<(usize, Module, usize)> {
    let name = name.strip_prefix("base_model.model.").unwrap_or(name);
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let module = Module::ALL
        .into_iter()
        .find(|module| rest.starts_with(module.path()))?;
    let half = match rest.strip_prefix(module.path())? {
        ".lora_A.weight" | ".lora_A.default.weight" => 0,
        ".lora_B.weight" | ".lora_B.default.weight" => 1,
        _ => return None,
    };
    Some((layer.parse().ok()?, module, half))
}
