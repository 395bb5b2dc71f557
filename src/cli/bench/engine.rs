//! `spotter bench engine`: what the engine computes in a second, beside peers that compute the same file.
//!
//! Models have true shapes and random weights ([`shape`]); peers are llama.cpp (both of its attention modes; the better one
//! counts) and, for single precision, transformers. Rounds of all sides alternate, so that what else the machine does falls
//! on all of them; ratios are of one round, and their median is what is said. Versions, flags and load are printed with it.

mod ours;
mod peer;
mod shape;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::json;

use super::ui::at_most;
use crate::cli::model_flags::threads;
use crate::cli::{Failure, ink};
use crate::engine::kernels::read_speed;
use crate::model::bundled;
use ours::{Bare, Whole};
use peer::Peer;
use shape::{SHAPES, Shape, Stored};

/// What is computed.
#[derive(Clone, Copy)]
enum Subject {
    /// A model of a true shape.
    Shape(Shape),
    /// The policy that comes inside the program.
    Policy,
}

impl Subject {
    const POLICY: &str = bundled::NAME;

    fn named(name: &str) -> Option<Self> {
        if name == Self::POLICY {
            return Some(Self::Policy);
        }
        let shape = SHAPES.into_iter().find(|shape| shape.name == name)?;
        Some(Self::Shape(shape))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Shape(shape) => shape.name,
            Self::Policy => Self::POLICY,
        }
    }

    /// Whether it is a folder, which llama.cpp does not read.
    fn is_folder(self) -> bool {
        match self {
            Self::Shape(shape) => shape.stored == Stored::F32,
            Self::Policy => true,
        }
    }

    fn file(self, folder: &Path) -> Result<PathBuf, Failure> {
        match self {
            Self::Policy => bundled::folder().map_err(Failure::error),
            Self::Shape(shape) => shape.file(folder).map_err(|error| {
                Failure::error(format!(
                    "{}: {error}; name another --folder",
                    folder.display()
                ))
            }),
        }
    }
}

/// Arguments of `spotter bench engine`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Shapes: 0.5b-q8_0, 0.5b-q4_0, 1.5b-q8_0, 1.5b-q4_k, policy, 0.5b-f32 [default: all but f32]
    shapes: Vec<String>,
    /// How often each thing is done
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = super::counted())]
    repetitions: usize,
    /// Threads of every side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = threads())]
    threads: usize,
    /// Where the files of weights are made and kept (a few GB)
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// A Python with llama-cpp-python, for GGUF shapes
    #[arg(long, value_name = "PROGRAM")]
    llama: Option<PathBuf>,
    /// A Python with transformers and torch, for 0.5b-f32 and, in single precision, the policy
    #[arg(long, value_name = "PROGRAM")]
    transformers: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is done: a name, streams, context, tokens of each; no streams are a prompt of that length.
const WORK: [(&str, usize, usize, usize); 4] = [
    ("decode at 128", 1, 128, 48),
    ("decode at 512", 1, 512, 48),
    ("prefill 512", 0, 512, 0),
    ("8 streams at 128", 8, 128, 24),
];

