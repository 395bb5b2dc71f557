//! Colours of theme files, and the way down from true colour to 256, 16 and none.
//!
//! Distances are taken in OKLab (Björn Ottosson, 2020), where equal steps look equal; contrast is WCAG 2's ratio of relative
//! luminances. The 16 colours of a terminal are its user's own, so their values here (xterm's) only serve to choose among them.

use ratatui::style::Color;

/// How many colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// None: attributes only.
    Mono,
    /// The 16 of ANSI.
    Ansi16,
    /// xterm's 256.
    Ansi256,
    /// 24 bits.
    True,
}

/// Red, green, blue.
pub type Rgb = (u8, u8, u8);

const NAMES: &[(&str, Color, Rgb)] = &[
    ("black", Color::Black, (0, 0, 0)),
    ("red", Color::Red, (205, 0, 0)),
    ("green", Color::Green, (0, 205, 0)),
    ("yellow", Color::Yellow, (205, 205, 0)),
    ("blue", Color::Blue, (0, 0, 238)),
    ("magenta", Color::Magenta, (205, 0, 205)),
    ("cyan", Color::Cyan, (0, 205, 205)),
    ("light-gray", Color::Gray, (229, 229, 229)),
    ("gray", Color::DarkGray, (127, 127, 127)),
    ("light-red", Color::LightRed, (255, 0, 0)),
    ("light-green", Color::LightGreen, (0, 255, 0)),
    ("light-yellow", Color::LightYellow, (255, 255, 0)),
    ("light-blue", Color::LightBlue, (92, 92, 255)),
    ("light-magenta", Color::LightMagenta, (255, 0, 255)),
    ("light-cyan", Color::LightCyan, (0, 255, 255)),
    ("white", Color::White, (255, 255, 255)),
];

/// A colour as a theme file writes it: `#rrggbb`, `default`, or one of the 16 names.
#[must_use]
pub fn parse(text: &str) -> Option<Color> {
    if text == "default" {
        return Some(Color::Reset);
    }
    if let Some(hex) = text.strip_prefix('#') {
        if hex.len() != 6 {
            return None;
        }
        let value = u32::from_str_radix(hex, 16).ok()?;
        let [_, red, green, blue] = value.to_be_bytes();
        return Some(rgb((red, green, blue)));
    }
    NAMES
        .iter()
        .find(|(name, _, _)| *name == text)
        .map(|(_, color, _)| *color)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where colours are made from numbers"
)]
fn rgb((red, green, blue): Rgb) -> Color {
    Color::Rgb(red, green, blue)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where colours are made from numbers"
)]
fn indexed(index: u8) -> Color {
    Color::Indexed(index)
}

/// The nearest colour that a level can show; `None` for none at all.
#[must_use]
pub fn at(color: Color, level: Level) -> Option<Color> {
    match (level, color) {
        (Level::Mono, _) => None,
        (Level::Ansi256, Color::Rgb(red, green, blue)) => Some(nearest_256((red, green, blue))),
        (Level::Ansi16, Color::Rgb(red, green, blue)) => Some(nearest_16((red, green, blue))),
        (_, color) => Some(color),
    }
}

fn nearest_256(wanted: Rgb) -> Color {
    // The first 16 are the user's own; only the cube and the greys have known values.
    let best = (16..=255u8).min_by(|a, b| {
        let (a, b) = (
            distance(wanted, value_256(*a)),
            distance(wanted, value_256(*b)),
        );
        a.total_cmp(&b)
    });
    indexed(best.unwrap_or(16))
}

fn value_256(index: u8) -> Rgb {
    if index >= 232 {
        let grey = 8 + (index - 232) * 10;
        return (grey, grey, grey);
    }
    let step = |n: u8| if n == 0 { 0 } else { 55 + n * 40 };
    let n = index.saturating_sub(16);
    (step(n / 36), step(n / 6 % 6), step(n % 6))
}

fn nearest_16(wanted: Rgb) -> Color {
    NAMES
        .iter()
        .min_by(|a, b| distance(wanted, a.2).total_cmp(&distance(wanted, b.2)))
        .map_or(Color::Reset, |(_, color, _)| *color)
}

/// The value of a colour where it has one of its own; for the 16, xterm's.
#[must_use]
pub fn value(color: Color) -> Option<Rgb> {
    match color {
        Color::Rgb(red, green, blue) => Some((red, green, blue)),
        Color::Indexed(index) if index >= 16 => Some(value_256(index)),
        _ => NAMES
            .iter()
            .find(|(_, there, _)| *there == color)
            .map(|(_, _, value)| *value),
    }
}

fn linear(channel: u8) -> f64 {
    let c = f64::from(channel) / 255.0;
    if c <= 0.040_45 {
        c / 12.92
    } else {
        ((c + 0.055) / 1.055).powf(2.4)
    }
}

/// WCAG 2's contrast of two colours, from 1 to 21.
#[must_use]
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let luminance = |(red, green, blue): Rgb| {
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Distance of two colours in OKLab; 1 is from black to white.
#[must_use]
pub fn distance(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (oklab(a), oklab(b));
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// A colour without its gamma, each channel from 0 to 1.
fn channels((red, green, blue): Rgb) -> [f64; 3] {
    [linear(red), linear(green), linear(blue)]
}

fn times(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

/// A colour after a linear change of its light, such as that of eyes which lack a kind of receptors.
#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a channel's range"
)]
pub(super) fn through(matrix: [[f64; 3]; 3], color: Rgb) -> Rgb {
    let [red, green, blue] = times(matrix, channels(color)).map(|light| {
        let light = light.clamp(0.0, 1.0);
        let value = if light <= 0.003_130_8 {
            12.92 * light
        } else {
            1.055 * light.powf(1.0 / 2.4) - 0.055
        };
        (value * 255.0).round() as u8
    });
    (red, green, blue)
}

fn oklab(color: Rgb) -> [f64; 3] {
    const CONES: [[f64; 3]; 3] = [
        [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
        [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
        [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
    ];
    const LAB: [[f64; 3]; 3] = [
        [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
        [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
        [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
    ];
    times(LAB, times(CONES, channels(color)).map(f64::cbrt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_down_to_the_nearest_that_a_level_has() {
        let orange = parse("#ff8700").unwrap();
        assert_eq!(at(orange, Level::True), Some(orange));
        assert_eq!(at(orange, Level::Ansi256), Some(indexed(208)));
        assert_eq!(
            at(parse("#fe0102").unwrap(), Level::Ansi16),
            Some(Color::LightRed)
        );
        assert_eq!(at(orange, Level::Mono), None);
        assert_eq!(at(Color::Reset, Level::Ansi16), Some(Color::Reset));
    }

    #[test]
    fn contrast_is_that_of_the_specification() {
        assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
        // The example of WebAIM's checker: #767676 on white is the darkest grey that passes 4.5.
        let grey = contrast((0x76, 0x76, 0x76), (255, 255, 255));
        assert!((grey - 4.54).abs() < 0.01, "{grey}");
    }

    #[test]
    fn what_is_no_colour_is_none() {
        for text in ["#12345", "#12345g", "rot", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
