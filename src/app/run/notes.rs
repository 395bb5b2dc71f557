//! Notes: audit marks, what the sandbox holds, branches, how the run was started and where it lies.

use crate::app::glyph::Glyphs;
use crate::app::list::{List, Move};
use crate::app::run::Room;
use crate::app::run::page::push_cut;
use crate::app::state::Site;
use crate::app::story::Story;
use crate::app::words;
use crate::model::ModelKind;
use crate::sandbox::Holds;
use crate::task::Task;
use crate::text::url::{Place, Url};
use crate::text::{Ink, Line, Role, safe};
use crate::trajectory::index::Summary;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Cursor.
    pub list: List,
    /// Lines of the window.
    pub visible: Vec<Line>,
    /// Links on them.
    pub links: Vec<Place>,
    targets: Vec<Target>,
}

/// Column of a fact's value.
const VALUE: usize = 10;

/// What the notes are about, besides the story.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The rollout.
    pub id: &'a str,
    /// Where it lies.
    pub site: Option<&'a Site>,
    /// Its task, where it is loaded.
    pub task: Option<&'a Task>,
}

/// What a row leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nowhere.
    None,
    /// A step.
    Step(u32),
    /// Another run.
    Run(String),
}

impl Notes {
    /// Move the cursor.
    pub fn go(&mut self, step: Move) {
        self.list.go(step);
    }

    /// Where the row under the cursor leads.
    #[must_use]
    pub fn target(&self) -> &Target {
        self.targets.get(self.list.cursor).unwrap_or(&Target::None)
    }

    /// Bring the lines up to date.
    #[expect(clippy::too_many_lines, reason = "one block of rows after the other")]
    pub fn settle(&mut self, about: About<'_>, story: &Story, library: &[Summary], room: Room) {
        let About { id, site, task } = about;
        let Room {
            width,
            height,
            glyphs,
        } = room;
        let mut rows: Vec<(Line, Target)> = Vec::new();
        let mut links: Vec<(usize, Url)> = Vec::new();
        for mark in &story.marks {
            let mut line = Line::of(glyphs.mark(), Role::Attention)
                .with(" ", Role::Text)
                .with(&format!("step {:<3} ", mark.step), Role::Text)
                .with(&safe::one_line(&mark.kind), Role::Strong)
                .with("  ", Role::Text);
            let room = width.saturating_sub(line.width());
            push_cut(&mut line, &safe::one_line(&mark.evidence), Role::Dim, room);
            rows.push((line, Target::Step(mark.step)));
        }
        if story.repeating {
            let line = Line::of(glyphs.mark(), Role::Attention)
                .with(" the same action three times in a row", Role::Text);
            rows.push((line, Target::None));
        }
        if !rows.is_empty() {
            rows.push((Line::new(), Target::None));
        }
        branches(id, story, library, glyphs, &mut rows);
        if let Some(start) = &story.start {
            let kind = match start.model.kind {
                ModelKind::Recorded => " (recorded: no figure stands on it)",
                ModelKind::Expert => " (knows the gold patch: no figure stands on it)",
                ModelKind::Human => " (a person)",
                ModelKind::Http => "",
                ModelKind::Local => " (the local engine)",
            };
            if let Some(recording) = &start.reexecutes {
                let line = Line::of(format!("{:<10}", "repeats"), Role::Dim)
                    .with(&safe::one_line(recording), Role::Text);
                rows.push((line, Target::Run(recording.clone())));
            }
            let row = fact(&mut rows, width, "rollout", id, Role::Text);
            let to_events = site.and_then(|site| site.link(id, "events.jsonl"));
            links.extend(to_events.map(|url| (row, url)));
            let role = if start.model.kind.counts() {
                Role::Text
            } else {
                Role::Attention
            };
            fact(
                &mut rows,
                width,
                "model",
                &format!("{}{kind}", start.model.name),
                role,
            );
            fact(&mut rows, width, "scaffold", &start.scaffold, Role::Text);
            if let Some(temperature) = start.sampling.temperature {
                fact(
                    &mut rows,
                    width,
                    "sampling",
                    &format!("temperature {temperature}"),
                    Role::Text,
                );
            }
            fact(
                &mut rows,
                width,
                "limits",
                &format!(
                    "{} steps, {} s a command",
                    story.turns, start.limits.command_seconds
                ),
                Role::Text,
            );
            let (prompt, reply) = story.tokens;
            fact(
                &mut rows,
                width,
                "tokens",
                &format!("{} in, {} out", words::count(prompt), words::count(reply)),
                Role::Text,
            );
        }
        if let Some(report) = &story.report {
            rows.push((Line::new(), Target::None));
            rows.push((
                Line::of("sandbox   ", Role::Dim).with(&safe::one_line(&report.tier), Role::Strong),
                Target::None,
            ));
            // As wide as the longest name, and a little apart.
            let names = report.holds.keys().map(String::len).max();
            let wide = names.unwrap_or(0) + 2;
            for (name, holds) in &report.holds {
                let (sign, role, word) = match holds {
                    Holds::Yes => (glyphs.good(), Role::Pass, "held".to_owned()),
                    Holds::Watched => (glyphs.good(), Role::Dim, "watched".to_owned()),
                    Holds::No(why) => (glyphs.infra(), Role::Attention, format!("not held: {why}")),
                };
                let mut line = Line::of(sign, role).with(&format!(" {name:<wide$}"), Role::Text);
                let room = width.saturating_sub(line.width());
                push_cut(&mut line, &safe::one_line(&word), Role::Dim, room);
                rows.push((line, Target::None));
            }
            for note in &report.notes {
                let mut line = Line::of("  ", Role::Text);
                push_cut(
                    &mut line,
                    &safe::one_line(note),
                    Role::Dim,
                    width.saturating_sub(2),
                );
                rows.push((line, Target::None));
            }
        }
        let mut ends: Vec<(&str, String, Option<Url>)> = Vec::new();
        if let Some(task) = task.filter(|task| !task.base_commit.is_empty()) {
            let commit: String = task.base_commit.chars().take(12).collect();
            ends.push(("base", format!("{} {commit}", task.repo), task.base_url()));
        }
        if let Some(site) = site {
            let folder = site.folder(id);
            let url = Url::of_file(&site.host, &folder);
            ends.push(("folder", folder.to_string_lossy().into_owned(), url));
        }
        if !ends.is_empty() {
            rows.push((Line::new(), Target::None));
        }
        for (name, value, url) in ends {
            let row = fact(&mut rows, width, name, &value, Role::Text);
            links.extend(url.map(|url| (row, url)));
        }
        self.list.fit(rows.len(), height);
        let window = self.list.window();
        self.links = links
            .into_iter()
            .filter(|(row, _)| window.contains(row))
            .filter_map(|(row, url)| {
                let columns = VALUE..rows.get(row)?.0.width();
                let row = row - window.start;
                Some(Place { row, columns, url })
            })
            .collect();
        self.visible = rows
            .get(window)
            .unwrap_or_default()
            .iter()
            .map(|(line, _)| line.clone())
            .collect();
        self.targets = rows.into_iter().map(|(_, target)| target).collect();
    }
}

