//! Nothing that an agent, a test or an imported file prints reaches the terminal raw.

use super::bench::bench;
use spotter::agent::Outcome;
use spotter::trajectory::event::Event;

const CORPUS: &[&str] = &[
    "\x1b]0;owned\x07title",
    "\x1b]52;c;cm0gLXJmIC8=\x07clipboard",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[Hcleared",
    "\x1b[?1049l\x1b[?25l",
    "\x1bP+q544e\x1b\\dcs",
    "\u{9b}31mC1",
    "bidi \u{202e}gnp.exe",
    "zero\u{200b}width \u{feff}bom",
    "bell\x07 back\x08space \x7f",
    "tab\there\r\noverwritten\rOVER",
    "\u{e0041}\u{e0042} tags",
    "combining a\u{0301}\u{0301}\u{0301}\u{0301}",
];

#[test]
fn hostile_text_in_every_field_of_a_run_is_made_visible() {
    for nasty in CORPUS {
        let mut bench =
            bench(160, 48).live(|event| matches!(event, Event::Proposed { step: 1, .. }));
        bench.press("gl<Enter>");
        bench.raw.clear();
        let call = spotter::model::ToolCall {
            id: "x".into(),
            name: (*nasty).into(),
            arguments: serde_json::json!({ "command": nasty, "path": nasty }).to_string(),
        };
        bench.tell(Event::Proposed {
            step: 1,
            thought: (*nasty).into(),
            calls: vec![call.clone()],
        });
        bench.tell(Event::Action {
            step: 1,
            index: 0,
            call,
            by: spotter::trajectory::event::Author::Model,
            original: None,
        });
        bench.tell(Event::Output {
            step: 1,
            index: 0,
            stream: spotter::sandbox::Stream::Stderr,
            text: (*nasty).into(),
        });
        bench.screen();
        bench.tell(Event::Observed {
            step: 1,
            index: 0,
            outcome: Outcome {
                text: nasty.repeat(3),
                exit: Some(1),
                error: false,
                submitted: false,
                dropped: 0,
                took: std::time::Duration::ZERO,
            },
            message: 90,
        });
        bench.tell(Event::Marked(spotter::trajectory::event::Mark {
            kind: (*nasty).into(),
            step: 1,
            evidence: (*nasty).into(),
        }));
        for keys in ["zw", "zm", "zr", "<F5>", "<F5>v", "v"] {
            bench.press(keys).screen();
        }
        let raw = String::from_utf8_lossy(&bench.raw).into_owned();
        for forbidden in [
            "\x1b]",
            "\x1bP",
            "\x07",
            "\u{9b}",
            "\u{202e}",
            "\u{200b}",
            "\u{feff}",
            "\u{e0041}",
            "\x1b[2J",
            "\x1b[?1049l",
            "\x08",
            "\x7f",
        ] {
            assert!(
                !raw.contains(forbidden),
                "{forbidden:?} of {nasty:?} reached the terminal"
            );
        }
    }
}

#[test]
fn a_paste_is_text_and_never_keys() {
    let mut bench = bench(80, 24);
    bench.event(spotter::app::Event::Paste("q\x1b[2Jqq".into()));
    let screen = bench.screen();
    assert!(screen.contains("nothing takes a paste here"), "{screen}");
    bench.press("/");
    bench.event(spotter::app::Event::Paste("tally\x1b[A\r\n".into()));
    let screen = bench.screen();
    assert!(screen.contains("› tally[A"), "{screen}");
    // A megabyte is cut, not typed for minutes.
    bench.event(spotter::app::Event::Paste("x".repeat(3 << 20)));
    bench.screen();
    assert!(bench.state.tasks.query.field.text().len() <= 1 << 20);
}
