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

/// Arguments of a call, as Python writes them. `bare`: the lists are empty, which is what guards are for.
fn arguments(random: &mut Random, function: &Function, bare: bool) -> Vec<String> {
    let guarded = function
        .body
        .slips()
        .iter()
        .any(|slip| slip.fault == Fault::Guard);
    let bare = bare && guarded;
    let mut numbers: Vec<i64> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut low = 0;
    let mut out = Vec::new();
    for parameter in &function.parameters {
        let near = |random: &mut Random, numbers: &[i64]| {
            let one = random.pick(numbers);
            if numbers.is_empty() || random.chance(15) {
                random.within(-3, 12)
            } else {
                one + random.pick(&[0, 0, 0, 0, 1, -1])
            }
        };
        let text = match parameter.takes {
            Takes::Ints => {
                let size = if bare {
                    0
                } else {
                    random.below(4) + 1 + random.below(3)
                };
                let low = random.pick(&[0, 0, 1, -6, -3]);
                let list: Vec<i64> = (0..size).map(|_| random.within(low, 12)).collect();
                numbers.extend(&list);
                python_list(&list)
            }
            Takes::Grid => {
                let (rows, columns) = (random.below(2) + 1 + random.below(2), random.below(3) + 1);
                let rows: Vec<String> = (0..rows)
                    .map(|_| {
                        let row: Vec<i64> = (0..columns).map(|_| random.within(-2, 9)).collect();
                        numbers.extend(&row);
                        python_list(&row)
                    })
                    .collect();
                format!("[{}]", rows.join(", "))
            }
            Takes::Table | Takes::Pairs => {
                let table = parameter.takes == Takes::Table;
                let size = if bare { 0 } else { random.below(4) + 1 };
                let mut entries: Vec<String> = Vec::new();
                let mut known: Vec<String> = Vec::new();
                for _ in 0..size {
                    let key = random.pick(words::SAID).to_owned();
                    if table && known.contains(&key) {
                        continue;
                    }
                    let key = if !table && random.chance(30) && !known.is_empty() {
                        random.pick(&known)
                    } else {
                        key
                    };
                    let number = random.within(-2, 12);
                    numbers.push(number);
                    entries.push(if table {
                        format!("'{key}': {number}")
                    } else {
                        format!("('{key}', {number})")
                    });
                    known.push(key);
                }
                words.extend(known);
                let inside = entries.join(", ");
                if table {
                    ["{", &inside, "}"].concat()
                } else {
                    format!("[{inside}]")
                }
            }
            Takes::Words | Takes::Text => {
                let size = if bare { 0 } else { random.below(4) + 1 };
                let list: Vec<String> = (0..size)
                    .map(|_| random.pick(words::SAID).to_owned())
                    .collect();
                words.extend(list.iter().cloned());
                if parameter.takes == Takes::Text {
                    format!("'{}'", list.join(" "))
                } else {
                    let quoted: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
                    format!("[{}]", quoted.join(", "))
                }
            }
            Takes::Near => near(random, &numbers).to_string(),
            Takes::Low => {
                low = near(random, &numbers);
                low.to_string()
            }
            Takes::High => {
                let top = numbers
                    .iter()
                    .copied()
                    .filter(|number| *number >= low)
                    .collect::<Vec<_>>();
                let high = if top.is_empty() || random.chance(30) {
                    low + random.within(1, 6)
                } else {
                    random.pick(&top).max(low + i64::from(random.chance(50)))
                };
                high.to_string()
            }
            Takes::Step => random.within(1, 5).to_string(),
            Takes::Size => random.within(0, 5).to_string(),
            Takes::Any => random.within(-5, 30).to_string(),
            Takes::Natural => {
                let top = random.pick(&[20, 20, 130]);
                let number = random.within(0, top);
                numbers.push(number);
                number.to_string()
            }
            Takes::Letter => format!("'{}'", letter(random, &words)),
            Takes::Affix => {
                let word = if words.is_empty() || random.chance(15) {
                    random.pick(words::SAID).to_owned()
                } else {
                    random.pick(&words)
                };
                let length = random.below(2) + 1;
                let text: String = if words.is_empty() {
                    word
                } else if random.chance(50) {
                    word.chars().take(length).collect()
                } else {
                    word.chars()
                        .skip(word.chars().count().saturating_sub(length))
                        .collect()
                };
                words.push(text.clone());
                format!("'{text}'")
            }
            Takes::Key => {
                let word = if words.is_empty() || random.chance(20) {
                    random.pick(words::SAID).to_owned()
                } else {
                    random.pick(&words)
                };
                format!("'{word}'")
            }
        };
        out.push(text);
    }
    out
}

fn letter(random: &mut Random, words: &[String]) -> char {
    let word = random.pick(words);
    let at = random.below(word.len());
    word.chars()
        .nth(at)
        .filter(|_| !random.chance(15))
        .unwrap_or_else(|| random.pick(&['a', 'e', 'n', 'x', '-']))
}

fn python_list(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("[{}]", texts.join(", "))
}
