//! The figures of `bench`, for people and as json. They are computed without floats, which would be the only ones in a static
//! program: see `seconds_of` in `flags::value`.

use super::plan::Plan;
use super::tally::{Counts, KINDS, Kind, Tally};
use crate::cli::json::quoted;
use crate::cli::words::{Words, joined, words};
use std::fmt::Write;
use std::time::Duration;

/// In percent of a processor: a thread that asks and uses so much is what limits the figures.
const FULL: u64 = 90;

/// In a shorter run what a thread uses says nothing.
const ENOUGH: Duration = Duration::from_millis(500);

/// What is told of a run.
pub(super) struct Report<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tally: &'a Tally,
    /// How long it counted.
    pub(super) elapsed: Duration,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Kind::Connect => "cannot connect",
            Kind::Cut => "cut",
            Kind::TimeOut => "time-out",
            Kind::Protocol => "protocol",
            Kind::Body => "another body",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Kind::Connect => "connect",
            Kind::Cut => "cut",
            Kind::TimeOut => "timeout",
            Kind::Protocol => "protocol",
            Kind::Body => "body",
        }
    }
}

impl Report<'_> {
    /// Whether nothing was wrong, and something right.
    pub(super) fn is_right(&self) -> bool {
        let tally = self.tally;
        let all_kept = tally.kept == self.plan.idle as u64;
        tally.right > 0 && tally.all_errors() == 0 && !self.is_stuck() && all_kept
    }

    pub(super) fn text(&self) -> String {
        let tally = self.tally;
        let mut text = format!(
            "{} {} at {}: {} connections{}, {} thread{}, {} s\n",
            self.plan.asked.method,
            self.plan.asked.target,
            self.plan.connect,
            self.plan.connections,
            match (self.plan.keep_conn, self.plan.idle) {
                (false, _) => ", one a request".to_owned(),
                (true, 0) => ", kept".to_owned(),
                (true, idle) => format!(", kept, and {idle} idle"),
            },
            self.plan.threads,
            if self.plan.threads == 1 { "" } else { "s" },
            thousandths(self.elapsed.as_millis() as u64),
        );
        let _ = writeln!(
            text,
            "{:>12} requests/s  ({} right answers)",
            self.tenths_a_second(tally.right),
            tally.right
        );
        let _ = writeln!(
            text,
            "{:>12} bytes/s received",
            self.a_second(tally.received)
        );
        let _ = writeln!(text, "{:>12} bytes/s sent", self.a_second(tally.sent));
        text += "ms to the whole answer:";
        for (name, ns) in self.times() {
            let _ = write!(text, "  {name} {}", ms(ns));
        }
        let _ = writeln!(text, "\nerrors: {}", tally.all_errors());
        self.error_lines(&mut text);
        for warning in self.warnings() {
            let _ = writeln!(text, "warning: {warning}");
        }
        text
    }

    /// One object, and the end of the line.
    pub(super) fn json(&self) -> String {
        let (plan, tally) = (self.plan, self.tally);
        let mut json = format!(
            "{{\"connect\":{},\"method\":{},\"target\":{},\"connections\":{},\"threads\":{},\"keep_conn\":{},\"seconds\":{},\
             \"requests\":{},\"requests_per_second\":{},\"bytes_received\":{},\"bytes_received_per_second\":{},\
             \"bytes_sent\":{},\"bytes_sent_per_second\":{},\"ms\":{{",
            quoted(&plan.connect.to_string()),
            quoted(plan.asked.method),
            quoted(plan.asked.target),
            plan.connections,
            plan.threads,
            plan.keep_conn,
            thousandths(self.elapsed.as_millis() as u64),
            tally.right,
            self.tenths_a_second(tally.right),
            tally.received,
            self.a_second(tally.received),
            tally.sent,
            self.a_second(tally.sent),
        );
        let times = self.times().into_iter();
        let mut times = times.map(|(name, ns)| words!("\"{name}\":{}", ms(ns)));
        let statuses = |of: &Counts| {
            let pairs = of.all().iter();
            joined(&mut pairs.map(|(n, count)| words!("\"{n}\":{count}")), ",")
        };
        let kinds = KINDS.into_iter();
        let mut errors = kinds.map(|kind| words!("\"{}\":{}", kind.key(), tally.errors(kind)));
        let mut examples = KINDS.into_iter().filter_map(|kind| {
            let example = quoted(tally.example(kind)?);
            Some(words!("\"{}\":{example}", kind.key()))
        });
        let warnings = self.warnings().into_iter();
        let mut warnings = warnings.map(|warning| words!("{}", quoted(warning)));
        let _ = writeln!(
            json,
            "{}}},\"statuses\":{{{}}},\"errors\":{{\"all\":{},{},\"status\":{{{}}}}},\"examples\":{{{}}},\
             \"unanswered\":{},\"starved\":{},\"idle\":{{\"connections\":{},\"kept\":{}}},\"reconnected\":{},\"busy_percent\":{},\
             \"warnings\":[{}]}}",
            joined(&mut times, ","),
            statuses(&tally.statuses),
            tally.all_errors(),
            joined(&mut errors, ","),
            statuses(&tally.wrong),
            joined(&mut examples, ","),
            tally.unanswered,
            tally.starved,
            plan.idle,
            tally.kept,
            tally.reconnected,
            tally.busy,
            joined(&mut warnings, ","),
        );
        json
    }

    fn error_lines(&self, text: &mut String) {
        for kind in KINDS {
            if let Some(example) = self.tally.example(kind) {
                let (count, words) = (self.tally.errors(kind), kind.words());
                let _ = writeln!(text, "  {words}: {count}, as the first: {example}");
            }
        }
        for (status, count) in self.tally.wrong.all() {
            let _ = writeln!(text, "  status {status}: {count}");
        }
    }

    fn warnings(&self) -> Vec<Words> {
        let tally = self.tally;
        let mut warnings = Vec::new();
        if tally.busy >= FULL && self.elapsed >= ENOUGH {
            warnings.push(words!(
                "a thread that asks has used {} % of a processor: it is the limit, not the application; \
                 write --threads {}",
                tally.busy,
                self.plan.threads + 1
            ));
        }
        if let Some((least, most)) = tally.sizes.filter(|(least, most)| least != most) {
            warnings.push(words!(
                "the answers differ in size: their bodies have from {least} to {most} bytes"
            ));
        }
        if tally.statuses.all().len() > 1 {
            let counts = tally.statuses.all().iter();
            let mut counts = counts.map(|(n, count)| words!("{n} {count} times"));
            warnings.push(words!(
                "the answers differ in status: {}",
                joined(&mut counts, ", ")
            ));
        }
        if tally.reconnected > 0 {
            warnings.push(words!(
                "the application closed {} connections that were to be kept; the requests on them were asked again",
                tally.reconnected
            ));
        }
        if tally.kept < self.plan.idle as u64 {
            warnings.push(words!(
                "of {} idle connections {} were answered and kept",
                self.plan.idle,
                tally.kept
            ));
        }
        if tally.starved > 0 && !tally.statuses.all().is_empty() {
            warnings.push(words!(
                "{} of {} connections had no answer at all, while others had",
                tally.starved,
                self.plan.connections
            ));
        }
        if self.is_stuck() {
            warnings.push(words!(
                "{} requests had no answer when the time was over, the oldest for {} s",
                tally.unanswered,
                thousandths(tally.oldest.as_millis() as u64)
            ));
        }
        warnings
    }

    /// Whether requests were stuck. Some requests always run when the time is over; but these have not run for long, and others
    /// were answered.
    fn is_stuck(&self) -> bool {
        let tally = self.tally;
        let usual = Duration::from_nanos(tally.times.longest()) * 2;
        let is_alone = tally.statuses.all().is_empty() && tally.all_errors() == 0;
        tally.unanswered > 0 && (is_alone || tally.oldest > usual.max(Duration::from_secs(1)))
    }

    fn times(&self) -> [(&'static str, u64); 6] {
        let times = &self.tally.times;
        [
            ("p50", times.per_mille(500)),
            ("p90", times.per_mille(900)),
            ("p99", times.per_mille(990)),
            ("p99.9", times.per_mille(999)),
            ("max", times.longest()),
            ("mean", times.mean()),
        ]
    }

    fn a_second(&self, count: u64) -> u64 {
        let a_second = u128::from(count) * 1_000_000_000 / self.elapsed.as_nanos().max(1);
        a_second as u64
    }

    fn tenths_a_second(&self, count: u64) -> Words {
        let tenths = self.a_second(count * 10);
        words!("{}.{}", tenths / 10, tenths % 10)
    }
}

fn ms(ns: u64) -> Words {
    thousandths(ns / 1000)
}

/// With three digits behind the point.
fn thousandths(number: u64) -> Words {
    words!("{}.{:03}", number / 1000, number % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_behind_the_point() {
        assert_eq!(ms(1_234_567), "1.234");
        assert_eq!(ms(45_000), "0.045");
    }
}
