//! The same decoder on tensors of a device: a GPU, or the processor for comparison.
//!
//! Mental model: what [`super::decoder`] says in kernels this says in operators of candle, on the same weights, parts and
//! pages: keys and values lie in one tensor a layer, a row for each token of each page; a step scatters the new ones and
//! gathers each stream's own. Matrices stay as they are stored (GGUF blocks go to the device as they are). On a GPU the order
//! of a sum may depend on what else is in the step, so that equal text is not promised there, only equal to rounding.

use candle_core::quantized::{GgmlDType, QMatMul, QTensor, ggml_file::qtensor_from_ggml};
use candle_core::{D, DType, Device, Module as _, Result, Tensor};
use candle_nn::{ops, rotary_emb};

use super::EngineError;
use super::adapter::Adapter;
use super::compute::Compute;
use super::config::Config;
use super::decoder::{Part, Precision, inverse_frequencies};
use super::kernels::Format;
use super::loader::{Layer, Loader};
use super::prefix::{PAGE, Page};
use super::weights::{self, Checkpoint};

#[expect(clippy::cast_possible_truncation, reason = "32 tokens")]
const PAGE_ROWS: u32 = PAGE as u32;

/// A weight matrix [out, in].
enum Matrix {
    Plain(Tensor),
    Packed(QMatMul),
}

impl Matrix {
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(weight) => x.matmul(&weight.t()?),
            Self::Packed(weight) => weight.forward(x),
        }
    }

    /// Rows as floats of a type, for looking tokens up.
    fn table(&self, dtype: DType) -> Result<Tensor> {
        match self {
            Self::Plain(weight) => Ok(weight.clone()),
            Self::Packed(QMatMul::QTensor(packed)) => {
                packed.dequantize(&packed.device())?.to_dtype(dtype)
            }
            Self::Packed(QMatMul::Tensor(weight) | QMatMul::TensorF16(weight)) => {
                weight.to_dtype(dtype)
            }
        }
    }
}

/// A layer's small tensors.
struct Small {
    attention_norm: Tensor,
    biases: Option<[Tensor; 3]>,
    head_norms: Option<[Tensor; 2]>,
    ffn_norm: Tensor,
    /// [pages · tokens of a page, kv heads · head width].
    keys: Tensor,
    values: Tensor,
}

/// See the module.
pub struct OnTensors {
    config: Config,
    device: Device,
    dtype: DType,
    embedding: Tensor,
    head: Matrix,
    norm: Tensor,
    layers: Vec<(Layer<Matrix>, Small)>,
    cosines: Tensor,
    sines: Tensor,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "that is what `map_err` gives"
)]
fn failed(error: candle_core::Error) -> EngineError {
    let text = error.to_string();
    // A trace of candle's follows; the first line says what happened.
    EngineError::Computing(text.lines().next().unwrap_or_default().to_owned())
}

