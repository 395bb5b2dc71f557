//! The workbench without a terminal: its state, what each event does to it, and the one table of commands.
//!
//! Mental model: [`Event`] → [`update()`] (`&mut` [`State`]) → [`Effect`]s, which the [`executor`] carries out and answers
//! with news. Before a frame, [`settle`] brings positions and the rows in view up to date; drawing only reads. Nothing here
//! knows ratatui or the terminal, so the whole workbench runs in tests without either.

pub mod command;
pub mod effect;
pub mod engines;
pub mod event;
pub mod executor;
pub mod fences;
pub mod field;
pub mod form;
pub mod glyph;
pub mod layer;
pub mod layout;
pub mod library;
pub mod list;
pub mod messages;
pub mod news;
pub mod query;
pub mod run;
pub mod scrub;
pub mod session;
pub mod state;
pub mod story;
pub mod tasks;
pub mod update;
pub mod words;

pub use effect::Effect;
pub use event::Event;
pub use news::News;
pub use state::State;
pub use update::{settle, update};
