//! Plain strings in, lines out. Knows nothing of the terminal or of the rooms above.

pub mod filter;
pub mod hex;
pub mod nearest;
pub mod patch;
pub mod safe;
pub mod secret;
