//! spotter: a terminal workbench for software-engineering agents.
//!
//! A **task** is attempted in a **rollout**: an agent's scaffold asks a model for the next action, a sandbox carries
//! it out, until it submits, is stopped or runs out; then the patch is graded with the task's own tests. Everything
//! that happens is an event, written to the **trajectory** before anybody sees it.
//!
//! The modules are rooms of a house; imports point down only (`ARCHITECTURE.md`; `tests/house.rs` holds the rule):
//!
//! ```text
//! cli → ui → term → app → theme → keymap → serve → gym → batch → rollout → trajectory → agent → grade → sandbox → task → model → engine → hub → text → config
//! ```

pub mod agent;
pub mod app;
pub mod batch;
pub mod cli;
pub mod config;
pub mod engine;
pub mod grade;
pub mod gym;
pub mod hub;
pub mod keymap;
pub mod model;
pub mod rollout;
pub mod sandbox;
pub mod serve;
pub mod task;
pub mod term;
pub mod text;
pub mod theme;
pub mod train;
pub mod trajectory;
pub mod ui;
