//! Every theme once, colour levels against sizes, ASCII, and the terminal's ground.

use super::bench::{Bench, bench};
use spotter::app::effect::{Effect, Screen};
use spotter::app::state::{Preset, Settings};
use spotter::theme::{Level, names};

#[test]
fn every_theme_draws_every_level_at_every_size() {
    for name in &names(None) {
        for (level, (width, height)) in [
            (Level::True, (160, 48)),
            (Level::Ansi256, (80, 24)),
            (Level::Ansi16, (160, 48)),
            (Level::Mono, (80, 24)),
        ] {
            let mut bench = bench(width, height).looking(name, level);
            let styled = bench.press("gl<Enter>G").styled();
            assert!(styled.contains("tally"), "{name}");
            let colours = ["38;2;", "48;2;"].map(|code| styled.contains(code));
            match level {
                Level::True => {}
                _ => assert_eq!(colours, [false, false], "{name} at {level:?}: {styled}"),
            }
            if level <= Level::Ansi16 {
                assert!(
                    !styled.contains("38;5;") || level == Level::Ansi16,
                    "{name} {level:?}"
                );
            }
            if level == Level::Mono {
                for code in 30..38 {
                    assert!(
                        !styled.contains(&format!("␛[{code}m")),
                        "{name}: colour {code}"
                    );
                }
            }
        }
        let mut bench = bench(80, 24).looking(name, Level::True);
        let styled = bench.press("gl<Enter>G").styled();
        insta::assert_snapshot!(format!("theme_{name}"), styled);
    }
}

#[test]
fn still_means_that_nothing_moves_by_itself() {
    use spotter::app::Event;
    use spotter::trajectory::event::Event as Told;
    for still in [true, false] {
        let settings = Settings {
            still,
            ..Settings::default()
        };
        let bench = Bench::with(160, 48, settings, "default");
        let mut bench = bench.live(|told| matches!(told, Told::StepDone { step: 2, .. }));
        bench.press("gl<Enter>");
        bench
            .state
            .say(spotter::app::messages::Weight::Info, "said to be read");
        let before = bench.screen();
        assert_eq!(bench.state.is_moving(), !still);
        let later = bench.state.now + std::time::Duration::from_secs(3_000);
        bench.event(Event::Tick(later));
        let after = bench.screen();
        assert_eq!(before == after, still, "{after}");
        assert_eq!(after.contains("said to be read"), still);
        assert!(!bench.press("g").screen().contains("said to be read"));
    }
}

#[test]
fn the_layout_is_remembered_and_presenting_is_not() {
    let mut bench = bench(160, 48);
    let remembered = |bench: &Bench| {
        bench.effects.iter().rev().find_map(|effect| match effect {
            Effect::Save(session) => Some((**session).clone()),
            _ => None,
        })
    };
    bench.press("P");
    let session = remembered(&bench).unwrap();
    assert_eq!(session.layout.as_deref(), Some("review"));
    let again = |session| {
        let keymap = spotter::keymap::load("default", None, &spotter::app::executor::known()).0;
        let now = bench.state.now;
        spotter::app::State::new(Settings::default(), session, keymap, now).preset
    };
    assert_eq!(again(session.clone()), Preset::Review);
    let odd = spotter::app::session::Session {
        layout: Some("sideways".into()),
        ..session
    };
    assert_eq!(again(odd), Preset::Run);
    bench.press("P");
    assert_eq!(bench.state.preset, Preset::Demo);
    let session = remembered(&bench).unwrap();
    assert_eq!(session.layout.as_deref(), Some("review"));
}

#[test]
fn ascii_means_ascii() {
    let settings = Settings {
        ascii: true,
        ..Settings::default()
    };
    let mut bench = Bench::with(160, 48, settings, "default");
    for keys in [
        "",
        "gl",
        "<Enter>G",
        "g",
        "<Esc>:",
        "<Esc>p<Space>",
        "<Esc><F5>",
    ] {
        let screen = bench.press(keys).screen();
        let strange: String = screen.chars().filter(|c| !c.is_ascii()).collect();
        assert!(strange.is_empty(), "after {keys}: {strange:?}\n{screen}");
    }
}

#[test]
fn every_built_in_keymap_reaches_the_same_places() {
    for name in ["default", "emacs", "minimal"] {
        let mut bench = Bench::with(100, 30, Settings::default(), name);
        let screen = bench.press("<F2><Enter>").screen();
        assert!(screen.contains("spotter__tally-108"), "{name}:\n{screen}");
        let screen = bench.press("<C-p>theme").screen();
        assert!(
            screen.contains("theme …") || name == "emacs",
            "{name}:\n{screen}"
        );
    }
}

#[test]
fn a_theme_is_shown_while_it_is_chosen_and_taken_back_by_esc() {
    let mut bench = bench(80, 24);
    let before = bench.styled();
    bench.press(":theme …<Enter><Down>");
    let shown: Vec<_> = bench
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Screen(Screen::Theme { name, keep }) => Some((name.clone(), *keep)),
            _ => None,
        })
        .collect();
    assert!(
        matches!(shown.as_slice(), [(name, false)] if name != "terminal"),
        "{shown:?}"
    );
    bench.press("<Esc>");
    // A screen drawn from nothing: how it came about leaves no trace.
    assert_eq!(bench.resize(80, 24).styled(), before);
}
