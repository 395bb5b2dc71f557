//! `spotter keys`: the keys of a keymap and what they do, from the one command table.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::json;

use super::Failure;
use super::ink;
use crate::app::command::docs;
use crate::app::executor::known;
use crate::keymap;

/// Arguments of `spotter keys`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Keymap: default, emacs, minimal, or your own
    #[arg(long, value_name = "NAME", env = "SPOTTER_KEYMAP")]
    keymap: Option<String>,
    /// Print JSON: a list of contexts, keys and commands
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the document of all built-in keymaps and commands
    #[arg(long, conflicts_with = "keymap")]
    markdown: bool,
}

/// Run the subcommand.
pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if args.markdown {
        ink::print(document().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let (settings, mut warnings) = crate::config::load();
    let folder = crate::config::user_file()
        .and_then(|file| file.parent().map(PathBuf::from))
        .map(|folder| folder.join("keymaps"));
    let name = args.keymap.clone().or(settings.keymap);
    let name = name.as_deref().unwrap_or(keymap::DEFAULT);
    let (keymap, mistakes) = keymap::load(name, folder.as_deref(), &known());
    warnings.extend(mistakes);
    for warning in warnings {
        ink::complain(&format!("spotter: {warning}"));
    }
    if args.json {
        let rows: Vec<_> = docs::rows(&keymap)
            .into_iter()
            .map(|row| {
                json!({
                    "context": row.context,
                    "keys": row.keys,
                    "run": row.run,
                    "title": row.title,
                    "doc": row.doc,
                })
            })
            .collect();
        ink::print(&serde_json::to_string(&rows).map_err(Failure::error)?);
    } else {
        ink::print(docs::plain(&keymap).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// `keymaps/README.md`.
fn document() -> String {
    let keymaps: Vec<_> = keymap::BUILT_IN
        .iter()
        .map(|(name, _)| (*name, keymap::load(name, None, &known()).0))
        .collect();
    let keymaps: Vec<_> = keymaps.iter().map(|(name, map)| (*name, map)).collect();
    docs::markdown(&keymaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_the_keys_is_up_to_date() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("keymaps/README.md");
        let there = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            there == document(),
            "keymaps/README.md is out of date: run `{}`",
            docs::REGENERATE
        );
    }
}
