//! The whole way: a folder that the engine opens and computes alike, a run that goes on as if it had never been killed.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::json;

use super::gradients::{cpu, drawn, rows, shape};
use super::texts::tokenizer;
use crate::engine::cache::Cache;
use crate::engine::config::Config;
use crate::engine::decoder::{Decoder, Part, Precision, Room, Wanted};
use crate::engine::prefix::Page;
use crate::engine::weights::Files;
use crate::train::TrainError;
use crate::train::folder::{CARD, WEIGHTS, describe, write_weights};
use crate::train::network::{Network, Pack};
use crate::train::policy::{End, Happened, Wishes, make};
use crate::train::shape::{Layout, Shape};
use crate::train::start::Start;
use crate::train::trainer::Settings;

#[test]
fn the_engine_computes_from_the_folder_what_the_trainer_computed() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(shape(32));
    // As bfloat16 keeps them.
    let weights: Vec<f32> = drawn(&layout)
        .into_iter()
        .map(|weight| half::bf16::from_f32(weight).to_f32())
        .collect();
    describe(folder.path(), &layout.shape, 3).unwrap();
    write_weights(folder.path(), &layout, &weights).unwrap();
    let row = &rows(&[41])[0];
    let mut pack = Pack::default();
    pack.push(&row.tokens, &row.weights);
    let cpu = cpu(1);
    let expected = Network::new(&layout.shape, &cpu)
        .logits(&layout, &weights, &pack)
        .unwrap();
    let text = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    let config = Config::from_json(&text, "config.json").unwrap();
    // Biases are not counted there.
    let biases = 2 * layout.shape.qkv() as u64;
    assert_eq!(config.parameters() + biases, layout.total as u64);
    let files = Files::open(folder.path()).unwrap();
    let checkpoint = files.checkpoint().unwrap();
    let decoder = Decoder::load(&config, &checkpoint, Precision::F32, &cpu, "it").unwrap();
    let mut cache = Cache::new(&config, Precision::F32, 8);
    let part = Part {
        tokens: &pack.tokens,
        past: 0,
        pages: &[0, 1, 2, 3].map(Page),
        wanted: Wanted::All,
    };
    let found = decoder
        .forward(&[part], &mut cache, &cpu, &mut Room::default())
        .unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().map(|logit| logit.abs()).fold(0.0, f32::max);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 1e-5 * largest,
            "{found} instead of {expected}"
        );
    }
}

