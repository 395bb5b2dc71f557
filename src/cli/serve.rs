//! `spotter serve`: a local model behind an OpenAI-compatible HTTP server.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use tokio_util::sync::CancellationToken;

use super::model_flags::ModelFlags;
use super::progress::Transfer;
use super::{Failure, ink};
use crate::engine::{Engine, Wishes};
use crate::model::bundled;
use crate::model::spec::ModelSpec;
use crate::serve::{Limits, Options, Server};
use crate::text::secret::Secret;

/// Arguments of `spotter serve`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// What is served: a folder, a GGUF file, or hub:org/name[/FILE.gguf]
    #[arg(long, value_name = "MODEL", env = "SPOTTER_MODEL")]
    model: String,
    #[command(flatten)]
    flags: ModelFlags,
    /// Address to listen on; other machines reach it only where it is not a loopback one
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    port: u16,
    /// Key that requests must carry (better in the environment: a command line is seen by others)
    #[arg(
        long,
        value_name = "KEY",
        env = "SPOTTER_SERVE_KEY",
        hide_env_values = true
    )]
    api_key: Option<String>,
    /// Name of the model for clients [default: that of its folder or file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Serve an adapter (PEFT's layout) beside the model, under a name of its own; may be given several times
    #[arg(long, value_name = "NAME=DIR", value_parser = adapter)]
    adapter: Vec<(String, PathBuf)>,
    /// Replies that are generated at a time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    running: u16,
    /// Requests that wait for their turn; further ones get status 429
    #[arg(long, value_name = "N", default_value_t = 256)]
    queue: u16,
    /// Most tokens of a reply [default: what the context leaves]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
    /// Largest body of a request, MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    body: u16,
    /// Seconds for replies on their way when it is told to end (SIGTERM, Ctrl-C); a second signal ends it at once
    #[arg(long, value_name = "S", default_value_t = 30)]
    drain: u16,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let model = args.flags.over(args.model, None)?;
    let spec: ModelSpec = model.parse().map_err(Failure::usage)?;
    if let Some(folder) = spec.adapter() {
        return Err(Failure::usage(format!(
            "`{spec}`: an adapter is served beside its model, under a name of its own: --adapter NAME={}",
            folder.display()
        )));
    }
    let spec = spec.absolute().map_err(Failure::usage)?;
    let weights = {
        let bar = Transfer::new();
        spec.weights(&|news| bar.tell(news))
            .await
            .map_err(Failure::error)?
    };
    let wishes = Wishes {
        precision: spec.precision(),
        ..args.flags.wishes()
    };
    let opened = tokio::task::spawn_blocking(move || Engine::open(&weights, &wishes)).await;
    let engine = opened.map_err(Failure::error)?.map_err(Failure::error)?;
    let engine = Arc::new(engine);
    // The folder that the bundled policy is laid out in has a name that nobody could know.
    let bundled = matches!(spec, ModelSpec::Bundled { .. }).then(|| bundled::NAME.to_owned());
    let named = args.name.or(bundled);
    let own = named.as_deref().unwrap_or(engine.name()).to_owned();
    for (name, folder) in args.adapter {
        if name == own || engine.adapter(&name).is_some() {
            return Err(Failure::usage(format!(
                "--adapter {name}: there is a model of that name already"
            )));
        }
        let to = Arc::clone(&engine);
        let loaded = move || to.load_adapter(&name, &folder);
        let loaded = tokio::task::spawn_blocking(loaded).await;
        loaded.map_err(Failure::error)?.map_err(Failure::error)?;
    }
    let plan = engine.sentence();
    let key = args.api_key.as_deref().and_then(Secret::new);
    let has_key = key.is_some();
    let options = Options {
        address: SocketAddr::new(args.host, args.port),
        key,
        name: named,
        limits: Limits {
            body: usize::from(args.body) << 20,
            running: args.running.into(),
            queue: args.queue.into(),
            tokens: args.max_tokens.map(|most| most as usize),
            drain: Duration::from_secs(args.drain.into()),
            ..Limits::default()
        },
    };
    let asked = options.address;
    let server = Server::bind(engine, options).await;
    let server = server.map_err(|error| {
        Failure::error(format!(
            "{asked} cannot be listened on: {error}; --host and --port take another address"
        ))
    })?;
    let address = server.address();
    if !address.ip().is_loopback() {
        ink::complain(&exposed(address, has_key));
    }
    ink::print(&format!(
        "http://{address}/v1 serves `{}`: {plan}",
        server.model()
    ));
    let stop = CancellationToken::new();
    let mut serving = tokio::spawn(server.run(stop.clone()));
    let mut signals = Signals::new()?;
    let finished = tokio::select! {
        finished = &mut serving => finished,
        () = signals.next() => {
            stop.cancel();
            ink::complain("ending: replies on their way are finished; once more ends them at once");
            tokio::select! {
                finished = &mut serving => finished,
                () = signals.next() => Ok(false),
            }
        }
    };
    match finished {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(super::INTERRUPTED)),
        Err(error) => Err(Failure::error(format!("the server failed: {error}"))),
    }
}

fn adapter(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => {
            Ok((name.to_owned(), folder.into()))
        }
        _ => Err("write NAME=DIR".into()),
    }
}

/// What a person should know who serves others than this machine.
fn exposed(address: SocketAddr, has_key: bool) -> String {
    let who = if has_key {
        "whoever has the key and reaches it"
    } else {
        "whoever reaches it, without a key (--api-key),"
    };
    format!(
        "warning: {address} is not a loopback address: {who} can use the model, and what is said is not encrypted"
    )
}

/// What asks a program to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(Failure::error)?,
        })
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
