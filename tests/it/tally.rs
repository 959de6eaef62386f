//! Fates of sent messages in a run with faults: values carry their writer and a counter, and a
//! missing answer means "unknown", never "failed".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// A message by its writer and the number of messages that this writer sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Value {
    pub(crate) writer: u32,
    pub(crate) counter: u64,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}-{}", self.writer, self.counter)
    }
}

impl FromStr for Value {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (writer, counter) = text.strip_prefix('w').and_then(|v| v.split_once('-')).ok_or(())?;
        let value = |text: &str| text.parse().map_err(drop);
        Ok(Self { writer: writer.parse().map_err(drop)?, counter: value(counter)? })
    }
}

/// Answer to the writer of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Accepted: the value is on disk.
    Accepted,
    /// Refused for good.
    Refused,
    /// No answer: the value may have arrived or not.
    Unknown,
}

/// Answers to writers, by value.
#[derive(Default)]
pub(crate) struct Tally {
    answers: BTreeMap<Value, Answer>,
}

impl Tally {
    /// Notes an answer. The last one counts: a retry may resolve an unknown.
    pub(crate) fn answer(&mut self, value: Value, answer: Answer) {
        self.answers.insert(value, answer);
    }

    /// Adds the answers of other writers.
    pub(crate) fn merge(&mut self, other: Self) {
        self.answers.extend(other.answers);
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.answers.values().filter(|answer| **answer == Answer::Accepted).count() as u64
    }

    /// Compares with what one reader was shown, in order. `drained`: it has seen a later message
    /// than all of these, so that a missing one will not come.
    pub(crate) fn report(&self, shown: &[Value], drained: bool) -> Report {
        let mut report = Report { drained, shown: shown.len() as u64, ..Report::default() };
        let mut seen = BTreeSet::new();
        let mut last: BTreeMap<u32, u64> = BTreeMap::new();
        for value in shown {
            if !seen.insert(*value) {
                report.duplicated += 1;
                continue;
            }
            let highest = last.entry(value.writer).or_insert(value.counter);
            report.reordered += u64::from(value.counter < *highest);
            *highest = value.counter.max(*highest);
            match self.answers.get(value) {
                Some(Answer::Accepted) => {}
                Some(Answer::Unknown) => report.recovered += 1,
                Some(Answer::Refused) | None => report.unexpected += 1,
            }
        }
        for (value, answer) in self.answers.iter().filter(|(value, _)| !seen.contains(value)) {
            match answer {
                Answer::Accepted => report.lose(*value, &seen),
                Answer::Refused => {}
                Answer::Unknown => report.unknown += 1,
            }
        }
        report.accepted = self.accepted();
        let refused = |answer: &&Answer| **answer == Answer::Refused;
        report.refused = self.answers.values().filter(refused).count() as u64;
        report
    }
}

/// Result of a run for one reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) shown: u64,
    /// Accepted values that were not shown: before the first shown value of their writer, between
    /// two, and after the last.
    pub(crate) lost_prefix: u64,
    pub(crate) lost_middle: u64,
    pub(crate) lost_suffix: u64,
    /// Values shown again.
    pub(crate) duplicated: u64,
    /// Values shown after a later one of the same writer.
    pub(crate) reordered: u64,
    /// Values shown, though never sent or refused.
    pub(crate) unexpected: u64,
    /// Values without an answer that were shown.
    pub(crate) recovered: u64,
    /// Values without an answer that were not shown.
    pub(crate) unknown: u64,
    pub(crate) drained: bool,
}