/// A row with a name and a value; its number.
fn fact(
    rows: &mut Vec<(Line, Target)>,
    width: usize,
    name: &str,
    value: &str,
    role: Role,
) -> usize {
    let mut line = Line::of(format!("{name:<VALUE$}"), Role::Dim);
    let room = width.saturating_sub(VALUE);
    push_cut(&mut line, &safe::one_line(value), role, room);
    rows.push((line, Target::None));
    rows.len() - 1
}

/// The tree of attempts that grew out of one another, this one marked.
fn branches(
    id: &str,
    story: &Story,
    library: &[Summary],
    glyphs: Glyphs,
    rows: &mut Vec<(Line, Target)>,
) {
    let parent_of = |id: &str| {
        library
            .iter()
            .find(|row| row.id == id)
            .and_then(|row| row.parent.clone())
    };
    let own = story.start.as_ref().and_then(|start| start.parent.clone());
    let mut root = own
        .as_ref()
        .map_or(id.to_owned(), |parent| parent.rollout.clone());
    for _ in 0..64 {
        match parent_of(&root) {
            Some(parent) => root = parent.rollout,
            None => break,
        }
    }
    let before = rows.len();
    tree(&root, id, 0, library, glyphs, rows);
    // A run without branches is no tree.
    if rows.len() - before <= 1 {
        rows.truncate(before);
        return;
    }
    rows.insert(before, (Line::of("branches", Role::Heading), Target::None));
    rows.push((Line::new(), Target::None));
}

fn tree(
    id: &str,
    here: &str,
    depth: usize,
    library: &[Summary],
    glyphs: Glyphs,
    rows: &mut Vec<(Line, Target)>,
) {
    if depth > 16 {
        return;
    }
    let row = library.iter().find(|row| row.id == id);
    let mut line = Line::of("  ".repeat(depth), Role::Dim);
    if depth > 0 {
        line.push(glyphs.last_branch(), Role::Dim);
        line.push(" ", Role::Text);
    }
    match row {
        Some(row) => {
            let (sign, role) = state_of(row, glyphs);
            line.push(sign, role);
            line.push(" ", Role::Text);
        }
        None => line.push("  ", Role::Text),
    }
    let ink = if id == here {
        Ink::of(Role::Accent).bold()
    } else {
        Ink::of(Role::Text)
    };
    let tail: String = id
        .chars()
        .skip(id.chars().count().saturating_sub(6))
        .collect();
    line.push(&tail, ink);
    if let Some(row) = row {
        let from = row
            .parent
            .as_ref()
            .map(|parent| format!("from step {}, ", parent.step))
            .unwrap_or_default();
        line.push(&format!("  {from}{} steps", row.steps), Role::Dim);
    }
    if id == here {
        line.push("  this one", Role::Dim);
    }
    rows.push((line, Target::Run(id.to_owned())));
    for child in library.iter().filter(|row| {
        row.parent
            .as_ref()
            .is_some_and(|parent| parent.rollout == id)
    }) {
        tree(&child.id, here, depth + 1, library, glyphs, rows);
    }
}

/// Sign and role of a row of the library.
#[must_use]
pub fn state_of(row: &Summary, glyphs: Glyphs) -> (&'static str, Role) {
    match (&row.verdict, row.live, &row.ended) {
        (Some(verdict), _, _) => glyphs.verdict(verdict),
        (None, true, Some(_)) => (glyphs.grading(), Role::Running),
        (None, true, None) => (glyphs.running(), Role::Running),
        (None, false, _) => (glyphs.waiting(), Role::Waiting),
    }
}
