//! Drawing: from the state to a frame. No IO, no channels.