impl Report {
    fn lose(&mut self, value: Value, seen: &BTreeSet<Value>) {
        let Value { writer, counter } = value;
        let first = Value { writer, counter: 0 };
        let behind = Value { writer, counter: counter + 1 };
        let end = Value { writer, counter: u64::MAX };
        if seen.range(behind..=end).next().is_none() && seen.range(first..=end).next().is_some() {
            self.lost_suffix += 1;
        } else if seen.range(first..value).next().is_some() {
            self.lost_middle += 1;
        } else {
            self.lost_prefix += 1;
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost_prefix + self.lost_middle + self.lost_suffix
    }

    /// True if every accepted value was shown once and in order, no other was, and the run was
    /// drained.
    pub(crate) fn is_pass(&self) -> bool {
        self.drained
            && self.lost() + self.duplicated + self.reordered + self.unexpected == 0
            && self.shown == self.accepted + self.recovered
    }

    /// Prints the counts and fails unless the run passed. `run` names the run and its seed.
    #[track_caller]
    pub(crate) fn check(&self, run: &str) {
        println!("{run}: {self}");
        assert!(self.is_pass(), "{run}: {self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, shown, recovered, unknown, .. } = self;
        let Self { duplicated, reordered, unexpected, .. } = self;
        let Self { lost_prefix, lost_middle, lost_suffix, .. } = self;
        let end = if self.drained { "drained" } else { "NOT drained" };
        let lost = self.lost();
        write!(
            f,
            "accepted {accepted}, refused {refused}, shown {shown}, \
             lost {lost} (prefix {lost_prefix}, middle {lost_middle}, suffix {lost_suffix}), \
             duplicated {duplicated}, reordered {reordered}, unexpected {unexpected}, \
             recovered {recovered}, unknown {unknown}, {end}"
        )
    }
}

fn report(answers: &[(u64, Answer)], shown: &[u64]) -> Report {
    let value = |counter| Value { writer: 1, counter };
    let mut tally = Tally::default();
    for (counter, answer) in answers {
        tally.answer(value(*counter), *answer);
    }
    let mut other = Tally::default();
    other.answer(Value { writer: 2, counter: 0 }, Answer::Accepted);
    tally.merge(other);
    let other = Value { writer: 2, counter: 0 };
    let shown: Vec<Value> = shown.iter().map(|counter| value(*counter)).chain([other]).collect();
    tally.report(&shown, true)
}

#[test]
fn kinds_of_failures_are_told_apart() {
    use Answer::{Accepted, Refused, Unknown};
    let five = [0, 1, 2, 3, 4].map(|counter| (counter, Accepted));
    let sorted = |shown: &[u64]| {
        let report = report(&five, shown);
        let lost = (report.lost_prefix, report.lost_middle, report.lost_suffix);
        (lost, report.duplicated, report.reordered, report.is_pass())
    };
    assert_eq!(sorted(&[0, 1, 2, 3, 4]), ((0, 0, 0), 0, 0, true));
    assert_eq!(sorted(&[2, 4]), ((2, 1, 0), 0, 0, false));
    assert_eq!(sorted(&[0, 1]), ((0, 0, 3), 0, 0, false));
    assert_eq!(sorted(&[]), ((5, 0, 0), 0, 0, false));
    assert_eq!(sorted(&[0, 1, 1, 2, 3, 4, 0]), ((0, 0, 0), 2, 0, false));
    assert_eq!(sorted(&[0, 2, 1, 4, 3]), ((0, 0, 0), 0, 2, false));
    let mixed = [(0, Accepted), (1, Unknown), (2, Unknown), (3, Refused)];
    let good = report(&mixed, &[0, 2]);
    assert_eq!((good.recovered, good.unknown, good.refused), (1, 1, 1));
    assert!(good.is_pass());
    assert_eq!(report(&mixed, &[0, 3]).unexpected, 1);
    assert_eq!(report(&mixed, &[0, 9]).unexpected, 1);
    assert!(!Report { drained: false, ..good }.is_pass());
}

#[test]
fn a_value_is_read_as_it_is_written() {
    let value = Value { writer: 3, counter: 17 };
    assert_eq!(value.to_string().parse(), Ok(value));
    for wrong in ["", "w", "w3", "3-17", "w-1", "w3-", "w3-x", "wx-3"] {
        assert_eq!(wrong.parse::<Value>(), Err(()));
    }
}
