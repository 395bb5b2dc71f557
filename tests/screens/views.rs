//! Every view and every layer, small and large.

use insta::assert_snapshot;

use super::bench::{Bench, STORED, bench};
use spotter::app::engines::{Coming, Look, Served};
use spotter::app::event::{Mouse, MouseKind};
use spotter::app::news::News;
use spotter::app::run::Moment;
use spotter::app::scrub::Scrub;
use spotter::engine::prefix::Counts;
use spotter::engine::schedule::{Load, Speaking};
use spotter::trajectory::event::Event;

const SIZES: [(u16, u16); 2] = [(80, 24), (160, 48)];

/// A picture of a screen after keys, at both sizes; each must show these words.
fn shown(name: &str, keys: &str, words: &[&str]) {
    shown_of(name, bench, keys, words);
}

fn shown_of(name: &str, make: impl Fn(u16, u16) -> Bench, keys: &str, words: &[&str]) {
    for (width, height) in SIZES {
        let mut bench = make(width, height);
        let screen = bench.press(keys).screen();
        for word in words {
            assert!(
                screen.contains(word),
                "{name} at {width}×{height} does not show `{word}`:\n{screen}"
            );
        }
        for line in screen.lines() {
            assert!(line.chars().count() <= usize::from(width), "{line}");
        }
        assert_snapshot!(format!("{name}_{width}x{height}"), screen);
    }
}

#[test]
fn the_tasks_are_a_list_with_the_attempts_that_were_made() {
    shown(
        "tasks",
        "",
        &[
            "spotter__cronwhen-42",
            "f2p",
            "attempts",
            "✓",
            "20 tasks",
            "filter",
        ],
    );
}

#[test]
fn a_filter_leaves_what_fits_and_says_what_it_does_not_know() {
    shown(
        "tasks_filter",
        "/tally files:1",
        &["tally files:1", "spotter__tally-108"],
    );
    let mut bench = bench(80, 24);
    let screen = bench.press("/tally files:1").screen();
    assert!(!screen.contains("gridtext"), "{screen}");
    let screen = bench.press("<C-u>fils:1").screen();
    assert!(
        screen.contains("there is no field `fils`; did you mean `files:`?"),
        "{screen}"
    );
}

#[test]
fn a_task_is_read_with_its_gold_patch_hidden_until_asked_for() {
    shown(
        "task_statement",
        "/tally-108<Enter><Tab>G",
        &["must turn green", "gold patch", "hidden"],
    );
    let mut bench = bench(160, 48);
    assert!(!bench.press("/tally-108<Enter>").screen().contains("@@"));
    assert!(bench.press("p").screen().contains("@@"));
    let screen = bench.press("gb").screen();
    assert!(
        !screen.contains("@@") && screen.contains("hidden in blind mode"),
        "{screen}"
    );
    let screen = bench.press("p").screen();
    assert!(
        !screen.contains("@@") && screen.contains("leave blind mode first"),
        "{screen}"
    );
}

#[test]
fn code_in_a_statement_gets_its_colours_when_they_are_there_and_nothing_moves() {
    use spotter::app::Effect;
    use spotter::text::Role;
    let mut bench = bench(160, 30);
    bench.draw();
    let asked = |bench: &Bench| {
        let fences = |effect: &&Effect| matches!(effect, Effect::Fences { .. });
        bench.effects.iter().filter(fences).count()
    };
    let coloured = |bench: &Bench| {
        let lines = &bench.state.tasks.visible;
        let mut inks = lines.iter().flat_map(spotter::text::Line::pieces);
        inks.any(|(_, ink)| ink.role == Role::CodeFunction)
    };
    assert_eq!(asked(&bench), 0, "nobody reads it yet");
    bench.press("<Tab>");
    bench.draw();
    assert!(coloured(&bench));
    assert_eq!(asked(&bench), 1);
    bench.screen();
    assert_eq!(asked(&bench), 1, "once for a task");
    // What is being read stays where it is when the colours come.
    let fences = bench.state.tasks.fences.take();
    bench.state.tasks.highlighting = true;
    bench.press("jj");
    assert!(!coloured(&bench));
    let before = bench.screen();
    // However far the cursor goes meanwhile, one question is out at a time.
    bench.press("<Tab>jk<Tab>jj");
    assert_eq!(asked(&bench), 1);
    let (task, fences) = fences.unwrap();
    bench.event(spotter::app::Event::News(spotter::app::News::Fences {
        task,
        fences,
    }));
    assert_eq!(bench.screen(), before);
    assert!(coloured(&bench));
}

