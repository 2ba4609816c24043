//! The status page: what this process is doing, as text or json. `connection` answers with it, `pool` fills it in.

use crate::log_text::Seconds;
use crate::net::Prefix;
use crate::slot::{Line, Served};
use std::fmt::Write;

/// Where the page is, and who sees it beside this machine itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct StatusPage {
    /// Below the mount, with its slash; `None` if there is no such page.
    pub(crate) path: Option<String>,
    pub(crate) allow: Vec<Prefix>,
}

/// A process at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) pid: u32,
    pub(crate) uptime_ms: u64,
    pub(crate) workers: usize,
    /// How many workers' threads run: they start when they are first needed.
    pub(crate) started: usize,
    pub(crate) busy: usize,
    pub(crate) connections: usize,
    pub(crate) parked: usize,
    pub(crate) served: Served,
    pub(crate) timed_out: u64,
    /// The running request that began first: its age in ms, and its line.
    pub(crate) oldest: Option<(u64, Line)>,
}

impl StatusPage {
    pub(crate) fn is_at(&self, path: &[u8]) -> bool {
        matches!(&self.path, Some(page) if page.as_bytes() == path)
    }
}

impl Snapshot {
    /// One value a line, its name in front.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("version: fcgi {}\n", env!("CARGO_PKG_VERSION"));
        for (name, number) in self.numbers() {
            let _ = writeln!(text, "{name}: {number}");
        }
        let _ = match &self.oldest {
            Some((age, line)) => writeln!(
                text,
                "oldest: {} s, {}-{} {}",
                Seconds(*age),
                self.pid,
                line.number(),
                line.text()
            ),
            None => writeln!(text, "oldest: none"),
        };
        text
    }

    /// One object; `oldest` is null if nothing runs.
    pub(crate) fn json(&self) -> String {
        let mut json = format!("{{\"version\":\"fcgi {}\"", env!("CARGO_PKG_VERSION"));
        for (name, number) in self.numbers() {
            let _ = write!(json, ",\"{}\":{number}", name.replace(' ', "_"));
        }
        let _ = match &self.oldest {
            Some((age, line)) => writeln!(
                json,
                ",\"oldest\":{{\"seconds\":{},\"id\":\"{}-{}\",\"request\":\"{}\"}}}}",
                Seconds(*age),
                self.pid,
                line.number(),
                quoted(&line.text())
            ),
            None => writeln!(json, ",\"oldest\":null}}"),
        };
        json
    }

    fn numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let size = |number: usize| number as u64;
        let first = [
            ("pid", u64::from(self.pid)),
            ("uptime", self.uptime_ms / 1000),
            ("workers", size(self.workers)),
            ("started", size(self.started)),
            ("busy", size(self.busy)),
            ("connections", size(self.connections)),
            ("parked", size(self.parked)),
            ("served", self.served.total()),
        ];
        let last = [("timed out", self.timed_out)];
        first.into_iter().chain(self.served.by_class()).chain(last)
    }
}

/// Whether json is asked for: by `?json`, or by the Accept header.
pub(crate) fn is_json(query: &[u8], accept: Option<&[u8]>) -> bool {
    let is_range = |range: &[u8]| {
        let name = range.split(|&byte| byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"application/json")
    };
    let mut ranges = accept.unwrap_or_default().split(|&byte| byte == b',');
    query
        .split(|&byte| byte == b'&')
        .any(|name| name == b"json")
        || ranges.any(is_range)
}

/// A line as it stands within quotes of json. It is printable ASCII, of which two characters have a meaning there.
fn quoted(line: &str) -> String {
    line.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Slot;

    fn snapshot() -> Snapshot {
        let slot = Slot::default();
        slot.begin(1, 0, b"GET", b"/");
        slot.end(1, Some(404));
        slot.begin(1, 9, b"GET", b"/\"\n<b>");
        Snapshot {
            pid: 4711,
            uptime_ms: 61_999,
            workers: 4,
            started: 3,
            busy: 1,
            connections: 7,
            parked: 5,
            served: slot.served(),
            timed_out: 2,
            oldest: slot.read().map(|(_, line)| (12_345, line)),
        }
    }

    #[test]
    fn text_has_a_value_a_line() {
        let text = snapshot().text();
        let (version, rest) = text.split_once('\n').unwrap();
        assert!(version.starts_with("version: fcgi "));
        let wanted = "pid: 4711\nuptime: 61\nworkers: 4\nstarted: 3\nbusy: 1\nconnections: 7\nparked: 5\nserved: 1\n\
                      2xx: 0\n3xx: 0\n4xx: 1\n5xx: 0\ncut: 0\ntimed out: 2\noldest: 12.3 s, 4711-9 GET /\"\\x0a<b>\n";
        assert_eq!(rest, wanted);
        assert!(Snapshot::default().text().ends_with("oldest: none\n"));
    }

    #[test]
    fn json_is_one_object_whatever_a_visitor_asks_for() {
        let json = snapshot().json();
        let (version, rest) = json.split_once(',').unwrap();
        assert!(version.starts_with("{\"version\":\"fcgi "));
        let wanted = r#""pid":4711,"uptime":61,"workers":4,"started":3,"busy":1,"connections":7,"parked":5,"served":1,"#
            .to_owned()
            + r#""2xx":0,"3xx":0,"4xx":1,"5xx":0,"cut":0,"timed_out":2,"#
            + r#""oldest":{"seconds":12.3,"id":"4711-9","request":"GET /\"\\x0a<b>"}}"#
            + "\n";
        assert_eq!(rest, wanted);
        assert!(Snapshot::default().json().ends_with("\"oldest\":null}\n"));
    }

    #[test]
    fn json_is_for_who_asks_for_it() {
        for (query, accept, is_asked) in [
            ("", None, false),
            ("json", None, true),
            ("a=b&json", None, true),
            ("jsonp", None, false),
            ("", Some("text/html, */*"), false),
            ("", Some("text/html, Application/JSON;q=0.9"), true),
            ("", Some("application/jsonx"), false),
        ] {
            let found = is_json(query.as_bytes(), accept.map(str::as_bytes));
            assert_eq!(found, is_asked, "{query} {accept:?}");
        }
    }
}
