//! Progress of downloads and pulls: a bar in a terminal, a line for each thing in a pipe; both on standard error.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::ink;
use crate::batch::supply::{Fetching, Telling};
use crate::text::safe::one_line;

/// Shows how far things are.
pub(crate) struct Transfer {
    bar: Option<ProgressBar>,
    told: Mutex<BTreeSet<String>>,
}

impl Transfer {
    /// A bar where a person looks, lines elsewhere.
    pub(crate) fn new() -> Self {
        let style =
            ProgressStyle::with_template("{msg}  {bytes} of {total_bytes}  {bytes_per_sec}");
        let bar = match style {
            Ok(style) if std::io::stderr().is_terminal() => {
                Some(ProgressBar::new(0).with_style(style))
            }
            _ => None,
        };
        Self {
            bar,
            told: Mutex::new(BTreeSet::new()),
        }
    }

    /// `done` bytes of a file have come.
    pub(crate) fn tell(&self, name: &str, done: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            bar.set_message(one_line(name));
            bar.set_length(total.unwrap_or(done));
            bar.set_position(done);
        } else if self
            .told
            .lock()
            .is_ok_and(|mut told| told.insert(name.to_owned()))
        {
            let size = total
                .map(|total| format!(" ({})", HumanBytes(total)))
                .unwrap_or_default();
            ink::complain(&format!("downloading {}{size}", one_line(name)));
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows every download that it hears of, on one bar while there are any.
pub(crate) fn telling() -> Telling {
    let under_way: Mutex<Option<Transfer>> = Mutex::new(None);
    Arc::new(move |fetching| {
        let Ok(mut transfer) = under_way.lock() else {
            return;
        };
        match fetching {
            Fetching::Some { what, done, total } => transfer
                .get_or_insert_with(Transfer::new)
                .tell(what, done, total),
            Fetching::Over => *transfer = None,
        }
    })
}
