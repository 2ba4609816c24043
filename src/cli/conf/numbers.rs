//! A test of every number that a configuration prints, by one table: what each has to be for the flags that the program is
//! started with. A number that no line of the table knows is a failure.

use super::site::{Site, Waits, told};
use super::{CONFS, Conf};
use crate::server::Server;
use std::time::Duration;

/// What a number has to be.
enum Fits {
    Is(fn(&Site) -> u64),
    AtLeast(fn(&Site) -> u64),
    AtMost(fn(&Site) -> u64),
}

use Fits::{AtLeast, AtMost, Is};

/// The server; its forms, or all of them if none is named; what stands in front of the number; what behind it; what it has to be.
type Number = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    Fits,
);

/// In the place of a server: all of them. It is for the program's own command line.
const ALL: &str = "";

#[rustfmt::skip]
const NUMBERS: &[Number] = &[
    // The program's own command line.
    (ALL, &[], "--workers ", "", Is(|site| site.workers as u64)),
    (ALL, &[], "--timeout ", "", Is(|site| seconds(site.waits.timeout))),
    (ALL, &[], "--write-timeout ", "", Is(|site| seconds(site.waits.write))),
    (ALL, &[], "--idle-timeout ", "", Is(|site| seconds(site.waits.idle))),
    (ALL, &[], "--grace ", "", Is(|site| seconds(site.waits.grace))),
    (ALL, &[], "--max-body ", "", Is(|site| site.max_body)),
    // Where somebody else counts the processes, each is one by itself.
    ("lighttpd", &[], "\"bin-path\" => \"/srv/www/app.fcgi --workers W --processes ", "", Is(|_| 0)),
    ("supervisor", &[], "--processes ", "", Is(|_| 0)),
    ("multiwatch", &[], "--processes ", "", Is(|_| 0)),
    ("apache", &["wrapper"], "--processes ", "", Is(|_| 0)),
    ("htaccess", &["wrapper"], "--processes ", "", Is(|_| 0)),
    (ALL, &[], "--processes ", "", Is(|site| site.processes as u64)),
    // Processes.
    ("apache", &["", "addhandler", "wrapper", "authorizer"], "FcgidMaxProcessesPerClass ", "", Is(|site| site.processes as u64)),
    ("apache", &["static"], "-processes ", "", Is(|site| site.processes.max(1) as u64)),
    ("apache", &["dynamic"], "-maxClassProcesses ", "", Is(|site| if site.processes == 0 { 10 } else { site.processes as u64 })),
    ("lighttpd", &[], "\"max-procs\" => ", ",", Is(|site| site.processes.max(1) as u64)),
    ("supervisor", &[], "numprocs=", "", Is(|site| site.processes.max(1) as u64)),
    ("multiwatch", &[], "multiwatch -f ", " ", Is(|site| if site.processes == 0 { 2 } else { site.processes as u64 })),
    // Requests at once.
    ("nginx", &[], "    keepalive ", ";", AtMost(|site| site.workers as u64)),
    ("haproxy", &[], " maxconn ", "", Is(|site| site.workers as u64 * site.processes.max(1) as u64)),
    // How long the program is waited for.
    ("apache", &["", "addhandler", "wrapper", "authorizer"], "FcgidIOTimeout ", "", AtLeast(patience)),
    ("apache", &["", "addhandler", "wrapper", "authorizer"], "FcgidBusyTimeout ", "", AtLeast(patience)),
    ("apache", &["static", "dynamic", "external"], "-idle-timeout ", "", AtLeast(patience)),
    ("apache", &["", "sethandler"], " timeout=", "", AtLeast(patience)),
    ("htaccess", &[], "FcgidIOTimeout and FcgidBusyTimeout have to be ", " or more", AtLeast(patience)),
    ("nginx", &[], "fastcgi_read_timeout ", "s;", AtLeast(patience)),
    ("lighttpd", &[], "\"read-timeout\" => ", ",", AtLeast(patience)),
    ("haproxy", &[], "timeout server ", "s", AtLeast(patience)),
    ("caddy", &[], "read_timeout ", "s", AtLeast(patience)),
    ("h2o", &[], "fastcgi.timeout.io: ", "", AtLeast(|site| patience(site) * 1000)),
    ("cherokee", &[], "!timeout = ", "", AtLeast(patience)),
    // How long connections are kept: less long than the program does.
    ("nginx", &[], "keepalive_timeout ", "ms;", AtMost(|site| seconds(site.waits.idle) * 1000 - 1)),
    ("apache", &["", "sethandler"], " ttl=", "", AtMost(|site| seconds(site.waits.idle) - 1)),
    // How long a process may take to end.
    ("supervisor", &[], "stopwaitsecs=", "", AtLeast(|site| seconds(site.waits.grace) + 5)),
    ("systemd", &[""], "TimeoutStopSec=", "", AtLeast(|site| seconds(site.waits.grace) + 5)),
    // Tenths of a second.
    ("init", &[], "[ \"$tries\" -lt ", " ]", AtLeast(|site| (seconds(site.waits.grace) + 5) * 10)),
    // Bodies.
    ("apache", &["", "addhandler", "wrapper"], "FcgidMaxRequestLen ", "", Is(body)),
    ("nginx", &[], "client_max_body_size ", "m;", Is(|site| body(site) >> 20)),
    ("nginx", &[], "client_max_body_size ", ";", Is(body)),
    ("lighttpd", &[], "server.max-request-size = ", "", Is(|site| body(site).div_ceil(1024))),
    ("caddy", &[], "max_size ", "", Is(body)),
    ("h2o", &[], "limit-request-body: ", "", Is(body)),
    // What goes by no flag.
    ("apache", &["", "addhandler", "wrapper", "authorizer"], "FcgidIdleTimeout ", "", Is(|_| 300)),
    ("nginx", &[], "max_fails=", " ", Is(|_| 1)),
    ("nginx", &[], "fail_timeout=", "s;", Is(|_| 1)),
    ("lighttpd", &[], "#server.stream-response-body = ", "", Is(|_| 1)),
    ("haproxy", &[], "option redispatch ", "", Is(|_| 1)),
    ("haproxy", &[], " inter ", "s", Is(|_| 2)),
    ("haproxy", &[], " fall ", " ", Is(|_| 3)),
    ("haproxy", &[], " rise ", "", Is(|_| 2)),
    ("caddy", &[], "fail_duration ", "s", Is(|_| 10)),
    ("caddy", &[], "lb_try_duration ", "s", Is(|_| 5)),
    ("systemd", &[""], "RestartSec=", "", Is(|_| 1)),
    ("systemd", &["socket"], "Backlog=", "", Is(|_| 1024)),
];

