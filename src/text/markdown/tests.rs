//! Issue texts as they are written, and hostile ones.

use proptest::prelude::*;

use super::*;

fn laid_out(text: &str, width: usize) -> Vec<String> {
    page(text, width, &|_, _| None)
        .lines
        .iter()
        .map(|line| line.text().trim_end().to_owned())
        .collect()
}

fn role_of(page: &Page, text: &str) -> Option<Role> {
    let mut pieces = page.lines.iter().flat_map(Line::pieces);
    pieces
        .find(|(part, _)| part.contains(text))
        .map(|(_, ink)| ink.role)
}

#[test]
fn blocks_are_laid_out_with_gaps_between_them() {
    let text = "# Bug\nIt *fails* for `x`\non two lines.\n\n> quoted words\n> go on\n\n- one\n- two\n  1. inner\n  2. second that is long\n\n---\n<b>html</b>\n";
    assert_eq!(
        laid_out(text, 20),
        [
            "# Bug",
            "",
            "It fails for x",
            "on two lines.",
            "",
            "│ quoted words",
            "│ go on",
            "",
            "• one",
            "• two",
            "  1. inner",
            "  2. second that is",
            "     long",
            "",
            "────────────────────",
            "",
            "<b>html</b>",
        ]
    );
}

#[test]
fn pieces_have_the_roles_of_what_they_are() {
    let page = page(
        "## H\n**strong** _em_ `code` [link](https://x.org/a_b) ~~gone~~\n- [x] done",
        80,
        &|_, _| None,
    );
    for (text, role) in [
        ("H", Role::MarkupHeading),
        ("strong", Role::MarkupBold),
        ("em", Role::MarkupItalic),
        ("code", Role::MarkupCode),
        ("link", Role::MarkupLink),
        ("gone", Role::Dim),
        ("[x]", Role::MarkupList),
    ] {
        assert_eq!(role_of(&page, text), Some(role), "{text}");
    }
}

#[test]
fn links_know_their_columns_and_dangerous_ones_are_only_text() {
    let text = "see [docs](https://x.org/a) and https://y.org/b_c_d.\n\n> - ![alt](http://z.org) [bad](javascript:x) <a@b.org>";
    let page = page(text, 80, &|_, _| None);
    let found: Vec<_> = page
        .links
        .iter()
        .map(|link| {
            let line = page.lines[link.line].text();
            let shown: String = line
                .chars()
                .skip(link.columns.start)
                .take(link.columns.len())
                .collect();
            (shown, link.url.as_str())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("docs".to_owned(), "https://x.org/a"),
            ("https://y.org/b_c_d".to_owned(), "https://y.org/b_c_d"),
            ("image: alt".to_owned(), "http://z.org"),
        ]
    );
    assert!(page.lines[2].text().starts_with("│ • image: alt bad"));
    let narrow = super::page("[two words](http://x)", 4, &|_, _| None);
    let places: Vec<_> = narrow
        .links
        .iter()
        .map(|link| (link.line, link.columns.clone()))
        .collect();
    assert_eq!(places, [(0, 0..4), (1, 0..4), (2, 0..1)]);
}

#[test]
fn code_goes_to_the_callback_with_its_word_and_sessions_are_python() {
    let asked = std::cell::RefCell::new(Vec::new());
    let text = "```py\nx = 1\n```\n\n    indented\n\n>>> f(1)\n2\n\nand\n\n```\n>>> g()\n```\n";
    let page = page(text, 40, &|code, word| {
        asked.borrow_mut().push((code.to_owned(), word.to_owned()));
        None
    });
    let asked: Vec<_> = asked.into_inner();
    let asked: Vec<_> = asked
        .iter()
        .map(|(code, word)| (code.as_str(), word.as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("x = 1\n", "py"),
            ("indented\n", ""),
            (">>> f(1)\n2\n", "pycon"),
            (">>> g()\n", "pycon"),
        ]
    );
    assert_eq!(page.lines[0].text(), "  x = 1");
    assert_eq!(role_of(&page, "x = 1"), Some(Role::MarkupCode));
}

#[test]
fn tables_are_aligned_and_narrowed_to_fit() {
    let text = "| a | number |\n|---|---:|\n| `x` | 1 |\n| longer than there is room | 22 |\n";
    assert_eq!(
        laid_out(text, 40),
        [
            "a                         │ number",
            "──────────────────────────┼───────",
            "x                         │      1",
            "longer than there is room │     22",
        ]
    );
    assert_eq!(laid_out(text, 20)[3], "longer tha… │     22");
}

#[test]
fn deep_nesting_and_long_texts_are_bounded() {
    let deep = format!("{} x", ">".repeat(5_000));
    assert!(
        laid_out(&deep, 30)
            .iter()
            .all(|line| line.chars().count() <= 30)
    );
    let lists: String = (0..500)
        .map(|depth| " ".repeat(depth * 2) + "- x\n")
        .collect();
    assert!(!laid_out(&lists, 30).is_empty());
    let long = "word ".repeat(MAX_BYTES / 5 + 100);
    assert!(laid_out(&long, 80).last().unwrap().ends_with("more bytes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_wider_than_asked_nor_raw(
        parts in proptest::collection::vec(prop_oneof![
            Just("\n".to_owned()), Just("\n\n".to_owned()), Just("> ".to_owned()), Just("- ".to_owned()), Just("1. ".to_owned()),
            Just("```\n".to_owned()), Just("| a | b |\n|--|--|\n".to_owned()), Just("**".to_owned()), Just("https://a.b/".to_owned()),
            Just("[x](http://\x1b)".to_owned()), Just("&#27;&#x202e;".to_owned()), Just("    ".to_owned()), "[a-z 日]{0,12}",
            any::<String>(),
        ], 0..25),
        width in 1usize..40,
    ) {
        let page = page(&parts.concat(), width, &|_, _| None);
        for line in &page.lines {
            prop_assert!(wrap::columns(line.text()) <= width);
            prop_assert!(!line.text().chars().any(|c| safe::is_hidden(c) || c == '\n' || c == '\t'));
        }
        for link in &page.links {
            prop_assert!(link.line < page.lines.len() && link.columns.end <= width);
        }
    }
}
