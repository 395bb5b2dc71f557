//! A decoder forward and backward over whole sequences, on one thread.
//!
//! Mental model: a [`Pack`] is some sequences, one after the other; everything but attention treats all their tokens as the
//! rows of one matrix. Forward keeps, per layer, what the way back cannot have cheaply (the residual stream twice, q ‖ k ‖ v
//! turned, the attention's output and logarithms of sums, gate ‖ up); norms and the gate are computed again. Logits exist
//! only for rows that count towards the loss, and only a few rows at a time. The definition is that of
//! [`engine::decoder`](crate::engine::decoder); a test holds the two against each other.
//!
//! It does not know where tokens come from, nor what becomes of gradients.

use super::TrainError;
use super::shape::{Layout, Shape};
use crate::engine::kernels::gradient::{Causal, Core, Direction, Matrix};
use crate::engine::kernels::{Cpu, Rotary};

/// Rows of logits that exist at a time.
const LOGITS: usize = 96;

/// Sequences to learn from, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pack {
    /// Tokens.
    pub tokens: Vec<u32>,
    /// What should follow each.
    pub targets: Vec<u32>,
    /// How much each counts; 0 is masked.
    pub weights: Vec<f32>,
    /// Tokens of each sequence.
    pub lengths: Vec<usize>,
}

impl Pack {
    /// Add a sequence. Token t + 1 is what follows token t, so the last one only is a target; `weights` are those of the
    /// tokens as targets, and the first one's counts for nothing.
    pub fn push(&mut self, tokens: &[u32], weights: &[f32]) {
        let Some((_, targets)) = tokens.split_first() else {
            return;
        };
        let length = targets.len();
        self.tokens.extend(tokens.iter().take(length));
        self.targets.extend(targets);
        self.weights.extend(weights.iter().skip(1).take(length));
        self.lengths.push(length);
    }

    /// Σ weights.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
    }
}

/// What a pack came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// Σ weight · −log p.
    pub loss: f64,
    /// Tokens of full weight.
    pub tokens: usize,
    /// Those of them that the network held most likely.
    pub hits: usize,
    /// Stretches of tokens of full weight: turns.
    pub turns: usize,
    /// Those in which every token was a hit.
    pub whole_turns: usize,
}

impl Outcome {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            loss: self.loss + other.loss,
            tokens: self.tokens + other.tokens,
            hits: self.hits + other.hits,
            turns: self.turns + other.turns,
            whole_turns: self.whole_turns + other.whole_turns,
        }
    }
}

/// What one layer keeps for the way back.
#[derive(Debug, Default)]
struct Kept {
    x: Vec<f32>,
    inverse: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    log_sums: Vec<f32>,
    middle: Vec<f32>,
    middle_inverse: Vec<f32>,
    gate_up: Vec<f32>,
}

/// One thread's network: arithmetic, room for what is kept, a table of positions. It grows to the largest pack.
#[derive(Debug)]
pub struct Network {
    core: Core,
    rotary: Rotary,
    kept: Vec<Kept>,
    /// The residual stream, and its gradient on the way back.
    x: Vec<f32>,
    normed: Vec<f32>,
    gated: Vec<f32>,
    wide: Vec<f32>,
    d_normed: Vec<f32>,
    d_qkv: Vec<f32>,
    logits: Vec<f32>,
    chosen: Chosen,
}

/// Rows that count towards the loss.
#[derive(Debug, Default)]
struct Chosen {
    rows: Vec<usize>,
    x: Vec<f32>,
    inverse: Vec<f32>,
    normed: Vec<f32>,
    d_normed: Vec<f32>,
    d_x: Vec<f32>,
    targets: Vec<u32>,
    weights: Vec<f32>,
}

fn sized(buffer: &mut Vec<f32>, numbers: usize) -> &mut [f32] {
    buffer.resize(numbers, 0.0);
    buffer
}

fn zeroed(buffer: &mut Vec<f32>, numbers: usize) -> &mut [f32] {
    buffer.clear();
    sized(buffer, numbers)
}

impl Network {
    /// Room for a shape; `cpu` lends the kind of its instructions.
    #[must_use]
    pub fn new(shape: &Shape, cpu: &Cpu) -> Self {
        Self {
            core: cpu.core(),
            rotary: Rotary::new(shape.head_dim, shape.rope_theta, shape.context),
            kept: (0..shape.layers).map(|_| Kept::default()).collect(),
            x: Vec::new(),
            normed: Vec::new(),
            gated: Vec::new(),
            wide: Vec::new(),
            d_normed: Vec::new(),
            d_qkv: Vec::new(),
            logits: Vec::new(),
            chosen: Chosen::default(),
        }
    }

