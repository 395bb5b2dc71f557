//! Keys and values of all streams, page by page.
//!
//! Mental model: one block of numbers for each page and layer, keys by column and values by token, as attention reads them;
//! which page belongs to whom is [`super::prefix`]'s. Half
//! precision, but for decoders in single precision, whose figures should be those of others to the fourth digit.

use half::f16;

use super::config::Config;
use super::decoder::{Part, Precision};
use super::error::EngineError;
use super::kernels::{Cell, Cpu, Heads, Scratch, Sequence};
use super::prefix::{PAGE, Page};

/// See the module.
pub struct Cache(Cells);

enum Cells {
    Half(Store<f16>),
    Single(Store<f32>),
}

struct Store<C> {
    keys: Vec<C>,
    values: Vec<C>,
    layers: usize,
    /// Numbers of one layer of one page.
    page: usize,
}

/// One call of attention.
pub(super) struct Attention<'a> {
    pub(super) shape: Heads,
    pub(super) parts: &'a [Part<'a>],
    pub(super) layer: usize,
    pub(super) queries: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl Cache {
    /// Bytes that one page takes.
    #[must_use]
    pub fn page_bytes(config: &Config, precision: Precision) -> u64 {
        let number = if precision == Precision::F32 { 4 } else { 2 };
        (2 * number * config.layers * PAGE * config.kv_width()) as u64
    }

    /// Room for so many pages.
    #[must_use]
    pub fn new(config: &Config, precision: Precision, pages: u32) -> Self {
        let pages = pages as usize;
        Self(if precision == Precision::F32 {
            Cells::Single(Store::new(config, pages))
        } else {
            Cells::Half(Store::new(config, pages))
        })
    }

    /// What a page holds, put into another.
    pub fn copy(&mut self, from: Page, to: Page) {
        match &mut self.0 {
            Cells::Half(store) => store.copy(from, to),
            Cells::Single(store) => store.copy(from, to),
        }
    }

    /// Put rows of keys and values at the positions of a stream.
    pub(super) fn put(&mut self, layer: usize, part: &Part<'_>, keys: &[f32], values: &[f32]) {
        match &mut self.0 {
            Cells::Half(store) => store.put(layer, part, keys, values, f16::from_f32),
            Cells::Single(store) => store.put(layer, part, keys, values, |number| number),
        }
    }

    /// Each row's queries over the keys of its own stream.
    pub(super) fn attend(
        &self,
        call: Attention<'_>,
        cpu: &Cpu,
        scratch: &mut Scratch,
    ) -> Result<(), EngineError> {
        match &self.0 {
            Cells::Half(store) => store.attend(call, cpu, scratch),
            Cells::Single(store) => store.attend(call, cpu, scratch),
        }
    }
}

impl<C: Cell + Copy> Store<C> {
    fn new(config: &Config, pages: usize) -> Self {
        let page = PAGE * config.kv_width();
        let numbers = pages * config.layers * page;
        // Memory that the system zeroes when it is first used: a page that no stream ever needs costs nothing.
        Self {
            keys: bytemuck::allocation::zeroed_vec(numbers),
            values: bytemuck::allocation::zeroed_vec(numbers),
            layers: config.layers,
            page,
        }
    }

    fn at(&self, page: Page, layer: usize) -> std::ops::Range<usize> {
        let from = (page.0 as usize * self.layers + layer) * self.page;
        from..from + self.page
    }

    fn copy(&mut self, from: Page, to: Page) {
        for layer in 0..self.layers {
            let (from, to) = (self.at(from, layer), self.at(to, layer));
            for all in [&mut self.keys, &mut self.values] {
                if from.end <= all.len() && to.end <= all.len() {
                    all.copy_within(from.clone(), to.start);
                }
            }
        }
    }

    fn put(
        &mut self,
        layer: usize,
        part: &Part<'_>,
        keys: &[f32],
        values: &[f32],
        cell_of: impl Fn(f32) -> C,
    ) {
        let width = self.page / PAGE;
        let rows = keys.chunks_exact(width).zip(values.chunks_exact(width));
        for (row, (key, value)) in rows.enumerate() {
            let position = part.past + row;
            let Some(page) = part.pages.get(position / PAGE) else {
                continue;
            };
            let (page, at) = (self.at(*page, layer), position % PAGE);
            let of_page = self.keys.get_mut(page.clone()).unwrap_or_default();
            let columns = of_page.iter_mut().skip(at).step_by(PAGE);
            for (cell, number) in columns.zip(key) {
                *cell = cell_of(*number);
            }
            let of_page = self.values.get_mut(page).unwrap_or_default();
            for (cell, number) in of_page.iter_mut().skip(at * width).zip(value) {
                *cell = cell_of(*number);
            }
        }
    }

    fn attend(
        &self,
        call: Attention<'_>,
        cpu: &Cpu,
        scratch: &mut Scratch,
    ) -> Result<(), EngineError> {
        let pages_of = |part: &Part<'_>, numbers: usize| -> Vec<std::ops::Range<usize>> {
            let used = (part.past + part.tokens.len()).div_ceil(PAGE);
            let pages = part.pages.iter().take(used);
            let ranges = pages.map(|page| self.at(*page, call.layer));
            ranges.filter(|range| range.end <= numbers).collect()
        };
        let (mut keys, mut values) = (Vec::<Vec<&[C]>>::new(), Vec::<Vec<&[C]>>::new());
        for part in call.parts {
            let ranges = pages_of(part, self.keys.len().min(self.values.len()));
            let blocks = |all| {
                ranges
                    .iter()
                    .filter_map(move |range| <[C]>::get(all, range.clone()))
            };
            keys.push(blocks(&self.keys).collect());
            values.push(blocks(&self.values).collect());
        }
        let sequences: Vec<Sequence<'_, C>> = call
            .parts
            .iter()
            .zip(keys.iter().zip(&values))
            .map(|(part, (keys, values))| Sequence {
                rows: part.tokens.len(),
                past: part.past,
                keys,
                values,
            })
            .collect();
        let scale = 1.0 / (call.shape.head_dim as f32).sqrt();
        let Attention {
            shape,
            queries,
            out,
            ..
        } = call;
        cpu.attention(shape, scale, queries, &sequences, out, scratch)?;
        Ok(())
    }
}
