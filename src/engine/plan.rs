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

/// What holds the weights, and in which form.
#[derive(Debug, Clone, Copy)]
pub enum Keeping {
    /// The kernels of this processor.
    Kernels(Precision),
    /// Tensors of a device: blocks as they are stored, all else in numbers of so many bytes.
    Tensors {
        /// What was wished for.
        precision: Precision,
        /// Bytes of a number, of keys and values, too.
        number: usize,
    },
    /// A decoder that is not ours: everything in numbers of so many bytes, one stream.
    Foreign {
        /// Bytes of a number.
        number: usize,
    },
}

impl Keeping {
    /// Of one matrix.
    fn weights(self, stored: Format, numbers: u64) -> u64 {
        match self {
            Self::Kernels(precision) => packed(precision, stored, numbers),
            Self::Foreign { number } => numbers * number as u64,
            Self::Tensors { precision, number } => {
                let form = match precision {
                    Precision::Q8_0 => Format::Q8_0,
                    Precision::Q4_0 => Format::Q4_0,
                    Precision::Stored if stored.block_len() > 1 => stored,
                    _ => return numbers * number as u64,
                };
                numbers * form.block_bytes() as u64 / form.block_len() as u64
            }
        }
    }

    /// Of the embedding once more: rows of blocks cannot be looked up, so they lie there as numbers, too.
    fn table(self, config: &Config, checkpoint: &Checkpoint<'_>) -> u64 {
        let Self::Tensors { precision, number } = self else {
            return 0;
        };
        let stored = checkpoint.tensor("model.embed_tokens.weight");
        let blocks = match precision {
            Precision::Q8_0 | Precision::Q4_0 => true,
            Precision::Stored => stored.is_some_and(|tensor| tensor.format.block_len() > 1),
            Precision::F32 | Precision::Bf16 => false,
        };
        if blocks {
            (config.vocab * config.hidden * number) as u64
        } else {
            0
        }
    }

    /// Of the table of rotations, which reaches as far as the context.
    fn rotations(self, config: &Config) -> u64 {
        let number = match self {
            Self::Kernels(_) => 4,
            Self::Tensors { number, .. } => number,
            // Each family has its own way; the largest have a few MiB.
            Self::Foreign { .. } => 0,
        };
        (config.longest() * config.head_dim * number) as u64
    }

    /// Of one page of keys and values.
    fn page(self, config: &Config) -> u64 {
        match self {
            Self::Kernels(precision) => Cache::page_bytes(config, precision),
            Self::Tensors { number, .. } | Self::Foreign { number } => {
                (2 * number * config.layers * PAGE * config.kv_width()) as u64
            }
        }
    }

    /// Tokens of cache where nobody says.
    fn tokens(self, config: &Config) -> usize {
        match self {
            Self::Foreign { .. } => TOKENS.min(config.context),
            Self::Kernels(_) | Self::Tensors { .. } => TOKENS.min(8 * config.context),
        }
    }
}

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
        keeping: Keeping,
        tokens: Option<usize>,
        free: Option<u64>,
    ) -> Result<Self, EngineError> {
        let matrices = checkpoint.matrices().into_iter();
        let weights = matrices
            .map(|(format, numbers)| keeping.weights(format, numbers))
            .sum::<u64>()
            + keeping.table(config, checkpoint)
            + keeping.rotations(config);
        let widest = config.hidden * 3 + config.query_width() * 3 + config.kv_width() * 2;
        let step = (256 * (widest + 3 * config.intermediate) * 4 + 40 * config.vocab * 4) as u64;
        let page = keeping.page(config);
        let wanted = tokens.unwrap_or(keeping.tokens(config));
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
                    size(fewest.saturating_mul(page)),
                    fewest.saturating_mul(PAGE as u64),
                    size(step),
                    size(free)
                )));
            }
            pages = pages.min(fits);
        }
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        Ok(Self {
            weights,
            cache: u64::from(pages).saturating_mul(page),
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

/// What the kernels make of so many weights.
fn packed(precision: Precision, stored: Format, numbers: u64) -> u64 {
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
        let keeping = Keeping::Kernels(Precision::F32);
        let plan = |tokens, free| Plan::of(&config, &checkpoint, keeping, tokens, free);
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
        // Whatever is asked for.
        let why = plan(Some(usize::MAX), Some(free)).unwrap_err().to_string();
        assert!(why.contains("too little memory"), "{why}");
        plan(Some(usize::MAX), None).unwrap();
    }

    #[test]
    fn what_candle_holds_is_reckoned_as_candle_holds_it() {
        let folder = tiny("qwen2", 1);
        let config = config_of(folder.path());
        let files = Files::open(folder.path()).unwrap();
        let checkpoint = files.checkpoint().unwrap();
        let plan = |keeping| Plan::of(&config, &checkpoint, keeping, Some(64), None).unwrap();
        let numbers: u64 = checkpoint.matrices().iter().map(|(_, n)| n).sum();
        let single = plan(Keeping::Foreign { number: 4 });
        assert_eq!(single.weights, 4 * numbers);
        let half = plan(Keeping::Foreign { number: 2 });
        assert_eq!((half.weights, half.cache), (2 * numbers, single.cache / 2));
        // Blocks of a device, and beside them the embedding as numbers.
        let precision = Precision::Q4_0;
        let blocks = plan(Keeping::Tensors {
            precision,
            number: 4,
        });
        let table = 4 * (config.vocab * config.hidden) as u64;
        let turns = 4 * (config.longest() * config.head_dim) as u64;
        assert_eq!(blocks.weights, numbers * 18 / 32 + table + turns);
        assert_eq!(blocks.cache, single.cache);
    }
}
