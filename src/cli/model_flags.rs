//! How weights on this machine are opened, for every subcommand that opens some.

use clap::{Args as ClapArgs, ValueEnum};

use crate::engine::{Precision, Wishes};

/// See the module.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct ModelFlags {
    /// Keep a local model's weights in this form [default: as they are stored]
    #[arg(long, value_enum, value_name = "FORM")]
    dtype: Option<Dtype>,
    /// Quantise a local model's weights while they are read
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "dtype")]
    quant: Option<Quant>,
    /// Threads of a local model [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Tokens whose keys and values a local model keeps, over all streams [default: what the model and the memory allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(32..))]
    cache_tokens: Option<u32>,
    /// Guess up to N tokens ahead from what was read and said before; what is said stays the same
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=32))]
    speculate: u8,
}

/// Numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dtype {
    /// Single precision
    F32,
    /// bfloat16
    Bf16,
}

/// Blocks of small numbers with a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Quant {
    /// 8 bits
    #[value(name = "q8_0")]
    Q8_0,
    /// 4 bits
    #[value(name = "q4_0")]
    Q4_0,
}

impl ModelFlags {
    pub(crate) fn wishes(&self) -> Wishes {
        let precision = match (self.dtype, self.quant) {
            (Some(Dtype::F32), _) => Precision::F32,
            (Some(Dtype::Bf16), _) => Precision::Bf16,
            (None, Some(Quant::Q8_0)) => Precision::Q8_0,
            (None, Some(Quant::Q4_0)) => Precision::Q4_0,
            (None, None) => Precision::Stored,
        };
        Wishes {
            precision,
            threads: self.threads.map(usize::from),
            cache_tokens: self.cache_tokens.map(|tokens| tokens as usize),
            speculate: self.speculate.into(),
        }
    }
}
