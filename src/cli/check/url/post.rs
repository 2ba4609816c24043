//! Whether the web server lets a body through that is larger than mod_fcgid takes by default. Called by `url`.

use super::super::Findings;
use super::Url;
use super::curl::{self, Failure, Got};
use crate::cli::words::words;

/// mod_fcgid's FcgidMaxRequestLen is 128 KiB since 2.3.6; nginx takes 1 MiB.
const LARGE: usize = 200 << 10;

/// Asks at an address that has no page: nobody knows what an application does with a POST to one of its pages.
pub(super) fn finding(url: &Url, report: &mut Findings) {
    if let Ok(small) = curl::post(url, b"x") {
        judge(&small, curl::post(url, &vec![b'x'; LARGE]), report);
    }
}

fn judge(small: &Got, large: Result<Got, Failure>, report: &mut Findings) {
    let answer = match large {
        Ok(large) if large.status == small.status => {
            return report.green(words!(
                "a POST of {} KiB is answered as one of a byte is",
                LARGE >> 10
            ));
        }
        Ok(large) => words!("{}", large.status),
        Err(failure) => words!("not at all ({})", failure.sentence()),
    };
    report.yellow(
        words!(
            "a POST of {} KiB is answered {answer}, and one of a byte {} (it reached the program): larger forms and uploads do not arrive",
            LARGE >> 10,
            small.status
        ),
        "mod_fcgid: FcgidMaxRequestLen 1073741824 (131072 by default; in the host's configuration, not in .htaccess); nginx: client_max_body_size; Apache: LimitRequestBody; the program: --max-body",
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Level;
    use super::*;

    #[test]
    fn only_what_a_large_one_changes_counts() {
        let got = |status| Got::of(status, "text/plain", "");
        let judged = |large| Findings::one(|report| judge(&got(404), large, report));
        assert_eq!(judged(Ok(got(404))).level, Level::Green);
        let refused = judged(Ok(got(413)));
        assert_eq!(refused.level, Level::Yellow);
        assert!(refused.what.contains("answered 413, and one of a byte 404"));
        let cut = judged(Err(Failure::Curl(55, "broken pipe")));
        assert!(cut.what.contains("not at all (broken pipe)"));
    }
}
