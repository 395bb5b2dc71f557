//! Keys: parsing and printing them, reading `keymaps/*.toml`, and finding the command for a sequence.