#[test]
fn the_form_starts_attempts_with_its_values() {
    shown(
        "form",
        "/tally-108<Enter>e<Down>",
        &["temperature", "scaffold", "step mode", "model"],
    );
    let mut bench = bench(160, 48);
    bench.press("/tally-108<Enter>e");
    let screen = bench.press("S").screen();
    assert!(screen.contains("cannot start: model"), "{screen}");
    bench.press("<Home><Enter><C-u>3<Enter><Down><Enter>http://127.0.0.1:1/v1#m<Enter>S");
    let started = bench.effects.iter().find_map(|effect| match effect {
        spotter::app::Effect::Start(form) => Some(form),
        _ => None,
    });
    let form = started.expect("nothing was started");
    assert_eq!(form.tasks, ["spotter__tally-108"]);
    assert_eq!(
        (form.value("k"), form.value("model")),
        ("3", "http://127.0.0.1:1/v1#m")
    );
}

#[test]
fn a_pace_is_seen_beside_the_tasks_and_is_gone_with_the_session() {
    let mut bench = bench(160, 48);
    let told = |screen: &str| screen.contains("step mode on  pace 5");
    assert!(!told(&bench.press("").screen()));
    let screen = bench
        .press("e<End><Enter><C-u>5<Enter><Up><Enter>e")
        .screen();
    assert!(told(&screen), "{screen}");
    let form = &bench.state.tasks.form;
    let remembered = form.remembered("sample");
    assert_eq!(form.value("pace"), "5");
    assert!(remembered.contains_key("step mode") && !remembered.contains_key("pace"));
}

#[test]
fn model_and_scaffold_are_chosen_from_what_was_used_or_typed() {
    let make = |width, height| {
        let mut bench = bench(width, height);
        bench.state.settings.scaffolds = vec![
            ("codeact".into(), "persistent shell and editor".into()),
            ("bash".into(), "a single bash tool".into()),
        ];
        bench.state.session.models = vec!["http://127.0.0.1:1/v1#m".into()];
        bench
    };
    shown_of(
        "pick_model",
        make,
        "e<Down><Enter>",
        &[
            "Model",
            "http://127.0.0.1:1/v1#m",
            "used before",
            "recorded:",
            "1 run, ",
            "type another",
        ],
    );
    let mut bench = make(160, 48);
    let model = |bench: &Bench| bench.state.tasks.form.value("model").to_owned();
    bench.press("e<Down><Enter><Enter>");
    assert_eq!(model(&bench), "http://127.0.0.1:1/v1#m");
    // What is typed is taken as it is, though it resembles a row.
    bench.press("<Enter>http://127.0.0.1:1/v1<Enter>");
    assert_eq!(model(&bench), "http://127.0.0.1:1/v1");
    // The last row types in the form's own row, where the value stands.
    bench.press("<Enter><Down><Down><Down><Down><Down><Enter>#x<Enter>");
    assert_eq!(model(&bench), "http://127.0.0.1:1/v1#x");
    let screen = bench.press("<Enter>human").screen();
    assert!(screen.contains("spotter run --model human"), "{screen}");
    bench.press("<Enter><Esc><Down><Enter>");
    let screen = bench.screen();
    assert!(screen.contains("a single bash tool"), "{screen}");
    bench.press("bash<Enter><Esc>");
    assert_eq!(bench.state.tasks.form.value("scaffold"), "bash");
    // The same from anywhere, by the palette.
    let screen = bench.press("gl:scaffold<Enter>code<Enter>").screen();
    assert!(
        screen.contains("the next start: scaffold codeact"),
        "{screen}"
    );
}