    /// The arithmetic.
    pub fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The loss of a pack, with `scale` times its gradient added to `gradients` (laid out as the weights).
    ///
    /// # Errors
    /// A token that is none, a sequence longer than the context.
    pub fn learn(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        pack: &Pack,
        scale: f32,
        gradients: &mut [f32],
    ) -> Result<Outcome, TrainError> {
        self.forward(layout, weights, pack)?;
        let outcome = self.head(layout, weights, pack, Some((scale, gradients)))?;
        self.backward(layout, weights, pack, gradients)?;
        Ok(outcome)
    }

    /// The loss of a pack.
    ///
    /// # Errors
    /// As [`Self::learn`].
    pub fn evaluate(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        pack: &Pack,
    ) -> Result<Outcome, TrainError> {
        self.forward(layout, weights, pack)?;
        self.head(layout, weights, pack, None)
    }

    /// The logits after every token of a pack, [tokens, vocab].
    ///
    /// # Errors
    /// As [`Self::learn`].
    pub fn logits(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        pack: &Pack,
    ) -> Result<Vec<f32>, TrainError> {
        self.forward(layout, weights, pack)?;
        let shape = &layout.shape;
        let rows = pack.tokens.len();
        self.core.norm(
            &self.x,
            &weights[layout.norm.clone()],
            shape.rms_eps,
            sized(&mut self.normed, rows * shape.hidden),
            zeroed(&mut self.chosen.inverse, rows),
        )?;
        let mut logits = vec![0.0; rows * shape.vocab];
        let embedding = Matrix::new(&weights[layout.embedding.clone()], shape.hidden);
        let normed = Matrix::new(&self.normed, shape.hidden);
        self.core
            .product(normed, embedding.turned(), &mut logits, false)?;
        Ok(logits)
    }

    fn forward(&mut self, layout: &Layout, weights: &[f32], pack: &Pack) -> Result<(), TrainError> {
        let shape = &layout.shape;
        let (rows, hidden, width) = (pack.tokens.len(), shape.hidden, shape.intermediate);
        let causal = attention_of(shape);
        let Self {
            core,
            rotary,
            kept,
            x,
            normed,
            gated,
            ..
        } = self;
        sized(x, rows * hidden);
        sized(normed, rows * hidden);
        let table = &weights[layout.embedding.clone()];
        for (token, x) in pack.tokens.iter().zip(x.chunks_exact_mut(hidden)) {
            let at = *token as usize * hidden;
            let row = table.get(at..at + hidden);
            x.copy_from_slice(row.ok_or(TrainError::Token(*token, shape.vocab))?);
        }
        for (part, kept) in layout.layers.iter().zip(kept) {
            kept.x.clone_from(x);
            core.norm(
                x,
                &weights[part.attention_norm.clone()],
                shape.rms_eps,
                normed,
                sized(&mut kept.inverse, rows),
            )?;
            let qkv = sized(&mut kept.qkv, rows * shape.qkv());
            for row in qkv.chunks_exact_mut(shape.qkv()) {
                row.copy_from_slice(&weights[part.qkv_bias.clone()]);
            }
            let matrix = Matrix::new(&weights[part.qkv.clone()], hidden);
            core.product(Matrix::new(normed, hidden), matrix.turned(), qkv, true)?;
            let attended = sized(&mut kept.attended, rows * shape.wide());
            let log_sums = sized(&mut kept.log_sums, rows * shape.heads);
            let turning = (shape.qkv(), shape.heads + shape.kv_heads);
            let mut first = 0;
            for length in &pack.lengths {
                let of = |width: usize| first * width..(first + length) * width;
                let qkv = &mut qkv[of(shape.qkv())];
                core.turn(rotary, qkv, turning, Direction::Forward)?;
                core.attend(
                    causal,
                    qkv,
                    &mut attended[of(shape.wide())],
                    &mut log_sums[of(shape.heads)],
                )?;
                first += length;
            }
            let matrix = Matrix::new(&weights[part.output.clone()], shape.wide());
            core.product(
                Matrix::new(attended, shape.wide()),
                matrix.turned(),
                x,
                true,
            )?;
            kept.middle.clone_from(x);
            core.norm(
                x,
                &weights[part.ffn_norm.clone()],
                shape.rms_eps,
                normed,
                sized(&mut kept.middle_inverse, rows),
            )?;
            let gate_up = sized(&mut kept.gate_up, rows * 2 * width);
            let matrix = Matrix::new(&weights[part.gate_up.clone()], hidden);
            core.product(Matrix::new(normed, hidden), matrix.turned(), gate_up, false)?;
            core.gate(gate_up, width, sized(gated, rows * width))?;
            let matrix = Matrix::new(&weights[part.down.clone()], width);
            core.product(Matrix::new(gated, width), matrix.turned(), x, true)?;
        }
        Ok(())
    }

