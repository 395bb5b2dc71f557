//! Plain strings in, lines out. Knows nothing of the terminal or of the rooms above.

pub mod ansi;
pub mod diff;
pub mod filter;
pub mod fuzzy;
pub mod hex;
pub mod highlight;
pub mod line;
pub mod log;
pub mod markdown;
pub mod mask;
pub mod nearest;
pub mod patch;
pub mod role;
pub mod rows;
pub mod safe;
pub mod screen;
pub mod search;
pub mod secret;
pub mod url;
pub mod wrap;

pub use line::{Ink, Line};
pub use role::Role;