impl OnTensors {
    /// Put a checkpoint's weights on a device, with so many pages.
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape, or the device has no room.
    pub fn load(
        config: &Config,
        checkpoint: &Checkpoint<'_>,
        precision: Precision,
        device: &Device,
        pages: u32,
        origin: &str,
    ) -> std::result::Result<Self, EngineError> {
        let dtype = dtype_of(checkpoint, precision, device);
        let make = |tensor: &weights::Tensor<'_>, bytes: &[u8]| {
            matrix(tensor, bytes, precision, dtype, device).map_err(|error| error.to_string())
        };
        let loader = Loader {
            config,
            checkpoint,
            origin,
            make: &make,
        };
        let (hidden, vocab) = (config.hidden, config.vocab);
        let slots = pages as usize * PAGE;
        let mut layers = Vec::with_capacity(config.layers);
        for number in 0..config.layers {
            let layer = loader.layer(number)?;
            let small = small(&layer, config, slots, dtype, device).map_err(failed)?;
            layers.push((layer, small));
        }
        let table = loader.matrix("model.embed_tokens.weight", vocab, hidden)?;
        let norm = loader.vector("model.norm.weight", hidden)?;
        let embedding = table.table(dtype).map_err(failed)?;
        let head = if config.tied {
            table
        } else {
            loader.matrix("lm_head.weight", vocab, hidden)?
        };
        let (cosines, sines) = turns(config, dtype, device).map_err(failed)?;
        Ok(Self {
            norm: Tensor::new(norm, device)
                .and_then(|norm| norm.to_dtype(dtype))
                .map_err(failed)?,
            config: config.clone(),
            device: device.clone(),
            dtype,
            embedding,
            head,
            layers,
            cosines,
            sines,
        })
    }

    #[expect(
        clippy::many_single_char_names,
        reason = "x, h, q, k and v are what the formulas call them"
    )]
    fn forward(&self, parts: &[Part<'_>]) -> Result<Vec<f32>> {
        let config = &self.config;
        let eps = config.rms_eps;
        let step = Step::of(parts, config, &self.device)?;
        let rows = step.rows;
        let mut x = self.embedding.index_select(&step.tokens, 0)?;
        let cosines = self.cosines.index_select(&step.positions, 0)?;
        let sines = self.sines.index_select(&step.positions, 0)?;
        let turned = |x: &Tensor, heads: usize, norm: Option<&Tensor>| -> Result<Tensor> {
            let mut x = x.reshape((rows, heads, config.head_dim))?;
            if let Some(norm) = norm {
                x = ops::rms_norm(&x.contiguous()?, norm, eps)?;
            }
            let x = x.transpose(0, 1)?.unsqueeze(0)?.contiguous()?;
            rotary_emb::rope(&x, &cosines, &sines)?.squeeze(0)
        };
        for (layer, small) in &self.layers {
            let h = ops::rms_norm(&x.contiguous()?, &small.attention_norm, eps)?;
            let mut q = layer.query.apply(&h)?;
            let mut k = layer.key.apply(&h)?;
            let mut v = layer.value.apply(&h)?;
            if let Some([of_q, of_k, of_v]) = &small.biases {
                q = q.broadcast_add(of_q)?;
                k = k.broadcast_add(of_k)?;
                v = v.broadcast_add(of_v)?;
            }
            let norms = small.head_norms.as_ref();
            let q = turned(&q, config.heads, norms.map(|norms| &norms[0]))?;
            let k = turned(&k, config.kv_heads, norms.map(|norms| &norms[1]))?;
            let k = k.transpose(0, 1)?.reshape((rows, config.kv_width()))?;
            small.keys.scatter_set(&step.into, &k.contiguous()?, 0)?;
            small.values.scatter_set(&step.into, &v.contiguous()?, 0)?;
            let attended = self.attend(&q, small, &step)?;
            x = (x + layer.output.apply(&attended)?)?;
            let h = ops::rms_norm(&x.contiguous()?, &small.ffn_norm, eps)?;
            let inner = (layer.gate.apply(&h)?.silu()? * layer.up.apply(&h)?)?;
            x = (x + layer.down.apply(&inner)?)?;
        }
        let Some(chosen) = &step.chosen else {
            return Ok(Vec::new());
        };
        let x = x.index_select(chosen, 0)?;
        let x = ops::rms_norm(&x.contiguous()?, &self.norm, eps)?;
        let logits = self.head.apply(&x)?.to_dtype(DType::F32)?;
        logits.flatten_all()?.to_vec1()
    }

    /// Each part's queries over its own keys. `q` is [heads, rows, head width].
    fn attend(&self, q: &Tensor, small: &Small, step: &Step) -> Result<Tensor> {
        let config = &self.config;
        let (kv, width) = (config.kv_heads, config.head_dim);
        let group = config.heads / kv;
        let scale = 1.0 / (width as f64).sqrt();
        let mut all = Vec::with_capacity(step.streams.len());
        for stream in &step.streams {
            let count = stream.rows.len();
            let gathered = |cells: &Tensor| -> Result<Tensor> {
                let own = cells.index_select(&stream.slots, 0)?;
                let own = own.reshape((stream.length, kv, width))?;
                own.transpose(0, 1)?.contiguous()
            };
            let keys = gathered(&small.keys)?;
            let values = gathered(&small.values)?;
            let q = q.narrow(1, stream.rows.start, count)?.contiguous()?;
            let q = q.reshape((kv, group * count, width))?;
            let mut scores = (q.matmul(&keys.transpose(1, 2)?)? * scale)?.to_dtype(DType::F32)?;
            if let Some(mask) = &stream.mask {
                let apart = scores.reshape((kv * group, count, stream.length))?;
                scores = apart.broadcast_add(mask)?.reshape(scores.shape())?;
            }
            let weights = ops::softmax_last_dim(&scores.contiguous()?)?.to_dtype(self.dtype)?;
            let attended = weights.matmul(&values)?;
            let attended = attended.reshape((kv * group, count, width))?;
            let attended = attended.transpose(0, 1)?.contiguous()?;
            all.push(attended.reshape((count, kv * group * width))?);
        }
        Tensor::cat(&all, 0)
    }
}

