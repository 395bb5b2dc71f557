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
    /// Columns of the transcript, in percent.
    pub ratio: Option<u16>,
    /// Diff in two columns.
    pub side_by_side: bool,
    /// The welcome was seen.
    pub welcomed: bool,
    /// Values of the start form.
    pub form: BTreeMap<String, String>,
    /// Commands used last, newest first.
    pub recent: Vec<String>,
}
