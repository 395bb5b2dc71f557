//! The names of the files that one GGUF file was split into: `x-00002-of-00003.gguf`, as `llama-gguf-split` gives them.
//!
//! Names only; that all of them are there, and what is in them, is for who opens them.

/// Of a file that is a part: what all names begin with, and how many parts there are.
#[must_use]
pub fn parts(name: &str) -> Option<(&str, u32)> {
    let (rest, of) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(number) || !is_number(of) {
        return None;
    }
    Some((stem, of.parse().ok()?))
}

/// The name of a part, from 1.
#[must_use]
pub fn part(stem: &str, number: u32, count: u32) -> String {
    format!("{stem}-{number:05}-of-{count:05}.gguf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_tells_the_names_of_all_and_other_files_are_whole() {
        assert_eq!(parts("q/x-00002-of-00003.gguf"), Some(("q/x", 3)));
        assert_eq!(part("q/x", 1, 3), "q/x-00001-of-00003.gguf");
        for whole in [
            "x.gguf",
            "x-1-of-3.gguf",
            "x-00001-of-00003.bin",
            "x-of-y.gguf",
        ] {
            assert_eq!(parts(whole), None, "{whole}");
        }
    }
}
