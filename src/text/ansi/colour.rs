//! Select graphic rendition: what `ESC [ … m` asks for, as an [`Ink`].

use crate::text::line::Ink;
use crate::text::role::Role;

/// The ink after a sequence's parameters.
pub(super) fn changed(mut ink: Ink, parameters: &str, base: Role) -> Ink {
    let mut parts = parameters.split(';');
    while let Some(part) = parts.next() {
        let (code, details) = part.split_once(':').unwrap_or((part, ""));
        let code: u16 = if code.is_empty() {
            0
        } else {
            code.parse().unwrap_or(u16::MAX)
        };
        match code {
            0 => ink = Ink::of(base),
            1 => ink.bold = true,
            2 if ink.role == base => ink.role = Role::Dim,
            3 => ink.italic = true,
            4 => ink.underline = details != "0",
            21 => ink.underline = true,
            7 => ink.reverse = true,
            22 => {
                ink.bold = false;
                if ink.role == Role::Dim {
                    ink.role = base;
                }
            }
            23 => ink.italic = false,
            24 => ink.underline = false,
            27 => ink.reverse = false,
            30..=37 => ink.role = eight(code - 30),
            39 => ink.role = base,
            40..=47 => ink.over = Some(eight(code - 40)),
            49 => ink.over = None,
            90..=97 => ink.role = bright(code - 90),
            100..=107 => ink.over = Some(eight(code - 100)),
            38 | 48 => {
                let role = if details.is_empty() {
                    extended(&mut parts)
                } else {
                    // With colons, an empty colour space may stand before true colours.
                    let mut details = details.split(':').filter(|part| !part.is_empty());
                    extended(&mut details)
                };
                match (role, code) {
                    (Some(role), 38) => ink.role = role,
                    (role, 48) if role.is_some() => ink.over = role,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    ink
}

fn extended<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Role> {
    let mut number = || parts.next()?.parse::<u8>().ok();
    match number()? {
        5 => Some(palette(number()?)),
        2 => Some(nearest(number()?, number()?, number()?)),
        _ => None,
    }
}

fn eight(colour: u16) -> Role {
    Role::ansi(u8::try_from(colour).unwrap_or(7))
}

/// Bright colours are the eight again, but for bright black, which is the grey that programs dim with.
fn bright(colour: u16) -> Role {
    if colour == 0 {
        Role::Dim
    } else {
        eight(colour)
    }
}

/// The 256 colours: 16 named ones, a cube of 6×6×6, 24 greys.
pub(in crate::text) fn palette(colour: u8) -> Role {
    match colour {
        0..=7 => Role::ansi(colour),
        8..=15 => bright(u16::from(colour - 8)),
        16..=231 => {
            let level = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
            let cube = colour - 16;
            nearest(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (colour - 232);
            nearest(grey, grey, grey)
        }
    }
}

/// The one of the eight with the same hue; greys by how light they are.
pub(in crate::text) fn nearest(red: u8, green: u8, blue: u8) -> Role {
    let most = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    if most < 48 {
        return Role::Ansi0;
    }
    if most - least < most / 4 {
        return if most < 160 { Role::Dim } else { Role::Ansi7 };
    }
    let middle = least + (most - least) / 2;
    let bit = |part: u8, value: u8| if part > middle { value } else { 0 };
    Role::ansi(bit(red, 1) | bit(green, 2) | bit(blue, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(parameters: &str) -> Role {
        changed(Ink::of(Role::Output), parameters, Role::Output).role
    }

    #[test]
    fn colours_come_down_to_the_nearest_of_eight() {
        let cases = [
            ("31", Role::Ansi1),
            ("91", Role::Ansi1),
            ("90", Role::Dim),
            ("38;5;2", Role::Ansi2),
            ("38;5;196", Role::Ansi1),
            ("38;5;208", Role::Ansi3),
            ("38;5;51", Role::Ansi6),
            ("38;5;240", Role::Dim),
            ("38;5;255", Role::Ansi7),
            ("38;2;20;20;200", Role::Ansi4),
            ("38:2::250:250:0", Role::Ansi3),
            ("38;2;10;10;10", Role::Ansi0),
            ("31;39", Role::Output),
            ("31;", Role::Output),
            ("38;5", Role::Output),
            ("38;9;1", Role::Output),
            ("99999", Role::Output),
            ("2", Role::Dim),
            ("2;22", Role::Output),
        ];
        for (parameters, expected) in cases {
            assert_eq!(role(parameters), expected, "{parameters}");
        }
    }

    #[test]
    fn attributes_go_on_and_off() {
        let on = changed(Ink::of(Role::Output), "1;3;4;7;44", Role::Output);
        assert!(on.bold && on.italic && on.underline && on.reverse);
        assert_eq!(on.over, Some(Role::Ansi4));
        assert_eq!(
            changed(on, "22;23;24;27;49", Role::Output),
            Ink::of(Role::Output)
        );
        assert_eq!(changed(on, "", Role::Output), Ink::of(Role::Output));
        assert!(!changed(on, "4:0", Role::Output).underline);
    }
}
