//! The task's tests as a table that fills while they run: what must turn green, what must stay, and the line behind each.

use std::collections::HashMap;

use crate::app::glyph::Glyphs;
use crate::app::list::{List, Move};
use crate::app::run::Room;
use crate::app::run::page::push_cut;
use crate::app::story::{Story, TestState};
use crate::app::words;
use crate::grade::{Grading, Group, report};
use crate::task::Task;
use crate::text::{Ink, Line, Role, safe};

/// What a row of the pane is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    None,
    /// A group's heading: folds it.
    Group(Group),
    /// A test: its id and its line in the log.
    Test(String, Option<usize>),
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Tests {
    /// Cursor over the rows.
    pub list: List,
    /// Lines of the window.
    pub visible: Vec<Line>,
    /// The heading's words after the title.
    pub subtitle: String,
    /// `PASS_TO_PASS` is shown test by test.
    pub unfolded: bool,
    targets: Vec<Target>,
    lines: Vec<Line>,
    /// Times that the lines were made since the start: what a frame costs, for tests.
    pub built: u64,
    key: Option<(u64, bool, usize, u32, bool, Glyphs, bool)>,
}

struct Row<'a> {
    id: &'a str,
    state: TestState,
    line: Option<usize>,
    doubt: bool,
}

impl Tests {
    /// Move the cursor.
    pub fn go(&mut self, step: Move) {
        self.list.go(step);
    }

    /// What the cursor is on.
    #[must_use]
    pub fn target(&self) -> &Target {
        self.targets.get(self.list.cursor).unwrap_or(&Target::None)
    }

    /// Put the cursor on the next failing test.
    pub fn next_failing(&mut self, forward: bool) -> bool {
        let failing = |at: &usize| {
            self.lines
                .get(*at)
                .is_some_and(|line| line.pieces().any(|(_, ink)| ink.role == Role::Fail))
                && matches!(self.targets.get(*at), Some(Target::Test(..)))
        };
        let found = if forward {
            (self.list.cursor + 1..self.lines.len()).find(failing)
        } else {
            (0..self.list.cursor).rev().find(failing)
        };
        if let Some(row) = found {
            self.list.go(Move::To(row));
        }
        found.is_some()
    }

    /// The grading that the pane shows, with its step and log.
    #[must_use]
    pub fn shown(story: &Story, cursor: u32) -> Option<(Option<u32>, &Grading, Option<&str>)> {
        if let Some((step, grading, log)) = story.as_of.iter().find(|(step, _, _)| *step == cursor)
        {
            return Some((Some(*step), grading, log.as_deref()));
        }
        if let Some(grading) = &story.grading {
            return Some((None, grading, story.log.as_deref()));
        }
        let (step, grading, log) = story.as_of.iter().max_by_key(|(step, _, _)| *step)?;
        Some((Some(*step), grading, log.as_deref()))
    }

    /// Bring the lines up to date.
    pub fn settle(
        &mut self,
        story: &Story,
        task: Option<&Task>,
        cursor: u32,
        room: Room,
        outcome: bool,
    ) {
        let Room {
            width,
            height,
            glyphs,
        } = room;
        let key = (
            story.tested,
            task.is_some(),
            width,
            cursor,
            self.unfolded,
            glyphs,
            outcome,
        );
        if self.key.as_ref() != Some(&key) {
            self.key = Some(key);
            self.built += 1;
            self.lines.clear();
            self.targets.clear();
            if outcome {
                self.build(story, task, cursor, width, glyphs);
            } else {
                self.subtitle.clear();
                self.push(
                    Line::of("hidden while blind mode is on", Role::Dim),
                    Target::None,
                );
            }
        }
        self.list.fit(self.lines.len(), height);
        self.visible = self
            .lines
            .get(self.list.window())
            .unwrap_or_default()
            .to_vec();
    }

