//! What holds of the gym's programs as they are drawn, before anything runs.
