//! Which instructions the kernels use: found at run time, so that one binary runs on any machine.
//!
//! [`Tier`] is the name that people and settings use; [`Isa`] is the proof that the processor has it, and runs kernels.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512;
use super::error::KernelError;
use super::portable::Portable;
use super::simd::{Kernel, Simd};

/// A set of vector instructions, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// AVX-512 with byte products (VNNI).
    Avx512Vnni,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// What the compiler makes of arrays.
    Portable,
}

impl Tier {
    /// The environment variable that forces a tier.
    pub const VARIABLE: &'static str = "SPOTTER_CPU";

    /// The best tier of this processor.
    #[must_use]
    pub fn detect() -> Self {
        [Self::Avx512Vnni, Self::Avx2]
            .into_iter()
            .find(|tier| tier.is_available())
            .unwrap_or(Self::Portable)
    }

    /// The tier that [`Self::VARIABLE`] names, or the best one where it is unset or empty.
    pub fn chosen() -> Result<Self, KernelError> {
        let Some(name) = std::env::var_os(Self::VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(Self::detect());
        };
        let name = name.to_string_lossy();
        name.parse().and_then(|tier: Self| {
            if tier.is_available() {
                Ok(tier)
            } else {
                Err(KernelError::Tier(name.into_owned()))
            }
        })
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        Isa::new(self).is_some()
    }

    /// Its name in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512Vnni => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }
}

impl std::str::FromStr for Tier {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        [Self::Avx512Vnni, Self::Avx2, Self::Portable]
            .into_iter()
            .find(|tier| tier.name() == name)
            .ok_or_else(|| KernelError::Tier(name.to_owned()))
    }
}

/// A tier that this processor has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl Isa {
    /// The proof, where there is one.
    pub(super) fn new(tier: Tier) -> Option<Self> {
        match tier {
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512Vnni => Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => Avx2::detect().map(Self::Avx2),
            #[cfg(not(target_arch = "x86_64"))]
            Tier::Avx512Vnni | Tier::Avx2 => None,
            Tier::Portable => Some(Self::Portable(Portable)),
        }
    }

    /// Its name.
    pub(super) fn tier(self) -> Tier {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Tier::Avx512Vnni,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Tier::Avx2,
            Self::Portable(_) => Tier::Portable,
        }
    }

    /// Run a kernel with this tier's instructions.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Out {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.run(kernel),
            Self::Portable(token) => kernel.run(token),
        }
    }

    /// How many rows of activations form a tile.
    pub(super) fn blocking(self) -> Blocking {
        fn of<S: Simd>(_: S) -> Blocking {
            Blocking {
                integer_rows: S::INTEGER_ROWS,
                integer_most: S::INTEGER_MOST,
                float_rows: S::FLOAT_ROWS,
                pairs: S::PAIRS,
            }
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => of(token),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => of(token),
            Self::Portable(token) => of(token),
        }
    }
}

/// Tile sizes of a tier; see the constants of [`Simd`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocking {
    pub(super) integer_rows: usize,
    pub(super) integer_most: usize,
    pub(super) float_rows: usize,
    pub(super) pairs: bool,
}

impl Blocking {
    /// Activation rows in one tile of an integer product of `m` rows.
    pub(super) fn integer(self, m: usize) -> usize {
        if m <= self.integer_most {
            m
        } else {
            self.integer_rows
        }
    }

    /// Activation rows in one tile of a float product of `m` rows.
    pub(super) fn float(self, m: usize) -> usize {
        m.min(self.float_rows)
    }
}