    fn push(&mut self, line: Line, target: Target) {
        self.lines.push(line);
        self.targets.push(target);
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the three things the table can show, one after the other"
    )]
    fn build(
        &mut self,
        story: &Story,
        task: Option<&Task>,
        cursor: u32,
        width: usize,
        glyphs: Glyphs,
    ) {
        let ids = |group: Group| -> Vec<String> {
            match (task, group) {
                (Some(task), Group::FailToPass) => task.fail_to_pass.ids().to_vec(),
                (Some(task), Group::PassToPass) => task.pass_to_pass.ids().to_vec(),
                _ => Vec::new(),
            }
        };
        if let Some(now) = &story.now {
            let of = now
                .step
                .map(|step| format!("as of step {step} "))
                .unwrap_or_default();
            let stage = now.stage.map_or("begins", stage_word);
            self.subtitle = format!("{of}{} {stage}", glyphs.grading());
            let seen: HashMap<&str, TestState> = now
                .seen
                .iter()
                .map(|(id, state)| (id.as_str(), *state))
                .collect();
            for group in [Group::FailToPass, Group::PassToPass] {
                let ids = ids(group);
                let rows = ids.iter().map(|id| Row {
                    id,
                    state: seen.get(id.as_str()).copied().unwrap_or(TestState::Unknown),
                    line: None,
                    doubt: false,
                });
                self.group(group, &rows.collect::<Vec<_>>(), width, glyphs);
            }
            let tail: Vec<Line> = now
                .lines
                .iter()
                .rev()
                .take(6)
                .rev()
                .map(|line| {
                    let mut made = Line::new();
                    push_cut(&mut made, &safe::one_line(line), Role::Output, width);
                    made
                })
                .collect();
            for line in tail {
                self.push(line, Target::None);
            }
            return;
        }
        let Some((step, grading, _)) = Self::shown(story, cursor) else {
            self.subtitle = "not run yet".into();
            for group in [Group::FailToPass, Group::PassToPass] {
                let ids = ids(group);
                let rows: Vec<Row<'_>> = ids
                    .iter()
                    .map(|id| Row {
                        id,
                        state: TestState::Unknown,
                        line: None,
                        doubt: false,
                    })
                    .collect();
                self.group(group, &rows, width, glyphs);
            }
            if self.lines.is_empty() {
                self.push(
                    Line::of("the task's list of tests is not loaded", Role::Dim),
                    Target::None,
                );
            }
            if let Some(verdict) = &story.verdict {
                let (sign, role) = glyphs.verdict(verdict);
                let mut line = Line::of(sign, role).with(" ", Role::Text);
                push_cut(
                    &mut line,
                    &safe::one_line(&report::sentence(verdict)),
                    Role::Text,
                    width.saturating_sub(2),
                );
                self.push(line, Target::None);
            }
            return;
        };
        self.subtitle = match step {
            Some(step) => format!(
                "as of step {step} {} {}",
                glyphs.dot(),
                words::duration(std::time::Duration::from_secs_f64(
                    grading.seconds.clamp(0.0, 1e9)
                ))
            ),
            None => format!(
                "final patch {} rules {} {} {}",
                glyphs.dot(),
                grading.rules,
                glyphs.dot(),
                words::duration(std::time::Duration::from_secs_f64(
                    grading.seconds.clamp(0.0, 1e9)
                ))
            ),
        };
        let (sign, role) = glyphs.verdict(&grading.verdict);
        let mut line = Line::of(sign, Ink::of(role).bold()).with(" ", Role::Text);
        push_cut(
            &mut line,
            &safe::one_line(&report::sentence(&grading.verdict)),
            Ink::of(role).bold(),
            width.saturating_sub(2),
        );
        self.push(line, Target::None);
        self.push(Line::new(), Target::None);
        for group in [Group::FailToPass, Group::PassToPass, Group::Expected] {
            let rows: Vec<Row<'_>> = grading
                .tests
                .iter()
                .filter(|test| test.group == group)
                .map(|test| Row {
                    id: &test.id,
                    state: match (test.passed, test.status) {
                        (true, _) => TestState::Passed,
                        (false, None) => TestState::Unknown,
                        (false, Some(_)) => TestState::Failed,
                    },
                    line: test.line,
                    doubt: test.conflicting,
                })
                .collect();
            self.group(group, &rows, width, glyphs);
        }
        for flag in &grading.flags {
            let mut line = Line::of(glyphs.mark(), Role::Attention).with(" ", Role::Text);
            push_cut(
                &mut line,
                &safe::one_line(&report::flag_sentence(flag)),
                Role::Text,
                width.saturating_sub(2),
            );
            self.push(line, Target::None);
        }
    }

    fn group(&mut self, group: Group, rows: &[Row<'_>], width: usize, glyphs: Glyphs) {
        if rows.is_empty() {
            return;
        }
        let passed = rows
            .iter()
            .filter(|row| row.state == TestState::Passed)
            .count();
        let failed = rows
            .iter()
            .filter(|row| row.state == TestState::Failed)
            .count();
        let folded = group != Group::FailToPass && !self.unfolded;
        let name = match group {
            Group::FailToPass => "FAIL_TO_PASS",
            Group::PassToPass => "PASS_TO_PASS",
            Group::Expected => "EXPECTED",
        };
        let role = match (passed == rows.len(), failed > 0) {
            (true, _) => Role::Pass,
            (_, true) => Role::Fail,
            _ => Role::Dim,
        };
        let mut head = Line::of(name, Role::Heading)
            .with("  ", Role::Text)
            .with(&passed.to_string(), role)
            .with(&format!("/{}", rows.len()), Role::Dim);
        if folded {
            let hidden = rows.len() - failed;
            head.push(
                &format!("   {} {hidden} folded", glyphs.folded()),
                Role::Dim,
            );
        }
        self.push(head, Target::Group(group));
        for row in rows {
            // Folded means: what passed is counted, what did not is there to be read.
            if folded && row.state != TestState::Failed {
                continue;
            }
            let (sign, role) = match row.state {
                TestState::Passed => (glyphs.good(), Role::Pass),
                TestState::Failed => (glyphs.bad(), Role::Fail),
                TestState::Other => (glyphs.ungraded(), Role::Skip),
                TestState::Unknown => (glyphs.waiting(), Role::Skip),
            };
            let right = row
                .line
                .map(|line| format!("log {line}"))
                .unwrap_or_default();
            let mut line = Line::of(" ", Role::Text)
                .with(sign, role)
                .with(" ", Role::Text);
            let room = width.saturating_sub(line.width() + right.len() + 2);
            push_cut(&mut line, &safe::one_line(&short(row.id)), Role::Text, room);
            if row.doubt {
                line.push(" ", Role::Text);
                line.push(glyphs.mark(), Role::Attention);
            }
            let used = line.width() + right.len();
            line.push(&" ".repeat(width.saturating_sub(used)), Role::Text);
            line.push(&right, Role::Dim);
            self.push(line, Target::Test(row.id.to_owned(), row.line));
        }
        if passed < rows.len() && rows.len() > 1 && passed + failed > 0 {
            self.push(bar(passed, failed, rows.len(), width, glyphs), Target::None);
        }
        self.push(Line::new(), Target::None);
    }
}

