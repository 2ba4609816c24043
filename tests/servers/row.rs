//! A row: one web server in one configuration, what is known of it, and how its checks are reported. The web servers'
//! modules start what [`Running`] holds; `main.rs` lists the rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::Outcome;
use crate::folder::Folder;
use crate::forms::Ways;
use crate::http::Http;
use crate::paths::{Paths, Way};
use crate::process::Process;
use crate::testbed::{Testbed, Upstream};

pub struct Row {
    pub name: &'static str,
    /// What has to be installed and is not.
    pub missing: fn() -> Vec<String>,
    pub work: Work,
}

pub enum Work {
    /// The table of requests against this web server.
    Table {
        start: fn(&Folder, &Testbed) -> Outcome<Running>,
        traits: Traits,
    },
    /// The table of paths against this web server.
    Paths {
        start: fn(&Folder, &Testbed) -> Outcome<Running>,
        paths: Paths,
    },
    /// The table of forms against this web server.
    Forms {
        start: fn(&Folder, &Testbed) -> Outcome<Running>,
        ways: Ways,
    },
    /// Checks of its own.
    Story(fn(&mut Report, &mut Folder, &Testbed)),
}

/// What a web server was measured to do, where they differ. A row asserts it: a change is news.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// Whether 10 MiB come back from `/echo`, which writes while it reads. Where they do not, only a time limit ends the
    /// request.
    pub echoes_large: bool,
    pub chunks: Chunks,
    /// Whether GATEWAY_INTERFACE is sent. h2o 2.2 does not.
    pub names_cgi: bool,
    /// Whether the program sees the visitor's Authorization header. Apache 2.4 keeps it to itself unless told; HAProxy 2.6
    /// would, but for a line of its configuration.
    pub authorization: bool,
    /// Whether pieces of an answer arrive as they are written.
    pub streams: bool,
    /// What the visitor gets when the program cuts an answer short.
    pub cut: Cut,
    /// Whether the web server keeps its connections to the program; `None` where there is none or none to be seen.
    pub keeps_connections: Option<bool>,
    pub files: Files,
    /// What stands in front of each path in the URL.
    pub base: &'static str,
    pub way: Way,
    /// The file in the row's folder where the program's own events are found.
    pub log: &'static str,
    pub stderr: Stderr,
}

/// Which chunked bodies arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    All,
    /// HAProxy 2.6.12 refuses, with 400, one that exceeds its buffer of 16 KiB.
    Small,
    /// lighttpd 1.4.69 that hands bodies on as they come refuses, with 411, one that is not whole when the head is read.
    Early,
    /// Any is a 411: mod_fastcgi.
    None,
}

/// Files beside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// None is served.
    None,
    /// Those that are nobody's business are a 403.
    Guarded,
    /// As by the guides' `.htaccess`, all are but those that Apache itself keeps back.
    Open,
}

/// What becomes of FastCGI's stream for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stderr {
    /// The web server writes it to this file of the row's folder.
    Shown(&'static str),
    /// Caddy 2.6 shows it nowhere.
    Hidden,
    /// HAProxy 2.6.12 ends, all of it, when a program uses it: seven of seven were seen to.
    Deadly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of the answer was passed on yet, and an error is.
    Status(u16),
    /// The answer breaks off: the visitor can tell.
    Noticed,
    /// As `Noticed`, and the next visitor may get a 502. HAProxy 2.6.12 that multiplexes still has the request there whose
    /// upload was answered before its end, and so takes a closed connection for one that others can use.
    NoticedByTwo,
    /// The web server ends the answer as if it were whole.
    Hidden,
    /// The one or the other: lighttpd 1.4.69 that streams breaks off what has begun to leave, and ends as whole what came to it
    /// together with the cut.
    Either,
}

/// A web server with the program behind it.
pub struct Running {
    pub http: Http,
    pub upstream: Option<Upstream>,
    /// In the order in which they are stopped: the web server, then what it does not start.
    pub processes: Vec<Process>,
}

impl Running {
    pub fn stop(mut self) -> Outcome {
        self.processes.iter_mut().try_for_each(Process::stop)
    }
}

/// Counts the checks of a row and says which went wrong.
#[derive(Default)]
pub struct Report {
    pub passed: usize,
    /// A sentence each. They are said once more at the very end, where who sees only a log's last lines finds them.
    pub failures: Vec<String>,
    /// What there is to say, kept until the row has ended: others run beside it.
    pub said: String,
}

impl Report {
    /// A panic is a failed check too, and the row goes on.
    pub fn check<T>(&mut self, name: &str, check: impl FnOnce() -> Outcome<T>) -> Option<T> {
        let begin = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(check))
            .unwrap_or_else(|_| Err("the check itself panicked".to_owned()));
        if std::env::var_os("SERVERS_TIMES").is_some() {
            self.say(&format!("{:6} ms  {name}", begin.elapsed().as_millis()));
        }
        match outcome {
            Ok(value) => {
                self.passed += 1;
                Some(value)
            }
            Err(why) => {
                let failure = format!("FAILED {name}: {why}");
                self.say(&failure);
                self.failures.push(failure);
                None
            }
        }
    }

    pub fn say(&mut self, line: &str) {
        self.said.push_str("  ");
        self.said.push_str(line);
        self.said.push('\n');
    }
}
