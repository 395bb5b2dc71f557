//! Settings and paths. Knows nothing of the rooms above.
