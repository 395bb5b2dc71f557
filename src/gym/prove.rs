//! Which calls show a program's fault: found by running them.
//!
//! Many programs go through one Python process in a local sandbox: each is run right, faulty and with its decoys, every call in each.
//! What the right version answers is what is expected; a call whose answer is another in the faulty one fails, the others pass. A
//! program whose fault no call shows, or that takes too long, is no task.
//!
//! The answers of one process are not what decides a rollout: there a task's own tests run in a sandbox of their own
//! (`spotter tasks check` shows that the two agree).

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::program::{Decoy, Program};
use super::{Fault, MakeError};
use crate::sandbox::{self, Base, Exec, Exit, Kind, Limits, Sandbox, Spec};

const SCRIPT: &str = include_str!("prove.py");
/// Programs that one process takes.
pub(super) const AT_ONCE: usize = 400;
/// Time for one process.
const TIME: Duration = Duration::from_mins(10);
/// Longest answer that a test or an issue shows, in characters.
const LONGEST: usize = 60;
/// Calls of the reported function whose answers must be wrong.
const FAILING: usize = 2;
/// Calls that must be right all along.
const PASSING: usize = 2;

/// A call and what it should answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) call: String,
    pub(super) expected: String,
    /// What the faulty version answers; `None` where it is right.
    pub(super) wrong: Option<Wrong>,
    /// The docstring says that the answer is another one.
    pub(super) disputed: bool,
}

/// A wrong answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    Value(String),
    /// `ZeroDivisionError: division by zero`.
    Error(String),
}

/// What running a program showed.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    /// Calls whose answers differ.
    pub(super) failing: Vec<Case>,
    /// Calls whose answers agree; those of the reported function first.
    pub(super) passing: Vec<Case>,
    /// Decoys that leave the first failing case failing.
    pub(super) decoys: Vec<Decoy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Answer(String, String);

/// A sandbox for running programs.
pub(super) struct Prover {
    sandbox: Box<dyn Sandbox>,
}

impl Prover {
    /// Start it; `folder` is scratch and stays the caller's.
    pub(super) async fn start(folder: &Path) -> Result<Self, MakeError> {
        let base = folder.join("base");
        std::fs::create_dir_all(&base).map_err(|source| MakeError::Write {
            path: base.clone(),
            source,
        })?;
        let spec = Spec {
            kind: Kind::Local,
            base: Base::Folder(base),
            image: None,
            state: folder.join("state"),
            cache: folder.join("cache"),
            owner: "gym".into(),
            network: false,
            limits: Limits::default(),
            snapshot_ignored: false,
        };
        Ok(Self {
            sandbox: sandbox::start(spec).await?,
        })
    }

    /// Run programs; for each, what was shown, or `None` where it is no task.
    pub(super) async fn prove(
        &self,
        programs: &[&Program],
    ) -> Result<Vec<Option<Proof>>, MakeError> {
        let mut exec = Exec::new(
            ["python3", "-S", "-E", "-B", "-c", SCRIPT]
                .map(String::from)
                .to_vec(),
            TIME,
        );
        for program in programs {
            exec.stdin.extend_from_slice(question(program).as_bytes());
            exec.stdin.push(b'\n');
        }
        exec.keep = 256 << 20;
        let ran = self.sandbox.exec(exec, None).await?;
        let said = ran.stdout.text();
        let answers: Vec<Option<Vec<Vec<Answer>>>> = said
            .lines()
            .map(|line| serde_json::from_str(line).ok())
            .collect();
        if ran.exit != Exit::Code(0) || answers.len() != programs.len() {
            let why = ran
                .stderr
                .text()
                .lines()
                .last()
                .unwrap_or("nothing was said")
                .to_owned();
            return Err(MakeError::Python {
                status: ran.exit.status(),
                why,
            });
        }
        Ok(programs
            .iter()
            .zip(answers)
            .map(|(program, answers)| proof(program, &answers?))
            .collect())
    }

    pub(super) async fn stop(self) {
        let _ = self.sandbox.stop().await;
    }
}

fn question(program: &Program) -> String {
    let mut versions = vec![program.sources(false), program.sources(true)];
    versions.extend(program.as_said());
    let decoyed = program.decoys.iter();
    versions.extend(decoyed.map(|decoy| program.with_decoy(decoy)));
    json!({"versions": versions, "calls": program.calls}).to_string()
}

