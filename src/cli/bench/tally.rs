//! What came of the requests: `load` counts, one tally a thread; `report` tells their sum.

use super::histogram::Histogram;
use std::fmt::Arguments;
use std::time::Duration;

/// Why a request has no right answer. Answers with a wrong status are not here: they are counted by status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Cut,
    TimeOut,
    Protocol,
    Body,
}

pub(super) const KINDS: [Kind; 5] = [
    Kind::Connect,
    Kind::Cut,
    Kind::TimeOut,
    Kind::Protocol,
    Kind::Body,
];

/// How often each status came, the lowest first. Few differ, so that a list serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(Vec<(u16, u64)>);

impl Counts {
    pub(super) fn all(&self) -> &[(u16, u64)] {
        &self.0
    }

    fn add(&mut self, status: u16, count: u64) {
        let at = self.0.partition_point(|(other, _)| *other < status);
        match self.0.get_mut(at) {
            Some((other, sum)) if *other == status => *sum += count,
            _ => self.0.insert(at, (status, count)),
        }
    }

    fn merge(&mut self, others: &Counts) {
        for &(status, count) in others.all() {
            self.add(status, count);
        }
    }
}

/// All that a thread counts, and all that is told in the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// How long the right answers took.
    pub(super) times: Histogram,
    pub(super) right: u64,
    /// The statuses of all answers, right or wrong.
    pub(super) statuses: Counts,
    /// The statuses of answers that are wrong by their status.
    pub(super) wrong: Counts,
    /// How many errors of each kind there were.
    errors: [u64; KINDS.len()],
    /// The first error of each kind, in words.
    examples: [Option<String>; KINDS.len()],
    /// The smallest and the largest body of a right answer.
    pub(super) sizes: Option<(u64, u64)>,
    /// Bytes.
    pub(super) received: u64,
    /// Bytes.
    pub(super) sent: u64,
    /// How often a connection that was to be kept was closed between two requests.
    pub(super) reconnected: u64,
    /// Requests that had no answer when the time was over.
    pub(super) unanswered: u64,
    /// How long the oldest of these had run.
    pub(super) oldest: Duration,
    /// Connections on which such a request ran, and which had never had an answer.
    pub(super) starved: u64,
    /// Idle connections that were answered, and were still open in the end.
    pub(super) kept: u64,
    /// What the busiest thread has used of a processor, in percent.
    pub(super) busy: u64,
}

impl Tally {
    pub(super) fn answer(&mut self, status: u16, is_right: bool, size: u64, took: Duration) {
        self.statuses.add(status, 1);
        if !is_right {
            self.wrong.add(status, 1);
            return;
        }
        self.right += 1;
        self.times.add(took.as_nanos() as u64);
        let (least, most) = self.sizes.unwrap_or((size, size));
        self.sizes = Some((least.min(size), most.max(size)));
    }

    pub(super) fn error(&mut self, kind: Kind, words: Arguments<'_>) {
        self.errors[kind as usize] += 1;
        self.examples[kind as usize].get_or_insert_with(|| words.to_string());
    }

    pub(super) fn errors(&self, kind: Kind) -> u64 {
        self.errors[kind as usize]
    }

    pub(super) fn example(&self, kind: Kind) -> Option<&str> {
        self.examples[kind as usize].as_deref()
    }

    /// The number of requests that had a wrong answer, or none.
    pub(super) fn all_errors(&self) -> u64 {
        let wrong: u64 = self.wrong.all().iter().map(|(_, count)| count).sum();
        wrong + self.errors.iter().sum::<u64>()
    }

    pub(super) fn merge(&mut self, other: Tally) {
        self.times.merge(&other.times);
        self.right += other.right;
        self.statuses.merge(&other.statuses);
        self.wrong.merge(&other.wrong);
        for (count, more) in self.errors.iter_mut().zip(other.errors) {
            *count += more;
        }
        for (example, another) in self.examples.iter_mut().zip(other.examples) {
            *example = example.take().or(another);
        }
        self.sizes = match (self.sizes, other.sizes) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        self.received += other.received;
        self.sent += other.sent;
        self.reconnected += other.reconnected;
        self.unanswered += other.unanswered;
        self.oldest = self.oldest.max(other.oldest);
        self.starved += other.starved;
        self.kept += other.kept;
        self.busy = self.busy.max(other.busy);
    }
}
