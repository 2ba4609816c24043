//! Log lines of a program that sets up no logger of its own: one line an event, on fd 2, which every web server that
//! starts programs writes to its own error log.
//!
//! `2026-11-21T01:02:03Z app.fcgi[4711] WARN text`. The time is written here: env_logger would need another crate for it.

use log::LevelFilter;
use std::fmt;
use std::io::Write;
use std::process;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Starts the log, or changes its level. `RUST_LOG` counts where no level is given. An application that has set a
/// logger before keeps it.
pub(super) fn start(level: Option<LevelFilter>) {
    static IS_OURS: OnceLock<bool> = OnceLock::new();
    let filters = std::env::var("RUST_LOG").ok().filter(|_| level.is_none());
    let is_ours = *IS_OURS.get_or_init(|| begin(filters.as_deref()));
    if is_ours && filters.is_none() {
        log::set_max_level(level.unwrap_or(LevelFilter::Info));
    }
}

fn begin(filters: Option<&str>) -> bool {
    let mut builder = env_logger::Builder::new();
    match filters {
        Some(filters) => builder.parse_filters(filters),
        // Without filters the level is `set_max_level`'s, which can change when the settings file is read later.
        None => builder.filter_level(LevelFilter::Trace),
    };
    builder.format(|to, record| {
        let line = Line(record.level(), record.args().to_string());
        writeln!(to, "{line}")
    });
    builder.try_init().is_ok()
}

/// One event, as one line, whatever its text: a panic's words have several lines, and what a visitor sends could
/// pretend to be an event of its own.
struct Line(log::Level, String);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line(level, text) = self;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = Timestamp(now.map_or(0, |now| now.as_secs()));
        write!(f, "{now} {}[{}] {level} ", name(), process::id())?;
        for part in text.split_inclusive(char::is_control) {
            match part.char_indices().next_back() {
                Some((at, last)) if last.is_control() => {
                    write!(f, "{}{}", &part[..at], last.escape_default())?;
                }
                _ => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// Several programs write to one log on a shared host.
fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| crate::slot::one_line(&super::program::name()))
}

/// Seconds since 1970, shown in UTC as ISO 8601 has it.
struct Timestamp(u64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let second = second % 60;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Year, month and day, so many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March of the year 0, a leap day is the last day of its year, and 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, five months have 153 days, twice over.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, turned) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + turned, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_a_date_and_time() {
        // As `date -u -d @N` has them: ends of months, of leap years, of centuries.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (68_256_000, "1972-03-01T00:00:00Z"),
            (94_694_399, "1972-12-31T23:59:59Z"),
            (94_694_400, "1973-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (978_307_199, "2000-12-31T23:59:59Z"),
            (1_795_222_923, "2026-11-21T01:02:03Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_eight_hundred_years_follows_the_one_before() {
        let mut before = date(0);
        for days in 1..292_194 {
            let today = date(days);
            let (year, month, day) = before;
            let next = [
                (year, month, day + 1),
                (year, month + 1, 1),
                (year + 1, 1, 1),
            ];
            assert!(next.contains(&today), "{before:?} {today:?}");
            assert!((1..=12).contains(&today.1) && (1..=31).contains(&today.2));
            before = today;
        }
        assert_eq!(before, (2769, 12, 31));
    }

    #[test]
    fn an_event_is_one_line() {
        let line = Line(log::Level::Warn, "a\nb\r\u{1b}[31m\tü".into()).to_string();
        let (head, text) = line.split_once(" WARN ").unwrap();
        assert_eq!(text, r"a\nb\r\u{1b}[31m\tü");
        let (time, process) = head.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-11-21T01:02:03Z".len());
        assert_eq!(process, format!("{}[{}]", name(), std::process::id()));
    }
}
