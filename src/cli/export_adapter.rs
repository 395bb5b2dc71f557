//! `spotter export-adapter`: a model with an adapter merged into its weights, as a folder of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::progress::Transfer;
use super::{Failure, ink};
use crate::engine::Precision;
use crate::engine::adapter::merge;
use crate::model::spec::ModelSpec;

/// Arguments of `spotter export-adapter`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The base: a folder of safetensors, or hub:org/name
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// The adapter's folder, in PEFT's layout
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Where the merged model goes: a folder that is empty or not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let spec = base(&args.model)?;
    let base = {
        let bar = Transfer::new();
        spec.weights(&|news| bar.tell(news))
            .await
            .map_err(Failure::error)?
    };
    let said = format!("{} is the merged model", args.out.display());
    let merged = move || merge::export(&base, &args.adapter, &args.out);
    let merged = tokio::task::spawn_blocking(merged).await;
    merged.map_err(Failure::error)?.map_err(Failure::error)?;
    ink::print(&said);
    Ok(ExitCode::SUCCESS)
}

/// The model that is merged into, as it is stored: what else its text may say would go unheard.
fn base(model: &str) -> Result<ModelSpec, Failure> {
    let spec: ModelSpec = model.parse().map_err(Failure::usage)?;
    if spec.adapter().is_some() {
        return Err(Failure::usage(format!(
            "`{spec}`: one adapter is merged at a time, that of --adapter; merge into the model without it first"
        )));
    }
    if spec.precision() != Precision::Stored {
        return Err(Failure::usage(format!(
            "`{spec}`: the merged model is stored as its base is; leave out what stands after `#`, and say it where the \
             merged model is opened"
        )));
    }
    Ok(spec)
}
