//! Which themes there are, and which of them a session begins with.
//!
//! The setting is one name, or one for each ground: `theme = "mono"`, `theme = { dark = "gruvbox-dark", light = "…" }`. With
//! two, the terminal's own answer decides; one that does not answer is taken for dark, as most are.

use std::path::Path;

use crate::config::ThemeChoice;

/// Themes in the binary. A name that begins with `_` is no theme by itself, but what others inherit.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("terminal", include_str!("../../themes/terminal.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
    (
        "catppuccin-mocha",
        include_str!("../../themes/catppuccin-mocha.toml"),
    ),
    (
        "catppuccin-latte",
        include_str!("../../themes/catppuccin-latte.toml"),
    ),
    (
        "gruvbox-dark",
        include_str!("../../themes/gruvbox-dark.toml"),
    ),
    (
        "high-contrast-dark",
        include_str!("../../themes/high-contrast-dark.toml"),
    ),
    (
        "high-contrast-light",
        include_str!("../../themes/high-contrast-light.toml"),
    ),
    (
        "colour-blind",
        include_str!("../../themes/colour-blind.toml"),
    ),
    (
        "colour-blind-dark",
        include_str!("../../themes/colour-blind-dark.toml"),
    ),
    (
        "colour-blind-light",
        include_str!("../../themes/colour-blind-light.toml"),
    ),
    ("_painted", include_str!("../../themes/_painted.toml")),
];

/// The theme where nothing else is asked for.
pub const DEFAULT: &str = "terminal";

/// Names of the themes there are: the built-in ones, then the user's own in the order of the alphabet.
#[must_use]
pub fn names(folder: Option<&Path>) -> Vec<String> {
    let mut names: Vec<String> = BUILT_IN
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.extend(crate::config::own_files(folder, &names));
    names
}

/// The theme to use. `light` is the terminal's ground, where it is known.
#[must_use]
pub fn choose(wanted: Option<&ThemeChoice>, light: Option<bool>) -> &str {
    match wanted {
        None => DEFAULT,
        Some(ThemeChoice::Always(name)) => name,
        Some(ThemeChoice::ByGround { light: name, .. }) if light == Some(true) => name,
        Some(ThemeChoice::ByGround { dark, .. }) => dark,
    }
}
