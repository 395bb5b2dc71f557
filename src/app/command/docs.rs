//! The command table and keymaps as text: `keymaps/README.md`, and what `spotter keys` prints.
//!
//! Rows go by context, then in the order of the command table, so that the same things stand together in every keymap. The
//! document is checked in; a test makes it anew and compares.

use std::fmt::Write as _;

use super::{CONTEXTS, all};
use crate::keymap::{Key, Keymap, shown};

/// The command that writes the document.
pub const REGENERATE: &str = "spotter keys --markdown > keymaps/README.md";

/// Keys of a context that do the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where they hold.
    pub context: &'static str,
    /// All of them, the shortest first.
    pub keys: Vec<String>,
    /// The command with its argument, as a keymap names it.
    pub run: String,
    /// What it does, in a few words: the file's own, else the table's.
    pub title: String,
    /// What it does, in a sentence.
    pub doc: &'static str,
}

/// An argument, the file's own words, and the keys of both.
type Bound<'a> = (&'a str, Option<&'a str>, Vec<&'a [Key]>);

/// A keymap as rows.
#[must_use]
pub fn rows(keymap: &Keymap) -> Vec<Row> {
    let mut rows = Vec::new();
    for (context, _) in CONTEXTS {
        for command in all() {
            let mut arguments: Vec<Bound<'_>> = Vec::new();
            let bound = keymap
                .all()
                .filter(|(there, _, binding)| there == context && binding.command == command.id);
            for (_, keys, binding) in bound {
                let argument = binding.argument.as_str();
                let own = binding.description.as_deref();
                match arguments
                    .iter_mut()
                    .find(|(known, words, _)| *known == argument && *words == own)
                {
                    Some((_, _, all)) => all.push(keys),
                    None => arguments.push((argument, own, vec![keys])),
                }
            }
            arguments.sort_by_key(|(argument, own, _)| (place(command.arguments, argument), *own));
            rows.extend(arguments.into_iter().map(|(argument, own, mut keys)| {
                keys.sort_by_key(|keys| (keys.len(), shown(keys).chars().count(), shown(keys)));
                Row {
                    context,
                    keys: keys.into_iter().map(shown).collect(),
                    run: format!("{} {argument}", command.id).trim_end().to_owned(),
                    title: own.unwrap_or(command.title).to_owned(),
                    doc: command.doc,
                }
            }));
        }
    }
    rows
}

/// Arguments in the order of the table; numbers from small to large.
fn place(known: &[&str], argument: &str) -> (usize, i64) {
    let at = known.iter().position(|there| *there == argument);
    (
        at.unwrap_or(known.len()),
        argument.parse().unwrap_or_default(),
    )
}

/// The document: keymaps side by side, then every command.
#[must_use]
pub fn markdown(keymaps: &[(&str, &Keymap)]) -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(text, "Written by `{REGENERATE}`.\n");
    let all_rows: Vec<Vec<Row>> = keymaps.iter().map(|(_, keymap)| rows(keymap)).collect();
    for (context, what) in CONTEXTS {
        let mut runs: Vec<&Row> = Vec::new();
        for row in all_rows
            .iter()
            .flatten()
            .filter(|row| row.context == *context)
        {
            if !runs.iter().any(|there| there.run == row.run) {
                runs.push(row);
            }
        }
        if runs.is_empty() {
            continue;
        }
        let command = |row: &Row| row.run.split(' ').next().unwrap_or_default().to_owned();
        runs.sort_by_key(|row| all().position(|known| known.id == command(row)));
        let _ = writeln!(text, "## `[{context}]`: {what}\n");
        let names: Vec<&str> = keymaps.iter().map(|(name, _)| *name).collect();
        let _ = writeln!(text, "| {} | command | does |", names.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(names.len() + 2));
        for run in runs {
            for rows in &all_rows {
                let same = |row: &&Row| row.context == *context && row.run == run.run;
                let keys: Vec<String> = rows
                    .iter()
                    .filter(same)
                    .flat_map(|row| &row.keys)
                    .map(|keys| code(keys))
                    .collect();
                let _ = write!(text, "| {} ", keys.join(" "));
            }
            let _ = writeln!(text, "| {} | {} |", code(&run.run), run.doc);
        }
        text.push('\n');
    }
    text.push_str(COMMANDS);
    for command in all() {
        let arguments: Vec<String> = command
            .arguments
            .iter()
            .map(|argument| match *argument {
                "" => "nothing".to_owned(),
                "N" => "a number".to_owned(),
                word => code(word),
            })
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} | `[{}]` | {}: {} |",
            code(command.id),
            arguments.join(", "),
            command.context,
            command.title,
            command.doc
        );
    }
    text
}

/// A keymap for people, in columns.
#[must_use]
pub fn plain(keymap: &Keymap) -> String {
    let mut text = String::new();
    let rows = rows(keymap);
    let keys = |row: &Row| row.keys.join("  ");
    let width = |text: &str| text.chars().count();
    let wide_keys = rows.iter().map(|row| width(&keys(row))).max().unwrap_or(0);
    let wide_run = rows.iter().map(|row| width(&row.run)).max().unwrap_or(0);
    for (context, what) in CONTEXTS {
        let mut here = rows.iter().filter(|row| row.context == *context).peekable();
        if here.peek().is_none() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "[{context}]  {what}");
        for row in here {
            let keys = keys(row);
            let _ = writeln!(
                text,
                "  {keys:wide_keys$}  {:wide_run$}  {}",
                row.run, row.title
            );
        }
    }
    text
}

/// Code within a table's cell, where a bar would end the cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

const HEAD: &str = "\
# Keys

A keymap is a file of tables by context; each binds a key, or keys one after the other, to a command. What is in front of you
gives the contexts that hold; the nearest one that knows a key decides. `default` has vim's keys and the arrows, `emacs` and
`minimal` go by their names. Choose with `spotter tui --keymap`, `keymap = \"…\"` in `config.toml`, or *keymap …* in the palette.

To change keys, put a file into `keymaps/` beside your `config.toml`, for instance `mine.toml`; it is read again whenever you
save it, and a mistake in it is told with its line and column:

```toml
inherits = \"default\"

[run]
\"ctrl-k\" = \"search.open\"
\"g d\" = { run = \"pane.go diff\", desc = \"to the diff\" }
\"x\" = \"no_op\"
```

A digit before a key is a count. `spotter keys` prints the keys that you have.

";

const COMMANDS: &str = "\
## Commands

All of them are in the palette but those that only mean something where text is typed or a list is moved through.

| command | takes | belongs to | does |
|---|---|---|---|
";
