//! `spotter list`: the rollouts of the store, the library view without a screen.
//!
//! The same filter language, the same columns, the same index. Plain aligned text, one rollout a line; `--json` prints
//! one JSON object a line.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::json;

use super::place::{self, StoreArgs};
use super::{Failure, ink};
use crate::grade::report;
use crate::text::filter::{Filter, Value, WORDS};
use crate::text::safe::one_line;
use crate::trajectory::index::columns::{self, Column, FIELDS};
use crate::trajectory::index::{Index, Summary};

/// Arguments of `spotter list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Which of them, for example: task:pandas verdict:resolved steps:<20 -model:gpt
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,
    /// Sort by started, task, verdict, steps, tokens, time or model; `-` in front turns the order round
    #[arg(
        long,
        value_name = "COLUMN",
        default_value = "started",
        allow_hyphen_values = true
    )]
    sort: String,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let filter = Filter::parse(&args.filter, FIELDS)?;
    let (column, turned) = order(&args.sort)?;
    let store = args.store.open(&place::settings())?;
    let looked = tokio::task::spawn_blocking(move || {
        let mut index = Index::open(&store);
        index.refresh(&mut |_| true).map(|_| index.known_rows())
    });
    let rows = looked.await.map_err(Failure::error)?;
    let mut rows = rows.map_err(Failure::error)?;
    let all = rows.len();
    rows.retain(|row| {
        filter.matches(|name| match name {
            WORDS => Value::text(&row.task),
            name => columns::value(row, name),
        })
    });
    rows.sort_by(|a, b| {
        let order = columns::compare(column, a, b).then_with(|| a.id.cmp(&b.id));
        if turned { order.reverse() } else { order }
    });
    let mut text = String::new();
    if args.json {
        for row in &rows {
            text.push_str(&line_of_json(row)?);
            text.push('\n');
        }
    } else {
        let plain = rows.iter().map(cells);
        text = table(std::iter::once(HEAD.map(str::to_owned)).chain(plain));
        let few = rows.len();
        let count = if few == all {
            format!("{all} rollouts")
        } else {
            format!("{few} of {all} rollouts")
        };
        text.push_str(&count);
    }
    ink::print(text.trim_end_matches('\n'));
    Ok(ExitCode::SUCCESS)
}

fn order(text: &str) -> Result<(Column, bool), Failure> {
    let (name, turned) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let known = Column::ALL.iter().find(|column| column.title() == name);
    known.map(|column| (*column, turned)).ok_or_else(|| {
        let names: Vec<&str> = Column::ALL.iter().map(|column| column.title()).collect();
        Failure::usage(format!(
            "no column `{name}` to sort by; known: {}",
            names.join(", ")
        ))
    })
}

fn line_of_json(row: &Summary) -> Result<String, Failure> {
    let mut value = serde_json::to_value(row).map_err(Failure::error)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("live".into(), json!(row.live));
    }
    Ok(value.to_string())
}

const HEAD: [&str; 8] = [
    "rollout", "task", "verdict", "steps", "tokens", "time", "model", "started",
];

fn cells(row: &Summary) -> [String; 8] {
    let verdict = match &row.verdict {
        _ if row.live => "live",
        Some(verdict) => report::word(verdict),
        None => "none",
    };
    [
        row.id.clone(),
        one_line(&row.task).clone(),
        verdict.to_owned(),
        row.steps.to_string(),
        (row.tokens.0 + row.tokens.1).to_string(),
        format!("{:.0}s", row.seconds),
        one_line(&row.model).clone(),
        row.started.strftime("%Y-%m-%d %H:%M").to_string(),
    ]
}

/// Aligned columns; the last is not filled up.
fn table(rows: impl Iterator<Item = [String; 8]>) -> String {
    let rows: Vec<[String; 8]> = rows.collect();
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}
