//! The shapes that the gym's functions have, and how one is made: parts chosen, names given, a sentence that says what is wanted.
//!
//! A shape composes small parts (a loop, a condition, what is taken of each item, what becomes of them all) into a
//! [`Function`]: parameters with what calls may pass, a docstring, a [`Sketch`]. The docstring says what is right at every site: a
//! reader who compares it with the code can find the fault without running anything.

mod lists;
mod numbers;
mod parts;
mod scalars;
mod tables;
mod texts;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::random::Random;
use super::sketch::{Sketch, plain};
use super::words::{self, Subject};

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Takes {
    /// A list of small whole numbers.
    #[default]
    Ints,
    /// A list of words.
    Words,
    /// A line of words.
    Text,
    /// A number that one of the list's items may be equal to.
    Near,
    /// The lower end of a range.
    Low,
    /// The upper end of the range whose lower end came before.
    High,
    /// 1 to 5.
    Step,
    /// 0 to 5.
    Size,
    /// −20 to 40.
    Any,
    /// 0 to 200.
    Natural,
    /// One letter.
    Letter,
    /// How a word of the list begins or ends.
    Affix,
    /// A dictionary of words and numbers.
    Table,
    /// A list of pairs of a word and a number.
    Pairs,
    /// A list of lists of numbers, all of a length.
    Grid,
    /// A word that the table may have.
    Key,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) takes: Takes,
}

/// A function of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) doc: String,
    pub(super) body: Sketch,
    /// The body that the docstring says, where for some arguments it is another one: see [`EDGES`].
    pub(super) said: Option<Sketch>,
    /// No two of its names are the same, and its operators bind as the docstring says. Otherwise it is no function to learn from.
    pub(super) sound: bool,
}

/// Code that for some arguments does something else than its sentence says, with code that does what it says. All of an edge's codes
/// belong to one shape. A task is none if one of its tests can tell the two apart.
const EDGES: &[&[(&str, &str)]] = &[
    // Of the last 0, Python makes the whole list.
    &[("$xs[«o:-$n:¦:$n»]", "$xs[-$n or len($xs):]")],
    // The largest of numbers below 0 is not 0.
    &[
        ("$best = 0", "$best = None"),
        (
            "$best = «p:max¦min»($best, $v)",
            "$best = $v if $best is None else max($best, $v)",
        ),
        ("return «r:$best¦$xs»", "return $best or 0"),
    ],
    // It counts no further, lest a wrong one never ends.
    &[(" and $acc < 99", "")],
    &[("\"aeiou\"", "\"aeiouAEIOU\"")],
    // Digits of what is said not to be negative.
    &[("while $x > 0:", "assert $x >= 0\nwhile $x > 0:")],
    &[("while $x «c:>¦>=» 0:", "assert $x >= 0\nwhile $x > 0:")],
];

/// Where a part stands beside an operator, and operators that the part must not have then: they bind less.
const BINDING: &[(&str, &str, &[&str])] = &[
    ("$v * ", "$v", &[" + ", " - "]),
    ("$test and ", "$test", &[" or "]),
    (" and $test", "$test", &[" or "]),
];

impl Function {
    /// `a, b`.
    pub(super) fn signature(&self) -> String {
        let names: Vec<&str> = self
            .parameters
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        names.join(", ")
    }
}

/// A piece of code with the words for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part {
    /// Code, with slots and sites.
    pub(super) code: &'static str,
    /// The words, with slots.
    pub(super) says: &'static str,
    /// For the function's name.
    pub(super) tag: &'static str,
    /// Parameters that it brings, by slot.
    pub(super) needs: &'static [(&'static str, Takes)],
}

/// A function in the making.
pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    slots: BTreeMap<String, String>,
    parameters: Vec<(String, Takes)>,
    body: Vec<String>,
}

impl<'a> Maker<'a> {
    fn new(random: &'a mut Random) -> Self {
        let mut maker = Self {
            random,
            slots: BTreeMap::new(),
            parameters: Vec::new(),
            body: Vec::new(),
        };
        for (slot, names) in [
            ("acc", words::SUMS),
            ("out", words::LISTS),
            ("best", words::BESTS),
            ("i", words::PLACES),
            ("limit", words::LIMITS),
            ("factor", words::FACTORS),
            ("offset", words::OFFSETS),
            ("step", words::STEPS),
            ("n", words::COUNTS),
        ] {
            let name = maker.random.pick(names);
            maker.slot(slot, name);
        }
        let (low, high) = maker.random.pick(words::RANGES);
        maker.slot("low", low);
        maker.slot("high", high);
        let number = maker.random.within(2, 12);
        maker.slot("num", &number.to_string());
        maker.slot("more", &(number + 1).to_string());
        maker
    }

    /// Give a slot its text.
    fn slot(&mut self, slot: &str, text: &str) {
        self.slots.insert(slot.to_owned(), text.to_owned());
    }

    /// Add a parameter, once.
    fn takes(&mut self, slot: &str, takes: Takes) {
        if !self.parameters.iter().any(|(known, _)| known == slot) {
            self.parameters.push((slot.to_owned(), takes));
        }
    }

    /// Choose a part; what it needs becomes a parameter.
    fn choose(&mut self, parts: &[Part]) -> Part {
        let part = self.random.pick(parts);
        for (slot, takes) in part.needs {
            self.takes(slot, *takes);
        }
        part
    }