/// Read the answers; `None` where the program is no task.
fn proof(program: &Program, versions: &[Vec<Answer>]) -> Option<Proof> {
    let (right, rest) = versions.split_first()?;
    let (faulty, rest) = rest.split_first()?;
    let (said, decoyed) = match program.as_said() {
        Some(_) => rest.split_first()?,
        None => (right, rest),
    };
    if right.len() != program.calls.len() || faulty.len() != right.len() {
        return None;
    }
    let (mut failing, mut passing) = (Vec::new(), Vec::new());
    let mut first = None;
    for (at, call) in program.calls.iter().enumerate() {
        let (expected, got) = (right.get(at)?, faulty.get(at)?);
        if expected.0 != "value" || expected.1.len() > LONGEST {
            continue;
        }
        let wrong = match got.0.as_str() {
            _ if got == expected => None,
            "value" => Some(Wrong::Value(got.1.clone())),
            "error" => Some(Wrong::Error(got.1.clone())),
            _ => return None,
        };
        let case = Case {
            call: call.clone(),
            expected: expected.1.clone(),
            wrong,
            disputed: said.get(at) != Some(expected),
        };
        let too_long = matches!(&case.wrong, Some(Wrong::Value(text) | Wrong::Error(text)) if text.len() > LONGEST);
        if too_long {
            continue;
        }
        if case.wrong.is_none() {
            passing.push(case);
        } else if at < program.reported_calls {
            first.get_or_insert(at);
            failing.push(case);
        } else {
            // A fault that other functions show as well: one test more.
            failing.push(case);
        }
    }
    let at = first?;
    // There may be only one way to call a function with nothing.
    let enough = if program.slip.fault == Fault::Guard {
        1
    } else {
        FAILING
    };
    if failing.len() < enough || passing.len() < PASSING {
        return None;
    }
    let still_wrong = |answers: &[Answer]| {
        answers
            .get(at)
            .is_some_and(|answer| Some(answer) != right.get(at))
    };
    let decoys = program
        .decoys
        .iter()
        .zip(decoyed)
        .filter(|(_, answers)| still_wrong(answers));
    let decoys = decoys.map(|(decoy, _)| decoy.clone()).collect();
    Some(Proof {
        failing,
        passing,
        decoys,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::gym::Split;
    use crate::gym::random::Random;
    use crate::gym::row::{self, Label};

    /// What the script answers of modules `m` with one function `f`, each called once.
    fn ran(modules: &[&str]) -> Vec<Vec<Answer>> {
        let versions: Vec<_> = modules.iter().map(|text| [["m", text]]).collect();
        let question = json!({"versions": versions, "calls": ["m.f()"]}).to_string();
        let mut python = Command::new("python3")
            .args(["-S", "-E", "-B", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = python.stdin.take().unwrap();
        stdin.write_all(question.as_bytes()).unwrap();
        drop(stdin);
        let ran = python.wait_with_output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    #[test]
    fn what_never_ends_is_stopped_and_time_that_passes_without_work_is_not_counted() {
        let three = Answer("value".into(), "3".into());
        let answers = ran(&[
            "def f():\n    while True:\n        pass\n",
            "import time\ntime.sleep(0.6)\ndef f():\n    return 3\n",
        ]);
        assert_eq!(answers, [vec![], vec![three]]);
    }

    #[test]
    fn a_signal_at_the_very_end_of_a_version_ends_nothing_but_that_version() {
        let three = Answer("value".into(), "3".into());
        // The timer's signal comes while the timer is being switched off.
        let late = "import signal\nkept = signal.setitimer\ndef f():\n    def off(which, seconds):\n        signal.setitimer = kept\n        \
                    kept(which, 0)\n        signal.raise_signal(signal.SIGVTALRM)\n    signal.setitimer = off\n    return 3\n";
        let answers = ran(&[late, "def f():\n    return 3\n"]);
        assert_eq!(answers, [vec![three.clone()], vec![three]]);
    }

    #[test]
    fn a_program_is_no_task_where_a_test_would_contradict_a_docstring() {
        let mut random = Random::of(1, 1);
        let drawn =
            std::iter::repeat_with(|| Program::draw(&mut random, Split::Train, 2, Fault::Constant));
        let mut drawn = drawn
            .take(2000)
            .flatten()
            .filter(|one| one.reported_calls > 9);
        let program = drawn.find(|one| one.as_said().is_some()).unwrap();
        let value = |text: &str| Answer("value".into(), text.into());
        let right = vec![value("1"); program.calls.len()];
        let mut faulty = right.clone();
        faulty[0] = value("2");
        faulty[1] = value("2");
        let made = |said: &[Answer]| {
            let versions = [right.clone(), faulty.clone(), said.to_vec()];
            let proof = proof(&program, &versions).unwrap();
            let label = Label {
                seed: 1,
                number: 1,
                split: Split::Train,
                level: 2,
                fault: Fault::Constant,
            };
            row::row(&label, &program, &proof, &mut Random::of(1, 2)).is_some()
        };
        assert!(made(&right));
        // A call that is among the tests; one that is not; one that never ends.
        let mut said = right.clone();
        said[0] = value("3");
        assert!(!made(&said));
        let mut said = right.clone();
        said[3] = value("3");
        assert!(made(&said));
        assert!(!made(&[]));
    }
}