/// Words with digits in them that are no such numbers, by server: references, statuses, versions, modes of files, and words of
/// the scripts.
#[rustfmt::skip]
const WORDS: &[(&str, &[&str])] = &[
    ("htaccess", &["R=503", "Redirect 403", "Redirect 503", "2.4.26", "$1", "bz2", "db3?", "sqlite3?"]),
    ("apache", &["$1"]),
    ("nginx", &["$1"]),
    ("lighttpd", &["$1"]),
    ("cherokee", &["source!1 = 1", "source!1", "!1!", "!500", "check_file = 0", "error_handler = 1", "pass_req_headers = 1"]),
    ("supervisor", &["0660", "process_num)02d"]),
    ("systemd", &["0700", "0077", "0660", "RANDOM"]),
    ("init", &["Default-Start:     2 3 4 5", "Default-Stop:      0 1 6", "2>&1", "2>/dev/null", "return 0", "return 1", "kill -0",
               "'\\000'", "head -n 1", "tries=0", "tries + 1", "sleep 0.1", "sleep 1", "-ne 0", "$0", "3>", ">&3", ">&2", "tail -n 3",
               "{1:-}", "exit 1", "exit 2", "exit 3"]),
    ("spawn-fcgi", &["0660", "$0", "2>>"]),
    ("multiwatch", &["0660", "$0", "2>>"]),
];

fn seconds(wait: Duration) -> u64 {
    wait.as_secs()
}

fn patience(site: &Site) -> u64 {
    seconds(site.waits.timeout) + 5
}

fn body(site: &Site) -> u64 {
    match site.max_body {
        u64::MAX => 64 << 20,
        bytes => bytes,
    }
}

