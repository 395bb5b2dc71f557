//! Log parsers: the lines of a test run in, readings out.
//!
//! A [`LogReader`] is fed one line at a time, so that a screen can fill while the tests run and a stored log is read
//! the same way afterwards. Each [`Reading`] keeps the number of the line it stands on. Nothing is judged here: a log
//! may say five things of one test, and all five come out, in the order in which the field's parsers (SWE-bench 2.x
//! `log_parsers.py`) would have written them into their map.
//!
//! A log is hostile text. A parser believes what stands in a line; which lines may be believed is for the caller.

mod django;
mod pytest;
mod r2e;
mod sympy;
mod unittest;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::status::Status;

/// A log's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parser {
    /// `STATUS name` (pytest `-rA`).
    Pytest,
    /// As `pytest`; in `name[/a/b]` only the last part of the path is kept (requests, pylint, pydicom).
    PytestOptions,
    /// As `pytest` after colours are removed, and `name STATUS` of old pytest (astropy, scikit-learn, sphinx).
    PytestV2,
    /// As `pytest_v2`; `FAILED [ 10%]` loses the brackets (pydantic).
    PytestPydantic,
    /// `name STATUS …` (pytest `-v`; SWE-smith).
    PytestVerbose,
    /// The section *short test summary info* with names joined by dots (R2E-Gym).
    R2e,
    /// `name (class) ... ok` (Django's `runtests.py --verbosity 2`).
    Django,
    /// `FAILED name`, `PASSED name`, `name PASSED …` and nothing else (seaborn).
    Seaborn,
    /// `bin/test --verbose` (sympy).
    Sympy,
    /// As `pytest`; two mouse buttons are spelt as numbers (matplotlib).
    Matplotlib,
    /// `python3 -m unittest -v`; ids are `module.Class.test`.
    Unittest,
}

/// No parser has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no log parser is known for `{0}`, so the tests' output could not be read")]
pub struct UnknownParser(String);

impl UnknownParser {
    /// Where a repository has none.
    pub(super) fn of_repo(repo: &str) -> Self {
        Self(repo.to_owned())
    }
}

impl Parser {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Pytest,
        Self::PytestOptions,
        Self::PytestV2,
        Self::PytestPydantic,
        Self::PytestVerbose,
        Self::R2e,
        Self::Django,
        Self::Seaborn,
        Self::Sympy,
        Self::Matplotlib,
        Self::Unittest,
    ];

    /// Name, as in the specifications.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pytest => "pytest",
            Self::PytestOptions => "pytest_options",
            Self::PytestV2 => "pytest_v2",
            Self::PytestPydantic => "pytest_pydantic",
            Self::PytestVerbose => "pytest_verbose",
            Self::R2e => "r2e",
            Self::Django => "django",
            Self::Seaborn => "seaborn",
            Self::Sympy => "sympy",
            Self::Matplotlib => "matplotlib",
            Self::Unittest => "unittest",
        }
    }

    /// Whether lines that open with a status belong into pytest's closing summary.
    #[must_use]
    pub fn has_summary(self) -> bool {
        matches!(
            self,
            Self::Pytest
                | Self::PytestOptions
                | Self::PytestV2
                | Self::PytestPydantic
                | Self::Matplotlib
                | Self::Seaborn
                | Self::R2e
        )
    }

    /// Whether a later line about a test replaces an earlier one, as in every SWE-bench harness. Not so for
    /// `unittest`, whose rules are ours: there no later line can take a failure back.
    #[must_use]
    pub fn later_wins(self) -> bool {
        self != Self::Unittest
    }

    /// Read a whole text; `first` is the number of its first line.
    #[must_use]
    pub fn read(self, names: Names, text: &str, first: usize) -> Vec<Reading> {
        let mut reader = LogReader::new(self, names);
        for (at, line) in text.split('\n').enumerate() {
            reader.feed(first + at, line);
        }
        reader.finish()
    }
}

impl fmt::Display for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Parser {
    type Err = UnknownParser;

    /// Takes the specifications' names and those of SWE-bench 5.x rows (`parse_log_pytest`, `parse_log_django`, or the
    /// project's name: `parse_log_astropy`).
    fn from_str(name: &str) -> Result<Self, UnknownParser> {
        let short = name.strip_prefix("parse_log_").unwrap_or(name);
        let known = Self::ALL.into_iter().find(|parser| parser.name() == short);
        known
            .or(match short {
                "astropy" | "scikit" | "sphinx" => Some(Self::PytestV2),
                "requests" | "pylint" | "pydicom" => Some(Self::PytestOptions),
                "pydantic" => Some(Self::PytestPydantic),
                "flask" | "xarray" | "astroid" | "marshmallow" | "pvlib" | "pyvista"
                | "sqlfluff" | "mypy" | "moto" | "conan" | "modin" | "monai" | "dvc" | "dask"
                | "bokeh" | "pandas" | "hydra" | "hypothesis" => Some(Self::Pytest),
                _ => None,
            })
            .ok_or_else(|| UnknownParser(name.to_owned()))
    }
}