    /// Losses, and where gradients are wanted, that of the residual stream in place of it.
    fn head(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        pack: &Pack,
        mut gradients: Option<(f32, &mut [f32])>,
    ) -> Result<Outcome, TrainError> {
        let shape = &layout.shape;
        let hidden = shape.hidden;
        let norm = &weights[layout.norm.clone()];
        let embedding = Matrix::new(&weights[layout.embedding.clone()], hidden);
        let Self {
            core,
            x,
            logits,
            chosen,
            ..
        } = self;
        let counting = pack.weights.iter().enumerate();
        chosen.rows.clear();
        chosen.rows.extend(
            counting
                .filter(|(_, weight)| **weight > 0.0)
                .map(|(row, _)| row),
        );
        let scale = gradients.as_ref().map_or(1.0, |(scale, _)| *scale);
        let mut outcome = Outcome::default();
        let mut turn = Turn::default();
        // The rows' gradients wait here until no row of x is read any more.
        zeroed(&mut chosen.d_x, chosen.rows.len() * hidden);
        for (piece, rows) in chosen.rows.chunks(LOGITS).enumerate() {
            let count = rows.len();
            let own = sized(&mut chosen.x, count * hidden);
            chosen.targets.clear();
            chosen.weights.clear();
            for (row, own) in rows.iter().zip(own.chunks_exact_mut(hidden)) {
                own.copy_from_slice(&x[row * hidden..(row + 1) * hidden]);
                chosen.targets.push(pack.targets[*row]);
                chosen.weights.push(pack.weights[*row] * scale);
            }
            let normed = sized(&mut chosen.normed, count * hidden);
            let inverse = sized(&mut chosen.inverse, count);
            core.norm(&chosen.x, norm, shape.rms_eps, normed, inverse)?;
            let logits = sized(logits, count * shape.vocab);
            let normed = Matrix::new(normed, hidden);
            core.product(normed, embedding.turned(), logits, false)?;
            for ((row, logits), target) in rows
                .iter()
                .zip(logits.chunks_exact(shape.vocab))
                .zip(&chosen.targets)
            {
                if pack.weights[*row] >= 1.0 {
                    let hit = is_most_likely(logits, *target);
                    turn.take(*row, hit, &mut outcome);
                }
            }
            let loss = core.cross_entropy(logits, &chosen.targets, &chosen.weights)?;
            outcome.loss += loss / f64::from(scale);
            if let Some((_, gradients)) = &mut gradients {
                let slopes = Matrix::new(logits, shape.vocab);
                let d_embedding = &mut gradients[layout.embedding.clone()];
                core.product(slopes.turned(), normed, d_embedding, true)?;
                let d_normed = sized(&mut chosen.d_normed, count * hidden);
                core.product(slopes, embedding, d_normed, false)?;
                let first = piece * LOGITS * hidden;
                core.norm_backward(
                    (&chosen.x, norm, inverse),
                    d_normed,
                    &mut chosen.d_x[first..first + count * hidden],
                    &mut gradients[layout.norm.clone()],
                )?;
            }
        }
        turn.end(&mut outcome);
        if gradients.is_some() {
            x.fill(0.0);
            for (row, d) in chosen.rows.iter().zip(chosen.d_x.chunks_exact(hidden)) {
                x[row * hidden..(row + 1) * hidden].copy_from_slice(d);
            }
        }
        Ok(outcome)
    }

