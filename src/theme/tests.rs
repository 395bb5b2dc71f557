//! The themes in the binary hold what is asked of them: no warnings, every role, contrast, and what must differ differs, at
//! every level of colour and for eyes without red or green receptors.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier};

use super::color::{self, Rgb, contrast, distance};
use super::*;
use crate::config::ThemeChoice;

/// A terminal's ground, ink and 16 colours.
struct Terminal {
    ground: Rgb,
    ink: Rgb,
    colors: fn(Color) -> Rgb,
    /// What text in one of the 16 has at least: xterm's own red and magenta miss 4.5 on black.
    least: f64,
}

/// xterm's defaults on black, as in its `XTerm-col.ad`.
const XTERM: Terminal = Terminal {
    ground: (0, 0, 0),
    ink: (229, 229, 229),
    colors: |color| color::value(color).unwrap(),
    least: 3.0,
};

/// The palette of GitHub's light theme for terminals (primer/github-vscode-theme), for want of a standard one.
const LIGHT: Terminal = Terminal {
    ground: (255, 255, 255),
    ink: (0x1f, 0x23, 0x28),
    colors: |color| match color {
        Color::Red => (0xcf, 0x22, 0x2e),
        Color::Green => (0x11, 0x63, 0x29),
        Color::Yellow => (0x4d, 0x2d, 0x00),
        Color::Magenta => (0x82, 0x50, 0xdf),
        Color::Cyan => (0x1b, 0x7c, 0x83),
        Color::Blue => (0x09, 0x69, 0xda),
        Color::DarkGray => (0x57, 0x60, 0x6a),
        Color::LightBlue => (0x21, 0x8b, 0xff),
        other => panic!("{other:?} is not in the palette: add it"),
    },
    least: 4.5,
};

/// The same for its dark theme.
const DARK: Terminal = Terminal {
    ground: (0x0d, 0x11, 0x17),
    ink: (0xe6, 0xed, 0xf3),
    colors: |color| match color {
        Color::Red => (0xff, 0x7b, 0x72),
        Color::Green => (0x3f, 0xb9, 0x50),
        Color::Yellow => (0xd2, 0x99, 0x22),
        Color::Magenta => (0xbc, 0x8c, 0xff),
        Color::Cyan => (0x39, 0xc5, 0xcf),
        Color::Blue => (0x58, 0xa6, 0xff),
        Color::DarkGray => (0x6e, 0x76, 0x81),
        Color::LightBlue => (0x79, 0xc0, 0xff),
        other => panic!("{other:?} is not in the palette: add it"),
    },
    least: 4.5,
};

/// Themes that leave the ground to the terminal.
const ON_TERMINALS: &[&str] = &["terminal", "colour-blind"];

/// Grounds that anything may stand on.
const FLAT: &[Role] = &[
    Role::Background,
    Role::Popup,
    Role::Selection,
    Role::SelectionIdle,
];

/// Grounds that code stands on besides.
const CHANGED: &[Role] = &[
    Role::DiffAdd,
    Role::DiffAddWord,
    Role::DiffDel,
    Role::DiffDelWord,
];

/// What is only there for reference, or is a mark: 3 is enough.
fn is_mark(role: Role) -> bool {
    matches!(
        role,
        Role::Dim
            | Role::Rule
            | Role::Bar
            | Role::Focus
            | Role::Waiting
            | Role::Skip
            | Role::DiffHunk
            | Role::Gutter
            | Role::MarkupList
            | Role::CodeComment
            | Role::Chart1
            | Role::Chart2
            | Role::Chart3
            | Role::Chart4
    ) || role.is_ansi()
}

fn stands_on(role: Role) -> Vec<Role> {
    let mut grounds = FLAT.to_vec();
    match role {
        // Rules and bars are not drawn in lists.
        Role::Rule | Role::Bar => grounds.truncate(2),
        Role::DiffAdd | Role::DiffAddWord => grounds.extend([Role::DiffAdd, Role::DiffAddWord]),
        Role::DiffDel | Role::DiffDelWord => grounds.extend([Role::DiffDel, Role::DiffDelWord]),
        _ if role == Role::Text || role == Role::Dim || role.name().starts_with("code") => {
            grounds.extend(CHANGED);
        }
        _ => {}
    }
    grounds
}

