//! What the workbench says: toasts that pass, and the log that keeps all of them.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Messages that are kept; the oldest go first.
const MOST: usize = 500;
/// A toast is shown for so many seconds; an error until a key is pressed after that time.
pub const TOAST_SECONDS: f64 = 4.0;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Something did not work.
    Error,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub weight: Weight,
    /// What, why, and which key helps: one sentence or two.
    pub text: String,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    all: VecDeque<Message>,
    /// The message that is shown over the screen now.
    pub toast: Option<Message>,
}

impl Messages {
    /// Say something.
    pub fn say(&mut self, at: Timestamp, weight: Weight, text: impl Into<String>) {
        let text = crate::text::safe::one_line(&text.into());
        let message = Message { at, weight, text };
        self.toast = Some(message.clone());
        self.all.push_back(message);
        if self.all.len() > MOST {
            self.all.pop_front();
        }
    }

    /// All that are kept, newest first.
    #[must_use]
    pub fn newest(&self) -> impl ExactSizeIterator<Item = &Message> {
        self.all.iter().rev()
    }

    /// Take the toast away once it was shown long enough. Whether anything changed.
    pub fn fade(&mut self, now: Timestamp) -> bool {
        let old = self.toast.as_ref().is_some_and(|toast| {
            toast.weight != Weight::Error
                && now.duration_since(toast.at).as_secs_f64() >= TOAST_SECONDS
        });
        if old {
            self.toast = None;
        }
        old
    }
}