    fn backward(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        pack: &Pack,
        gradients: &mut [f32],
    ) -> Result<(), TrainError> {
        let shape = &layout.shape;
        let (rows, hidden, width) = (pack.tokens.len(), shape.hidden, shape.intermediate);
        let causal = attention_of(shape);
        let Self {
            core,
            rotary,
            kept,
            x: d_x,
            normed,
            gated,
            wide,
            d_normed,
            d_qkv,
            ..
        } = self;
        let inverse = &mut vec![0.0; rows];
        for (part, kept) in layout.layers.iter().zip(kept).rev() {
            // The feed-forward part.
            let d_normed = sized(d_normed, rows * hidden);
            core.gate(&kept.gate_up, width, sized(gated, rows * width))?;
            let slopes = Matrix::new(d_x, hidden);
            let down = Matrix::new(&weights[part.down.clone()], width);
            let to = &mut gradients[part.down.clone()];
            core.product(slopes.turned(), Matrix::new(gated, width), to, true)?;
            core.product(slopes, down, gated, false)?;
            core.gate_backward(&mut kept.gate_up, width, gated)?;
            let norm = &weights[part.ffn_norm.clone()];
            core.norm(&kept.middle, norm, shape.rms_eps, normed, inverse)?;
            let slopes = Matrix::new(&kept.gate_up, 2 * width);
            let to = &mut gradients[part.gate_up.clone()];
            core.product(slopes.turned(), Matrix::new(normed, hidden), to, true)?;
            let gate_up = Matrix::new(&weights[part.gate_up.clone()], hidden);
            core.product(slopes, gate_up, d_normed, false)?;
            core.norm_backward(
                (&kept.middle, norm, &kept.middle_inverse),
                d_normed,
                d_x,
                &mut gradients[part.ffn_norm.clone()],
            )?;
            // Attention.
            let slopes = Matrix::new(d_x, hidden);
            let output = Matrix::new(&weights[part.output.clone()], shape.wide());
            let attended = Matrix::new(&kept.attended, shape.wide());
            let to = &mut gradients[part.output.clone()];
            core.product(slopes.turned(), attended, to, true)?;
            let d_attended = sized(wide, rows * shape.wide());
            core.product(slopes, output, d_attended, false)?;
            let d_qkv = sized(d_qkv, rows * shape.qkv());
            let turning = (shape.qkv(), shape.heads + shape.kv_heads);
            let mut first = 0;
            for length in &pack.lengths {
                let of = |width: usize| first * width..(first + length) * width;
                let d_qkv = &mut d_qkv[of(shape.qkv())];
                core.attend_backward(
                    causal,
                    &kept.qkv[of(shape.qkv())],
                    (
                        &kept.attended[of(shape.wide())],
                        &d_attended[of(shape.wide())],
                    ),
                    &kept.log_sums[of(shape.heads)],
                    d_qkv,
                )?;
                core.turn(rotary, d_qkv, turning, Direction::Backward)?;
                first += length;
            }
            core.add_columns(d_qkv, &mut gradients[part.qkv_bias.clone()])?;
            let norm = &weights[part.attention_norm.clone()];
            core.norm(&kept.x, norm, shape.rms_eps, normed, inverse)?;
            let slopes = Matrix::new(d_qkv, shape.qkv());
            let to = &mut gradients[part.qkv.clone()];
            core.product(slopes.turned(), Matrix::new(normed, hidden), to, true)?;
            let qkv = Matrix::new(&weights[part.qkv.clone()], hidden);
            core.product(slopes, qkv, d_normed, false)?;
            core.norm_backward(
                (&kept.x, norm, &kept.inverse),
                d_normed,
                d_x,
                &mut gradients[part.attention_norm.clone()],
            )?;
        }
        let table = &mut gradients[layout.embedding.clone()];
        for (token, d) in pack.tokens.iter().zip(d_x.chunks_exact(hidden)) {
            let at = *token as usize * hidden;
            for (to, d) in table[at..at + hidden].iter_mut().zip(d) {
                *to += d;
            }
        }
        Ok(())
    }
}

fn attention_of(shape: &Shape) -> Causal {
    Causal {
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        head_dim: shape.head_dim,
    }
}

/// Whether no other logit is as large.
fn is_most_likely(logits: &[f32], target: u32) -> bool {
    let target = target as usize;
    let own = logits.get(target).copied().unwrap_or(f32::NAN);
    let others = logits.iter().enumerate();
    let mut others = others.filter(|(token, _)| *token != target);
    others.all(|(_, logit)| *logit < own)
}

/// Rows of full weight that follow each other.
#[derive(Default)]
struct Turn {
    last: Option<usize>,
    whole: bool,
}

impl Turn {
    fn take(&mut self, row: usize, hit: bool, outcome: &mut Outcome) {
        if self.last.is_some_and(|last| last + 1 == row) {
            self.whole &= hit;
        } else {
            self.end(outcome);
            self.whole = hit;
        }
        self.last = Some(row);
        outcome.tokens += 1;
        outcome.hits += usize::from(hit);
    }

    fn end(&mut self, outcome: &mut Outcome) {
        if self.last.take().is_some() {
            outcome.turns += 1;
            outcome.whole_turns += usize::from(self.whole);
        }
    }
}
