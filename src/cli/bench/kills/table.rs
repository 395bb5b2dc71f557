//! What is said of a storm: a line a moment, a table by phase, and with what it was made.

use serde_json::{Value, json};

use super::Args;
use super::draw::Aim;
use super::moment::Came;
use super::trace::{Phase, Whole};
use crate::cli::place::SandboxKind;
use crate::sandbox::docker::Daemon;

/// Seed, versions, load.
pub(super) async fn circumstances(args: &Args, whole: &Whole) -> Value {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let mut about = json!({
        "seed": args.seed,
        "moments": args.moments,
        "spotter": env!("CARGO_PKG_VERSION"),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": read("/proc/loadavg"),
        "undisturbed_seconds": whole.took.as_secs_f64(),
        "sandbox": match args.sandbox {
            SandboxKind::Local => "local",
            SandboxKind::Docker => "docker",
        },
    });
    if args.sandbox == SandboxKind::Docker
        && let Ok(daemon) = Daemon::connect().await
        && let Ok(text) = daemon.describe().await
    {
        about["daemon"] = text.into();
    }
    about
}

fn aimed(aim: Aim) -> String {
    match aim {
        Aim::Anywhere(after) => format!("{:.3} s after the start", after.as_secs_f64()),
        Aim::Within(phase, number, after) => {
            format!(
                "{:.3} s into {} {}",
                after.as_secs_f64(),
                phase.name(),
                number + 1
            )
        }
    }
}

/// One moment.
pub(super) fn line(number: usize, one: &Came) -> String {
    let sign = if one.wrong.is_empty() { "✓" } else { "✗" };
    let mut line = format!(
        "{sign} {:>3}  killed {}, in {}",
        number + 1,
        aimed(one.aim),
        one.phase.name()
    );
    for wrong in &one.wrong {
        line.push_str("\n       ");
        line.push_str(&crate::text::safe::one_line(wrong));
    }
    line
}

/// The table and what it stands on.
pub(super) fn lines(came: &[Came], about: &Value) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{:<13} {:>7} {:>11} {:>11} {:>8} {:>12} {:>17}",
            "phase",
            "moments",
            "lost events",
            "left behind",
            "resumed",
            "asked twice",
            "answered, again"
        ),
    ];
    let row = |name: &str, of: &[&Came]| {
        format!(
            "{name:<13} {:>7} {:>11} {:>11} {:>8} {:>12} {:>17}",
            of.len(),
            of.iter().map(|one| one.lost).sum::<usize>(),
            of.iter().map(|one| one.left.len()).sum::<usize>(),
            of.iter().filter(|one| one.resumed).count(),
            of.iter().map(|one| one.twice).sum::<u32>(),
            of.iter().map(|one| one.in_vain).sum::<u32>(),
        )
    };
    for phase in Phase::ALL {
        let of: Vec<&Came> = came.iter().filter(|one| one.phase == phase).collect();
        if !of.is_empty() {
            lines.push(row(phase.name(), &of));
        }
    }
    lines.push(row("all", &came.iter().collect::<Vec<_>>()));
    lines.push(String::new());
    if let Value::Object(fields) = about {
        let words: Vec<String> = fields
            .iter()
            .map(|(name, value)| match value {
                Value::String(text) => format!("{name} {text}"),
                other => format!("{name} {other}"),
            })
            .collect();
        lines.push(words.join(" · "));
    }
    lines
}

/// Everything, for programs.
pub(super) fn json(came: &[Came], about: &Value) -> Value {
    let moments: Vec<Value> = came
        .iter()
        .map(|one| {
            json!({
                "aimed": aimed(one.aim),
                "phase": one.phase,
                "lost": one.lost,
                "left_behind": one.left,
                "resumed": one.resumed,
                "asked_twice": one.twice,
                "answered_and_asked_again": one.in_vain,
                "wrong": one.wrong,
            })
        })
        .collect();
    json!({"about": about, "moments": moments, "failed": came.iter().filter(|one| !one.wrong.is_empty()).count()})
}
