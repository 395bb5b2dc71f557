//! What is remembered for the next session: theme, keymap, layout, the last form. A file that people can read and delete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Theme's name.
    pub theme: Option<String>,
    /// Keymap's name.
    pub keymap: Option<String>,
    /// Layout of the run view; presenting is not remembered, but what was there before it.
    pub layout: Option<String>,
    /// Columns of the transcript, in percent.
    pub ratio: Option<u16>,
    /// Diff in two columns.
    pub side_by_side: bool,
    /// A replay in presenter mode does not stop by itself.
    pub no_pauses: bool,
    /// The welcome was seen.
    pub welcomed: bool,
    /// Values of the start form.
    pub form: BTreeMap<String, String>,
    /// Commands used last, newest first.
    pub recent: Vec<String>,
    /// Models that attempts were started with, newest first.
    pub models: Vec<String>,
}

/// Models that are remembered.
const MODELS: usize = 20;

impl Session {
    /// Attempts are started with a model.
    pub fn use_model(&mut self, spec: &str) {
        self.models.retain(|there| there != spec);
        self.models.insert(0, spec.to_owned());
        self.models.truncate(MODELS);
    }
}