/// How far a test's name reaches in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// To the first white space (SWE-bench up to 4): `t[SELECT * FROM x]` becomes `t[SELECT`.
    Cut,
    /// To the reason or the end of the line (SWE-bench 5).
    Whole,
}

/// In which form a line told its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The line opens with the status.
    Leading,
    /// The status follows the name.
    Trailing,
    /// A line that a parser takes for a status though it is about no test: `SKIPPED [1] …`, `FAILED (errors=1)`.
    Junk,
}

/// One thing that a log says of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The test, as the parser names it.
    pub id: String,
    /// The name as printed, where `id` is cut.
    pub whole: Option<String>,
    /// What it says.
    pub status: Status,
    /// Line of the log, from 1.
    pub line: usize,
    /// In which form.
    pub form: Form,
}

/// Reads a log line by line.
#[derive(Debug)]
pub struct LogReader {
    parser: Parser,
    names: Names,
    readings: Vec<Reading>,
    django: django::State,
    sympy: sympy::State,
    r2e: r2e::State,
    unittest: unittest::State,
}

impl LogReader {
    /// A reader at the log's begin.
    #[must_use]
    pub fn new(parser: Parser, names: Names) -> Self {
        Self {
            parser,
            names,
            readings: Vec::new(),
            django: django::State::default(),
            sympy: sympy::State::default(),
            r2e: r2e::State::default(),
            unittest: unittest::State::default(),
        }
    }

    /// Take in a line (without its `\n`).
    pub fn feed(&mut self, number: usize, line: &str) {
        let out = &mut self.readings;
        match self.parser {
            Parser::Pytest => out.extend(pytest::leading(line, number, self.names)),
            Parser::PytestOptions => out.extend(pytest::options(line, number, self.names)),
            Parser::PytestV2 => out.extend(pytest::second(line, number, self.names)),
            Parser::PytestPydantic => out.extend(pytest::pydantic(line, number, self.names)),
            Parser::PytestVerbose => out.extend(pytest::verbose(line, number)),
            Parser::Seaborn => out.extend(pytest::seaborn(line, number)),
            Parser::Matplotlib => out.extend(pytest::matplotlib(line, number, self.names)),
            Parser::R2e => out.extend(self.r2e.feed(line, number)),
            Parser::Django => self.django.feed(line, number, out),
            Parser::Sympy => self.sympy.feed(line, number, out),
            Parser::Unittest => self.unittest.feed(line, number, out),
        }
    }

    /// What was read so far. Readings that a parser can only make at the log's end are not among them yet.
    #[must_use]
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Everything, in the order in which the field's parsers fill their map.
    #[must_use]
    pub fn finish(self) -> Vec<Reading> {
        match self.parser {
            Parser::Django => self.django.finish(self.readings),
            Parser::Sympy => self.sympy.finish(self.readings),
            _ => self.readings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parser_is_found_by_its_name_and_by_the_registry_names_of_rows() {
        for parser in Parser::ALL {
            assert_eq!(parser.name().parse::<Parser>().unwrap(), parser);
        }
        assert_eq!(
            "parse_log_astropy".parse::<Parser>().unwrap(),
            Parser::PytestV2
        );
        assert_eq!(
            "parse_log_pytest".parse::<Parser>().unwrap(),
            Parser::Pytest
        );
        assert!("parse_log_gradle".parse::<Parser>().is_err());
    }

    #[test]
    fn any_text_is_read_without_harm() {
        let odd = "PASSED\n\nFAILED\nERROR \nSKIPPED [\n\u{1b}[31mFAILED\u{1b}[0m é\n ... ok\nok\ntest_ ok\nFAIL:\nERROR:\n (a) ... ok\n\
                   a (b) ... \n  ... \n[31m\nPASSED é[ü - x\nFAIL: \n_ .py: _\r\n= short test summary info =\nERROR\nPASSED\n::\n";
        for parser in Parser::ALL {
            for names in [Names::Cut, Names::Whole] {
                let _ = parser.read(names, odd, 1);
                for end in 0..odd.len() {
                    if let Some(part) = odd.get(..end) {
                        let _ = parser.read(names, part, 1);
                    }
                }
            }
        }
    }
}
