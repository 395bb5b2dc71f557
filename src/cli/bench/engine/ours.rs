//! Our side: the decoder in a bare loop, and the same behind its schedule, as those who ask for replies have it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tokio::sync::mpsc;

use super::shape::Dice;
use crate::cli::Failure;
use crate::engine::Precision;
use crate::engine::cache::Cache;
use crate::engine::compute::OnCpu;
use crate::engine::config::Config;
use crate::engine::decoder::{Decoder, Part, Room, Wanted};
use crate::engine::kernels::{Cpu, Options};
use crate::engine::prefix::{Page, Tree};
use crate::engine::sample::Settings;
use crate::engine::schedule::{self, Ask, End, Requests, Said};
use crate::engine::weights::{Checkpoint, Files};

/// Pages of each side: 8 streams of a thousand tokens, and more.
const PAGES: u32 = 512;
/// Rows of a prompt that go through the layers together.
const CHUNK: usize = 256;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::error(error)
}

fn opened(path: &Path, threads: usize) -> Result<(Decoder, Cpu), Failure> {
    let files = Files::open(path).map_err(failed)?;
    let checkpoint = files.checkpoint().map_err(failed)?;
    let origin = path.display().to_string();
    let config = match &checkpoint {
        Checkpoint::Gguf(file) => Config::from_gguf(file, &origin).map_err(failed)?,
        Checkpoint::Safetensors(..) => {
            let text = std::fs::read_to_string(path.join("config.json")).map_err(failed)?;
            Config::from_json(&text, &origin).map_err(failed)?
        }
    };
    let mut options = Options::new().map_err(failed)?;
    options.threads = threads;
    let cpu = Cpu::new(&options).map_err(failed)?;
    let decoder =
        Decoder::load(&config, &checkpoint, Precision::Stored, &cpu, &origin).map_err(failed)?;
    Ok((decoder, cpu))
}

/// The decoder and nothing around it.
pub(super) struct Bare {
    decoder: Decoder,
    cpu: Cpu,
    cache: Cache,
    room: Room,
    /// Pages of eight streams.
    pages: Vec<Vec<Page>>,
    dice: Dice,
}

impl Bare {
    /// Open a file, and say how long it took until the first token.
    pub(super) fn open(path: &Path, threads: usize) -> Result<(Self, f64), Failure> {
        let began = Instant::now();
        let (decoder, cpu) = opened(path, threads)?;
        let cache = Cache::new(decoder.config(), Precision::Stored, PAGES);
        let mut tree = Tree::new(PAGES);
        let mut pages = Vec::new();
        for stream in 0..8 {
            // Streams that begin alike would share pages.
            let mut held = tree.begin(0, &[stream], |_, _, _| {});
            for token in 0..PAGES / 8 * 32 {
                tree.push(&mut held, stream ^ token)
                    .map_err(|_full| failed("too few pages"))?;
            }
            pages.push(tree.pages_of(&held));
        }
        let mut bare = Self {
            decoder,
            cpu,
            cache,
            room: Room::default(),
            pages,
            dice: Dice(7),
        };
        bare.read(0, 1)?;
        Ok((bare, began.elapsed().as_secs_f64()))
    }