#[test]
fn a_person_is_no_model_of_the_workbench_whose_input_they_would_share() {
    let mut bench = bench(160, 48);
    bench.press("e<Down>ihuman<Enter>");
    let screen = bench.press("S").screen();
    assert!(screen.contains("spotter run --model human"), "{screen}");
    let started = |effect: &spotter::app::Effect| matches!(effect, spotter::app::Effect::Start(_));
    assert!(!bench.effects.iter().any(started));
}

#[test]
fn a_run_is_gone_to_by_a_name_in_a_list() {
    let mut bench = bench(160, 48);
    let screen = bench.press("<C-o>tally").screen();
    assert!(
        screen.contains("To a run") && screen.contains("steps"),
        "{screen}"
    );
    bench.press("<Enter>");
    assert_eq!(bench.state.run().map(|run| run.id.as_str()), Some(STORED));
    let screen = bench.press("<C-o>").screen();
    assert!(screen.contains("open, "), "{screen}");
}

#[test]
fn tasks_are_loaded_from_a_list_or_from_what_is_typed() {
    let mut bench = bench(160, 48);
    let screen = bench.press("O").screen();
    assert!(screen.contains("SWE-Gym/SWE-Gym-Lite"), "{screen}");
    bench.press("./own.jsonl<Enter>");
    assert_eq!(bench.state.tasks.source, "./own.jsonl");
}

#[test]
fn a_wrong_value_is_told_and_kept_to_be_mended() {
    let mut bench = bench(160, 48);
    let screen = bench.press("e<Enter><C-u>many<Enter>").screen();
    assert!(
        screen.contains("a whole number from 1 to 1000") && screen.contains("many"),
        "{screen}"
    );
}

/// An engine that serves two streams, seen twice.
fn computing(width: u16, height: u16) -> Bench {
    let mut bench = bench(width, height);
    bench.press("gn");
    for second in 0..2u64 {
        let load = Load {
            streams: 2,
            waiting: 1,
            read: 2_400 + 512 * second,
            drawn: 900 + 62 * second,
            steps: 940 + 31 * second,
            busy: 41.5,
            guessed: 40,
            accepted: 31,
            pages: Counts {
                pages: 512,
                held: 84,
                kept: 210,
                found: 8_700,
                asked: 10_000,
                given_up: 3,
            },
        };
        let stream = |number, drawn, seconds| Speaking {
            number,
            prompt: 1_240,
            found: 1_120,
            computed: 1_240 + drawn,
            drawn,
            seconds,
        };
        let looks = vec![Look {
            id: 1,
            name: "qwen2.5-coder-0.5b-instruct-q8_0".into(),
            sentence: "weights 500 MiB, cache 96 MiB for 16384 tokens, a step 12 MiB; computed with avx512".into(),
            context: 16_384,
            load,
            streams: vec![stream(11, 121, 4.0), stream(12, 0, 0.0)],
        }];
        bench.event(spotter::app::Event::News(spotter::app::News::Engines {
            looks,
            opening: false,
            coming: Vec::new(),
        }));
        let now = bench.state.now + std::time::Duration::from_secs(1);
        bench.event(spotter::app::Event::Tick(now));
    }
    bench
}

