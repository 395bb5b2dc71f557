//! Calls of a function, as Python writes them: arguments that its parameters take, drawn so that borders are met.
//!
//! A limit is mostly one of the list's own items, a letter one of the word's own: where `<` and `<=` differ is where a call should go.

use super::Fault;
use super::random::Random;
use super::shapes::{Function, Takes};
use super::words;

/// Distinct calls of one function.
pub(super) fn add(
    random: &mut Random,
    module: &str,
    function: &Function,
    count: usize,
    calls: &mut Vec<String>,
) {
    for number in 0..count {
        let arguments = arguments(random, function, number % 4 == 1);
        let call = format!("{}.{}({})", module, function.name, arguments.join(", "));
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
}

/// Arguments of a call. `bare`: the lists are empty, which is what guards are for.
fn arguments(random: &mut Random, function: &Function, bare: bool) -> Vec<String> {
    let slips = function.body.slips();
    let guarded = slips.iter().any(|slip| slip.fault == Fault::Guard);
    let mut known = Known {
        bare: bare && guarded,
        ..Known::default()
    };
    let parameters = function.parameters.iter();
    parameters
        .map(|one| known.value(random, one.takes))
        .collect()
}

/// What the arguments so far hold, for those after them to be near.
#[derive(Debug, Default)]
struct Known {
    numbers: Vec<i64>,
    words: Vec<String>,
    /// Lower end of a range.
    low: i64,
    bare: bool,
}

impl Known {
    /// A value, as Python writes it.
    fn value(&mut self, random: &mut Random, takes: Takes) -> String {
        match takes {
            Takes::Ints => {
                let size = if self.bare {
                    0
                } else {
                    random.below(4) + 1 + random.below(3)
                };
                let low = random.pick(&[0, 0, 1, -6, -3]);
                self.list(random, size, low, 12)
            }
            Takes::Grid => {
                let (rows, columns) = (random.below(2) + 1 + random.below(2), random.below(3) + 1);
                let rows: Vec<String> = (0..rows)
                    .map(|_| self.list(random, columns, -2, 9))
                    .collect();
                format!("[{}]", rows.join(", "))
            }
            Takes::Table | Takes::Pairs => self.entries(random, takes == Takes::Table),
            Takes::Words | Takes::Text => self.said(random, takes == Takes::Text),
            Takes::Near => self.near(random).to_string(),
            Takes::Low => {
                self.low = self.near(random);
                self.low.to_string()
            }
            Takes::High => self.high(random).to_string(),
            Takes::Step => random.within(1, 5).to_string(),
            Takes::Size => random.within(0, 5).to_string(),
            Takes::Any => random.within(-5, 30).to_string(),
            Takes::Natural => {
                let top = random.pick(&[20, 20, 130]);
                let number = random.within(0, top);
                self.numbers.push(number);
                number.to_string()
            }
            Takes::Letter => format!("'{}'", self.letter(random)),
            Takes::Affix => self.affix(random),
            Takes::Key => format!("'{}'", self.word(random, 20)),
        }
    }

    fn list(&mut self, random: &mut Random, size: usize, low: i64, high: i64) -> String {
        let list: Vec<i64> = (0..size).map(|_| random.within(low, high)).collect();
        let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        self.numbers.extend(list);
        format!("[{}]", texts.join(", "))
    }

    /// A dictionary of words and numbers, or a list of pairs in which words come again.
    fn entries(&mut self, random: &mut Random, table: bool) -> String {
        let size = if self.bare { 0 } else { random.below(4) + 1 };
        let mut entries: Vec<String> = Vec::new();
        let mut keys: Vec<String> = Vec::new();
        for _ in 0..size {
            let key = random.pick(words::SAID).to_owned();
            if table && keys.contains(&key) {
                continue;
            }
            let again = !table && random.chance(30) && !keys.is_empty();
            let key = if again { random.pick(&keys) } else { key };
            let number = random.within(-2, 12);
            self.numbers.push(number);
            entries.push(if table {
                format!("'{key}': {number}")
            } else {
                format!("('{key}', {number})")
            });
            keys.push(key);
        }
        self.words.extend(keys);
        let inside = entries.join(", ");
        if table {
            ["{", &inside, "}"].concat()
        } else {
            format!("[{inside}]")
        }
    }

    /// A list of words, or a line of them.
    fn said(&mut self, random: &mut Random, line: bool) -> String {
        let size = if self.bare { 0 } else { random.below(4) + 1 };
        let list: Vec<String> = (0..size)
            .map(|_| random.pick(words::SAID).to_owned())
            .collect();
        let quoted: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
        let text = if line {
            format!("'{}'", list.join(" "))
        } else {
            format!("[{}]", quoted.join(", "))
        };
        self.words.extend(list);
        text
    }

    /// One of the numbers, or just beside it.
    fn near(&self, random: &mut Random) -> i64 {
        let one = random.pick(&self.numbers);
        if self.numbers.is_empty() || random.chance(15) {
            random.within(-3, 12)
        } else {
            one + random.pick(&[0, 0, 0, 0, 1, -1])
        }
    }

    /// The upper end to the lower one that came before.
    fn high(&self, random: &mut Random) -> i64 {
        let low = self.low;
        let above: Vec<i64> = self
            .numbers
            .iter()
            .copied()
            .filter(|number| *number >= low)
            .collect();
        if above.is_empty() || random.chance(30) {
            low + random.within(1, 6)
        } else {
            random.pick(&above).max(low + i64::from(random.chance(50)))
        }
    }

    /// One of the words, or in so many of a hundred cases any.
    fn word(&self, random: &mut Random, other: usize) -> String {
        if self.words.is_empty() || random.chance(other) {
            random.pick(words::SAID).to_owned()
        } else {
            random.pick(&self.words)
        }
    }

    /// How a word begins or ends; where there are none yet, a word.
    fn affix(&mut self, random: &mut Random) -> String {
        let alone = self.words.is_empty();
        let word = self.word(random, 15);
        let length = random.below(2) + 1;
        let text: String = if alone {
            word
        } else if random.chance(50) {
            word.chars().take(length).collect()
        } else {
            let skipped = word.chars().count().saturating_sub(length);
            word.chars().skip(skipped).collect()
        };
        self.words.push(text.clone());
        format!("'{text}'")
    }

    fn letter(&self, random: &mut Random) -> char {
        let word = random.pick(&self.words);
        let at = random.below(word.len());
        let own = word.chars().nth(at).filter(|_| !random.chance(15));
        own.unwrap_or_else(|| random.pick(&['a', 'e', 'n', 'x', '-']))
    }
}
