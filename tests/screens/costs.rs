//! What a frame costs does not grow with the length of a trajectory: counted, not timed.

use super::bench::bench;
use spotter::agent::Outcome;
use spotter::app::news::News;
use spotter::trajectory::Record;
use spotter::trajectory::event::{Author, Event};

/// Records of `steps` more steps, after the opening of the stored run.
fn long(steps: u32) -> Vec<Record> {
    let stored = super::bench::stored();
    let at = stored[0].at;
    let mut records: Vec<Record> = stored.into_iter().take(5).collect();
    let mut push = |event| {
        let seq = records.len() as u64;
        records.push(Record { seq, at, event });
    };
    for step in 1..=steps {
        let call = spotter::model::ToolCall {
            id: step.to_string(),
            name: "execute_bash".into(),
            arguments: format!("{{\"command\": \"make step-{step}\"}}"),
        };
        push(Event::Proposed {
            step,
            thought: format!("Thought {step}: {}", "words and words ".repeat(12)),
            calls: vec![call.clone()],
        });
        push(Event::Action {
            step,
            index: 0,
            call,
            by: Author::Model,
            original: None,
        });
        push(Event::Observed {
            step,
            index: 0,
            outcome: Outcome {
                text: "a line of output\n".repeat(200),
                exit: Some(0),
                error: false,
                submitted: false,
                dropped: 0,
                took: std::time::Duration::from_millis(40),
            },
            message: step,
        });
        push(Event::StepDone {
            step,
            snapshot: spotter::sandbox::SnapshotId {
                files: "0".repeat(40),
                git: "0".repeat(40),
            },
            files: Vec::new(),
        });
    }
    records
}

fn opened(steps: u32) -> super::bench::Bench {
    let mut bench = bench(160, 48);
    let effects = spotter::app::update::open_run(&mut bench.state, "long");
    assert_eq!(effects.len(), 1);
    let generation = bench.state.run().unwrap().generation;
    bench.event(spotter::app::Event::News(News::Records {
        id: "long".into(),
        generation,
        records: long(steps),
        live: false,
        caught_up: true,
    }));
    bench.draw();
    bench
}

/// One more line of output in a step.
fn more_output(bench: &mut super::bench::Bench, step: u32, number: u64) {
    let run = bench.state.run().unwrap();
    let news = News::Records {
        id: run.id.clone(),
        generation: run.generation,
        records: vec![Record {
            seq: 100_000 + number,
            at: super::bench::stored()[0].at,
            event: Event::Output {
                step,
                index: 0,
                stream: spotter::sandbox::Stream::Stdout,
                text: "more\n".into(),
            },
        }],
        live: true,
        caught_up: true,
    };
    bench.event(spotter::app::Event::News(news));
}

fn built(bench: &super::bench::Bench) -> u64 {
    bench.state.run().unwrap().transcript.built
}

#[test]
fn scrolling_builds_only_what_comes_into_view_anywhere() {
    for place in ["gg", "150G", "G"] {
        let mut bench = opened(300);
        bench.press(place);
        let compared = |bench: &super::bench::Bench| bench.state.run().unwrap().transcript.compared;
        let before = (built(&bench), compared(&bench));
        for _ in 0..40 {
            bench.press("j");
        }
        for _ in 0..40 {
            bench.press("k");
        }
        let cost = built(&bench) - before.0;
        assert_eq!(
            compared(&bench),
            before.1,
            "steps were looked at, at {place}"
        );
        // All were built when their heights were asked for; the cursor that moves along is painted over them.
        assert_eq!(cost, 0, "cells were built for 80 rows at {place}");
    }
}

#[test]
fn the_number_of_the_cursors_step_stands_out_and_only_that() {
    let mut bench = opened(5);
    let accents = |bench: &super::bench::Bench| -> Vec<String> {
        let lines = &bench.state.run().unwrap().transcript.visible;
        let numbers = lines.iter().filter_map(|line| {
            let (text, ink) = line.pieces().next()?;
            (ink.role == spotter::text::Role::Accent && ink.bold).then(|| text.trim().to_owned())
        });
        numbers.collect()
    };
    assert_eq!(accents(&bench), ["1"]);
    bench.press("]");
    assert_eq!(accents(&bench), ["2"]);
    bench.press("[");
    assert_eq!(accents(&bench), ["1"]);
}