impl Compute for OnTensors {
    fn config(&self) -> &Config {
        &self.config
    }

    fn step(
        &mut self,
        parts: &[Part<'_>],
        _adapters: &[Option<&Adapter>],
    ) -> std::result::Result<Vec<f32>, EngineError> {
        // None is ever opened for a device: see `Engine::load_adapter`.
        self.forward(parts).map_err(failed)
    }

    fn copy(
        &mut self,
        from: Page,
        to: Page,
        tokens: usize,
    ) -> std::result::Result<(), EngineError> {
        let (from, to) = (from.0 as usize * PAGE, to.0 as usize * PAGE);
        for (_, small) in &self.layers {
            for cells in [&small.keys, &small.values] {
                let copied = cells.narrow(0, from, tokens).and_then(|rows| rows.copy());
                copied
                    .and_then(|rows| cells.slice_set(&rows, 0, to))
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    fn forget(&mut self) {}
}

/// A stream's share of a step.
struct Stream {
    rows: std::ops::Range<usize>,
    /// Tokens before and in this step.
    length: usize,
    /// Where their keys and values lie.
    slots: Tensor,
    /// [rows, length]: 0 where a row may look, else −∞; none for a single row, which sees all.
    mask: Option<Tensor>,
}

/// What all layers of a step need.
struct Step {
    rows: usize,
    tokens: Tensor,
    positions: Tensor,
    /// [rows, kv width]: the slot of each row, once for each column.
    into: Tensor,
    streams: Vec<Stream>,
    /// Rows whose logits are wanted.
    chosen: Option<Tensor>,
}

impl Step {
    fn of(parts: &[Part<'_>], config: &Config, device: &Device) -> Result<Self> {
        let mut tokens = Vec::new();
        let mut positions = Vec::new();
        let mut slots = Vec::new();
        let mut chosen = Vec::new();
        let mut streams = Vec::new();
        for part in parts {
            let (first, count) = (tokens.len(), part.tokens.len());
            let length = part.past + count;
            if length > config.longest() || length > part.pages.len() * PAGE {
                candle_core::bail!("{length} tokens do not fit");
            }
            let slot = |at: usize| {
                let page = part.pages.get(at / PAGE).map_or(0, |page| page.0);
                page * PAGE_ROWS + u32::try_from(at % PAGE).unwrap_or(0)
            };
            tokens.extend_from_slice(part.tokens);
            for at in part.past..length {
                positions.push(u32::try_from(at).unwrap_or(u32::MAX));
                slots.push(slot(at));
            }
            let rows = part.wanted_rows();
            chosen.extend(rows.map(|row| u32::try_from(first + row).unwrap_or(0)));
            let own: Vec<u32> = (0..length).map(slot).collect();
            let mask = (count > 1).then(|| {
                let rows = part.past..length;
                let seen = rows.flat_map(|row| {
                    (0..length).map(move |at| if at <= row { 0.0 } else { f32::NEG_INFINITY })
                });
                Tensor::from_vec(seen.collect::<Vec<f32>>(), (1, count, length), device)
            });
            streams.push(Stream {
                rows: first..first + count,
                length,
                slots: Tensor::from_vec(own, length, device)?,
                mask: mask.transpose()?,
            });
        }
        let rows = tokens.len();
        let wide = config.kv_width();
        let wanted = chosen.len();
        Ok(Self {
            rows,
            tokens: Tensor::from_vec(tokens, rows, device)?,
            positions: Tensor::from_vec(positions, rows, device)?,
            into: Tensor::from_vec(slots, (rows, 1), device)?
                .broadcast_as((rows, wide))?
                .contiguous()?,
            streams,
            chosen: (wanted > 0)
                .then(|| Tensor::from_vec(chosen, wanted, device))
                .transpose()?,
        })
    }
}

/// What is computed with: as the weights are where the device can, single precision on the processor and beside blocks.
pub(super) fn dtype_of(
    checkpoint: &Checkpoint<'_>,
    precision: Precision,
    device: &Device,
) -> DType {
    let formats = checkpoint.matrices();
    let blocks = |format: &Format| !matches!(format, Format::F32 | Format::F16 | Format::BF16);
    let packed = matches!(precision, Precision::Q8_0 | Precision::Q4_0)
        || precision == Precision::Stored && formats.iter().any(|(format, _)| blocks(format));
    if device.is_cpu() || packed || precision == Precision::F32 {
        return DType::F32;
    }
    let all = |wanted: Format| formats.iter().all(|(format, _)| *format == wanted);
    match precision {
        Precision::Stored if all(Format::F32) => DType::F32,
        Precision::Stored if all(Format::F16) => DType::F16,
        _ => DType::BF16,
    }
}

fn matrix(
    tensor: &weights::Tensor<'_>,
    bytes: &[u8],
    precision: Precision,
    dtype: DType,
    device: &Device,
) -> Result<Matrix> {
    let Some((rows, columns)) = tensor.matrix() else {
        candle_core::bail!("it is no matrix");
    };
    let float = match tensor.format {
        Format::F32 => Some(DType::F32),
        Format::F16 => Some(DType::F16),
        Format::BF16 => Some(DType::BF16),
        _ => None,
    };
    let plain = if let Some(stored) = float {
        Tensor::from_raw_buffer(bytes, stored, &[rows, columns], device)?
    } else {
        let stored = ggml_type(tensor.format);
        let packed = qtensor_from_ggml(stored, bytes, vec![rows, columns], device)?;
        if precision == Precision::Stored {
            return Ok(Matrix::Packed(QMatMul::from_qtensor(packed)?));
        }
        packed.dequantize(device)?
    };
    let packed = match precision {
        Precision::Q8_0 => Some(GgmlDType::Q8_0),
        Precision::Q4_0 => Some(GgmlDType::Q4_0),
        _ => None,
    };
    match packed {
        Some(kind) => {
            let packed = QTensor::quantize(&plain.to_dtype(DType::F32)?, kind)?;
            Ok(Matrix::Packed(QMatMul::from_qtensor(packed)?))
        }
        None => Ok(Matrix::Plain(plain.to_dtype(dtype)?)),
    }
}

fn ggml_type(format: Format) -> GgmlDType {
    match format {
        Format::Q4_0 => GgmlDType::Q4_0,
        Format::Q4_1 => GgmlDType::Q4_1,
        Format::Q5_0 => GgmlDType::Q5_0,
        Format::Q5_1 => GgmlDType::Q5_1,
        Format::Q8_0 => GgmlDType::Q8_0,
        Format::Q4_K => GgmlDType::Q4K,
        Format::Q5_K => GgmlDType::Q5K,
        Format::Q6_K => GgmlDType::Q6K,
        Format::F32 => GgmlDType::F32,
        Format::F16 => GgmlDType::F16,
        Format::BF16 => GgmlDType::BF16,
    }
}

fn small(
    layer: &Layer<Matrix>,
    config: &Config,
    slots: usize,
    dtype: DType,
    device: &Device,
) -> Result<Small> {
    let vector = |numbers: &Vec<f32>| Tensor::new(numbers.as_slice(), device)?.to_dtype(dtype);
    let cells = || Tensor::zeros((slots, config.kv_width()), dtype, device);
    let biases = match &layer.biases {
        Some([q, k, v]) => Some([vector(q)?, vector(k)?, vector(v)?]),
        None => None,
    };
    let head_norms = match &layer.head_norms {
        Some([q, k]) => Some([vector(q)?, vector(k)?]),
        None => None,
    };
    Ok(Small {
        attention_norm: vector(&layer.attention_norm)?,
        biases,
        head_norms,
        ffn_norm: vector(&layer.ffn_norm)?,
        keys: cells()?,
        values: cells()?,
    })
}

/// Cosines and sines [positions, half a head].
fn turns(config: &Config, dtype: DType, device: &Device) -> Result<(Tensor, Tensor)> {
    let inverse = inverse_frequencies(config);
    let positions = config.longest();
    let inverse = Tensor::new(inverse.as_slice(), device)?.unsqueeze(0)?;
    let count = u32::try_from(positions).unwrap_or(u32::MAX);
    let at = Tensor::arange(0, count, device)?.to_dtype(DType::F32)?;
    let angles = at.unsqueeze(D::Minus1)?.matmul(&inverse)?;
    Ok((
        angles.cos()?.to_dtype(dtype)?,
        angles.sin()?.to_dtype(dtype)?,
    ))
}
