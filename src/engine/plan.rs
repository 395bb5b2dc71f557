//! What a model will take of the memory, reckoned before any of it is taken.
//!
//! Weights as they will be packed, the cache of keys and values for the contexts that are wanted, and the room of one step.
//! What does not fit is refused with the numbers; a context that was not asked for shrinks to what does.

use super::cache::Cache;
use super::config::Config;
use super::decoder::Precision;
use super::error::EngineError;
use super::kernels::Format;
use super::prefix::PAGE;
use super::weights::Checkpoint;

/// Tokens of cache where nobody says: several contexts of an agent's length.
const TOKENS: usize = 65_536;
/// Fewest tokens of cache that are worth starting for.
const FEWEST: usize = 2_048;
/// Memory that is left to others.
const SPARE: u64 = 256 << 20;

/// See the module. All in bytes but for the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Packed weights.
    pub weights: u64,
    /// Keys and values.
    pub cache: u64,
    /// One step.
    pub step: u64,
    /// Pages of the cache.
    pub pages: u32,
}

impl Plan {
    /// For a checkpoint. `tokens` are those of the cache, where somebody said; `free` is the memory there is, where known.
    ///
    /// # Errors
    /// Where it does not fit.
    pub fn of(
        config: &Config,
        checkpoint: &Checkpoint<'_>,
        precision: Precision,
        tokens: Option<usize>,
        free: Option<u64>,
    ) -> Result<Self, EngineError> {
        let weights = checkpoint
            .matrices()
            .into_iter()
            .map(|(format, numbers)| bytes_of(precision, format, numbers))
            .sum();
        let widest = config.hidden * 3 + config.query_width() * 3 + config.kv_width() * 2;
        let step = (256 * (widest + 3 * config.intermediate) * 4 + 40 * config.vocab * 4) as u64;
        let page = Cache::page_bytes(config, precision);
        let wanted = tokens.unwrap_or(TOKENS.min(8 * config.context));
        let mut pages = wanted.div_ceil(PAGE) as u64;
        if let Some(free) = free {
            let left = free.saturating_sub(weights + step + SPARE);
            let fits = left / page.max(1);
            let fewest = tokens.unwrap_or(FEWEST).div_ceil(PAGE) as u64;
            if fits < fewest {
                return Err(EngineError::Memory(format!(
                    "too little memory: {} for weights, {} for {} tokens of cache and {} for a step are needed, {} are \
                     free; a smaller precision (q8_0, q4_0) or fewer tokens of cache may fit",
                    size(weights),
                    size(fewest * page),
                    fewest * PAGE as u64,
                    size(step),
                    size(free)
                )));
            }
            pages = pages.min(fits);
        }
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        Ok(Self {
            weights,
            cache: u64::from(pages) * page,
            step,
            pages,
        })
    }

    /// In a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "weights {}, cache {} for {} tokens, a step {}",
            size(self.weights),
            size(self.cache),
            self.pages as usize * PAGE,
            size(self.step)
        )
    }
}

/// Memory that the system could give, where it says.
#[must_use]
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// What the kernels make of so many weights.
fn bytes_of(precision: Precision, stored: Format, numbers: u64) -> u64 {
    let (bytes, weights) = match (precision, stored) {
        (Precision::Stored, Format::BF16) | (Precision::Bf16, _) => (2, 1),
        (Precision::Stored, Format::F32 | Format::F16) | (Precision::F32, _) => (4, 1),
        (Precision::Stored, Format::Q4_0) | (Precision::Q4_0, _) => (9, 16),
        (Precision::Stored, Format::Q4_K) => (2_368, 4_096),
        (Precision::Stored | Precision::Q8_0, _) => (17, 16),
    };
    numbers * bytes / weights
}

fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{:.1} GiB", mib / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{config_of, tiny};
    use crate::engine::weights::Files;

    #[test]
    fn what_does_not_fit_is_refused_with_numbers_and_what_was_not_asked_for_shrinks() {
        let folder = tiny("qwen2", 1);
        let config = config_of(folder.path());
        let files = Files::open(folder.path()).unwrap();
        let checkpoint = files.checkpoint().unwrap();
        let plan = |tokens, free| Plan::of(&config, &checkpoint, Precision::F32, tokens, free);
        let whole = plan(None, None).unwrap();
        assert_eq!(whole.pages as usize * PAGE, TOKENS.min(8 * config.context));
        assert!(whole.weights > 4 * 190 * 64);
        let page = Cache::page_bytes(&config, Precision::F32);
        let free = SPARE + whole.weights + whole.step + 100 * page;
        assert_eq!(plan(None, Some(free)).unwrap().pages, 100);
        let why = plan(Some(100_000), Some(free)).unwrap_err().to_string();
        assert!(
            why.contains("too little memory") && why.contains("MiB"),
            "{why}"
        );
    }
}
