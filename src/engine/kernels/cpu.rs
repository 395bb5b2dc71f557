//! One processor, as a model sees it: a tier and a pool, and the room that calls need.

use std::sync::Arc;
use std::time::Duration;

use super::error::KernelError;
use super::inputs::Inputs;
use super::layout::{Line32, Panel4K, Unit8};
use super::pool::{Pool, StartHook};
use super::spread::Widen;
use super::tier::{Isa, Tier};

/// How to set up a [`Cpu`].
#[derive(Clone)]
pub struct Options {
    /// Threads, the caller's among them.
    pub threads: usize,
    /// How long a thread spins for the next job before it sleeps.
    pub spin: Duration,
    /// Instructions to use.
    pub tier: Tier,
    /// Runs first in each thread that is started (not in the caller's), for instance to lower its priority.
    pub on_start: Option<StartHook>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("threads", &self.threads)
            .field("spin", &self.spin)
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// All processors that this process may use, and the best tier or the one that the environment names.
    pub fn new() -> Result<Self, KernelError> {
        Ok(Self {
            threads: Pool::default_threads(),
            spin: Pool::SPIN,
            tier: Tier::chosen()?,
            on_start: None,
        })
    }
}

/// Carries out kernels. Shared between streams; each brings its own [`Scratch`].
#[derive(Debug, Clone)]
pub struct Cpu {
    pub(super) isa: Isa,
    pub(super) pool: Arc<Pool>,
}

impl Cpu {
    /// Start the threads.
    pub fn new(options: &Options) -> Result<Self, KernelError> {
        let isa = Isa::new(options.tier)
            .ok_or_else(|| KernelError::Tier(options.tier.name().to_owned()))?;
        let pool = Pool::new(options.threads, options.spin, options.on_start.as_ref())?;
        Ok(Self {
            isa,
            pool: Arc::new(pool),
        })
    }

    /// The instructions in use.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.isa.tier()
    }

    /// The threads.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// Room for intermediate results: grows to what the largest call needed and is used again.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) inputs: Inputs,
    pub(super) panels: Vec<Panel>,
    pub(super) blocks: Vec<super::attention::Workspace>,
}

/// One thread's room in a product.
#[derive(Debug, Default)]
pub(super) struct Panel {
    pub(super) eights: Vec<Unit8>,
    pub(super) supers: Vec<Panel4K>,
    pub(super) floats: Vec<Line32>,
    pub(super) sums: Vec<[[f32; 16]; 2]>,
}

impl Scratch {
    /// Empty room.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Memory that it holds now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let panels: usize = self
            .panels
            .iter()
            .map(|p| {
                size_of_val(p.eights.as_slice())
                    + size_of_val(p.supers.as_slice())
                    + size_of_val(p.floats.as_slice())
                    + size_of_val(p.sums.as_slice())
            })
            .sum();
        size_of_val(self.inputs.units.as_slice())
            + size_of_val(self.inputs.supers.as_slice())
            + size_of_val(self.inputs.floats.as_slice())
            + panels
            + self
                .blocks
                .iter()
                .map(super::attention::Workspace::bytes)
                .sum::<usize>()
    }
}

impl Panel {
    /// bfloat16 lines widened into this thread's room.
    pub(super) fn widen(&mut self, isa: Isa, from: &[super::layout::Line16]) {
        let to = super::inputs::grow(&mut self.floats, 2 * from.len());
        isa.run(Widen { from, to });
    }
}
