//! The trainer held against differences, against torch, against the engine, against itself after a kill; and the way from texts to rows.

mod gradients;
mod making;
mod steered;
mod texts;
mod torch;
