//! `spotter doctor`: what this machine can do, what is missing, and how to get it.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::ink::{self, Ink};
use super::place::{self, StoreArgs};
use super::{Failure, stream};
use crate::engine::device::{self, Place};
use crate::engine::kernels::{Options, Tier};
use crate::engine::memory;
use crate::sandbox::docker::Daemon;
use crate::sandbox::local::{prefix, tiers};
use crate::text::safe::one_line;

/// Arguments of `spotter doctor`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    works: bool,
    /// What was found, or what is wrong.
    detail: String,
    /// How to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// Without it nothing of the main job works.
    needed: bool,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let mut findings = vec![store(&args.store, &settings), python(), engine(), gpu()];
    findings.extend(local_tiers().await);
    findings.push(docker().await);
    let well = findings
        .iter()
        .filter(|finding| finding.needed)
        .all(|finding| finding.works);
    if args.json {
        ink::print(&serde_json::to_string(&findings).map_err(Failure::error)?);
    } else {
        let ink = Ink::detect();
        let width = findings
            .iter()
            .map(|finding| finding.what.chars().count())
            .max()
            .unwrap_or(0);
        for finding in &findings {
            let sign = if finding.works {
                "✓"
            } else if finding.needed {
                "✗"
            } else {
                "·"
            };
            let line = format!(
                "{sign} {:width$}  {}",
                finding.what,
                one_line(&finding.detail)
            );
            ink::print(&stream::verdict(&line, ink));
            if let Some(remedy) = &finding.remedy {
                ink::print(&format!(
                    "  {:width$}  {}",
                    "",
                    ink.attention(&format!("to get it: {remedy}"))
                ));
            }
        }
    }
    Ok(ExitCode::from(u8::from(!well)))
}

fn store(args: &StoreArgs, settings: &crate::config::Settings) -> Finding {
    let opened = args.open(settings).and_then(|store| {
        let probe = store.root().join(".probe");
        let written = std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe));
        written.map_err(|error| Failure::error(format!("{}: {error}", store.root().display())))?;
        let count = store.list().map_err(Failure::error)?.len();
        Ok(format!("{} ({count} rollouts)", store.root().display()))
    });
    let works = opened.is_ok();
    Finding {
        what: "store".into(),
        works,
        detail: opened.unwrap_or_else(|failure| failure.what),
        remedy: (!works).then(|| "name a folder that can be written with --store DIR".into()),
        needed: true,
    }
}

fn python() -> Finding {
    let python = prefix::find();
    let works = python.bin.is_some();
    let detail = match (&python.bin, &python.version) {
        (Some(bin), Some(version)) => format!("{version} in {}", bin.display()),
        (Some(bin), None) => bin.display().to_string(),
        _ => "no python3 on the search path: tasks of the local sandbox need one".into(),
    };
    Finding {
        what: "python3".into(),
        works,
        detail,
        remedy: (!works).then(|| "install python3 (apt-get install python3)".into()),
        needed: true,
    }
}

/// What local models are computed with.
fn engine() -> Finding {
    let described = Options::new().map(|options| {
        let free = memory::free().map_or_else(String::new, |bytes| {
            format!(
                ", {:.1} GiB of memory free",
                bytes as f64 / f64::from(1 << 30)
            )
        });
        let cores = match options.threads {
            1 => "1 thread".into(),
            many => format!("{many} threads"),
        };
        (
            options.tier,
            format!("{} on {cores}{free}", options.tier.name()),
        )
    });
    let slow = matches!(&described, Ok((Tier::Portable, _)));
    let works = described.is_ok();
    Finding {
        what: "local models".into(),
        works,
        detail: match described {
            Ok((_, detail)) => detail,
            Err(error) => error.to_string(),
        },
        remedy: if slow {
            Some("this processor has neither AVX2 nor AVX-512: a server (--model http://…) is faster".into())
        } else {
            (!works).then(|| format!("unset {}", Tier::VARIABLE))
        },
        needed: false,
    }
}

/// The GPU that local models could be computed on, and what is missing for it.
fn gpu() -> Finding {
    let built = cfg!(feature = "cuda") || cfg!(feature = "metal");
    let driver = device::driver();
    let (works, detail, remedy) = match (built, &driver) {
        (true, _) if cfg!(feature = "metal") => match Place::Metal.open() {
            Ok(_) => (true, "Metal".to_owned(), None),
            Err(error) => (false, error.to_string(), None),
        },
        (true, Ok(())) => match Place::Cuda(0).open() {
            Ok(_) => (true, "CUDA, GPU 0 (--device cuda:N takes another)".to_owned(), None),
            Err(error) => (false, error.to_string(), None),
        },
        (true, Err(why)) => (
            false,
            format!("built with CUDA, but {why}; the processor computes"),
            Some("install NVIDIA's driver"),
        ),
        (false, Ok(())) => (
            false,
            "there is an NVIDIA driver, but this program was built without CUDA; the processor computes".to_owned(),
            Some("cargo build --release --features cuda (needs the CUDA toolkit)"),
        ),
        (false, Err(why)) => (
            false,
            format!("none: {why}, and this program was built without CUDA"),
            None,
        ),
    };
    Finding {
        what: "GPU".into(),
        works,
        detail,
        remedy: remedy.map(ToOwned::to_owned),
        needed: false,
    }
}

async fn local_tiers() -> Vec<Finding> {
    let tried = tokio::task::spawn_blocking(tiers::survey)
        .await
        .unwrap_or_default();
    let best = tried
        .iter()
        .find(|tried| tried.problem.is_none())
        .map(|tried| tried.tier);
    let mut findings: Vec<Finding> = tried
        .into_iter()
        .map(|tried| Finding {
            what: format!("sandbox {}", tried.tier.name()),
            works: tried.problem.is_none(),
            detail: match tried.problem {
                None if Some(tried.tier) == best => "works; it is the one that is used".into(),
                None => "works".into(),
                Some(why) => why,
            },
            remedy: tried.remedy.map(ToOwned::to_owned),
            needed: false,
        })
        .collect();
    if best.is_none() {
        findings.push(Finding {
            what: "sandbox".into(),
            works: false,
            detail: "no tier of the local sandbox works here".into(),
            remedy: Some("use --sandbox docker, or see the tiers above".into()),
            needed: true,
        });
    }
    findings
}

async fn docker() -> Finding {
    let described = match Daemon::connect().await {
        Ok(daemon) => daemon.describe().await,
        Err(error) => Err(error),
    };
    let works = described.is_ok();
    Finding {
        what: "Docker".into(),
        works,
        detail: described.unwrap_or_else(|error| error.to_string()),
        remedy: (!works).then(|| {
            "start a Docker daemon that you may use, or set DOCKER_HOST; the local sandbox works without".into()
        }),
        needed: false,
    }
}