    /// Add a line so many levels deep.
    fn line(&mut self, level: usize, text: &str) {
        for one in text.lines() {
            // A guard's mark stands before its indentation.
            let (mark, one) = one.strip_prefix('?').map_or(("", one), |rest| ("?", rest));
            self.body
                .push(format!("{mark}{}{one}", "    ".repeat(level)));
        }
    }

    /// A text with every slot in it filled, whatever slots the filling brings.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..6 {
            if !text.contains('$') {
                break;
            }
            text = self.fill_once(&text);
        }
        text
    }

    fn fill_once(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, after) = first_name(after);
            if let Some(filling) = self.slots.get(name) {
                out.push_str(filling);
            } else {
                // A slot that nobody filled: the tests look for the mark.
                out.push('¤');
                out.push_str(name);
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// The slots that a text is made of, whatever slots the filling brings.
    fn slots_of<'s>(&'s self, text: &str, found: &mut BTreeSet<&'s str>) {
        for after in text.split('$').skip(1) {
            if let Some((slot, filling)) = self.slots.get_key_value(first_name(after).0)
                && found.insert(slot)
            {
                self.slots_of(filling, found);
            }
        }
    }

    /// Whether each of its slots for a name, parameters and variables alike, has a name of its own.
    fn names_differ(&self, body: &str) -> bool {
        let mut slots = BTreeSet::new();
        self.slots_of(body, &mut slots);
        for (slot, _) in &self.parameters {
            self.slots_of(&format!("${slot}"), &mut slots);
        }
        let fillings = slots.into_iter().filter_map(|slot| self.slots.get(slot));
        let mut names = fillings
            .filter(|text| text.starts_with(char::is_alphabetic) && first_name(text).1.is_empty());
        let mut seen = HashSet::new();
        names.all(|name| seen.insert(name))
    }

    /// Whether its parts are what the operators beside them take.
    fn binds(&self, body: &str) -> bool {
        BINDING.iter().all(|(place, part, operators)| {
            let part = outside_brackets(&plain(&self.fill(part)));
            !body.contains(place) || !operators.iter().any(|one| part.contains(one))
        })
    }

    fn finish(self, name: &str, doc: &str) -> Function {
        let body = self.body.join("\n");
        // Conditions have edges too.
        let test = self.slots.get("test").map_or("", String::as_str);
        let whole = body.replace("$test", test);
        let edges = EDGES
            .iter()
            .filter(|edge| edge.iter().all(|(code, _)| whole.contains(code)));
        let said = edges.flat_map(|edge| edge.iter());
        let said = said.fold(whole.clone(), |body, (code, said)| body.replace(code, said));
        let doc = self.fill(doc);
        let mut letters = doc.chars();
        let doc = letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect())
            .unwrap_or_default();
        let parameters = self
            .parameters
            .iter()
            .map(|(slot, takes)| Parameter {
                name: self.fill(&format!("${slot}")),
                takes: *takes,
            })
            .collect();
        Function {
            name: self.fill(name),
            parameters,
            doc,
            said: (said != whole).then(|| Sketch::read(&self.fill(&said))),
            sound: self.names_differ(&body) && self.binds(&body),
            body: Sketch::read(&self.fill(&body)),
        }
    }
}

/// The name that a text begins with, and what follows.
fn first_name(text: &str) -> (&str, &str) {
    let length = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((text, ""))
}

/// A text without what stands in brackets.
fn outside_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = text.chars().filter(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    outside.collect()
}

/// A function about one of a subject's lists. `easy` keeps it short.
pub(super) fn function(random: &mut Random, subject: &Subject, easy: bool) -> Function {
    let about_words = words::WORDS.iter().any(|known| known.0 == subject.0);
    let (items, item) = random.pick(subject.1);
    let mut maker = Maker::new(random);
    maker.slot("xs", items);
    maker.slot("x", item);
    let roll = maker.random.below(100);
    if about_words {
        match roll {
            0..55 => texts::pipeline(maker, easy),
            55..78 => texts::letters(maker),
            78..90 => tables::table(maker),
            _ => tables::pairs(maker),
        }
    } else {
        match roll {
            0..46 => numbers::pipeline(maker, easy),
            46..60 => lists::neighbours(maker),
            60..70 => lists::streaks(maker),
            70..78 => lists::together(maker),
            78..84 => tables::table(maker),
            84..88 => tables::pairs(maker),
            88..93 => tables::grid(maker),
            _ => scalars::scalar(maker),
        }
    }
}

/// A small function of one number, for others to call, and the words for what it makes of `{}`.
pub(super) fn helper(random: &mut Random, subject: &Subject) -> Function {
    let (items, item) = random.pick(subject.1);
    let mut maker = Maker::new(random);
    maker.slot("xs", items);
    maker.slot("x", item);
    scalars::scalar(maker)
}

/// A function of a list that calls `helper` for each item.
pub(super) fn caller(random: &mut Random, subject: &Subject, helper: &Function) -> Function {
    let (items, item) = random.pick(subject.1);
    let mut maker = Maker::new(random);
    maker.slot("xs", items);
    maker.slot("x", item);
    scalars::caller(maker, helper)
}
