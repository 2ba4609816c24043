//! The program's time limits against those of the web server: who gives up first decides what a visitor sees, and
//! whether the log says why.

use super::apache::{Config, configs, files_of, serving, values};
use super::{Findings, Subject, apache};
use crate::cli::flags::value::seconds_of;
use crate::cli::words::{Words, words};
use crate::limits::Limits;
use std::path::Path;
use std::time::Duration;

/// Where nginx's configuration is.
const NGINX: [&str; 3] = [
    "/etc/nginx/nginx.conf",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-enabled",
];

/// How much sooner the program should give up, so that its answer comes before the web server's own.
const SOONER: Duration = Duration::from_secs(5);

/// A time limit of a web server's.
#[derive(Clone, Debug)]
struct Theirs {
    directive: &'static str,
    /// In seconds, where it is not set.
    default: u64,
    kind: Kind,
    /// The least that it is set to, in seconds, and where.
    seen: Option<(u64, &'static Path)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// How long the program may be silent.
    Answer,
    /// How long the web server keeps an unused connection to the program open.
    Kept,
}

pub(super) fn findings(subject: &Subject, report: &mut Findings) {
    let limits = &subject.server.limits;
    if !limits.timeout.is_zero() && subject.server.processes == 0 {
        report.yellow(
            "timeout ends no request without --processes: it is a line of the log alone",
            "--processes 1, where no web server starts the program",
        );
    }
    let mut theirs = Vec::new();
    if subject.server.listen.is_empty() {
        let configs = serving(configs(), subject.site());
        if subject.site().join(".htaccess").exists() || apache::has("fcgid") == Some(true) {
            theirs.push(Theirs::read("FcgidIOTimeout", 40, Kind::Answer, &configs));
        }
    } else {
        let configs = files_of(&NGINX);
        theirs.push(Theirs::read(
            "fastcgi_read_timeout",
            60,
            Kind::Answer,
            &configs,
        ));
        theirs.push(Theirs::read("keepalive_timeout", 60, Kind::Kept, &[]));
    }
    for theirs in &theirs {
        judge(limits, theirs, report);
    }
}

impl Theirs {
    fn read(directive: &'static str, default: u64, kind: Kind, configs: &[Config]) -> Theirs {
        let mut least: Option<(u64, &'static Path)> = None;
        for config in configs {
            for seconds in values(config.text, directive)
                .into_iter()
                .filter_map(seconds)
            {
                if least.is_none_or(|(other, _)| seconds < other) {
                    least = Some((seconds, config.file));
                }
            }
        }
        Theirs {
            directive,
            default,
            kind,
            seen: least,
        }
    }

    fn least(&self) -> u64 {
        self.seen.map_or(self.default, |(least, _)| least)
    }

    fn described(&self) -> Words {
        let Theirs { directive, .. } = self;
        match self.seen {
            None => words!("{directive} (its default: {} s)", self.default),
            Some((least, file)) => words!("{directive} {least} s ({})", file.display()),
        }
    }
}

fn judge(limits: &Limits, theirs: &Theirs, report: &mut Findings) {
    let (most, described) = (Duration::from_secs(theirs.least()), theirs.described());
    match theirs.kind {
        Kind::Kept if limits.idle_timeout <= most => report.yellow(
            words!(
                "idle-timeout {} s is not above nginx's upstream {described}: a request may come just as we close, a 502",
                seconds_of(limits.idle_timeout)
            ),
            words!("--idle-timeout {}", theirs.least() * 2),
        ),
        Kind::Kept => report.green(words!(
            "idle-timeout {} s is above nginx's upstream {described}",
            seconds_of(limits.idle_timeout)
        )),
        Kind::Answer if !limits.timeout.is_zero() && limits.timeout + SOONER > most => {
            report.yellow(
                words!(
                    "the web server gives up by {described} before timeout {} s does: its error page, and no line of ours",
                    seconds_of(limits.timeout)
                ),
                words!(
                    "raise {} to {}, or lower --timeout",
                    theirs.directive,
                    (limits.timeout + SOONER).as_secs()
                ),
            )
        }
        Kind::Answer if limits.write_timeout >= most => report.yellow(
            words!(
                "write-timeout {} s is not below {described}: the web server gives up first, and no line of ours says why",
                seconds_of(limits.write_timeout)
            ),
            words!(
                "write-timeout {}, as a flag or in the settings file",
                (theirs.least() * 3 / 4).max(1)
            ),
        ),
        Kind::Answer => report.green(words!(
            "write-timeout {} s is below {described}; an answer that is silent for longer is the web server's error page",
            seconds_of(limits.write_timeout)
        )),
    }
}

/// The seconds that a directive's value says: `40`, `60s`, `5m`, `1h`.
fn seconds(text: &str) -> Option<u64> {
    let text = text.split_whitespace().next()?.trim_matches('"');
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    #[test]
    fn who_gives_up_first_is_told() {
        let secs = Duration::from_secs;
        let text = "FcgidIOTimeout 90\nFcgidIOTimeout 20\n";
        let of = |write: u64, timeout: u64, text| {
            let config = Config::of("/a.conf", text);
            let limits = Limits {
                write_timeout: secs(write),
                timeout: secs(timeout),
                ..Limits::default()
            };
            let theirs = Theirs::read("FcgidIOTimeout", 40, Kind::Answer, &[config]);
            Findings::one(|report| judge(&limits, &theirs, report))
        };
        let told = of(30, 0, text).what;
        assert!(told.contains("FcgidIOTimeout 20 s (/a.conf)"), "{told}");
        let of = |write, timeout, text| of(write, timeout, text).level;
        assert_eq!(of(30, 0, ""), Level::Green);
        assert_eq!(of(40, 0, ""), Level::Yellow);
        assert_eq!(of(30, 35, ""), Level::Green);
        assert_eq!(of(30, 36, ""), Level::Yellow);
        assert_eq!(of(30, 0, text), Level::Yellow);
        let kept = |idle| {
            let limits = Limits {
                idle_timeout: secs(idle),
                ..Limits::default()
            };
            let theirs = Theirs::read("keepalive_timeout", 60, Kind::Kept, &[]);
            Findings::one(|report| judge(&limits, &theirs, report)).level
        };
        assert_eq!((kept(120), kept(60)), (Level::Green, Level::Yellow));
    }

    #[test]
    fn times_have_units() {
        let read =
            ["40", "60s", "5m;", "2h", "x", ""].map(|text| seconds(text.trim_end_matches(';')));
        assert_eq!(
            read,
            [Some(40), Some(60), Some(300), Some(7200), None, None]
        );
    }
}
