//! The workbench as people sit in front of it: the real program in a pty, keys typed, the screen read.
//!
//! What is asserted are words on the screen, events in the trajectory, and the bytes that reached the terminal; never where
//! something stands. With `SPOTTER_RECORD=FOLDER` every sitting leaves `NAME.cast` (asciinema v2) and `NAME.svg` there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::format_collect,
    dead_code,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that cannot go on should say where, and a session is told in one piece"
)]

mod ends;
mod hostile;
#[path = "../model_server/mod.rs"]
mod model_server;
mod record;
mod seat;
mod session;
mod storm;
#[path = "../workbench/mod.rs"]
mod workbench;
