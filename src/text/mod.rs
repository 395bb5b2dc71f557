//! Plain strings in, lines out. Knows nothing of the terminal or of the rooms above.