#[test]
fn engines_show_streams_pages_hit_rate_and_what_they_draw_in_a_second() {
    shown_of(
        "engines",
        computing,
        "",
        &[
            "qwen2.5-coder-0.5b",
            "62.0 tok/s drawn",
            "2 streams",
            "1 wait",
            "30.0",
            "reads",
        ],
    );
    shown_of(
        "engines_served",
        |width, height| {
            let mut bench = computing(width, height);
            let name = bench.state.engines.all[0].now.name.clone();
            let address = "127.0.0.1:8000".to_owned();
            let engine = 1;
            let served = Some(Served {
                engine,
                name,
                address,
            });
            bench.event(spotter::app::Event::News(News::Serving { served }));
            bench
        },
        "",
        &["served at http://127.0.0.1:8000/v1", "s end serving"],
    );
    shown_of(
        "engines_old",
        |width, height| {
            let mut bench = computing(width, height);
            bench.event(spotter::app::Event::News(News::Engines {
                looks: Vec::new(),
                opening: true,
                coming: Vec::new(),
            }));
            let now = bench.state.now + std::time::Duration::from_secs(3);
            bench.event(spotter::app::Event::Tick(now));
            bench
        },
        "",
        &["62.0 tok/s drawn", "as of 4 s ago"],
    );
    shown("engines_asked", "gn", &["The engines are being asked"]);
    shown_of(
        "engines_opening",
        |width, height| answered(width, height, true, &[]),
        "",
        &["A model is being opened"],
    );
    shown_of(
        "engines_none",
        |width, height| answered(width, height, false, &[]),
        "",
        &["No model is computed here", "hub:org/name"],
    );
    let files = [
        (
            "model-00001-of-00004.safetensors",
            1_262_485_504,
            Some(4_877_660_776),
        ),
        (
            "spotter/a-file-with-a-name-that-is-longer-than-anything-has-room-for.gguf",
            0,
            Some(700),
        ),
        (
            "sweb.eval.x86_64.django__django-11099:latest 3f4e Downloading",
            4_200,
            None,
        ),
    ];
    shown_of(
        "engines_coming",
        move |width, height| answered(width, height, false, &files),
        "",
        &[
            "Downloading",
            "26 %",
            "1.3 GB of 4.9 GB",
            "No model is computed here",
        ],
    );
}

#[test]
fn a_model_that_is_opened_to_be_served_is_named_and_the_key_ends_that() {
    let files = [("model.safetensors", 1_262_485_504, Some(4_877_660_776))];
    let opening = move |width, height| {
        let mut bench = answered(width, height, false, &files);
        let model = "hub:Qwen/Qwen2.5-Coder-7B-Instruct-GGUF/qwen2.5-coder-7b-instruct-q8_0.gguf";
        bench.state.engines.serving = Some(model.to_owned());
        bench
    };
    shown_of(
        "engines_to_serve",
        opening,
        "",
        &[
            "opening ",
            "7b-instruct-q8_0.gguf to serve it",
            "s  ends it",
            "Downloading",
            "s end opening",
        ],
    );
    let mut bench = opening(80, 24);
    let screen = bench.press("s").screen();
    assert!(!screen.contains("No model is computed"), "{screen}");
    assert_eq!(
        bench.effects.last(),
        Some(&spotter::app::Effect::EndServing)
    );
    // What was asked for is on its way until its end is told.
    assert!(bench.state.engines.serving.is_some());
    bench.event(spotter::app::Event::News(News::Serving { served: None }));
    let screen = bench.press("").screen();
    assert!(
        screen.contains("No model is computed") && screen.contains("s serve"),
        "{screen}"
    );
}

#[test]
fn of_two_engines_of_one_name_the_one_that_is_served_says_so() {
    let mut bench = computing(160, 48);
    let first = bench.state.engines.all[0].now.clone();
    let second = Look {
        id: 2,
        ..first.clone()
    };
    let name = first.name.clone();
    bench.event(spotter::app::Event::News(News::Engines {
        looks: vec![first, second],
        opening: false,
        coming: Vec::new(),
    }));
    let served = Some(Served {
        engine: 2,
        name,
        address: "127.0.0.1:8000".to_owned(),
    });
    bench.event(spotter::app::Event::News(News::Serving { served }));
    let screen = bench.press("").screen();
    assert_eq!(screen.matches("qwen2.5-coder-0.5b").count(), 2, "{screen}");
    assert_eq!(screen.matches("served at").count(), 1, "{screen}");
}

/// The view where no engine is there.
fn answered(width: u16, height: u16, opening: bool, coming: &[(&str, u64, Option<u64>)]) -> Bench {
    let mut bench = bench(width, height);
    bench.press("gn");
    let looks = Vec::new();
    let coming = coming.iter().map(|(file, done, total)| Coming {
        file: (*file).to_owned(),
        done: *done,
        total: *total,
    });
    let news = spotter::app::News::Engines {
        looks,
        opening,
        coming: coming.collect(),
    };
    bench.event(spotter::app::Event::News(news));
    bench
}

