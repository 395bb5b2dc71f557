//! Progress of downloads and pulls: a bar in a terminal, a line for each thing in a pipe; both on standard error.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::ink;
use crate::batch::supply::{Fetching, Telling};
use crate::hub::News;
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

    /// Bytes of a file have come, or the hub did not answer: the latter stays on the screen.
    pub(crate) fn tell(&self, news: News<'_>) {
        let (name, done, total) = match news {
            News::Coming { file, done, total } => (file, done, total),
            News::Cached { repo, why } => {
                let line = one_line(&format!("{repo} as the cache has it: {why}"));
                return match &self.bar {
                    Some(bar) => bar.suspend(|| ink::complain(&line)),
                    None => ink::complain(&line),
                };
            }
        };
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
            Fetching::File(news) => transfer.get_or_insert_with(Transfer::new).tell(news),
            Fetching::Layer {
                image,
                layer,
                done,
                total,
            } => transfer
                .get_or_insert_with(Transfer::new)
                .tell(News::Coming {
                    file: &format!("{image} {layer}"),
                    done,
                    total: Some(total),
                }),
            Fetching::Over => *transfer = None,
        }
    })
}
