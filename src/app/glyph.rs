//! The one vocabulary of signs, in Unicode and in ASCII. Lists, strips, trees and text all take theirs from here.

use crate::grade::Verdict;
use crate::text::Role;

/// Which set of signs is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Glyphs {
    /// Only ASCII.
    pub ascii: bool,
}

macro_rules! signs {
    ($($(#[$meta:meta])+ $name:ident = $unicode:literal, $ascii:literal;)+) => {
        impl Glyphs {
            $($(#[$meta])+ #[must_use] pub const fn $name(self) -> &'static str {
                if self.ascii { $ascii } else { $unicode }
            })+

            /// All of them, by name.
            #[cfg(test)]
            fn all(self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name())),+]
            }
        }
    };
}

signs! {
    /// Waiting.
    waiting = "○", ".";
    /// Running.
    running = "●", "*";
    /// Grading.
    grading = "◐", "~";
    /// Resolved, passed.
    good = "✓", "+";
    /// Unresolved, failed.
    bad = "✗", "x";
    /// The patch is empty.
    empty = "∅", "0";
    /// The patch does not apply.
    no_apply = "⊘", "/";
    /// Timed out.
    timed_out = "◷", "t";
    /// Infrastructure error.
    infra = "!", "!";
    /// Not graded.
    ungraded = "·", "-";
    /// Paused.
    paused = "‖", "=";
    /// An audit mark.
    mark = "⚑", "#";
    /// Otherwise than in the recording.
    differs = "≠", "D";
    /// Folded.
    folded = "▸", ">";
    /// The focused pane, the row under the cursor.
    focus = "▌", "|";
    /// A command.
    run = "$", "$";
    /// An edit.
    edit = "✎", "%";
    /// A look at a file.
    view = "≡", "@";
    /// The end that the agent declares.
    submit = "∎", "#";
    /// Any other action.
    other = "•", "*";
    /// The line before an observation.
    bar = "│", "|";
    /// Its end.
    foot = "└", "`";
    /// A thin rule.
    rule = "─", "-";
    /// Where rules part.
    tee = "┬", "+";
    /// Something was left out.
    more = "…", "...";
    /// Between words of one line.
    dot = "·", "-";
    /// A prompt.
    prompt = "›", ">";
    /// More below.
    below = "▾", "v";
    /// A branch in a tree.
    branch = "├", "+";
    /// The last branch in a tree.
    last_branch = "└", "`";
    /// Removed lines, in counts.
    minus = "−", "-";
    /// From … to.
    range = "–", "-";
    /// What a person said.
    said = "»", ">";
    /// The return key.
    enter = "⏎", "enter";
    /// A full block of a bar.
    block = "█", "#";
    /// An empty block of a bar.
    shade = "░", ".";
    /// A stop of the scrub bar.
    stop = "●", "o";
    /// The stop of the scrub bar that is shown.
    here = "◉", "O";
    /// A stop that is still to come.
    ahead = "○", ".";
    /// Times.
    times = "×", "x";
    /// Up and down in a sorted column.
    descending = "▾", "v";
    /// Up in a sorted column.
    ascending = "▴", "^";
}

impl Glyphs {
    /// The sign and role of a verdict.
    #[must_use]
    pub fn verdict(self, verdict: &Verdict) -> (&'static str, Role) {
        match verdict {
            Verdict::Resolved => (self.good(), Role::Resolved),
            Verdict::Unresolved => (self.bad(), Role::Unresolved),
            Verdict::EmptyPatch => (self.empty(), Role::NoVerdict),
            Verdict::PatchDoesNotApply { .. } => (self.no_apply(), Role::NoVerdict),
            Verdict::TimedOut { .. } => (self.timed_out(), Role::NoVerdict),
            Verdict::InfrastructureError { .. } => (self.infra(), Role::Attention),
            Verdict::NotGraded { .. } => (self.ungraded(), Role::Dim),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_has_a_form_in_ascii() {
        for (name, sign) in (Glyphs { ascii: true }).all() {
            assert!(
                !sign.is_empty() && sign.chars().all(|c| c.is_ascii_graphic()),
                "{name}: {sign}"
            );
        }
    }

    #[test]
    fn signs_take_one_column_so_that_what_stands_beside_them_stays() {
        // These stand at the end of a text or in running text, never in a column of their own.
        let words = [("more", 3), ("enter", 5)];
        for ascii in [false, true] {
            for (name, sign) in (Glyphs { ascii }).all() {
                let wide = words.iter().find(|(word, _)| ascii && *word == name);
                let wanted = wide.map_or(1, |(_, width)| *width);
                assert_eq!(crate::text::wrap::columns(sign), wanted, "{name}: {sign}");
            }
        }
    }

    #[test]
    fn signs_of_one_list_differ_from_each_other() {
        for glyphs in [Glyphs { ascii: false }, Glyphs { ascii: true }] {
            let mut states = vec![
                glyphs.waiting(),
                glyphs.running(),
                glyphs.grading(),
                glyphs.good(),
                glyphs.bad(),
                glyphs.empty(),
                glyphs.no_apply(),
                glyphs.timed_out(),
                glyphs.infra(),
                glyphs.ungraded(),
                glyphs.paused(),
            ];
            states.sort_unstable();
            assert!(states.windows(2).all(|two| two[0] != two[1]), "{states:?}");
        }
    }
}
