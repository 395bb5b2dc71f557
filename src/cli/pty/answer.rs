//! What a terminal answers when programs ask: its attributes, where the cursor is, its ground, whether it knows
//! synchronised output. Programs wait for these at their start.

/// Longest question.
const LONGEST: usize = 16;

/// What is asked, as it is sent.
const QUESTIONS: &[&[u8]] = &[
    b"\x1b[c",
    b"\x1b[6n",
    b"\x1b[?2026$p",
    b"\x1b]11;?",
    b"\x1b[?u",
];

/// Finds questions in what is printed, however it is cut.
#[derive(Debug, Default)]
pub(super) struct Questions {
    tail: Vec<u8>,
}

impl Questions {
    /// The answers to the questions that end in these bytes.
    pub(super) fn answers(&mut self, bytes: &[u8], cursor: (u16, u16)) -> Vec<u8> {
        let before = self.tail.len();
        self.tail.extend_from_slice(bytes);
        let mut told = Vec::new();
        for at in 0..self.tail.len() {
            let here = self.tail.get(at..).unwrap_or_default();
            if here.first() != Some(&0x1b) {
                continue;
            }
            for question in QUESTIONS {
                // One that ended before was answered before.
                if here.starts_with(question) && at + question.len() > before {
                    told.extend(answer(question, cursor));
                }
            }
        }
        let keep = self.tail.len().saturating_sub(LONGEST);
        self.tail.drain(..keep);
        told
    }
}

fn answer(question: &[u8], (row, column): (u16, u16)) -> Vec<u8> {
    match question {
        b"\x1b[c" => b"\x1b[?62;22c".to_vec(),
        b"\x1b[6n" => format!("\x1b[{};{}R", row + 1, column + 1).into_bytes(),
        b"\x1b[?2026$p" => b"\x1b[?2026;2$y".to_vec(),
        b"\x1b]11;?" => b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\".to_vec(),
        // It does not speak the kitty protocol.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_answered_once_wherever_it_is_cut() {
        let asked = b"x\x1b]11;?\x1b\\\x1b[c\x1b[6n";
        let whole = Questions::default().answers(asked, (4, 7));
        assert_eq!(
            String::from_utf8(whole.clone()).unwrap(),
            "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\\x1b[?62;22c\x1b[5;8R"
        );
        for cut in 0..=asked.len() {
            let mut questions = Questions::default();
            let mut told = questions.answers(&asked[..cut], (4, 7));
            told.extend(questions.answers(&asked[cut..], (4, 7)));
            assert_eq!(told, whole, "cut at {cut}");
        }
    }
}
