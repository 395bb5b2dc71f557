//! The records of a stored run, for a replay: within a bound, whatever the file holds.
//!
//! Where there are too many, those go that only let a text grow (pieces of a reply, of a command's output, of a running
//! test): what came of it is in a later record, so a replay still shows every step, action and result. The file keeps all.

use crate::trajectory::Record;
use crate::trajectory::event::Event;

/// Records that are kept.
const MOST: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Kept {
    records: Vec<Record>,
    /// They are those from the first one on.
    all: bool,
    thinned: bool,
}

impl Kept {
    /// Take in what was read. `first`: nothing was before it. Of a run that goes on nothing is kept.
    pub fn take(&mut self, records: Vec<Record>, first: bool, live: bool) {
        if live {
            self.clear();
            return;
        }
        self.all |= first;
        if !self.all {
            return;
        }
        self.records.extend(
            records
                .into_iter()
                .filter(|record| !self.thinned || !is_piece(record)),
        );
        if self.records.len() > MOST && !self.thinned {
            self.thinned = true;
            self.records.retain(|record| !is_piece(record));
            self.records.shrink_to_fit();
        }
        // So many steps are no run that anybody watches to the end.
        self.records.truncate(MOST);
    }

    /// Whether there is a replay in them.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.all
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Nothing is kept.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// It only lets a text grow that a later record holds whole.
fn is_piece(record: &Record) -> bool {
    matches!(
        record.event,
        Event::Output { .. } | Event::Delta { .. } | Event::GradingProgress { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, event: Event) -> Record {
        let at = jiff::Timestamp::UNIX_EPOCH;
        Record { seq, at, event }
    }

    fn output(seq: u64) -> Record {
        let event = Event::Output {
            step: 1,
            index: 0,
            stream: crate::sandbox::Stream::Stdout,
            text: "more\n".into(),
        };
        record(seq, event)
    }

    #[test]
    fn of_an_endless_run_what_happened_is_kept_and_not_how_its_texts_grew() {
        let mut kept = Kept::default();
        for round in 0..30u64 {
            let mut records: Vec<Record> = (0..20_000).map(output).collect();
            records.push(record(round, Event::Repeating { step: 1 }));
            kept.take(records, round == 0, false);
            assert!(kept.records().len() <= MOST && kept.are_all());
        }
        assert_eq!(
            kept.records().len(),
            30,
            "each thing that happened, and no piece"
        );
    }

    #[test]
    fn a_run_that_goes_on_keeps_nothing_and_says_so() {
        let mut kept = Kept::default();
        kept.take(vec![output(0)], true, true);
        kept.take(vec![output(1)], false, false);
        assert!(!kept.are_all() && kept.records().is_empty());
        kept.clear();
        kept.take(vec![output(0)], true, false);
        assert!(kept.are_all() && kept.records().len() == 1);
    }
}