/// Conversations in which the reply is what stands after a name that was asked for.
fn demonstrations(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("demonstrations.jsonl");
    let names = ["total", "count", "first", "last", "width", "height"];
    let lines: Vec<String> = (0..60)
        .map(|at| {
            let (a, b) = (names[at % 6], names[(at / 6 + at) % 6]);
            let said = json!({"instance_id": format!("t{at}"), "messages": [
                {"role": "user", "content": format!("{a} = 1, {b} = 2, which is 1?")},
                {"role": "assistant", "content": a},
                {"role": "user", "content": "and 2?"},
                {"role": "assistant", "content": b},
            ]});
            said.to_string()
        })
        .collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn wishes(folder: &Path, out: &str) -> Wishes {
    Wishes {
        demonstrations: vec![demonstrations(folder)],
        validation: None,
        out: folder.join(out),
        from: None,
        shape: Shape {
            vocab: 300,
            hidden: 32,
            heads: 2,
            kv_heads: 1,
            intermediate: 32,
            ..shape(16)
        },
        settings: Settings {
            batch: 150,
            warm_up: 3,
            ..Settings::default()
        },
        context_weight: 0.0,
        steps: 12,
        minutes: None,
        keep_every: 5,
        seed: 11,
        threads: 2,
        command: "spotter train policy".into(),
    }
}

fn until(wishes: &Wishes, last: u64) -> (End, Vec<Happened>) {
    let mut all = Vec::new();
    let end = make(wishes, &mut |happened| {
        let over = matches!(happened, Happened::Step { step, .. } if step >= last);
        all.push(happened);
        if over {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    (end.unwrap(), all)
}

#[test]
fn a_run_that_is_ended_or_killed_goes_on_to_the_very_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let read = |out: &str| std::fs::read(folder.path().join(out).join(WEIGHTS)).unwrap();
    let straight = wishes(folder.path(), "straight");
    let (end, all) = until(&straight, u64::MAX);
    assert_eq!(end, End::Done);
    let losses: Vec<f64> = all
        .iter()
        .filter_map(|happened| match happened {
            Happened::Step { loss, .. } => Some(*loss),
            _ => None,
        })
        .collect();
    assert_eq!(losses.len(), 12);
    assert!(losses[11] < losses[0], "{losses:?}");
    assert!(
        all.iter()
            .any(|happened| matches!(happened, Happened::Validated { .. }))
    );
    let ended = wishes(folder.path(), "ended");
    assert_eq!(until(&ended, 7).0, End::Cancelled);
    assert_ne!(read("ended"), read("straight"));
    // A kill later than a checkpoint: what was written half stays under another name, what came after it is lost.
    let checkpoints = ended.out.join("checkpoints");
    let names = |of: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(of).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&checkpoints), ["lock", "step-00000007"]);
    std::fs::create_dir(checkpoints.join("part")).unwrap();
    std::fs::write(checkpoints.join("part/trainer.bin"), b"half of it").unwrap();
    let (end, all) = until(&ended, u64::MAX);
    assert_eq!(end, End::Done);
    assert!(
        all.iter()
            .any(|happened| matches!(happened, Happened::Begun { step: 7, .. }))
    );
    assert_eq!(read("ended"), read("straight"));
    let card = std::fs::read_to_string(ended.out.join(CARD)).unwrap();
    assert!(
        card.contains("12 steps") && card.contains("It knows nothing else"),
        "{card}"
    );
    // Done is done.
    let (end, all) = until(&ended, u64::MAX);
    assert_eq!(end, End::Done);
    assert!(
        !all.iter()
            .any(|happened| matches!(happened, Happened::Step { .. }))
    );
}

fn validated(all: &[Happened]) -> Vec<u64> {
    let steps = all.iter().filter_map(|happened| match happened {
        Happened::Validated { step, .. } => Some(*step),
        _ => None,
    });
    steps.collect()
}

#[test]
fn what_a_run_lacks_at_its_end_is_made_good_and_what_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = wishes(folder.path(), "out");
    let (card, weights) = (run.out.join(CARD), run.out.join(WEIGHTS));
    until(&run, u64::MAX);
    let first = std::fs::read_to_string(&card).unwrap();
    let right = std::fs::read(&weights).unwrap();
    // Another command line that takes no step is none that made anything.
    run.command = "spotter train policy again".into();
    let (_, all) = until(&run, u64::MAX);
    assert!(validated(&all).is_empty());
    assert_eq!(std::fs::read_to_string(&card).unwrap(), first);
    // The weights of an earlier checkpoint, none, no card.
    for (lost, left) in [
        (&weights, Some("of before")),
        (&weights, None),
        (&card, None),
    ] {
        match left {
            Some(text) => std::fs::write(lost, text).unwrap(),
            None => std::fs::remove_file(lost).unwrap(),
        }
        assert_eq!(until(&run, u64::MAX).0, End::Done);
        assert_eq!(std::fs::read(&weights).unwrap(), right);
        let card = std::fs::read_to_string(&card).unwrap();
        assert!(
            card.contains("spotter train policy again") && card.contains("- 12 steps"),
            "{card}"
        );
    }
}

