//! What was seen, kept: an asciinema v2 recording, and a still of the screen as SVG.

use std::fmt::Write as _;
use std::time::Instant;

use spotter::cli::pty::Piece;

/// `asciinema play FILE` shows it.
pub(crate) fn cast(
    (width, height): (u16, u16),
    started: Instant,
    bytes: &[u8],
    pieces: &[Piece],
) -> String {
    let header = serde_json::json!({
        "version": 2, "width": width, "height": height,
        "env": {"TERM": "xterm-256color"}, "title": "spotter",
    });
    let mut text = format!("{header}\n");
    let mut from = 0;
    // A character that is cut between two pieces belongs to the second.
    let mut rest: Vec<u8> = Vec::new();
    for piece in pieces {
        rest.extend_from_slice(&bytes[from..piece.end]);
        from = piece.end;
        let whole = match std::str::from_utf8(&rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => rest.len(),
        };
        let told: Vec<u8> = rest.drain(..whole).collect();
        let at = piece.at.duration_since(started).as_secs_f64();
        let event = serde_json::json!([at, "o", String::from_utf8_lossy(&told)]);
        writeln!(text, "{event}").unwrap();
    }
    text
}

const CELL: (f64, f64) = (8.4, 18.0);
const GROUND: &str = "#16181d";
const INK: &str = "#d4d7dd";
/// The sixteen colours of the pictures.
const ANSI: [&str; 16] = [
    "#2b2e36", "#e06c75", "#8fc379", "#dfb66e", "#6cb0f0", "#c68ae0", "#56bcc7", "#d4d7dd",
    "#666c7a", "#ef8a92", "#a8d893", "#efcb8b", "#8cc4fa", "#d7a6ee", "#79d3dd", "#ffffff",
];

fn colour(colour: vt100::Color) -> Option<String> {
    match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(index @ 0..16) => Some(ANSI[usize::from(index)].to_owned()),
        vt100::Color::Idx(index @ 16..232) => {
            let index = index - 16;
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let (red, green, blue) = (index / 36, index / 6 % 6, index % 6);
            Some(format!(
                "#{:02x}{:02x}{:02x}",
                level(red),
                level(green),
                level(blue)
            ))
        }
        vt100::Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        vt100::Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

/// A still: a text element for every run of cells that look alike.
pub(crate) fn svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (width, height) = (
        f64::from(columns) * CELL.0 + 16.0,
        f64::from(rows) * CELL.1 + 16.0,
    );
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{GROUND}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let Some(cell) = screen.cell(row, column) else {
                break;
            };
            let look = |cell: &vt100::Cell| {
                let (mut ink, mut ground) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
                if cell.inverse() {
                    (ink, ground) = (
                        ground.or_else(|| Some(GROUND.to_owned())),
                        ink.or_else(|| Some(INK.to_owned())),
                    );
                }
                (
                    ink,
                    ground,
                    cell.bold(),
                    cell.dim(),
                    cell.italic(),
                    cell.underline(),
                )
            };
            let style = look(cell);
            let from = column;
            let mut words = String::new();
            while let Some(cell) = screen.cell(row, column).filter(|cell| look(cell) == style) {
                if !cell.is_wide_continuation() {
                    words.push_str(if cell.has_contents() {
                        cell.contents()
                    } else {
                        " "
                    });
                }
                column += 1;
            }
            let (ink, ground, bold, dim, italic, underline) = style;
            let (x, y) = (
                8.0 + f64::from(from) * CELL.0,
                8.0 + f64::from(row) * CELL.1,
            );
            let wide = f64::from(column - from) * CELL.0;
            if let Some(ground) = ground {
                writeln!(text, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{}\" fill=\"{ground}\"/>", CELL.1).unwrap();
            }
            // Rules meet from cell to cell, whatever the font's line is high.
            let mut rules = String::new();
            for (at, sign) in words.chars().enumerate() {
                let left = x + at as f64 * CELL.0;
                let (middle, centre) = (y + CELL.1 / 2.0, left + CELL.0 / 2.0);
                match sign {
                    '─' | '┬' => write!(rules, "M{left:.1} {middle}h{}", CELL.0).unwrap(),
                    '│' => write!(rules, "M{centre:.1} {y}v{}", CELL.1).unwrap(),
                    _ => {}
                }
            }
            if !rules.is_empty() {
                let ink = ink.as_deref().unwrap_or(INK);
                let faint = if dim { " opacity=\"0.6\"" } else { "" };
                writeln!(text, "<path d=\"{rules}\" stroke=\"{ink}\"{faint}/>").unwrap();
            }
            let words = words.replace(['─', '┬', '│'], " ");
            if words.trim().is_empty() {
                continue;
            }
            let words = words
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let mut style = format!("fill=\"{}\"", ink.as_deref().unwrap_or(INK));
            for (on, what) in [
                (bold, " font-weight=\"bold\""),
                (dim, " opacity=\"0.6\""),
                (italic, " font-style=\"italic\""),
                (underline, " text-decoration=\"underline\""),
            ] {
                if on {
                    style.push_str(what);
                }
            }
            writeln!(
                text,
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" {style}>{words}</text>",
                y + 13.5
            )
            .unwrap();
        }
    }
    text.push_str("</svg>\n");
    text
}
