//! Themes: reading `themes/*.toml`, and what each role looks like at the colour level of the terminal.