#[test]
fn weights_that_could_not_be_written_at_the_end_are_written_when_they_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let straight = wishes(folder.path(), "straight");
    until(&straight, u64::MAX);
    let run = wishes(folder.path(), "out");
    let weights = run.out.join(WEIGHTS);
    let failed = make(&run, &mut |happened| {
        // A folder in their place is in the way as a full disk is.
        if matches!(happened, Happened::Step { step: 12, .. }) {
            std::fs::remove_file(&weights).unwrap();
            std::fs::create_dir(&weights).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert!(failed.is_err());
    std::fs::remove_dir(&weights).unwrap();
    assert_eq!(until(&run, u64::MAX).0, End::Done);
    assert_eq!(
        std::fs::read(&weights).unwrap(),
        std::fs::read(straight.out.join(WEIGHTS)).unwrap()
    );
    let card = std::fs::read_to_string(run.out.join(CARD)).unwrap();
    assert!(
        card.contains("- 12 steps") && !card.contains("It was ended before"),
        "{card}"
    );
}

#[test]
fn a_run_that_was_interrupted_at_its_last_step_is_validated_when_it_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = wishes(folder.path(), "out");
    let (end, all) = until(&run, 12);
    assert_eq!(
        (end, validated(&all).last()),
        (End::Cancelled, Some(&10)),
        "{all:?}"
    );
    let (end, all) = until(&run, u64::MAX);
    assert_eq!((end, validated(&all)), (End::Done, vec![12]));
    let card = std::fs::read_to_string(run.out.join(CARD)).unwrap();
    assert!(
        card.contains("\n| 12 | ") && !card.contains("It was ended before"),
        "{card}"
    );
    // It is on record: once is enough.
    assert!(validated(&until(&run, u64::MAX).1).is_empty());
}

#[test]
fn a_checkpoint_of_before_all_of_a_run_was_on_record_is_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = wishes(folder.path(), "out");
    until(&run, 5);
    let state = run.out.join("checkpoints/step-00000005/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let mut place: serde_json::Value = serde_json::from_str(&text).unwrap();
    let begun = place["begun"].as_object_mut().unwrap();
    let length = begun.remove("length");
    assert_eq!(length, Some(json!({"steps": 12, "minutes": null})));
    assert_eq!(begun.remove("vocabulary"), Some(json!(300)));
    assert!(begun.remove("validation").is_some());
    std::fs::write(&state, place.to_string()).unwrap();
    run.steps = 6;
    run.shape.vocab = 301;
    assert_eq!(until(&run, u64::MAX).0, End::Done);
}

#[test]
fn however_few_the_minutes_a_step_is_taken_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = Wishes {
        minutes: Some(1e-9),
        ..wishes(folder.path(), "out")
    };
    assert_eq!(until(&run, u64::MAX).0, End::Done);
    assert!(run.out.join(WEIGHTS).is_file());
}

#[test]
fn what_lies_in_several_places_is_learned_as_if_it_lay_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let one = wishes(folder.path(), "one");
    let all = std::fs::read_to_string(demonstrations(folder.path())).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    let (first, second) = lines.split_at(20);
    let places = [("first.jsonl", first), ("second.jsonl", second)];
    let places = places.map(|(name, lines)| {
        let path = folder.path().join(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    });
    let several = Wishes {
        demonstrations: places.to_vec(),
        out: folder.path().join("several"),
        ..one.clone()
    };
    let made = |wishes: &Wishes| {
        assert_eq!(until(wishes, u64::MAX).0, End::Done);
        std::fs::read(wishes.out.join(WEIGHTS)).unwrap()
    };
    assert_eq!(made(&one), made(&several));
    let card = std::fs::read_to_string(several.out.join(CARD)).unwrap();
    assert!(
        card.contains("from `first.jsonl`, `second.jsonl` (60 conversations of files): "),
        "{card}"
    );
    let first = Wishes {
        demonstrations: places[..1].to_vec(),
        out: folder.path().join("first"),
        ..one.clone()
    };
    assert_ne!(made(&one), made(&first));
}

