//! What the schedule asks of whatever computes: the kernels of this processor, or tensors of a device.
//!
//! Mental model: pages of keys and values belong to it; the schedule says which stream's tokens go where, and gets logits.

use super::EngineError;
use super::adapter::Adapter;
use super::cache::Cache;
use super::config::Config;
use super::decoder::{Decoder, Part, Room};
use super::kernels::{Cpu, Pool};
use super::memory::Promise;
use super::prefix::Page;

/// Streams at a time where a step serves many.
const STREAMS: usize = 32;

/// See the module.
pub trait Compute: Send {
    /// The decoder's shape.
    fn config(&self) -> &Config;

    /// Each part with its adapter, if it has one: keys and values of all parts' tokens are computed, and the logits that are wanted come back, row after row.
    ///
    /// # Errors
    /// What failed; what is in the pages cannot be trusted then.
    fn step(
        &mut self,
        parts: &[Part<'_>],
        adapters: &[Option<&Adapter>],
    ) -> Result<Vec<f32>, EngineError>;

    /// At least the first so many tokens of a page, put into another.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn copy(&mut self, from: Page, to: Page, tokens: usize) -> Result<(), EngineError>;

    /// Something failed: room that a step left behind is given back.
    fn forget(&mut self);

    /// Threads that are free between two steps.
    fn pool(&self) -> Option<&Pool> {
        None
    }

    /// Most streams that a step serves.
    fn streams(&self) -> usize {
        STREAMS
    }

    /// Logits after every token of a part can be had: guesses can be verified.
    fn guesses(&self) -> bool {
        true
    }

    /// What is in a page can be used by another stream.
    fn shares(&self) -> bool {
        true
    }
}

/// The kernels of this processor.
pub struct OnCpu {
    decoder: Decoder,
    cpu: Cpu,
    cache: Cache,
    room: Room,
    /// Of the cache.
    promise: Promise,
    /// Pages from the first that were touched: they are handed out in order.
    touched: u32,
}

impl OnCpu {
    /// With so many pages.
    #[must_use]
    pub fn new(decoder: Decoder, cpu: Cpu, pages: u32) -> Self {
        let cache = Cache::new(decoder.config(), decoder.precision(), pages);
        let page = Cache::page_bytes(decoder.config(), decoder.precision());
        Self {
            decoder,
            cpu,
            cache,
            room: Room::default(),
            promise: Promise::of(page * u64::from(pages)),
            touched: 0,
        }
    }
}

impl Compute for OnCpu {
    fn config(&self) -> &Config {
        self.decoder.config()
    }

    fn step(
        &mut self,
        parts: &[Part<'_>],
        adapters: &[Option<&Adapter>],
    ) -> Result<Vec<f32>, EngineError> {
        let pages = parts.iter().flat_map(|part| part.pages);
        let touched = pages.map(|page| page.0 + 1).max().unwrap_or(0);
        if touched > self.touched {
            self.touched = touched;
            let page = Cache::page_bytes(self.decoder.config(), self.decoder.precision());
            self.promise.touched(page * u64::from(touched));
        }
        let (cache, room) = (&mut self.cache, &mut self.room);
        self.decoder
            .forward_with(parts, adapters, cache, &self.cpu, room)
    }

    fn pool(&self) -> Option<&Pool> {
        Some(self.cpu.pool())
    }

    fn copy(&mut self, from: Page, to: Page, _tokens: usize) -> Result<(), EngineError> {
        self.cache.copy(from, to);
        Ok(())
    }

    fn forget(&mut self) {
        self.room = Room::default();
    }
}