/// Themes that paint their own ground.
fn painted() -> Vec<String> {
    let mut names = names(None);
    names.retain(|name| name != "mono" && !ON_TERMINALS.contains(&name.as_str()));
    names
}

fn loaded(name: &str, level: Level) -> Theme {
    let (theme, warnings) = load(name, None, level);
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{name}: {told:?}");
    theme
}

fn fore(theme: &Theme, role: Role) -> Rgb {
    let style = theme.style(role);
    let color = style.fg.or(theme.style(Role::Text).fg);
    color::value(color.unwrap()).unwrap()
}

fn ground(theme: &Theme, role: Role) -> Rgb {
    let ground = |role| theme.style(role).bg;
    color::value(ground(role).or(ground(Role::Background)).unwrap()).unwrap()
}

#[test]
fn every_file_is_built_in_and_loads_without_warning_at_every_level() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("themes");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (name, text) = (
            path.file_stem().unwrap().to_str().unwrap().to_owned(),
            std::fs::read_to_string(&path).unwrap_or_default(),
        );
        if path.extension().is_some_and(|ending| ending == "toml") {
            assert!(BUILT_IN.contains(&(name.as_str(), text.as_str())), "{name}");
        }
    }
    assert!(names(None).len() >= 9, "{:?}", names(None));
    assert!(!names(None).contains(&"_painted".to_owned()));
    for (name, _) in BUILT_IN.iter().filter(|(name, _)| !name.starts_with('_')) {
        for level in [Level::True, Level::Ansi256, Level::Ansi16, Level::Mono] {
            loaded(name, level);
        }
    }
}

#[test]
fn every_role_is_named_by_every_theme_or_by_what_it_begins_with() {
    for name in names(None) {
        let mut named = std::collections::BTreeSet::new();
        let mut next = Some(name.clone());
        while let Some(theme) = next.take() {
            let (_, text) = BUILT_IN.iter().find(|(there, _)| *there == theme).unwrap();
            let table: toml::Table = toml::from_str(text).unwrap();
            next = table
                .get("inherits")
                .and_then(|name| name.as_str())
                .map(str::to_owned);
            named.extend(table.into_iter().map(|(key, _)| key));
        }
        for role in Role::ALL {
            let mut part = role.name();
            while !named.contains(part) {
                let (shorter, _) = part
                    .rsplit_once('.')
                    .unwrap_or_else(|| panic!("{name}: {} has no entry", role.name()));
                part = shorter;
            }
        }
    }
}