#[test]
fn a_run_goes_on_only_with_what_it_was_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let begun = wishes(folder.path(), "out");
    until(&begun, 5);
    let with = |change: &dyn Fn(&mut Wishes)| {
        let mut wishes = begun.clone();
        change(&mut wishes);
        make(&wishes, &mut |_| ControlFlow::Continue(()))
            .unwrap_err()
            .to_string()
    };
    let said = with(&|wishes| wishes.seed = 12);
    assert!(
        said.contains("begun with another seed; to begin anew, name another folder"),
        "{said}"
    );
    assert!(with(&|wishes| wishes.shape.layers = 1).contains("another shape"));
    let length = "begun with another number of steps or minutes";
    assert!(with(&|wishes| wishes.steps = 13).contains(length));
    assert!(with(&|wishes| wishes.minutes = Some(1.0)).contains(length));
    assert!(with(&|wishes| wishes.context_weight = 0.5).contains("other demonstrations"));
    // The vocabulary there is stays as it was learned, so another wish would be on the card only.
    let said = with(&|wishes| wishes.shape.vocab = 301);
    assert!(said.contains("another size of the vocabulary"), "{said}");
    let said = with(&|wishes| wishes.shape.hidden = 50);
    assert!(said.contains("the width is 50; multiples of 16"), "{said}");
    let said = with(&|wishes| wishes.shape.context = 3);
    assert!(
        said.contains("none of its 60 conversations fits the context of 3"),
        "{said}"
    );
    let bin = begun.out.join("checkpoints/step-00000005/trainer.bin");
    std::fs::write(&bin, b"cut").unwrap();
    assert!(with(&|_| ()).contains("its numbers are 3 bytes where"));
}

#[test]
fn a_run_can_begin_with_an_earlier_policy_its_vocabulary_and_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    let first = wishes(folder.path(), "first");
    until(&first, u64::MAX);
    let mut second = Wishes {
        from: Some(first.out.clone()),
        shape: Shape {
            layers: 7,
            ..first.shape
        },
        seed: 12,
        ..wishes(folder.path(), "second")
    };
    let (end, all) = until(&second, u64::MAX);
    assert_eq!(end, End::Done);
    let losses = |all: &[Happened]| -> Vec<f64> {
        let losses = all.iter().filter_map(|happened| match happened {
            Happened::Step { loss, .. } => Some(*loss),
            _ => None,
        });
        losses.collect()
    };
    let fresh = Wishes {
        seed: 12,
        ..wishes(folder.path(), "fresh")
    };
    let (_, fresh) = until(&fresh, u64::MAX);
    assert!(
        losses(&all)[0] < 0.9 * losses(&fresh)[0],
        "{:?} {:?}",
        losses(&all),
        losses(&fresh)
    );
    let text = |of: &Wishes, name: &str| std::fs::read_to_string(of.out.join(name)).unwrap();
    for name in ["tokenizer.json", "config.json"] {
        assert_eq!(text(&first, name), text(&second, name));
    }
    assert!(text(&second, CARD).contains("the weights of an earlier one, `first`"));
    // Before its first step it is that policy, to the byte.
    let start = Start::read(&first.out).unwrap();
    let again = folder.path().join("again");
    std::fs::create_dir(&again).unwrap();
    write_weights(&again, &Layout::new(start.shape), &start.weights).unwrap();
    assert_eq!(
        std::fs::read(again.join(WEIGHTS)).unwrap(),
        std::fs::read(first.out.join(WEIGHTS)).unwrap()
    );
    // It goes on only from the same one, and what it has made stays as it is.
    let other = folder.path().join("fresh");
    let tokenizer = text(&second, "tokenizer.json");
    std::fs::write(other.join("tokenizer.json"), format!("{tokenizer}\n")).unwrap();
    second.from = Some(other);
    let said = make(&second, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(
        said.to_string().contains("begun with other weights"),
        "{said}"
    );
    assert_eq!(text(&second, "tokenizer.json"), tokenizer);
    second.from = Some(second.out.clone());
    let said = make(&second, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(
        said.to_string().contains("it is the folder to make"),
        "{said}"
    );
    std::fs::remove_file(first.out.join(WEIGHTS)).unwrap();
    assert!(Start::read(&first.out).is_err());
}

#[test]
fn a_learned_tokenizer_is_one_that_the_engine_opens() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        tokenizer(folder.path()).decode(&[0]),
        crate::train::vocabulary::END
    );
}

