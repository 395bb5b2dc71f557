//! What the filter language promises.

use proptest::prelude::*;

use super::*;

const FIELDS: &[Field] = &[
    Field {
        name: "repo",
        kind: FieldKind::Text,
        doc: "repository",
    },
    Field {
        name: "version",
        kind: FieldKind::Exact,
        doc: "version",
    },
    Field {
        name: "files",
        kind: FieldKind::Number,
        doc: "files",
    },
    Field {
        name: "gradable",
        kind: FieldKind::Flag,
        doc: "gradable",
    },
    Field {
        name: "text",
        kind: FieldKind::Text,
        doc: "text",
    },
];

fn row(name: &str) -> Value<'static> {
    match name {
        "repo" => Value::text("pandas-dev/Pandas"),
        "version" => Value::text("1.10"),
        "files" => Value::count(3),
        "gradable" => Value::Flag(true),
        "text" => Value::text("read_csv loses the Zürich header"),
        _ => Value::Missing,
    }
}

fn passes(filter: &str) -> bool {
    Filter::parse(filter, FIELDS).unwrap().matches(row)
}

fn complaint(filter: &str) -> String {
    Filter::parse(filter, FIELDS).unwrap_err().to_string()
}

#[test]
fn the_empty_filter_matches_all() {
    assert!(passes(""));
    assert!(passes("  \t"));
    assert!(Filter::default().is_empty());
}

#[test]
fn text_is_a_substring_without_case_and_exact_is_exact() {
    assert!(passes("repo:PANDAS"));
    assert!(!passes("repo:=pandas"));
    assert!(passes("repo:=pandas-dev/Pandas"));
    assert!(passes("version:1.10"));
    assert!(!passes("version:1.1"));
    assert!(passes("ZÜRICH"));
    assert!(passes("text:\"the zürich\""));
    assert!(passes("repo:django,pandas"));
    assert!(!passes("repo:django,sympy"));
}

#[test]
fn numbers_compare_and_lie_in_ranges() {
    for yes in [
        "files:3",
        "files:<4",
        "files:<=3",
        "files:>2",
        "files:>=3",
        "files:2..5",
        "files:3..3",
        "files:1,3",
    ] {
        assert!(passes(yes), "{yes}");
    }
    for no in ["files:2", "files:<3", "files:>3", "files:4..9", "files:1,2"] {
        assert!(!passes(no), "{no}");
    }
}

#[test]
fn a_minus_or_an_exclamation_mark_turns_a_term_round() {
    assert!(!passes("-repo:pandas"));
    assert!(passes("!repo:django -\"read_json\" header"));
    assert!(!passes("-header"));
    assert!(passes("gradable:yes -gradable:no"));
}

#[test]
fn words_with_colons_that_are_no_fields_are_words() {
    let filter = Filter::parse("tests/a.py::test_b", FIELDS).unwrap();
    assert!(filter.matches(|_| Value::text("FAILED tests/a.py::test_b")));
}

#[test]
fn errors_name_the_column_and_the_way_out() {
    assert_eq!(
        complaint("files:1 verison:2"),
        "filter, column 9: there is no field `verison`; did you mean `version:`? (fields: repo, version, files, \
         gradable, text; put text with a colon in quotes)"
    );
    assert!(complaint("repo:").starts_with("filter, column 6: `repo:` needs a value"));
    assert!(complaint("files:many").contains("`many` is no number"));
    assert!(complaint("gradable:perhaps").contains("`gradable:yes`"));
    assert!(complaint("text:\"open").starts_with("filter, column 6: this quote"));
    assert!(complaint("repo:<3").contains("is text"));
    assert!(complaint("a - b").starts_with("filter, column 3"));
    assert!(complaint("repo:\"a\"b").contains("a space or a comma"));
}

fn any_filter() -> impl Strategy<Value = String> {
    let text = "[ -~äß]{0,6}";
    let term = prop_oneof![
        text.prop_map(|t| quote_for_test(&t)),
        "[a-z:/.=<>\"-]{1,8}",
        ("(-|!)?(repo|version|text):=?", text).prop_map(|(f, t)| f + &quote_for_test(&t)),
        ("files:(<|<=|>|>=)?", any::<i16>()).prop_map(|(f, n)| format!("{f}{n}")),
        (any::<f32>(), any::<f32>()).prop_map(|(a, b)| format!("files:{a}..{b}")),
        Just("gradable:yes,no".to_owned()),
    ];
    prop::collection::vec(term, 0..5).prop_map(|terms| terms.join(" "))
}

fn quote_for_test(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        if let Ok(filter) = Filter::parse(&text, FIELDS) {
            filter.matches(row);
        }
    }

    #[test]
    fn what_is_displayed_reads_back_the_same(text in any_filter()) {
        if let Ok(filter) = Filter::parse(&text, FIELDS) {
            let shown = filter.to_string();
            let again = Filter::parse(&shown, FIELDS);
            prop_assert_eq!(again.as_ref(), Ok(&filter), "{}", shown);
        }
    }

    #[test]
    fn a_term_and_its_negation_never_agree(text in "[a-z]{1,4}") {
        let plain = Filter::parse(&text, FIELDS).unwrap().matches(row);
        let negated = Filter::parse(&format!("-{text}"), FIELDS).unwrap().matches(row);
        prop_assert_ne!(plain, negated);
    }
}