#[test]
fn painted_themes_can_be_read_on_every_ground() {
    let mut wrong = Vec::new();
    for name in painted() {
        let (text, mark) = if name.starts_with("high-contrast") {
            (7.0, 4.5)
        } else {
            (4.5, 3.0)
        };
        // 240 colours are too few to keep every published colour's contrast: a fifth may be lost.
        for (level, share) in [(Level::True, 1.0), (Level::Ansi256, 0.8)] {
            let theme = loaded(&name, level);
            for role in Role::ALL.iter().filter(|role| !FLAT.contains(role)) {
                let least = share * if is_mark(*role) { mark } else { text };
                for on in stands_on(*role) {
                    let found = contrast(fore(&theme, *role), ground(&theme, on));
                    if found < least {
                        wrong.push(format!(
                            "{name} at {level:?}: {} on {}: {found:.2} < {least:.2}",
                            role.name(),
                            on.name()
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_theme_is_light_where_its_ground_is() {
    for name in painted() {
        let theme = loaded(&name, Level::True);
        let light = contrast(ground(&theme, Role::Background), (0, 0, 0)) > 10.0;
        assert_eq!(theme.light, light, "{name}");
    }
}

#[test]
fn the_16_colours_can_be_read_on_the_terminals_of_reference() {
    let mut wrong = Vec::new();
    for name in ON_TERMINALS {
        let theme = loaded(name, Level::Ansi16);
        for terminal in [XTERM, DARK, LIGHT] {
            for role in Role::ALL {
                let style = theme.style(*role);
                assert_eq!(style.bg, None, "{name}: {}", role.name());
                let mut ink = match style.fg {
                    None | Some(Color::Reset) => terminal.ink,
                    Some(color) => (terminal.colors)(color),
                };
                let dim = style.add_modifier.contains(Modifier::DIM);
                if dim {
                    // How dim is dim differs; half way to the ground is the least of those looked at.
                    let half = |ink: u8, ground: u8| ink.midpoint(ground);
                    ink = (
                        half(ink.0, terminal.ground.0),
                        half(ink.1, terminal.ground.1),
                        half(ink.2, terminal.ground.2),
                    );
                }
                // `light-blue` stands where a theme has no better one; it has a sign or a word beside it.
                let mark = is_mark(*role) || dim || style.fg == Some(Color::LightBlue);
                let least = if mark { 3.0 } else { terminal.least };
                let found = contrast(ink, terminal.ground);
                if found < least {
                    wrong.push(format!("{name}: {}: {found:.2} < {least}", role.name()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What must never look the same.
const APART: &[(Role, Role)] = &[
    (Role::Text, Role::Selection),
    (Role::Text, Role::Dim),
    (Role::Text, Role::Strong),
    (Role::Text, Role::Accent),
    (Role::Text, Role::Key),
    (Role::Text, Role::Input),
    (Role::Text, Role::Match),
    (Role::Text, Role::Error),
    (Role::Match, Role::MatchCurrent),
    (Role::Text, Role::Cursor),
    (Role::Text, Role::Attention),
    (Role::Thought, Role::Action),
    (Role::Thought, Role::Human),
    (Role::Waiting, Role::Running),
    (Role::DiffAdd, Role::DiffDel),
    (Role::DiffAdd, Role::DiffContext),
    (Role::DiffDel, Role::DiffContext),
    (Role::DiffAdd, Role::DiffAddWord),
    (Role::DiffDel, Role::DiffDelWord),
    (Role::DiffAddWord, Role::DiffDelWord),
    (Role::Pass, Role::Fail),
    (Role::Pass, Role::Skip),
    (Role::Fail, Role::Skip),
    (Role::MarkupHeading, Role::Text),
    (Role::MarkupLink, Role::Text),
    (Role::CodeComment, Role::Code),
];

#[test]
fn what_must_differ_differs_at_every_level() {
    for name in names(None) {
        for level in [Level::True, Level::Ansi256, Level::Ansi16, Level::Mono] {
            let theme = loaded(&name, level);
            for (one, other) in APART {
                assert_ne!(
                    theme.style(*one),
                    theme.style(*other),
                    "{name} at {level:?}: {} and {}",
                    one.name(),
                    other.name()
                );
            }
        }
    }
}

#[test]
fn painted_grounds_stay_apart_at_256_colours() {
    for name in painted() {
        for level in [Level::True, Level::Ansi256] {
            let theme = loaded(&name, level);
            for (one, other) in [
                (Role::Background, Role::Selection),
                (Role::Popup, Role::Selection),
                (Role::Background, Role::DiffAdd),
                (Role::Background, Role::DiffDel),
                (Role::DiffAdd, Role::DiffAddWord),
                (Role::DiffDel, Role::DiffDelWord),
            ] {
                assert_ne!(
                    ground(&theme, one),
                    ground(&theme, other),
                    "{name} at {level:?}: {} and {}",
                    one.name(),
                    other.name()
                );
            }
        }
    }
}

#[test]
fn mono_has_no_colour_and_other_themes_have_none_without_colours() {
    for name in names(None) {
        let theme = loaded(&name, Level::Mono);
        for role in Role::ALL {
            let style = theme.style(*role);
            assert_eq!((style.fg, style.bg), (None, None), "{}", role.name());
        }
    }
}

#[test]
fn a_painted_theme_gives_way_to_the_terminals_own_at_16_colours() {
    for name in painted() {
        let theme = loaded(&name, Level::Ansi16);
        let instead = if name.starts_with("colour-blind") {
            "colour-blind"
        } else {
            "terminal"
        };
        assert_eq!(theme, loaded(instead, Level::Ansi16), "{name}");
    }
}

/// How a colour looks without one kind of receptors: the matrices for severity 1.0 of Machado, Oliveira and Fernandes, "A
/// Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), applied to linear light.
const PROTANOPIA: [[f64; 3]; 3] = [
    [0.152_286, 1.052_583, -0.204_868],
    [0.114_503, 0.786_281, 0.099_216],
    [-0.003_882, -0.048_116, 1.051_998],
];
const DEUTERANOPIA: [[f64; 3]; 3] = [
    [0.367_322, 0.860_646, -0.227_968],
    [0.280_085, 0.672_501, 0.047_413],
    [-0.011_820, 0.042_940, 0.968_881],
];

#[test]
fn colour_blind_themes_keep_good_and_bad_apart() {
    let mut worst = BTreeMap::new();
    for name in names(None) {
        // The 16 colours as xterm has them; its grounds are the terminal's.
        let level = if name == "colour-blind" {
            Level::Ansi16
        } else {
            Level::True
        };
        if name == "mono" {
            continue;
        }
        let theme = loaded(&name, level);
        for (matrix, eyes) in [(PROTANOPIA, "protanopia"), (DEUTERANOPIA, "deuteranopia")] {
            let seen = |color| color::through(matrix, color);
            let inks = [
                (Role::DiffAdd, Role::DiffDel),
                (Role::Pass, Role::Fail),
                (Role::Resolved, Role::Unresolved),
            ]
            .map(|(good, bad)| distance(seen(fore(&theme, good)), seen(fore(&theme, bad))));
            let least = inks.into_iter().fold(1.0, f64::min);
            let entry = worst.entry(name.clone()).or_insert(1.0);
            *entry = f64::min(*entry, least);
            if !name.starts_with("colour-blind") {
                continue;
            }
            assert!(least > 0.2, "{name} with {eyes}: {least:.3}");
            if level == Level::True {
                let lines = distance(
                    seen(ground(&theme, Role::DiffAdd)),
                    seen(ground(&theme, Role::DiffDel)),
                );
                let words = distance(
                    seen(ground(&theme, Role::DiffAddWord)),
                    seen(ground(&theme, Role::DiffDelWord)),
                );
                assert!(
                    lines > 0.03 && words > 0.06,
                    "{name} with {eyes}: {lines:.3}, {words:.3}"
                );
            }
        }
    }
    // The simulation is worth something only where it tells green and red from each other badly.
    let gruvbox = worst.get("gruvbox-dark").unwrap();
    assert!(*gruvbox < 0.1, "{worst:?}");
}

#[test]
fn mistakes_are_told_with_their_places_and_cost_only_their_own_entry() {
    let folder = tempfile::tempdir().unwrap();
    let text = "inherits = \"mono\"\nlight = 3\n\"ui.kye\" = \"red\"\n\"ui.key\" = { fg = \"rot\", bg = \"blue\", glow = 1 }\n\"ui.dim\" = { modifiers = [\"dim\", \"blink\"] }\n\n[palette]\nred = \"#ff0000\"\ngreen = \"#00ff\"\n";
    std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    let (theme, warnings) = load("mine", Some(folder.path()), Level::True);
    let prefix = format!("{}/", folder.path().display());
    let told: Vec<String> = warnings
        .iter()
        .map(|warning| warning.to_string().replace(&prefix, ""))
        .collect();
    for start in [
        "mine.toml:2:9: `light` is true or false",
        "mine.toml:3:1: unknown role `ui.kye`; did you mean `ui.key`?",
        "mine.toml:4:19: `ui.key`: `rot` is no colour",
        "mine.toml:4:39: `ui.key`: unknown key `glow`",
        "mine.toml:5:34: `ui.dim`: no modifier; known: bold",
        "mine.toml:9:9: `green` of the palette",
    ] {
        assert!(
            told.iter().any(|text| text.starts_with(start)),
            "{start}: {told:#?}"
        );
    }
    assert_eq!(told.len(), 6, "{told:#?}");
    assert_eq!(theme.style(Role::Key).bg, Some(Color::Blue));
    assert_eq!(theme.style(Role::Dim).add_modifier, Modifier::DIM);
    assert_eq!(
        theme.style(Role::Strong),
        loaded("mono", Level::True).style(Role::Strong)
    );
}

#[test]
fn what_cannot_be_read_is_told_and_the_terminals_theme_is_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("torn.toml"),
        "\"ui.key\" = \"red\"\n[pal",
    )
    .unwrap();
    std::fs::write(folder.path().join("me.toml"), "inherits = \"me\"\n").unwrap();
    for (name, start) in [
        ("torn", "torn.toml:2:"),
        ("me", "theme me: "),
        ("no", "theme no: "),
    ] {
        let (theme, warnings) = load(name, Some(folder.path()), Level::Ansi16);
        let told = warnings.first().unwrap().to_string();
        assert!(told.contains(start), "{told}");
        assert_eq!(
            theme.style(Role::Key),
            loaded("terminal", Level::Ansi16).style(Role::Key)
        );
    }
}

#[test]
fn a_file_of_the_users_may_inherit_from_the_one_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = "inherits = \"gruvbox-dark\"\n[palette]\naccent = \"#123456\"\n";
    std::fs::write(folder.path().join("gruvbox-dark.toml"), text).unwrap();
    std::fs::write(folder.path().join("aaa.toml"), "").unwrap();
    let (theme, warnings) = load("gruvbox-dark", Some(folder.path()), Level::True);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(fore(&theme, Role::Accent), (0x12, 0x34, 0x56));
    assert_eq!(
        fore(&theme, Role::Key),
        fore(&loaded("gruvbox-dark", Level::True), Role::Key)
    );
    let names = names(Some(folder.path()));
    assert_eq!(names.last().map(String::as_str), Some("aaa"));
    assert_eq!(
        names.iter().filter(|name| *name == "gruvbox-dark").count(),
        1
    );
}

#[test]
fn the_ground_chooses_where_the_settings_name_two() {
    let both = ThemeChoice::ByGround {
        dark: "d".into(),
        light: "l".into(),
    };
    assert_eq!(choose(Some(&both), Some(true)), "l");
    assert_eq!(choose(Some(&both), Some(false)), "d");
    assert_eq!(choose(Some(&both), None), "d");
    let one = ThemeChoice::Always("x".into());
    assert_eq!(choose(Some(&one), Some(true)), "x");
    assert_eq!(choose(None, Some(true)), DEFAULT);
}

#[test]
fn code_on_a_changed_line_keeps_its_colour_and_takes_the_ground() {
    let theme = loaded("gruvbox-dark", Level::True);
    let keyword = theme.ink(Ink::of(Role::CodeKeyword).over(Role::DiffAdd));
    assert_eq!(keyword.fg, theme.style(Role::CodeKeyword).fg);
    assert_eq!(keyword.bg, theme.style(Role::DiffAdd).bg);
    // Without grounds of its own, plain code takes the colour of the line.
    let theme = loaded("terminal", Level::Ansi16);
    let plain = theme.ink(Ink::of(Role::Code).over(Role::DiffAdd));
    assert_eq!(plain.fg, Some(Color::Green));
}

#[test]
fn a_ground_that_a_program_asked_for_can_be_read_whatever_it_wrote_on_it() {
    for name in names(None) {
        let theme = loaded(&name, Level::True);
        for role in [Role::Text, Role::Ansi1, Role::Ansi7] {
            let style = theme.ink(Ink::of(role).over(Role::Ansi1));
            assert!(style.add_modifier.contains(Modifier::REVERSED), "{name}");
            assert_eq!((style.fg, style.bg), (theme.style(Role::Ansi1).fg, None));
        }
        let twice = Ink {
            reverse: true,
            ..Ink::of(Role::Text).over(Role::Ansi1)
        };
        assert!(!theme.ink(twice).add_modifier.contains(Modifier::REVERSED));
    }
}
