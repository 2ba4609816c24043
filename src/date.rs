//! Times as HTTP and as logs write them. Called by `response`, by the http server of `--http`, and by whatever writes log
//! lines.

use httpdate::HttpDate;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that can be written: of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// `Thu, 01 Jan 1970 00:00:00 GMT`. A file may have a time that cannot be written; it counts as the nearest that can.
pub(crate) fn http_date(time: SystemTime) -> HttpDate {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    HttpDate::from(UNIX_EPOCH + since.min(LAST))
}

/// A second in UTC, taken apart. Shown as ISO 8601 has it: `2026-11-21T01:02:03Z`.
///
/// Made without allocation: a signal handler and the access log use it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utc {
    pub(crate) year: u64,
    /// `1..=12`
    pub(crate) month: u64,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

impl Utc {
    /// A clock that stands before 1970 is wrong, and shown as 1970.
    pub(crate) fn of(time: SystemTime) -> Utc {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = date(days);
        Utc {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            self.year, self.month, self.day, self.hour, self.minute, self.second
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
    // From March on, five months have 153 days, and so have the next five.
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
    fn every_time_has_a_date() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (time, date) in [
            (at(0), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (at(951_782_399), "Mon, 28 Feb 2000 23:59:59 GMT"),
            (at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT"),
            (at(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT"),
            (at(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT"),
            (at(253_402_300_800), "Fri, 31 Dec 9999 23:59:59 GMT"),
            (
                UNIX_EPOCH - Duration::from_secs(1),
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
        ] {
            assert_eq!(http_date(time).to_string(), date);
        }
    }

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
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Utc::of(time).to_string(), text);
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
}