const TCP: &str = "127.0.0.1:9000";
const OTHER: &str = "127.0.0.2:9000";

#[test]
fn every_number_fits_the_flags() {
    let mut used = vec![false; NUMBERS.len()];
    let told = |waits: Waits, bytes: u64| {
        let mut asked = Server::new();
        (asked.limits.timeout, asked.limits.write_timeout) = (waits.timeout, waits.write);
        (asked.limits.idle_timeout, asked.grace) = (waits.idle, waits.grace);
        asked.limits.max_body = bytes;
        told(&Server::new(), &asked)
    };
    let waits = |[timeout, write, idle, grace]: [u64; 4]| Waits {
        timeout: Duration::from_secs(timeout),
        write: Duration::from_secs(write),
        idle: Duration::from_secs(idle),
        grace: Duration::from_secs(grace),
    };
    for (processes, workers, limits, max_body) in [
        (0, 4, [0, 30, 120, 5], u64::MAX),
        (1, 1, [1, 30, 120, 5], 1),
        (3, 7, [45, 20, 19, 40], 1_000_000),
        (2, 2, [600, 90, 500, 0], 3 << 20),
    ] {
        let waits = waits(limits);
        let words = told(waits, max_body);
        for listen in [&[][..], &["unix:/run/app.sock"], &[TCP], &[TCP, OTHER]] {
            let listen: Vec<String> = listen.iter().map(|&at| at.to_owned()).collect();
            for (mount, keepalive) in [("", false), ("", true), ("/app", false), ("/app", true)] {
                let site = Site {
                    workers,
                    keepalive,
                    mount,
                    processes,
                    waits,
                    max_body,
                    told: &words,
                    ..Site::sample("/srv/www/app.fcgi", &listen)
                };
                for conf in CONFS {
                    (conf.text)(&site)
                        .lines()
                        .for_each(|line| check(conf, &site, line, &mut used));
                }
            }
        }
    }
    for (number, used) in NUMBERS.iter().zip(used) {
        assert!(used, "{} prints no {:?}", number.0, number.2);
    }
}

/// Looks for each number of the table in a line. What has digits and is left then is an unknown number.
fn check(conf: &Conf, site: &Site, line: &str, used: &mut [bool]) {
    let mut left = line.to_owned();
    for part in ["127.0.0.1", "127.0.0.2", "9000"] {
        left = left.replace(part, "");
    }
    for ((server, forms, before, after, fits), used) in NUMBERS.iter().zip(used) {
        let of_another = !server.is_empty() && *server != conf.server;
        if of_another || !(forms.is_empty() || forms.contains(&conf.form)) {
            continue;
        }
        while let Some((rest, number)) = without(&left, before, after) {
            *used = true;
            left = rest;
            let (is_right, wanted) = match fits {
                Is(wanted) => (number == wanted(site), wanted(site)),
                AtLeast(least) => (number >= least(site), least(site)),
                AtMost(most) => (number <= most(site), most(site)),
            };
            assert!(
                is_right,
                "{} {}: {line:?}: {before:?} is to fit {wanted}: {site:?}",
                conf.server, conf.form
            );
        }
    }
    let is_comment = line.trim_start().starts_with('#') && !line.starts_with("#   /srv");
    if is_comment {
        return;
    }
    for (server, words) in WORDS {
        if *server == conf.server {
            words.iter().for_each(|word| left = left.replace(word, ""));
        }
    }
    let unknown = |pair: &[u8]| pair[1].is_ascii_digit() && !pair[0].is_ascii_alphanumeric();
    assert!(
        !left.as_bytes().windows(2).any(unknown),
        "{} {}: no line of the table knows the number in {line:?}: {left:?}",
        conf.server,
        conf.form
    );
}

/// The first number that stands between these texts, and the line with a `W` in its place.
fn without(line: &str, before: &str, after: &str) -> Option<(String, u64)> {
    for (at, _) in line.match_indices(before) {
        let begin = at + before.len();
        let digits = line[begin..].bytes().take_while(u8::is_ascii_digit).count();
        let end = begin + digits;
        if let Ok(number) = line[begin..end].parse()
            && line[end..].starts_with(after)
        {
            return Some((format!("{}W{}", &line[..begin], &line[end..]), number));
        }
    }
    None
}
