//! A time as HTTP writes it. Called by `response`, and by the http server of `--http`.

use httpdate::HttpDate;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that can be written: of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// `Thu, 01 Jan 1970 00:00:00 GMT`. A file may have a time that cannot be written; it counts as the nearest that can.
pub(crate) fn http_date(time: SystemTime) -> HttpDate {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    HttpDate::from(UNIX_EPOCH + since.min(LAST))
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
}
