//! Flags of the models that this program computes itself: how weights are kept, and what of the machine they may take.
//!
//! How weights are kept, and an adapter beside them, are part of a model's text (`PATH#q8_0+DIR`), so that whoever resumes a rollout gets the same numbers;
//! `--dtype`, `--quant` and `--adapter` only write it there. What of the machine is taken is nobody's business but this process's.

use std::path::Path;

use clap::Args as ClapArgs;
use clap::builder::RangedU64ValueParser;

use super::Failure;
use crate::engine::device::Place;
use crate::engine::{Precision, Wishes};
use crate::model::local;
use crate::model::spec::ModelSpec;

/// Most threads of the kernels: more than a machine has cores, and fewer than a system refuses to start.
pub(crate) const MOST_THREADS: usize = 1_024;

/// Reads a number of threads.
pub(crate) fn threads() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MOST_THREADS as u64)
}

/// Reads tokens of cache: up to more than any memory holds.
fn cache_tokens() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000_000)
}

/// How a model of this machine is computed.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Local models")]
pub(crate) struct ModelFlags {
    /// Keep weights as f32 or bf16 [default: as they are stored]
    #[arg(long, value_name = "TYPE", value_parser = ["f32", "bf16"])]
    pub(crate) dtype: Option<String>,
    /// Keep weights in 8 or 4 bits [default: as they are stored]
    #[arg(long, value_name = "TYPE", value_parser = ["q8_0", "q4_0"], conflicts_with = "dtype")]
    pub(crate) quant: Option<String>,
    /// Where it is computed: auto, cpu, cuda, cuda:N, metal, or candle (its own operators on the processor, to compare with)
    #[arg(
        long,
        value_name = "PLACE",
        env = "SPOTTER_DEVICE",
        default_value = "auto"
    )]
    pub(crate) device: Place,
    /// Threads that compute, at most 1,024 [default: one for each core]
    #[arg(long, value_name = "N", env = "SPOTTER_THREADS", value_parser = threads())]
    pub(crate) threads: Option<usize>,
    /// Tokens of context kept, of all attempts together, at most a billion [default: what memory allows, at most 65,536]
    #[arg(long, value_name = "N", env = "SPOTTER_CACHE_TOKENS", value_parser = cache_tokens())]
    pub(crate) cache_tokens: Option<usize>,
    /// Guess up to N tokens ahead from what was read and said before; what is said stays the same
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) speculate: u8,
}

impl ModelFlags {
    /// Tell the engines of this process what they may take. Once, before the first is opened.
    pub(crate) fn share(&self) {
        local::share(self.wishes());
    }

    /// The model's text with how its weights are kept and an adapter.
    pub(crate) fn over(&self, model: String, adapter: Option<&Path>) -> Result<String, Failure> {
        let named = self.dtype.as_deref().or(self.quant.as_deref());
        let precision = named.and_then(Precision::of_name);
        if precision.is_none() && adapter.is_none() {
            return Ok(model);
        }
        let mut spec: ModelSpec = model.parse().map_err(Failure::usage)?;
        if let Some(precision) = precision {
            spec = spec.with_precision(precision).map_err(Failure::usage)?;
        }
        if let Some(adapter) = adapter {
            spec = spec.with_adapter(adapter.into()).map_err(Failure::usage)?;
        }
        Ok(spec.to_string())
    }

    /// What an engine is opened with.
    pub(crate) fn wishes(&self) -> Wishes {
        let named = self.dtype.as_deref().or(self.quant.as_deref());
        Wishes {
            precision: named.and_then(Precision::of_name).unwrap_or_default(),
            threads: self.threads,
            cache_tokens: self.cache_tokens,
            place: self.device,
            speculate: self.speculate.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_or_tokens_than_there_can_be_are_refused_with_the_most() {
        let given = |line: &str| {
            let command = ModelFlags::augment_args(clap::Command::new("run"));
            let given = command.try_get_matches_from(line.split_whitespace());
            given.map_err(|error| error.to_string())
        };
        assert!(given("run --threads 1024 --cache-tokens 1000000000").is_ok());
        for (line, most) in [
            ("run --threads 100000", "1..=1024"),
            ("run --threads 0", "1..=1024"),
            ("run --cache-tokens 18446744073709551615", "1..=1000000000"),
        ] {
            let why = given(line).unwrap_err();
            assert!(why.contains(most), "{why}");
        }
    }

    #[test]
    fn how_weights_are_kept_becomes_part_of_the_models_text() {
        let flags = ModelFlags {
            quant: Some("q8_0".into()),
            ..ModelFlags::default()
        };
        assert_eq!(flags.over("hub:a/b".into(), None).unwrap(), "hub:a/b#q8_0");
        assert_eq!(
            flags.over("hub:a/b#q4_0".into(), None).unwrap(),
            "hub:a/b#q8_0"
        );
        assert!(flags.over("human".into(), None).is_err());
        assert!(flags.over("http://localhost:1/v1".into(), None).is_err());
        let none = ModelFlags::default();
        let adapter = Some(Path::new("src"));
        assert_eq!(none.over("hub:a/b".into(), adapter).unwrap(), "hub:a/b+src");
        assert!(none.over("human".into(), adapter).is_err());
        assert_eq!(none.over("hub:a/b".into(), None).unwrap(), "hub:a/b");
    }
}
