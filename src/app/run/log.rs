//! A raw test log over the tests pane: a big file of which only the rows in view are made.

use std::sync::Arc;

use crate::app::list::{Move, Scroll};
use crate::app::run::Room;
use crate::text::log::Log;
use crate::text::search::Query;
use crate::text::{Ink, Line, Role, wrap};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct LogPane {
    /// The file's name in the run's folder.
    pub file: String,
    /// The log, or why there is none; `None` while it is read.
    pub log: Option<Result<Arc<Log>, String>>,
    /// Where one is.
    pub scroll: Scroll,
    /// Line to stand on once the log is there, from 1.
    pub line: Option<usize>,
    /// Lines of the window.
    pub visible: Vec<Line>,
}

impl LogPane {
    /// Of a file, at a line.
    #[must_use]
    pub fn of(file: &str, line: Option<usize>) -> Self {
        Self {
            file: file.into(),
            line,
            ..Self::default()
        }
    }

    /// Scroll.
    pub fn go(&mut self, step: Move) {
        self.scroll.go(step);
    }

    /// The next line that holds a text, from the marked one or the window's top.
    pub fn find(&mut self, query: &Query, forward: bool) -> bool {
        let Some(Ok(log)) = &self.log else {
            return false;
        };
        let from = self
            .line
            .map_or(self.scroll.top, |line| line.saturating_sub(1));
        let found = if forward {
            log.find(query, from + 1)
        } else {
            log.find_back(query, from)
        };
        if let Some(line) = found {
            self.line = Some(line + 1);
            self.show(line);
        }
        found.is_some()
    }

    fn show(&mut self, line: usize) {
        let third = self.scroll.height / 3;
        self.scroll.go(Move::To(line.saturating_sub(third)));
    }

    /// Bring the lines up to date.
    pub fn settle(&mut self, Room { width, height, .. }: Room) {
        self.visible.clear();
        match &self.log {
            None => self.visible.push(Line::of("the log is read …", Role::Dim)),
            Some(Err(why)) => {
                let line = Line::of(crate::text::safe::one_line(why), Role::Error);
                self.visible
                    .extend(wrap::rows(&line, width, wrap::Hang::None));
            }
            Some(Ok(log)) => {
                let log = Arc::clone(log);
                let first = self.scroll.len == 0;
                self.scroll.fit(log.len(), height);
                if first && let Some(line) = self.line {
                    self.show(line.saturating_sub(1));
                }
                let digits = log.len().to_string().len();
                for number in self.scroll.window() {
                    let here = self.line == Some(number + 1);
                    let ink = if here {
                        Ink::of(Role::Accent).bold()
                    } else {
                        Ink::of(Role::Gutter)
                    };
                    let mut line = Line::of(format!("{:>digits$} ", number + 1), ink);
                    for (piece, ink) in log.line(number, Role::Output).pieces() {
                        line.push(piece, ink);
                    }
                    self.visible.push(wrap::cut(&line, width));
                }
            }
        }
    }
}
