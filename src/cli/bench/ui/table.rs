//! The numbers: least, median and 99th percentile of each thing beside its goal and the peer's, and with what they were made.

use serde_json::{Value, json};

/// What must hold of a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// Median at most.
    Median(f64),
    /// 99th percentile at most.
    Late(f64),
    /// Both.
    Both(f64, f64),
    /// Every value at most.
    Most(f64),
    /// Nothing: it is there to be known.
    None,
}

/// One thing measured.
#[derive(Debug, Clone)]
pub(super) struct Line {
    what: String,
    unit: &'static str,
    goal: Goal,
    values: Vec<f64>,
    peer: Vec<f64>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
    notes: Vec<String>,
    made_with: Vec<(String, String)>,
}

/// The value that a share of all are not above.
pub(in crate::cli::bench) fn at_most(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a small count"
    )]
    let at = (share * last as f64).ceil() as usize;
    sorted.get(at).copied()
}

impl Table {
    /// One more value of a thing.
    pub(super) fn note(&mut self, what: &str, unit: &'static str, goal: Goal, value: f64) {
        self.line(what, unit, goal).values.push(value);
    }

    /// One more value of the peer's for the same thing.
    pub(super) fn peer(&mut self, what: &str, value: f64) {
        self.line(what, "ms", Goal::None).peer.push(value);
    }

    fn line(&mut self, what: &str, unit: &'static str, goal: Goal) -> &mut Line {
        let at = self.lines.iter().position(|line| line.what == what);
        let at = at.unwrap_or_else(|| {
            self.lines.push(Line {
                what: what.into(),
                unit,
                goal,
                values: Vec::new(),
                peer: Vec::new(),
            });
            self.lines.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found or pushed")]
        &mut self.lines[at]
    }

    /// Something that is no number.
    pub(super) fn say(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// Something it was made with.
    pub(super) fn with(&mut self, name: &str, value: impl Into<String>) {
        self.made_with.push((name.into(), value.into()));
    }

    /// Values of a thing.
    pub(super) fn values(&self, what: &str) -> &[f64] {
        self.lines
            .iter()
            .find(|line| line.what == what)
            .map_or(&[], |line| &line.values)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let wide = self
            .lines
            .iter()
            .map(|line| line.what.chars().count())
            .max()
            .unwrap_or(0);
        let mut lines = vec![format!(
            "{:wide$}  {:>9} {:>9} {:>9}   n  goal",
            "", "min", "p50", "p99"
        )];
        lines.extend(
            self.lines
                .iter()
                .filter(|line| !line.values.is_empty() || !line.peer.is_empty())
                .map(|line| {
                    let value = |share| number(at_most(&line.values, share));
                    let peer = match at_most(&line.peer, 0.5) {
                        None => String::new(),
                        some => format!(
                            "   peer {} / {}",
                            number(some),
                            number(at_most(&line.peer, 0.99))
                        ),
                    };
                    format!(
                        "{:wide$}  {:>9} {:>9} {:>9} {:>3}  {}{peer}",
                        line.what,
                        value(0.0),
                        value(0.5),
                        value(0.99),
                        line.values.len(),
                        line.told()
                    )
                }),
        );
        lines.extend(self.notes.iter().cloned());
        lines.extend(
            self.made_with
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        lines
    }

    pub(super) fn json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(|line| {
            let three = |values: &[f64]| json!({
                "min": at_most(values, 0.0), "p50": at_most(values, 0.5), "p99": at_most(values, 0.99), "n": values.len(),
            });
            json!({
                "what": line.what, "unit": line.unit, "goal": line.goal.words(line.unit), "met": line.met(),
                "spotter": three(&line.values),
                "peer": (!line.peer.is_empty()).then(|| three(&line.peer)),
            })
        }).collect();
        let made: serde_json::Map<String, Value> = self
            .made_with
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({"made_with": made, "lines": lines, "notes": self.notes})
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value >= 1000.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

impl Line {
    fn met(&self) -> Option<bool> {
        let (middle, late) = (at_most(&self.values, 0.5)?, at_most(&self.values, 0.99)?);
        match self.goal {
            Goal::Median(most) => Some(middle <= most),
            Goal::Late(most) => Some(late <= most),
            Goal::Both(median, most) => Some(middle <= median && late <= most),
            Goal::Most(most) => Some(self.values.iter().all(|value| *value <= most)),
            Goal::None => None,
        }
    }

    fn told(&self) -> String {
        match self.met() {
            None => self.unit.to_owned(),
            Some(met) => format!(
                "{} · {}",
                self.goal.words(self.unit),
                if met { "met" } else { "MISSED" }
            ),
        }
    }
}

impl Goal {
    fn words(self, unit: &str) -> String {
        match self {
            Self::Median(most) => format!("p50 ≤ {most} {unit}"),
            Self::Late(most) => format!("p99 ≤ {most} {unit}"),
            Self::Both(median, most) => format!("p50 ≤ {median}, p99 ≤ {most} {unit}"),
            Self::Most(most) => format!("≤ {most} {unit}"),
            Self::None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_the_values_and_by_nothing_else() {
        let mut table = Table::default();
        for value in 1..=100 {
            table.note("key", "ms", Goal::Both(51.0, 99.0), f64::from(value));
        }
        assert_eq!(at_most(table.values("key"), 0.5), Some(51.0));
        assert_eq!(at_most(table.values("key"), 0.99), Some(100.0));
        assert!(table.lines().iter().any(|line| line.contains("MISSED")));
        assert_eq!(table.json()["lines"][0]["met"], false);
        assert_eq!(at_most(&[], 0.5), None);
    }
}