/// Seconds of each side for each thing, round by round.
#[derive(Default)]
struct Rounds(BTreeMap<(usize, &'static str), Vec<f64>>);

impl Rounds {
    fn note(&mut self, work: usize, side: &'static str, rate: f64) {
        self.0.entry((work, side)).or_default().push(rate);
    }

    fn rates(&self, work: usize, side: &'static str) -> &[f64] {
        self.0.get(&(work, side)).map_or(&[], Vec::as_slice)
    }

    fn median(&self, work: usize, side: &'static str) -> Option<f64> {
        at_most(self.rates(work, side), 0.5)
    }

    /// Median of the rounds' ratios of ours to the best of some sides.
    fn ratio(&self, work: usize, ours: &'static str, others: &[&'static str]) -> Option<f64> {
        let ratios: Vec<f64> = self
            .rates(work, ours)
            .iter()
            .enumerate()
            .filter_map(|(round, rate)| {
                let best = others
                    .iter()
                    .filter_map(|side| self.rates(work, side).get(round).copied())
                    .max_by(f64::total_cmp)?;
                Some(rate / best)
            })
            .collect();
        at_most(&ratios, 0.5)
    }
}

const PEERS: [&str; 2] = ["plain", "flash"];

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut chosen: Vec<Subject> = Vec::new();
    for name in &args.shapes {
        chosen.push(Subject::named(name).ok_or_else(|| {
            let known = SHAPES.map(|shape| shape.name).join(", ");
            Failure::usage(format!(
                "no shape `{name}`; known: {known}, {}",
                Subject::POLICY
            ))
        })?);
    }
    if chosen.is_empty() {
        let quantised = SHAPES
            .into_iter()
            .filter(|shape| shape.stored != Stored::F32);
        chosen.extend(quantised.map(Subject::Shape));
        chosen.push(Subject::Policy);
    }
    let folder = args.folder.clone().unwrap_or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let base = cache.or_else(home).unwrap_or_else(std::env::temp_dir);
        base.join("spotter/bench")
    });
    for shape in chosen {
        one(&args, &folder, shape).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn one(args: &Args, folder: &Path, subject: Subject) -> Result<(), Failure> {
    let name = subject.name();
    let file = subject.file(folder)?;
    ink::complain(&format!("{name}: weights in {}", file.display()));
    let threads = args.threads.to_string();
    let mut peers: Vec<(&'static str, Peer)> = Vec::new();
    match (&args.llama, &args.transformers) {
        (_, Some(python)) if subject.is_folder() => {
            peers.push((
                "plain",
                Peer::start(python, "transformers", &file, &[&threads])?,
            ));
        }
        (Some(python), _) if !subject.is_folder() => {
            for (side, flash) in PEERS.into_iter().zip(["0", "1"]) {
                peers.push((
                    side,
                    Peer::start(python, "llama", &file, &[&threads, flash])?,
                ));
            }
        }
        _ => {}
    }
    let (mut bare, first) = Bare::open(&file, args.threads)?;
    let mut whole = Whole::open(&file, args.threads)?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut rounds = Rounds::default();
    let mut bandwidths = Vec::new();
    for round in 0..args.repetitions.max(1) {
        bandwidths.push(read_speed(args.threads).map_err(Failure::error)?);
        for (number, (_, streams, context, count)) in WORK.into_iter().enumerate() {
            let tokens = if streams == 0 {
                context
            } else {
                streams * count
            } as f64;
            let seconds = match streams {
                0 => bare.prefill(context)?,
                k => bare.streams(k, context, count)?,
            };
            rounds.note(number, "bare", tokens / seconds);
            if streams > 0 {
                let (seconds, came) = whole.streams(streams, context, count).await?;
                rounds.note(number, "whole", came as f64 / seconds);
            }
            for (side, peer) in &mut peers {
                let command = match streams {
                    0 => format!("prefill {context}"),
                    1 => format!("decode {context} {count}"),
                    k => format!("streams {k} {context} {count}"),
                };
                rounds.note(number, side, tokens / peer.seconds(&command)?);
            }
        }
        ink::complain(&format!(
            "{name}: round {} of {}",
            round + 1,
            args.repetitions
        ));
    }
    let seen = Seen {
        rounds,
        bandwidth: at_most(&bandwidths, 0.5).unwrap_or(0.0),
        bytes: bare.bytes(),
        tier: bare.tier(),
        first,
        load,
        peers: peers.iter().map(|(_, peer)| peer.name.clone()).collect(),
        peer_first: peers
            .iter()
            .map(|(_, peer)| peer.load)
            .min_by(f64::total_cmp),
    };
    seen.tell(args, name);
    Ok(())
}

/// All that was measured of a shape.
struct Seen {
    rounds: Rounds,
    /// Bytes a second that are read.
    bandwidth: f64,
    /// Bytes of the weights.
    bytes: u64,
    tier: &'static str,
    /// Seconds until a first token.
    first: f64,
    load: String,
    peers: Vec<String>,
    peer_first: Option<f64>,
}

impl Seen {
    fn lines(&self, name: &str) -> Vec<serde_json::Value> {
        let rounds = &self.rounds;
        let line = |(number, (what, ..)): (usize, (&str, usize, usize, usize))| {
            let best = PEERS.iter().filter_map(|side| rounds.median(number, side));
            let of_reading = |rate: f64| rate * self.bytes as f64 / self.bandwidth;
            json!({
                "shape": name, "what": what, "unit": "tok/s",
                "ours": rounds.median(number, "bare"), "whole": rounds.median(number, "whole"),
                "peer": best.max_by(f64::total_cmp),
                "ratio": rounds.ratio(number, "bare", &PEERS),
                "whole_of_bare": rounds.ratio(number, "whole", &["bare"]),
                "of_bandwidth": (number < 2).then(|| rounds.median(number, "bare").map(of_reading)),
            })
        };
        WORK.into_iter().enumerate().map(line).collect()
    }

    fn tell(&self, args: &Args, name: &str) {
        let mut lines = self.lines(name);
        if args.json {
            lines.push(json!({
                "shape": name, "spotter": env!("CARGO_PKG_VERSION"), "tier": self.tier, "threads": args.threads,
                "rounds": args.repetitions, "load": self.load.trim(), "peers": self.peers, "bandwidth": self.bandwidth,
                "first_token": self.first, "peer_first_token": self.peer_first,
            }));
            for line in lines {
                ink::print(&line.to_string());
            }
            return;
        }
        ink::print(&format!(
            "{name}: {} threads, {}, load {}",
            args.threads,
            self.tier,
            self.load.trim()
        ));
        for name in &self.peers {
            ink::print(&format!("  peer: {name}"));
        }
        ink::print(&format!(
            "  {:18} {:>9} {:>9} {:>7} {:>9} {:>7} {:>10}",
            "tok/s", "ours", "peer", "ratio", "whole", "whole/", "of reading"
        ));
        for line in &lines {
            let cell = |key: &str, digits: usize| {
                let number = line.get(key).and_then(serde_json::Value::as_f64);
                number.map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"))
            };
            let what = line.get("what").and_then(serde_json::Value::as_str);
            ink::print(&format!(
                "  {:18} {:>9} {:>9} {:>7} {:>9} {:>7} {:>10}",
                what.unwrap_or_default(),
                cell("ours", 1),
                cell("peer", 1),
                cell("ratio", 2),
                cell("whole", 1),
                cell("whole_of_bare", 2),
                cell("of_bandwidth", 2),
            ));
        }
        let peer = self
            .peer_first
            .map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.2}"));
        ink::print(&format!(
            "  opened, until a first token: {:.2} s, the peer {peer} s; memory read at {:.1} GB/s",
            self.first,
            self.bandwidth / 1e9
        ));
    }
}
