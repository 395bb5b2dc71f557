//! `spotter bench train`: tokens a second of a whole training step (forward, backward, clipping, `AdamW`) of the small policy's
//! shape, beside torch on the same rows.
//!
//! Both take a step in turn, so that a change of the machine's load meets both alike; the first step of each is not counted.
//! Given are medians, and the median of the ratios of neighbouring steps. Versions, threads and the load are printed.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::model_flags::threads;
use crate::cli::{Failure, ink};
use crate::engine::kernels::{Cpu, Options, Pool};
use crate::train::chance::Chance;
use crate::train::rows::Row;
use crate::train::shape::{Layout, Shape};
use crate::train::trainer::{Settings, Trainer};

const PEER: &str = include_str!("train.py");

/// Arguments of `spotter bench train`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// A Python with torch, to measure beside
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Threads, of both [default: all processors]
    #[arg(long, value_name = "N", value_parser = threads())]
    threads: Option<usize>,
    /// Sequences of a step
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = super::counted())]
    rows: usize,
    /// Tokens of each
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = super::counted())]
    length: usize,
    /// Steps that are counted
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = super::counted())]
    steps: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The small policy's shape.
const SHAPE: Shape = Shape {
    vocab: 2048,
    hidden: 192,
    layers: 6,
    heads: 6,
    kv_heads: 6,
    head_dim: 32,
    intermediate: 512,
    context: 4096,
    rope_theta: 1e4,
    rms_eps: 1e-6,
};

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let measured = tokio::task::spawn_blocking(move || measure(&args).map(|found| (args, found)));
    let (args, found) = measured.await.map_err(Failure::error)??;
    if args.json {
        ink::print(&found.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let number = |name: &str| found.get(name).and_then(Value::as_f64);
    let mut text = format!(
        "a step of {} × {} tokens, a fifth of them counting; {} parameters; {} threads, {}; load {}\n",
        args.rows,
        args.length,
        found.get("parameters").unwrap_or(&Value::Null),
        found.get("threads").unwrap_or(&Value::Null),
        found
            .get("tier")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        found
            .get("load")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    // Writing to a String cannot fail.
    if let Some(own) = number("tokens_per_second") {
        let _ = writeln!(text, "spotter  {own:.0} tok/s");
    }
    if let (Some(peer), Some(ratio)) = (number("peer_tokens_per_second"), number("ratio")) {
        let version = found
            .get("torch")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let _ = writeln!(text, "torch {version}  {peer:.0} tok/s\nratio  {ratio:.2}");
    }
    ink::print(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn rows(args: &Args) -> Vec<Row> {
    let mut chance = Chance::new(1);
    let mut token = || u32::try_from(chance.below(SHAPE.vocab)).unwrap_or(0);
    (0..args.rows)
        .map(|_| Row {
            tokens: (0..=args.length).map(|_| token()).collect(),
            weights: (0..=args.length)
                .map(|at| if at % 5 == 1 { 1.0 } else { 0.0 })
                .collect(),
        })
        .collect()
}

fn measure(args: &Args) -> Result<Value, Failure> {
    let threads = args.threads.unwrap_or_else(Pool::default_threads);
    let mut options = Options::new().map_err(Failure::error)?;
    options.threads = threads;
    let cpu = Cpu::new(&options).map_err(Failure::error)?;
    let tier = cpu.tier().name();
    let layout = Layout::new(SHAPE);
    let parameters = layout.total;
    let mut trainer = Trainer::new(layout, Settings::default(), cpu, 1);
    let rows = rows(args);
    let mut peer = match &args.peer {
        Some(python) => Some(Peer::start(python, args, threads, &rows)?),
        None => None,
    };
    let rows: Vec<&Row> = rows.iter().collect();
    let before = load();
    let (mut own, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..=args.steps {
        let began = Instant::now();
        trainer.step(&rows, 0.0).map_err(Failure::error)?;
        let seconds = began.elapsed().as_secs_f64();
        let peers = peer.as_mut().map(Peer::step).transpose()?;
        if step == 0 {
            continue;
        }
        own.push(seconds);
        if let Some(peers) = peers {
            theirs.push(peers);
            ratios.push(peers / seconds);
        }
    }
    let tokens = (rows.len() * args.length) as f64;
    let mut found = json!({
        "parameters": parameters, "threads": threads, "tier": tier, "rows": rows.len(), "length": args.length,
        "tokens_per_second": tokens / median(&mut own), "load": format!("{before} before, {} after", load()),
    });
    if let (Some(peer), Some(fields)) = (&peer, found.as_object_mut()) {
        fields.insert("torch".into(), peer.version.as_str().into());
        fields.insert(
            "peer_tokens_per_second".into(),
            (tokens / median(&mut theirs)).into(),
        );
        fields.insert("ratio".into(), median(&mut ratios).into());
    }
    Ok(found)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The machine's load over the last minute.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// torch in a process of its own.
struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    version: String,
}

impl Peer {
    fn start(python: &Path, args: &Args, threads: usize, rows: &[Row]) -> Result<Self, Failure> {
        let mut child = Command::new(python)
            .args(["-c", PEER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::error(format!("{}: {error}", python.display())))?;
        let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::error("the peer has no pipes"));
        };
        let tokens: Vec<u32> = rows.iter().flat_map(|row| row.tokens.clone()).collect();
        let counts: Vec<bool> = rows
            .iter()
            .flat_map(|row| row.weights.iter().map(|weight| *weight > 0.0))
            .collect();
        let about = json!({
            "threads": threads, "hidden": SHAPE.hidden, "layers": SHAPE.layers, "heads": SHAPE.heads,
            "kv_heads": SHAPE.kv_heads, "head_dim": SHAPE.head_dim, "intermediate": SHAPE.intermediate,
            "vocab": SHAPE.vocab, "rows": rows.len(), "length": args.length, "tokens": tokens, "counts": counts,
        });
        writeln!(to, "{about}").map_err(Failure::error)?;
        let mut peer = Self {
            child,
            to,
            from: BufReader::new(from),
            version: String::new(),
        };
        let said = peer.hear()?;
        let version = said.get("torch").and_then(Value::as_str);
        version.unwrap_or_default().clone_into(&mut peer.version);
        Ok(peer)
    }

    fn hear(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(Failure::error)?;
        serde_json::from_str(&line).map_err(|_no_json| {
            Failure::error("the peer ended; its words are above: --peer needs a Python with torch 2.5 or later")
        })
    }

    /// Seconds of one step.
    fn step(&mut self) -> Result<f64, Failure> {
        writeln!(self.to, "step").map_err(Failure::error)?;
        let said = self.hear()?;
        let seconds = said.get("seconds").and_then(Value::as_f64);
        seconds.ok_or_else(|| Failure::error(format!("the peer said {said}")))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
