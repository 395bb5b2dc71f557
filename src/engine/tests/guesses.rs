//! How much guessing saves on transcripts of agents: counted over files, no model.

use std::path::PathBuf;

use crate::engine::lookup::Lookup;

/// Words, numbers and signs: near what a vocabulary of code cuts a text into.
fn pieces(text: &str) -> Vec<u32> {
    let cut = regex::Regex::new(r" ?[A-Za-z]+|\d{1,3}| ?[^\sA-Za-z\d]+|\s+").unwrap();
    let mut names = std::collections::HashMap::new();
    cut.find_iter(text)
        .map(|piece| {
            let next = names.len() as u32;
            *names.entry(piece.as_str().to_owned()).or_insert(next)
        })
        .collect()
}

/// Tokens of replies per step, if the model said what the transcript says.
fn saved(turns: &[(bool, Vec<u32>)], most: usize) -> (usize, usize, usize) {
    let mut lookup = Lookup::new(&[], most);
    let (mut tokens, mut steps, mut guessed) = (0, 0, 0);
    for (said, text) in turns {
        let mut at = 0;
        while at < text.len() {
            let mut accepted = 0;
            if *said {
                let rest = &text[at..];
                let guess = lookup.guess(most.min(rest.len().saturating_sub(1)));
                let count = guess.len();
                accepted = guess.iter().zip(rest).take_while(|(a, b)| a == b).count();
                lookup.learn(count, accepted);
                steps += 1;
                tokens += accepted + 1;
                guessed += count;
            }
            for token in &text[at..=at + accepted] {
                lookup.push(*token);
            }
            at += accepted + 1;
        }
    }
    (tokens, steps, guessed)
}

/// `SPOTTER_TRANSCRIPTS=FOLDER cargo test --lib guesses -- --ignored --nocapture`: files of JSON with a list of messages.
#[test]
#[ignore = "prints figures over files that are given"]
fn what_guesses_save_on_transcripts() {
    let folder = PathBuf::from(std::env::var("SPOTTER_TRANSCRIPTS").unwrap());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for most in [2, 4, 8, 16] {
        let (mut tokens, mut steps, mut guessed) = (0, 0, 0);
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            let turns: Vec<(bool, String)> = serde_json::from_str(&text).unwrap();
            // One vocabulary for the whole file.
            let whole: String = turns.iter().map(|(_, text)| text.as_str()).collect();
            let all = pieces(&whole);
            let mut from = 0;
            let cut: Vec<(bool, Vec<u32>)> = turns
                .iter()
                .map(|(said, text)| {
                    let count = pieces(text).len();
                    let to = (from + count).min(all.len());
                    let own = all[from..to].to_vec();
                    from = to;
                    (*said, own)
                })
                .collect();
            let of_file = saved(&cut, most);
            tokens += of_file.0;
            steps += of_file.1;
            guessed += of_file.2;
        }
        println!(
            "at most {most}: {tokens} tokens in {steps} steps, {:.2} a step; {guessed} guessed, {:.0} % right",
            tokens as f64 / steps as f64,
            100.0 * (tokens - steps) as f64 / guessed as f64
        );
    }
}