/// The end of an id says more than its beginning: the file's folders are left out.
fn short(id: &str) -> String {
    match id.split_once("::") {
        Some((file, rest)) => {
            let file = file.rsplit('/').next().unwrap_or(file);
            format!("{file}::{rest}")
        }
        None => id.to_owned(),
    }
}

fn bar(passed: usize, failed: usize, of: usize, width: usize, glyphs: Glyphs) -> Line {
    let width = width.saturating_sub(8).min(60);
    let of = of.max(1);
    let good = (passed * width).div_ceil(of).min(width);
    let bad = (failed * width).div_ceil(of).min(width - good.min(width));
    let (good, bad) = if good + bad > width {
        (width - bad, bad)
    } else {
        (good, bad)
    };
    Line::of(glyphs.block().repeat(good), Role::Pass)
        .with(&glyphs.block().repeat(bad), Role::Fail)
        .with(&glyphs.shade().repeat(width - good - bad), Role::Dim)
}

fn stage_word(stage: crate::grade::Stage) -> &'static str {
    use crate::grade::Stage;
    match stage {
        Stage::Prepare => "prepares a fresh sandbox",
        Stage::ApplyPatch => "applies the patch",
        Stage::ResetTests => "puts the test files back",
        Stage::Install => "installs",
        Stage::Tests => "the tests run",
        Stage::Judge => "reads the log",
    }
}
