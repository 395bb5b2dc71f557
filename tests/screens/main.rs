//! The whole workbench on a terminal emulator, driven by keys.
//!
//! Each view and layer is a picture (`insta`) at 80×24 and 160×48, and beside each picture stands in words what must be on
//! it: a picture cannot be accepted unread.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that cannot go on should say where"
)]

mod bench;
mod costs;
mod hostile;
mod links;
mod looks;
mod steering;
mod views;