#[test]
fn a_stored_run_is_shown_from_its_beginning_with_its_first_piece_and_stays_there() {
    let mut bench = bench(160, 48);
    spotter::app::update::open_run(&mut bench.state, "long");
    let generation = bench.state.run().unwrap().generation;
    let records = long(300);
    let pieces: Vec<_> = records.chunks(100).collect();
    let mut before: Option<String> = None;
    for (at, piece) in pieces.iter().enumerate() {
        bench.event(spotter::app::Event::News(News::Records {
            id: "long".into(),
            generation,
            records: piece.to_vec(),
            live: false,
            caught_up: at + 1 == pieces.len(),
        }));
        let screen = bench.screen();
        let left = |line: &str| line.chars().take(80).collect::<String>() + "\n";
        let steps: String = screen.lines().skip(5).take(36).map(left).collect();
        assert!(steps.contains("Thought 1:"), "{steps}");
        if let Some(before) = before.replace(steps.clone()) {
            assert_eq!(before, steps, "after piece {at}");
        }
    }
    assert_eq!(bench.state.run().unwrap().step(), 1);
}

#[test]
fn a_frame_of_a_run_that_writes_reads_the_calls_of_the_step_that_changed_and_no_other() {
    let mut bench = opened(300);
    let read = |bench: &super::bench::Bench| bench.state.run().unwrap().files.read;
    let tests = |bench: &super::bench::Bench| bench.state.run().unwrap().tests.built;
    let before = read(&bench);
    let tests_before = tests(&bench);
    for number in 0..50u64 {
        more_output(&mut bench, 300, number);
        bench.draw();
    }
    let cost = read(&bench) - before;
    assert!(
        (1..=50).contains(&cost),
        "{cost} steps were read for 50 records"
    );
    assert_eq!(tests(&bench), tests_before, "no test ran meanwhile");
}

#[test]
fn a_frame_in_which_nothing_happens_builds_nothing_and_writes_next_to_nothing() {
    let mut bench = opened(300);
    bench.draw();
    let (before, raw) = (built(&bench), bench.raw.len());
    for _ in 0..10 {
        bench.draw();
    }
    assert_eq!(built(&bench), before);
    assert!(
        bench.raw.len() - raw < 10 * 64,
        "{} bytes",
        bench.raw.len() - raw
    );
}

#[test]
fn a_record_more_costs_the_same_after_ten_steps_and_after_a_thousand() {
    let cost = |steps| {
        let mut bench = opened(steps);
        bench.press("G");
        let before = built(&bench);
        for number in 0..50u64 {
            more_output(&mut bench, steps, number);
            bench.draw();
        }
        built(&bench) - before
    };
    let (short, long) = (cost(10), cost(1000));
    assert!(long <= short + 10, "{short} against {long}");
}

#[test]
fn an_endless_run_holds_so_many_steps_and_no_more() {
    let mut bench = opened(10);
    let generation = bench.state.run().unwrap().generation;
    let mut most = 0;
    for round in 0..12u32 {
        let mut records = long(1000);
        for record in &mut records {
            match &mut record.event {
                Event::Proposed { step, .. }
                | Event::Action { step, .. }
                | Event::Observed { step, .. }
                | Event::StepDone { step, .. } => *step += 10 + round * 1000,
                _ => {}
            }
        }
        let records = records.into_iter().skip(5).collect();
        bench.event(spotter::app::Event::News(News::Records {
            id: "long".into(),
            generation,
            records,
            live: true,
            caught_up: true,
        }));
        bench.draw();
        most = most.max(bench.state.run().unwrap().story.steps.len());
    }
    let story = &bench.state.run().unwrap().story;
    assert!(most <= 4_100, "{most} steps were held at once");
    assert_eq!(story.last(), 12_010);
    assert_eq!(story.gone as usize + story.steps.len(), 12_010);
    let screen = bench.press("G").screen();
    assert!(
        screen.contains("12010") && screen.contains("make step-1000"),
        "{screen}"
    );
}
