//! Roles of code, and how much is parsed for them.

use super::*;
use crate::text::safe;

const GO_ON: &dyn Fn() -> bool = &|| false;

fn python(lines: usize) -> Document {
    let text: Vec<String> = (0..lines)
        .map(|n| format!("def f{n}(x): return {n}"))
        .collect();
    Document::new(text.join("\n"), Language::of_fence("python"), 8)
}

fn roles(line: &Line) -> Vec<(&str, Role)> {
    line.pieces().map(|(text, ink)| (text, ink.role)).collect()
}

#[test]
fn python_has_the_roles_that_a_reader_expects() {
    let code = "@cached\ndef f(self, x=1):  # why\n    \"\"\"Doc\n    more\"\"\"\n    return self.g(\"a\\n\") and None\nclass A(B):\n    pass\n";
    let lines = snippet(code, Language::of_fence("py"), 8);
    let has = |line: usize, text: &str, role: Role| {
        let found = roles(&lines[line]);
        assert!(
            found
                .iter()
                .any(|(part, found)| part.trim() == text && *found == role),
            "{text} is not {role:?} in {found:?}"
        );
    };
    has(0, "@cached", Role::CodeAttribute);
    has(1, "def", Role::CodeKeyword);
    has(1, "f", Role::CodeFunction);
    has(1, "1", Role::CodeNumber);
    has(1, "# why", Role::CodeComment);
    has(4, "return", Role::CodeKeyword);
    has(4, "self", Role::CodeVariable);
    has(4, "and", Role::CodeKeyword);
    has(4, "None", Role::CodeConstant);
    has(5, "A", Role::CodeType);
    has(5, "B", Role::CodeType);
    assert_eq!(
        roles(&lines[3])[0].1,
        roles(&lines[2])[1].1,
        "the docstring goes on"
    );
    assert_eq!(lines.len(), 7);
}

#[test]
fn a_scroll_parses_few_lines_and_a_second_jump_at_most_a_stride_more_than_it_shows() {
    let mut document = python(2_000);
    let mut cost = |lines: Range<usize>| {
        let before = document.parsed();
        document.highlight(lines, GO_ON).unwrap();
        document.parsed() - before
    };
    assert_eq!(cost(0..58), 58);
    assert_eq!(cost(1..59), 1);
    assert_eq!(cost(0..58), 0);
    assert_eq!(
        cost(1_900..1_958),
        1_958 - 59,
        "the first time everything above"
    );
    assert_eq!(cost(1_901..1_959), 1);
    assert!(cost(1_000..1_058) <= STRIDE + 58);
    for top in (0..1_000).rev().step_by(1).take(300) {
        assert!(cost(top..top + 58) <= STRIDE, "at {top}");
    }
}

#[test]
fn where_a_part_begins_makes_no_difference() {
    let text = "x = '''\n".to_owned() + &"in a string\n".repeat(200) + "'''\ny = 1\n";
    let whole = snippet(&text, Language::of_fence("py"), 8);
    let mut document = Document::new(text, Language::of_fence("py"), 8);
    assert!(document.prepare(GO_ON));
    for start in [150, 3, 199, 64, 128] {
        let part = document.highlight(start..start + 4, GO_ON).unwrap();
        assert_eq!(part, whole[start..start + 4], "from {start}");
    }
    assert_eq!(document.highlight(500..600, GO_ON), Some(Vec::new()));
}

#[test]
fn it_stops_when_it_is_cancelled_and_goes_on_where_it_was() {
    let mut document = python(500);
    let left = std::cell::Cell::new(100);
    let cancelled = || {
        left.set(left.get() - 1);
        left.get() < 0
    };
    assert_eq!(document.highlight(400..410, &cancelled), None);
    assert_eq!(document.parsed(), 100);
    assert!(document.highlight(400..410, GO_ON).is_some());
    assert_eq!(document.parsed(), 410);
    assert!(!document.prepare(&|| true));
}

#[test]
fn what_is_over_the_limits_stays_plain() {
    let mut document = python(MAX_LINES + 1);
    assert!(document.is_plain());
    assert_eq!(
        document.highlight(0..1, GO_ON).unwrap()[0].pieces().count(),
        1
    );
    let text = format!("x = 1\ny = \"{}\"\nz = 2\n", "a".repeat(MAX_LINE));
    let lines = snippet(&text, Language::of_fence("py"), 8);
    assert_eq!(lines[1].pieces().count(), 1);
    assert!(lines[2].pieces().count() > 1);
    assert!(Document::new("x".repeat(MAX_BYTES + 1), Language::of_fence("py"), 8).is_plain());
    assert!(Document::new(String::new(), None, 8).is_empty());
}

#[test]
fn hostile_code_is_made_safe_and_tabs_are_blanks() {
    let lines = snippet(
        "\tx = '\u{202e}\x1b[1m'\t# \u{7}\r\n",
        Language::of_fence("py"),
        4,
    );
    assert_eq!(lines[0].text(), "    x = '<U+202E>␛[1m'  # ␇␍");
    assert!(!lines[0].text().chars().any(safe::is_hidden));
    assert!(roles(&lines[0]).contains(&("# ␇␍", Role::CodeComment)));
}

#[test]
fn a_line_that_takes_longer_than_anybodys_patience_is_the_last_that_is_parsed() {
    let lines = || 0..40;
    let mut document = python(100).with_patience(std::time::Duration::ZERO);
    let made = document.highlight(lines(), GO_ON).unwrap();
    assert!(document.has_given_up());
    assert_eq!(document.parsed(), 1);
    assert!(made[0].pieces().count() > 1);
    assert_eq!(made[1], document.plain(1));
    // Nothing is tried again later, above or below.
    document.highlight(50..90, GO_ON).unwrap();
    document.highlight(lines(), GO_ON).unwrap();
    assert_eq!(document.parsed(), 1);
    let mut honest = python(100);
    honest.highlight(lines(), GO_ON).unwrap();
    assert!(!honest.has_given_up());
}