#[test]
fn the_library_lists_what_was_run() {
    shown(
        "library",
        "gl",
        &["spotter__tally-108", "steps", "1 of 1 trajectory", "✓"],
    );
    let mut bench = bench(160, 48);
    let screen = bench.press("gl/verdict:unresolved<Enter>").screen();
    assert!(
        screen.contains("No trajectory fits the filter."),
        "{screen}"
    );
    let screen = bench.press("<Esc>").screen();
    assert!(screen.contains("resolved"), "{screen}");
}

#[test]
fn a_stored_run_shows_its_steps_its_diff_and_its_tests() {
    shown(
        "run_stored",
        "gl<Enter>",
        &["spotter__tally-108", "ls && grep -rn 'def allocate'"],
    );
    let mut bench = bench(160, 48);
    let screen = bench.press("gl<Enter>G").screen();
    for words in [
        "submitted",
        "✓ resolved",
        "FAIL_TO_PASS  3/3",
        "step = unit.copy_sign(left)",
        "T1",
    ] {
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
}

#[test]
fn each_pane_has_a_tab_of_its_own_on_a_small_screen() {
    for (tabs, name, words) in [
        (1, "diff", "tally/amounts.py"),
        (2, "tests", "FAIL_TO_PASS"),
        (3, "files", "tally/amounts.py"),
        (4, "notes", "rollout"),
    ] {
        let mut bench = bench(80, 24);
        let screen = bench
            .press(&format!("gl<Enter>G{}", "<Tab>".repeat(tabs)))
            .screen();
        assert!(screen.contains(words), "{name}:\n{screen}");
        assert_snapshot!(format!("run_{name}_80x24"), screen);
    }
}

#[test]
fn folded_steps_say_what_happened_and_open_again() {
    shown("run_folded", "gl<Enter>zm", &["▸", "ls && grep"]);
    let mut bench = bench(160, 48);
    let all = bench.press("gl<Enter>zm").screen();
    assert!(
        all.contains("▸ view tally/amounts.py") || all.contains("▸"),
        "{all}"
    );
    let opened = bench.press("zw").screen();
    assert!(opened.contains("tally/amounts.py:97"), "{opened}");
}

#[test]
fn a_run_that_waits_for_approval_asks_where_the_eye_is() {
    let waiting = |width, height| {
        let mut bench =
            bench(width, height).live(|event| matches!(event, Event::Proposed { step: 3, .. }));
        bench.press("gl<Enter>");
        bench.tell(Event::Paused {
            paused: true,
            why: "an action waits for approval".into(),
        });
        bench
    };
    shown_of(
        "run_waiting",
        waiting,
        "",
        &["‖", "next", "a approve", "e edit", "s skip"],
    );
}

#[test]
fn palette_help_and_which_key_show_the_keys_of_the_table() {
    shown("palette", ":repl", &["Commands", "replay"]);
    shown("help", "gl<Enter>?", &["Help", "fold"]);
    shown(
        "which_key",
        "gl<Enter>g",
        &["tasks", "library", "to the top"],
    );
}

#[test]
fn messages_keep_what_was_said() {
    shown("messages", "gl<Enter>m<Esc>gm", &["Messages"]);
    let mut bench = bench(80, 24);
    let screen = bench.press("gl<Enter>mgm").screen();
    assert!(
        screen.contains("step mode: nobody works on this run"),
        "{screen}"
    );
}

#[test]
fn a_replay_has_a_clock_and_a_bar_and_ends_with_a_key() {
    shown("replay", "gl<Enter>p<Space>", &["1×", "paused", "00:0"]);
    let mut bench = bench(160, 48);
    bench.press("gl<Enter>p<Space>lll");
    let steps = bench.state.run().unwrap().story.last();
    assert!((3..6).contains(&steps), "{steps}");
    bench.press("<Esc>");
    assert_eq!(bench.state.run().unwrap().story.last(), 6);
    assert_eq!(bench.state.run().unwrap().id, STORED);
}

#[test]
fn a_replay_that_plays_tells_every_step_at_any_speed() {
    let mut bench = bench(160, 48);
    bench.press("gl<Enter>p++++++++");
    let mut now = bench.state.now;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4000 {
        now += std::time::Duration::from_millis(33);
        bench.event(spotter::app::Event::Tick(now));
        seen.extend(
            bench
                .state
                .run()
                .unwrap()
                .story
                .steps
                .iter()
                .map(|step| step.number),
        );
        if !bench.state.is_playing() {
            break;
        }
    }
    assert!(!bench.state.is_playing(), "it never ended");
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_came_out_otherwise_when_carried_out_again_stands_at_its_step_and_in_the_sum() {
    shown_of(
        "carried_out_again",
        |width, height| bench(width, height).carried_out_again(),
        "gl<Enter>G",
        &["≠ compared with the recording: 6 of 7", "they part"],
    );
    let mut bench = bench(160, 48).carried_out_again();
    bench.press("gl<Enter>gggd");
    let run = bench.state.run().unwrap();
    assert_eq!(run.step(), 2);
    bench.press("gd");
    let run = bench.state.run().unwrap();
    assert_eq!(run.step(), 4, "a file that differs to the end is said once");
    let screen = bench.screen();
    assert!(
        screen.contains("≠ the workspace differs in chance.txt"),
        "{screen}"
    );
    assert!(
        screen.contains("≠ line 2 is `Ran 71 tests` instead of `Ran 72 tests`"),
        "{screen}"
    );
    bench.press("X");
    let again =
        |effect: &&spotter::app::Effect| matches!(effect, spotter::app::Effect::Reexecute { .. });
    assert_eq!(bench.effects.iter().filter(again).count(), 1);
}

#[test]
fn presenting_shows_one_step_with_a_caption() {
    shown(
        "presenter",
        "gl<Enter><F5>]]]",
        &["The agent", "tally/amounts.py", "step 4 of 6"],
    );
}

/// What a presented replay stops before, one key after the other, until it is over.
fn stops_of(bench: &mut Bench) -> Vec<Moment> {
    let mut now = bench.state.now;
    let mut stops = Vec::new();
    for _ in 0..4000 {
        now += std::time::Duration::from_millis(33);
        bench.event(spotter::app::Event::Tick(now));
        if bench.state.is_playing() {
            continue;
        }
        let run = bench.state.run().unwrap();
        let Some(held) = run.replay.as_ref().unwrap().held else {
            assert!(run.story.verdict.is_some(), "it stopped for nothing");
            return stops;
        };
        let verdict = run.story.verdict.is_some();
        assert!(held != Moment::Verdict || !verdict, "after, not before");
        let screen = bench.screen();
        let words = format!("paused before {}", held.words());
        assert!(screen.contains(&words), "{words}: {screen}");
        stops.push(held);
        bench.press("<Space>");
    }
    panic!("it never ended: {stops:?}");
}

#[test]
fn a_presented_replay_stops_before_what_matters_and_one_key_goes_on() {
    let mut bench = bench(80, 24);
    bench.press("gl<Enter><F5>p++++++++");
    let stops = stops_of(&mut bench);
    assert_eq!(stops.last(), Some(&Moment::Verdict), "{stops:?}");
    for moment in [Moment::Edit, Moment::Tests] {
        assert!(stops.contains(&moment), "{stops:?}");
    }
    // Played again, and switched off: straight through.
    let screen = bench.press("s").screen();
    assert!(screen.contains("plays through"), "{screen}");
    bench.press("<Space>");
    assert_eq!(stops_of(&mut bench), []);
    assert!(bench.state.session.no_pauses);
    // A replay that nobody presents has no stops at all.
    bench.press("s<F5>");
    let screen = bench.press("s").screen();
    assert!(screen.contains("only presenter mode"), "{screen}");
    bench.press("<Space>");
    assert_eq!(stops_of(&mut bench), []);
}

#[test]
fn an_error_is_paused_before_it_is_seen() {
    use spotter::trajectory::event::Event;
    let mut records = super::bench::stored();
    for record in &mut records {
        if let Event::Observed { outcome, .. } = &mut record.event {
            outcome.exit = Some(1);
            break;
        }
    }
    let mut replay = spotter::app::run::Replay::of(&records);
    replay.toggle();
    let mut now = jiff::Timestamp::UNIX_EPOCH;
    while replay.held.is_none() {
        now += std::time::Duration::from_secs(1);
        replay.tick(now, true);
    }
    assert_eq!(replay.held, Some(Moment::Error));
    let next = &records[replay.at].event;
    assert!(matches!(next, Event::Observed { .. }), "{next:?}");
}

fn at(column: u16, row: u16, kind: MouseKind) -> spotter::app::Event {
    spotter::app::Event::Mouse(Mouse { kind, column, row })
}

#[test]
fn the_pointer_sets_the_clock_of_a_replay_along_its_bar() {
    for (keys, (width, height)) in [("", (80, 24)), ("", (160, 48)), ("<F5>", (160, 48))] {
        let mut bench = bench(width, height);
        bench.press("gl<Enter>p<Space>").press(keys);
        let steps = |bench: &mut Bench| {
            bench.draw();
            bench.state.run().unwrap().story.last()
        };
        let bar = Scrub::of(&bench.state).unwrap().bar;
        let (first, last) = (bar.x, bar.x + bar.width - 1);
        bench.event(at(last, bar.y, MouseKind::Press));
        assert_eq!(steps(&mut bench), 6);
        // It follows the pointer off the bar, and on screen the mark is where the pointer is.
        bench.event(at(first + bar.width / 2, 3, MouseKind::Drag));
        assert!((1..6).contains(&steps(&mut bench)));
        let here = Scrub::of(&bench.state).unwrap().here;
        assert!(here.abs_diff(bar.width / 2) <= 1, "{here} of {}", bar.width);
        bench.event(at(0, 0, MouseKind::Drag));
        assert_eq!(steps(&mut bench), 0);
        bench.event(at(0, 0, MouseKind::Release));
        bench.event(at(last, bar.y, MouseKind::Drag));
        assert_eq!(steps(&mut bench), 0, "it was let go");
        // A drag that began elsewhere is none of the bar.
        bench.event(at(2, 5, MouseKind::Press));
        bench.event(at(last, bar.y, MouseKind::Drag));
        assert_eq!(steps(&mut bench), 0);
    }
}

#[test]
fn a_first_start_says_where_to_begin_and_is_gone_with_one_key() {
    let mut bench = bench(80, 24);
    bench.state.layers.push(spotter::app::layer::Layer::Welcome);
    bench.state.session.welcomed = false;
    let screen = bench.screen();
    assert!(
        screen.contains("Welcome to spotter") && screen.contains("start an attempt"),
        "{screen}"
    );
    assert_snapshot!("welcome_80x24", screen);
    assert!(!bench.press("<Enter>").screen().contains("Welcome"));
    assert!(bench.state.session.welcomed);
}

#[test]
fn empty_places_say_what_to_do_next() {
    let mut bench = bench(80, 24);
    let screen = bench.press("/nothing-like-this<Enter>").screen();
    assert!(
        screen.contains("No task fits the filter.") && screen.contains("clears it"),
        "{screen}"
    );
    bench.state.library.rows.clear();
    bench.state.library.refilter();
    let screen = bench.press("gl").screen();
    assert!(
        screen.contains("The store is empty.") && screen.contains("Enter starts"),
        "{screen}"
    );
    let screen = bench.press("gr").screen();
    assert!(screen.contains("no run is open: start one"), "{screen}");
}

#[test]
fn any_size_has_a_picture_and_none_panics() {
    for (width, height) in [
        (1, 1),
        (20, 5),
        (39, 9),
        (40, 10),
        (60, 12),
        (99, 16),
        (100, 16),
        (219, 60),
        (300, 90),
    ] {
        let mut bench = bench(width, height);
        for keys in [
            "",
            "gl<Enter>",
            "g",
            "<Esc>:",
            "<Esc><F5>",
            "<F5>zz",
            "zz?",
            "<Esc>gt",
        ] {
            bench.press(keys).screen();
        }
    }
    let mut bench = bench(40, 10);
    let screen = bench.press("gl<Enter>").resize(30, 8).screen();
    assert!(screen.contains("✓ resolved step 6/30"), "{screen}");
}
