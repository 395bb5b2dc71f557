//! Files: what differs from the base after the cursor's step, and what was only looked at.

use crate::app::list::{List, Move};
use crate::app::run::Room;
use crate::app::run::call;
use crate::app::run::page::push_cut;
use crate::app::story::{Act, Story};
use crate::text::diff::{FileDiff, Status};
use crate::text::{Line, Role, safe};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Cursor.
    pub list: List,
    /// Lines of the window.
    pub visible: Vec<Line>,
    /// Paths by row.
    pub paths: Vec<String>,
    lines: Vec<Line>,
}

impl Files {
    /// Move the cursor.
    pub fn go(&mut self, step: Move) {
        self.list.go(step);
    }

    /// The path under the cursor.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.paths.get(self.list.cursor).map(String::as_str)
    }

    /// Bring the lines up to date.
    pub fn settle(
        &mut self,
        story: &Story,
        cursor: u32,
        diff: Option<&[FileDiff]>,
        workdir: &str,
        room: Room,
    ) {
        let Room {
            width,
            height,
            glyphs,
        } = room;
        self.lines.clear();
        self.paths.clear();
        let whole = story.whole_step(cursor);
        let changed: Vec<String> = story
            .step(whole)
            .map(|step| step.files.clone())
            .unwrap_or_default();
        for path in &changed {
            let file = diff.and_then(|files| files.iter().find(|file| file.path == *path));
            let (sign, right) = match file {
                Some(file) => {
                    let sign = match file.status {
                        Status::Added => "A",
                        Status::Removed => "D",
                        _ => "M",
                    };
                    (sign, Some((file.added, file.removed)))
                }
                None => ("M", None),
            };
            let mut line = Line::of(sign, Role::Attention).with(" ", Role::Text);
            let counts = right.map(|(added, removed)| {
                Line::of(format!("+{added}"), Role::DiffAdd)
                    .with(" ", Role::Text)
                    .with(&format!("{}{removed}", glyphs.minus()), Role::DiffDel)
            });
            let wide = counts.as_ref().map_or(0, Line::width);
            push_cut(
                &mut line,
                &safe::one_line(path),
                Role::Text,
                width.saturating_sub(wide + 4),
            );
            if let Some(counts) = counts {
                line.push(
                    &" ".repeat(width.saturating_sub(line.width() + wide)),
                    Role::Text,
                );
                for (piece, ink) in counts.pieces() {
                    line.push(piece, ink);
                }
            }
            self.lines.push(line);
            self.paths.push(path.clone());
        }
        for path in seen(story, cursor, workdir) {
            if changed.contains(&path) {
                continue;
            }
            let mut line = Line::of("  ", Role::Text);
            push_cut(
                &mut line,
                &safe::one_line(&path),
                Role::Dim,
                width.saturating_sub(9),
            );
            line.push("  viewed", Role::Dim);
            self.lines.push(line);
            self.paths.push(path);
        }
        if self.lines.is_empty() {
            self.lines
                .push(Line::of("no file was changed or looked at yet", Role::Dim));
        }
        self.list.fit(self.lines.len(), height);
        self.visible = self
            .lines
            .get(self.list.window())
            .unwrap_or_default()
            .to_vec();
    }
}

/// Files that were viewed up to a step, in the order of the first look.
fn seen(story: &Story, cursor: u32, workdir: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for step in story.steps.iter().take_while(|step| step.number <= cursor) {
        for (call, _) in step.actions() {
            let shown = call::shown(call, workdir);
            if shown.act == Act::View && !paths.contains(&shown.object) && paths.len() < 500 {
                paths.push(shown.object);
            }
        }
    }
    paths
}