    /// The instructions it computes with.
    pub(super) fn tier(&self) -> &'static str {
        self.cpu.tier().name()
    }

    /// Bytes that a token reads: all weights.
    pub(super) fn bytes(&self) -> u64 {
        self.decoder.bytes()
    }

    fn step(&mut self, rows: &[(usize, usize, Vec<u32>, Wanted)]) -> Result<(), Failure> {
        let parts: Vec<Part<'_>> = rows
            .iter()
            .map(|(stream, past, tokens, wanted)| Part {
                tokens,
                past: *past,
                pages: self.pages.get(*stream).map_or(&[], Vec::as_slice),
                wanted: *wanted,
            })
            .collect();
        let logits = self
            .decoder
            .forward(&parts, &mut self.cache, &self.cpu, &mut self.room)
            .map_err(failed)?;
        std::hint::black_box(logits);
        Ok(())
    }

    fn read(&mut self, stream: usize, count: usize) -> Result<(), Failure> {
        let tokens = self.dice.tokens(count, self.decoder.config().vocab);
        for (number, part) in tokens.chunks(CHUNK).enumerate() {
            let past = number * CHUNK;
            let wanted = if past + part.len() == count {
                Wanted::Last
            } else {
                Wanted::None
            };
            self.step(&[(stream, past, part.to_vec(), wanted)])?;
        }
        Ok(())
    }

    /// Seconds for so many tokens of `k` streams, one of each a step, after contexts of this length.
    pub(super) fn streams(
        &mut self,
        k: usize,
        context: usize,
        count: usize,
    ) -> Result<f64, Failure> {
        for stream in 0..k {
            self.read(stream, context)?;
        }
        let vocab = self.decoder.config().vocab;
        let began = Instant::now();
        for at in 0..count {
            let rows: Vec<_> = (0..k)
                .map(|stream| {
                    (
                        stream,
                        context + at,
                        self.dice.tokens(1, vocab),
                        Wanted::Last,
                    )
                })
                .collect();
            self.step(&rows)?;
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// Seconds for a prompt.
    pub(super) fn prefill(&mut self, count: usize) -> Result<f64, Failure> {
        let began = Instant::now();
        self.read(0, count)?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// The same behind schedule, pages, prefix tree and sampling.
pub(super) struct Whole {
    requests: Requests,
    vocab: usize,
    dice: Dice,
}

impl Whole {
    /// Open a file.
    pub(super) fn open(path: &Path, threads: usize) -> Result<Self, Failure> {
        let (decoder, cpu) = opened(path, threads)?;
        let vocab = decoder.config().vocab;
        let requests =
            schedule::start(Box::new(OnCpu::new(decoder, cpu, PAGES)), PAGES, 0).map_err(failed)?;
        Ok(Self {
            requests,
            vocab,
            dice: Dice(11),
        })
    }

    /// Seconds in which `k` replies are drawn together, all of them, and how many tokens came in these.
    pub(super) async fn streams(
        &mut self,
        k: usize,
        context: usize,
        count: usize,
    ) -> Result<(f64, usize), Failure> {
        let mut readers = Vec::new();
        for seed in 0..k {
            let (reply, mut pieces) = mpsc::channel(2 * (count + 4 * k) + 8);
            self.requests
                .ask(Ask {
                    prompt: self.dice.tokens(context, self.vocab),
                    settings: Settings {
                        temperature: 0.8,
                        top_p: 0.95,
                        seed: seed as u64,
                        ..Settings::default()
                    },
                    adapter: None,
                    constraint: None,
                    // While the last prompts are read the first replies go on.
                    most: count + 4 * k,
                    ends: Vec::new(),
                    reply,
                    cancelled: Arc::new(AtomicBool::new(false)),
                })
                .map_err(failed)?;
            readers.push(tokio::spawn(async move {
                let mut times = Vec::new();
                while let Some(said) = pieces.recv().await {
                    match said {
                        Said::Token(_) => times.push(Instant::now()),
                        Said::Over(End::Failed(error)) => return Err(failed(error)),
                        Said::Over(_) | Said::Begun { .. } => {}
                    }
                }
                Ok(times)
            }));
        }
        let mut all = Vec::new();
        let (mut last_to_begin, mut first_to_end) = (None, None);
        for reader in readers {
            let times = reader.await.map_err(failed)??;
            last_to_begin = last_to_begin.max(times.first().copied());
            let end = times.last().copied();
            first_to_end = first_to_end.map_or(end, |first: Instant| end.map(|end| first.min(end)));
            all.extend(times);
        }
        let (Some(began), Some(ended)) = (last_to_begin, first_to_end) else {
            return Err(failed("no token came"));
        };
        if ended <= began {
            return Err(failed("a reply ended before all of them had begun"));
        }
        let between = all
            .iter()
            .filter(|time| **time > began && **time <= ended)
            .count();
        Ok(((ended - began).as_secs_f64(), between))
    }
}
