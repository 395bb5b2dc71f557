//! What a piece of text *is*: the words in which text, panes and themes speak of colour.
//!
//! Mental model: nothing outside `theme/` knows a colour. Text is marked with a role; the theme says how that role looks at
//! the terminal's colour level. A role without an entry falls back to the name with its last dotted part dropped.

macro_rules! roles {
    ($($(#[$meta:meta])+ $variant:ident = $name:literal),+ $(,)?) => {
        /// See the module.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[repr(u8)]
        pub enum Role {
            $($(#[$meta])+ $variant),+
        }

        impl Role {
            /// All of them, in the order of the source.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name that theme files use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

roles! {
    /// Content.
    #[default]
    Text = "ui.text",
    /// There for reference: units, times, ids, hints.
    Dim = "ui.dim",
    /// What the eye should find first.
    Strong = "ui.strong",
    /// A heading.
    Heading = "ui.heading",
    /// What is active or can be acted on.
    Accent = "ui.accent",
    /// A key that does something here.
    Key = "ui.key",
    /// What needs a person.
    Attention = "ui.attention",
    /// A thin rule between panes.
    Rule = "ui.rule",
    /// The mark of the focused pane.
    Focus = "ui.focus",
    /// The row under the cursor.
    Selection = "ui.selection",
    /// The row under the cursor of a pane that has no focus.
    SelectionIdle = "ui.selection.idle",
    /// The cursor in an input.
    Cursor = "ui.cursor",
    /// A value that can be changed, in a form.
    Input = "ui.input",
    /// Characters that a search or filter matched.
    Match = "ui.match",
    /// The match that a search stands on.
    MatchCurrent = "ui.match.current",
    /// The ground of the whole screen.
    Background = "ui.background",
    /// The ground of what lies over the screen.
    Popup = "ui.popup",
    /// Something went wrong.
    Error = "ui.error",
    /// What the model says around its actions.
    Thought = "agent.thought",
    /// An action.
    Action = "agent.action",
    /// The sign before an action.
    Sign = "agent.sign",
    /// What a person said or typed.
    Human = "agent.human",
    /// What an action printed.
    Output = "obs.stdout",
    /// What it printed to its error stream.
    Stderr = "obs.stderr",
    /// The thin line before an observation.
    Bar = "obs.bar",
    /// Waiting for its turn.
    Waiting = "state.waiting",
    /// At work.
    Running = "state.running",
    /// Waiting for a person.
    Paused = "state.paused",
    /// A good verdict.
    Resolved = "verdict.resolved",
    /// A bad verdict.
    Unresolved = "verdict.unresolved",
    /// No verdict, or one that is nobody's fault.
    NoVerdict = "verdict.none",
    /// A test that passed.
    Pass = "test.pass",
    /// A test that failed.
    Fail = "test.fail",
    /// A test that was not run or was skipped.
    Skip = "test.skip",
    /// An added line.
    DiffAdd = "diff.add",
    /// The changed words of an added line.
    DiffAddWord = "diff.add.word",
    /// A removed line.
    DiffDel = "diff.del",
    /// The changed words of a removed line.
    DiffDelWord = "diff.del.word",
    /// An unchanged line.
    DiffContext = "diff.context",
    /// The head of a hunk.
    DiffHunk = "diff.hunk",
    /// Line numbers of a diff or a file.
    Gutter = "diff.gutter",
    /// Heading of a text.
    MarkupHeading = "markup.heading",
    /// Code within prose, and code blocks in no known language.
    MarkupCode = "markup.code",
    /// Strong emphasis.
    MarkupBold = "markup.bold",
    /// Emphasis.
    MarkupItalic = "markup.italic",
    /// A link.
    MarkupLink = "markup.link",
    /// A quotation.
    MarkupQuote = "markup.quote",
    /// The sign of a list's item.
    MarkupList = "markup.list",
    /// Code: whatever has no role of its own.
    Code = "code",
    /// Keyword.
    CodeKeyword = "code.keyword",
    /// String.
    CodeString = "code.string",
    /// Number.
    CodeNumber = "code.number",
    /// Comment.
    CodeComment = "code.comment",
    /// Name of a function.
    CodeFunction = "code.function",
    /// Name of a type or class.
    CodeType = "code.type",
    /// `True`, `None` and the like.
    CodeConstant = "code.constant",
    /// Operator.
    CodeOperator = "code.operator",
    /// Decorator, attribute, macro.
    CodeAttribute = "code.attribute",
    /// `self` and other names the language gives.
    CodeVariable = "code.variable",
    /// Colour 0 that a program asked for.
    Ansi0 = "ansi.black",
    /// Colour 1.
    Ansi1 = "ansi.red",
    /// Colour 2.
    Ansi2 = "ansi.green",
    /// Colour 3.
    Ansi3 = "ansi.yellow",
    /// Colour 4.
    Ansi4 = "ansi.blue",
    /// Colour 5.
    Ansi5 = "ansi.magenta",
    /// Colour 6.
    Ansi6 = "ansi.cyan",
    /// Colour 7.
    Ansi7 = "ansi.white",
    /// First of a chart's lines.
    Chart1 = "chart.1",
    /// Second.
    Chart2 = "chart.2",
    /// Third.
    Chart3 = "chart.3",
    /// Fourth.
    Chart4 = "chart.4",
}

impl Role {
    /// The role of one of the eight colours that programs print in.
    #[must_use]
    pub fn ansi(colour: u8) -> Self {
        [
            Self::Ansi0,
            Self::Ansi1,
            Self::Ansi2,
            Self::Ansi3,
            Self::Ansi4,
            Self::Ansi5,
            Self::Ansi6,
            Self::Ansi7,
        ]
        .get(usize::from(colour % 8))
        .copied()
        .unwrap_or_default()
    }
}

impl Role {
    /// One of the eight colours that programs print in.
    #[must_use]
    pub fn is_ansi(self) -> bool {
        self.name().starts_with("ansi.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_dotted_words() {
        let mut names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        assert!(names.iter().all(|name| {
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.')
        }));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
