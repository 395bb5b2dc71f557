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