#[test]
fn a_run_goes_on_only_with_the_validation_that_it_was_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let all = std::fs::read_to_string(demonstrations(folder.path())).unwrap();
    let part = |name: &str, count: usize| {
        let lines: Vec<&str> = all.lines().take(count).collect();
        let path = folder.path().join(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    };
    let mut run = Wishes {
        validation: Some(part("some.jsonl", 5)),
        ..wishes(folder.path(), "out")
    };
    until(&run, 5);
    run.validation = Some(part("others.jsonl", 6));
    let said = make(&run, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(
        said.to_string()
            .contains("begun with other rows of validation"),
        "{said}"
    );
    run.validation = Some(part("some.jsonl", 5));
    assert_eq!(until(&run, u64::MAX).0, End::Done);
    let card = std::fs::read_to_string(run.out.join(CARD)).unwrap();
    assert!(
        card.contains("On 5 demonstrations from `some.jsonl`, each"),
        "{card}"
    );
}

#[test]
fn where_no_row_is_kept_back_that_is_said_once_and_the_card_has_no_empty_table() {
    let folder = tempfile::tempdir().unwrap();
    let all = std::fs::read_to_string(demonstrations(folder.path())).unwrap();
    // None of these names is kept back.
    let lines = all.lines().take(60).map(|line| {
        let mut said: serde_json::Value = serde_json::from_str(line).unwrap();
        said["instance_id"] = json!("t1");
        said.to_string()
    });
    let path = folder.path().join("one.jsonl");
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let run = Wishes {
        demonstrations: vec![path],
        ..wishes(folder.path(), "out")
    };
    let (_, happened) = until(&run, u64::MAX);
    let told = happened
        .iter()
        .filter(|happened| matches!(happened, Happened::NotValidated));
    assert_eq!(told.count(), 1);
    let card = std::fs::read_to_string(run.out.join(CARD)).unwrap();
    assert!(
        !card.contains("Validation") && card.ends_with(" minutes\n"),
        "{card}"
    );
    assert!(!card.contains("expert") && !card.contains("gym"), "{card}");
}

#[test]
fn a_folder_with_a_model_that_is_no_run_of_ours_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let run = wishes(folder.path(), "model");
    for name in ["model-00001-of-00002.safetensors", "config.json"] {
        std::fs::create_dir_all(&run.out).unwrap();
        std::fs::write(run.out.join(name), "somebody's").unwrap();
        let said = make(&run, &mut |_| ControlFlow::Continue(())).unwrap_err();
        let said = said.to_string();
        assert!(
            said.contains(&format!("model: it holds a model ({name})"))
                && said.contains("name another --out"),
            "{said}"
        );
        let names = std::fs::read_dir(&run.out).unwrap();
        assert_eq!(names.count(), 1, "nothing is written there");
        std::fs::remove_dir_all(&run.out).unwrap();
    }
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let run = wishes(folder.path(), "out");
    until(&run, 1);
    // As a kill before that leaves it.
    for entry in std::fs::read_dir(run.out.join("checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    std::fs::remove_file(run.out.join(WEIGHTS)).unwrap();
    assert!(run.out.join("config.json").is_file());
    assert_eq!(until(&run, u64::MAX).0, End::Done);
}

#[test]
fn a_folder_has_one_training_at_a_time_and_is_free_again_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = wishes(folder.path(), "out");
    let mut said = None;
    make(&run, &mut |happened| {
        if let Happened::Step { step: 2, .. } = happened {
            let second = make(&run, &mut |_| ControlFlow::Continue(()));
            said = Some(second.unwrap_err().to_string());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let said = said.unwrap();
    assert!(
        said.contains("another training writes to it: wait for its end or name another --out"),
        "{said}"
    );
    assert_eq!(until(&run, u64::MAX).0, End::Done);
}

#[test]
fn a_loss_that_is_no_number_names_only_a_checkpoint_that_there_is() {
    let said = |kept| TrainError::Diverged { step: 7, kept }.to_string();
    assert!(said(0).ends_with("a smaller --rate and another --out"));
    assert!(said(5).ends_with("another --out; the checkpoint of step 5 is whole"));
}
