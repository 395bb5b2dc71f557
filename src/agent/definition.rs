//! Where a name is defined: what an editor's "go to definition" shows, for models that have no shell to search with.
//!
//! Mental model: the Python files of the work directory are searched for `def NAME` and `class NAME`. What is found is shown under
//! the name of its file, with the numbers that its lines have there; [`super::change`] looks for lines in the same places.
//!
//! It reads indentation, not Python: a definition ends where a line stands no further in than its first.

use std::ops::Range;

use super::source::{self, PATIENCE, Told, indentation};
use crate::sandbox::{Exec, Exit, Sandbox, SandboxError};

/// Definitions shown; a name that has more is a poor question.
const MOST: usize = 4;

/// A file, and where in it is what was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Relative to the work directory.
    pub(super) file: String,
    /// All of it.
    pub(super) text: String,
    /// Lines, from 0.
    pub(super) within: Vec<Range<usize>>,
}

impl Source {
    /// A file that defines a name, or is named by it; `None` where it does neither.
    pub(super) fn of(file: &str, text: String, name: &str) -> Option<Self> {
        let within = if file == name {
            std::iter::once(0..text.lines().count()).collect()
        } else {
            definitions(&text, name)
        };
        let file = file.strip_prefix("./").unwrap_or(file).to_owned();
        (!within.is_empty()).then_some(Self { file, text, within })
    }

    /// The lines, from 0, where what is named says these (trimmed) lines one after another. One may come twice where definitions
    /// overlap.
    pub(super) fn starts(&self, said: &[&str]) -> impl Iterator<Item = usize> {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let ranges = self.within.iter().cloned();
        let starts = ranges.flat_map(|within| {
            within.start
                ..(within.end + 1)
                    .saturating_sub(said.len().max(1))
                    .max(within.start)
        });
        starts.filter(move |start| lines.get(*start..start + said.len()) == Some(said))
    }
}

/// Where a function or class is defined, or the whole of a file, whose name has a dot; why nowhere otherwise.
pub(super) async fn sources(
    sandbox: &dyn Sandbox,
    name: &str,
) -> Result<Told<Vec<Source>>, SandboxError> {
    if name.contains('.') {
        let text = source::read(sandbox, name).await?;
        return Ok(text.map(|text| Source::of(name, text, name).into_iter().collect()));
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Ok(Err("that is no name of a function or class".into()));
    }
    let pattern = format!("^[[:blank:]]*(async +)?(def|class) +{name}\\>");
    let argv = ["grep", "-rlsE", "--include=*.py", "-e", &pattern, "."];
    let exec = Exec::new(argv.map(String::from).to_vec(), PATIENCE);
    let ran = sandbox.exec(exec, None).await?;
    // 1 says that nothing was found. 2 says that something could not be read, which takes nothing from what was found.
    if !matches!(ran.exit, Exit::Code(0..=2)) {
        return Ok(Err("the files could not be searched".into()));
    }
    let listed = ran.stdout.into_bytes();
    let listed = String::from_utf8_lossy(&listed);
    let mut files: Vec<&str> = listed.lines().collect();
    files.sort_unstable();
    let mut sources: Vec<Source> = Vec::new();
    for file in files {
        let known: usize = sources.iter().map(|source| source.within.len()).sum();
        if known >= MOST {
            break;
        }
        let Ok(text) = source::read(sandbox, file).await? else {
            continue;
        };
        sources.extend(Source::of(file, text, name));
    }
    if sources.is_empty() {
        return Ok(Err(format!("there is no function or class {name}")));
    }
    Ok(Ok(sources))
}

/// The definitions of a name in the work directory, or a file, as a model sees them.
pub(super) async fn find(sandbox: &dyn Sandbox, name: &str) -> Result<Told, SandboxError> {
    let found = sources(sandbox, name).await?;
    Ok(found.map(|sources| {
        let shown = sources.iter().flat_map(|source| {
            source.within.iter().map(|lines| {
                let text = source::numbered(&source.text, lines.start + 1, lines.end);
                format!("{}\n{text}", source.file)
            })
        });
        let shown: Vec<String> = shown.take(MOST).collect();
        shown.join("\n\n")
    }))
}

/// The lines, from 0, of each definition of a name.
fn definitions(source: &str, name: &str) -> Vec<Range<usize>> {
    let lines: Vec<&str> = source.lines().collect();
    let defines = |line: &&str| {
        let line = line.trim_start();
        let line = line.strip_prefix("async ").map_or(line, str::trim_start);
        let after = line
            .strip_prefix("def ")
            .or_else(|| line.strip_prefix("class "));
        after
            .and_then(|after| after.trim_start().strip_prefix(name))
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let starts = lines.iter().enumerate().filter(|(_, line)| defines(line));
    starts
        .map(|(start, first)| {
            let rest = lines.get(start + 1..).unwrap_or_default().iter();
            // The end of a signature over several lines stands no further in, either.
            let inside = |line: &&&str| {
                line.trim().is_empty()
                    || indentation(line) > indentation(first)
                    || line.trim_start().starts_with(')')
            };
            let blanks_too = rest.take_while(inside);
            let length = (1..)
                .zip(blanks_too)
                .filter(|(_, line)| !line.trim().is_empty())
                .map(|(length, _)| length)
                .last();
            start..start + 1 + length.unwrap_or(0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "import os\n\ndef area(\n    width,\n) -> int:\n    \"\"\"Width\n\n    times height.\"\"\"\n    return width\n\n\nclass Box:\n    def area(self):\n        return area(self)\n\n    async def areas(self):\n        return 1\nx = 2\n";

    #[test]
    fn a_definition_reaches_to_its_last_line_wherever_it_stands() {
        let found = |name| -> Vec<(usize, usize)> {
            let found = definitions(SOURCE, name).into_iter();
            found.map(|lines| (lines.start, lines.end)).collect()
        };
        assert_eq!(found("area"), [(2, 9), (12, 14)]);
        assert_eq!(found("areas"), [(15, 17)]);
        assert_eq!(found("Box"), [(11, 17)]);
        assert!(found("are").is_empty());
    }
}
