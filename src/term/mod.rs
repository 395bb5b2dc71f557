//! The terminal: entering and leaving it, its input, its frames, what it can do.
