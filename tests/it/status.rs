//! The status page: who sees it, what it says, and that it is none of the application's.

use crate::served::{Folder, Served, poll, serve_as, start};
use crate::testbed::{self, Testbed};
use crate::wire::{Ask, Reply, Wire};
use fcgi::{Error, Server};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn here(target: &str) -> Ask {
    Ask::get(target).param("REMOTE_ADDR", "127.0.0.1")
}

/// A value of the text.
#[track_caller]
fn value(reply: &Reply, name: &str) -> String {
    let (status, text) = reply.page();
    assert_eq!(status, 200);
    let lines = text.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(&format!("{name}: ")));
    let value = values
        .next()
        .unwrap_or_else(|| panic!("no {name} in {text}"));
    assert_eq!(values.next(), None, "{name} is there twice");
    value.to_owned()
}

#[track_caller]
fn values<const N: usize>(reply: &Reply, names: [&str; N]) -> [u64; N] {
    names.map(|name| value(reply, name).parse().unwrap())
}

fn server() -> Server {
    Server::new().workers(2).status_page("/status")
}

/// Everything but `/hello` is the application's 404.
fn served(server: Server) -> Served {
    serve_as(server, |req, res| match req.path() {
        "/see-other" => res.redirect("/hello"),
        "/broken" => Err(Error::new(500, "as asked")),
        "/finished" => res.status(410).finish("finished"),
        "/status" => res.status(404).send("the application's"),
        _ => res.status(404).send("not found"),
    })
}

#[test]
fn it_counts_what_was_answered_and_how() {
    let server = served(server());
    let page = server.ask(&here("/status"));
    assert_eq!(
        page.field("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(page.field("Cache-Control"), Some("no-store"));
    assert_eq!(page.field("X-Content-Type-Options"), Some("nosniff"));
    let names = ["served", "2xx", "3xx", "4xx", "5xx", "cut"];
    assert_eq!(values(&page, names), [0; 6]);
    assert_eq!(
        values(&page, ["pid", "workers", "busy"]),
        [std::process::id().into(), 2, 0]
    );
    let version = concat!("fcgi ", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&page, "version"), version);
    assert_eq!(value(&page, "oldest"), "none");
    server.assert_serves();
    server.assert_serves();
    for path in [
        "/see-other",
        "/broken",
        "/finished",
        "/nowhere",
        "/else",
        "/status",
    ] {
        assert!(server.ask(&Ask::get(path)).is_whole());
    }
    // Its parameters are broken: a 400, which no handler sees.
    assert_eq!(server.ask(&Ask::get("/").raw_params([200])).status, 400);
    // A handler's answer is counted when it has left, which may be just behind its arrival.
    let mut page = server.ask(&here("/status"));
    poll("the last count", || {
        page = server.ask(&here("/status"));
        values(&page, ["served"]) == [9]
    });
    assert_eq!(
        values(&page, names),
        [9, 2, 1, 5, 1, 0],
        "not the page itself"
    );
}

#[test]
fn it_names_the_oldest_request_that_runs_and_who_waits() {
    let testbed = Testbed::listening_with(&["--workers", "3", "--status", "/status"]);
    let mut kept: Vec<Wire> = (0..3).map(|_| testbed.connect()).collect();
    for wire in &mut kept {
        assert!(wire.ask(&Ask::get("/hello").keep()).is_whole());
    }
    let mut older = Wire::after(testbed.address(), Ask::get("/chunks?n=2&ms=60000").bytes());
    assert!(older.record().is_some());
    std::thread::sleep(Duration::from_millis(50));
    let _younger = Wire::after(testbed.address(), Ask::get("/sleep?ms=60000").bytes());
    let mut page = testbed.ask(&here("/status"));
    poll("both to run, and the others to be parked", || {
        page = testbed.ask(&here("/status"));
        values(&page, ["busy", "parked"]) == [2, 3]
    });
    // Three that are kept, two that are served, and the one that asks.
    assert_eq!(
        values(&page, ["workers", "started", "connections"]),
        [3, 3, 6]
    );
    assert!(value(&page, "oldest").ends_with(" GET /chunks"));
    assert_eq!(values(&page, ["pid"]), [testbed.pid().into()]);
    let json = testbed.ask(&here("/status?json"));
    assert_eq!(json.field("Content-Type"), Some("application/json"));
    let asked = here("/status").param("HTTP_ACCEPT", "application/json");
    assert_eq!(
        testbed.ask(&asked).field("Content-Type"),
        Some("application/json")
    );
    let (_, text) = json.page();
    assert!(
        text.starts_with("{\"version\":\"fcgi ") && text.ends_with("}\n"),
        "{text}"
    );
    let pid = format!("\"pid\":{},", testbed.pid());
    let parts = [
        &pid,
        "\"busy\":2,\"connections\":6,\"parked\":3,",
        "\"request\":\"GET /chunks\"}",
    ];
    for part in parts {
        assert!(text.contains(part), "{text}");
    }
}

/// For anybody else there is no such page, and nothing that says that there is one.
#[test]
fn only_this_machine_and_who_is_named_sees_it() {
    let allowed = |server: Server, range: &str| server.status_allow(range.parse().unwrap());
    let open = served(allowed(allowed(server(), "192.0.2.0/24"), "2001:db8::1"));
    let behind = served(allowed(
        server().trusted_proxy("127.0.0.1".parse().unwrap()),
        "192.0.2.7",
    ));
    let closed = served(server());
    type Row<'a> = (&'a Served, &'a [(&'a str, &'a str)], bool);
    let rows: &[Row<'_>] = &[
        (&closed, &[("REMOTE_ADDR", "127.0.0.1")], true),
        (&closed, &[("REMOTE_ADDR", "::1")], true),
        (&closed, &[("REMOTE_ADDR", "192.0.2.7")], false),
        (&closed, &[("REMOTE_ADDR", "unix:")], false),
        (&closed, &[], false),
        (
            &closed,
            &[
                ("REMOTE_ADDR", "127.0.0.1"),
                ("HTTP_X_FORWARDED_FOR", "192.0.2.7"),
            ],
            false,
        ),
        (&open, &[("REMOTE_ADDR", "192.0.2.7")], true),
        (&open, &[("REMOTE_ADDR", "2001:db8::1")], true),
        (&open, &[("REMOTE_ADDR", "2001:db8::2")], false),
        (
            &open,
            &[
                ("REMOTE_ADDR", "192.0.3.7"),
                ("HTTP_X_FORWARDED_FOR", "127.0.0.1"),
            ],
            false,
        ),
        (
            &behind,
            &[
                ("REMOTE_ADDR", "127.0.0.1"),
                ("HTTP_X_FORWARDED_FOR", "192.0.2.7"),
            ],
            true,
        ),
        (
            &behind,
            &[
                ("REMOTE_ADDR", "127.0.0.1"),
                ("HTTP_X_FORWARDED_FOR", "192.0.2.7, 192.0.2.8"),
            ],
            false,
        ),
        (&behind, &[("REMOTE_ADDR", "127.0.0.1")], true),
    ];
    for &(server, params, is_shown) in rows {
        let ask = params
            .iter()
            .fold(Ask::get("/status"), |ask, (name, value)| {
                ask.param(name, value)
            });
        let reply = server.ask(&ask);
        match is_shown {
            true => assert!(reply.page().1.starts_with("version: fcgi "), "{params:?}"),
            false => assert_eq!(reply.page(), (404, "the application's"), "{params:?}"),
        }
    }
}

#[test]
fn it_is_one_path_below_the_mount_for_get_and_head() {
    let server = served(server());
    let mounted = |mount: &str, path: &str| {
        Ask::bare()
            .param("REQUEST_METHOD", "GET")
            .param("REQUEST_URI", format!("{mount}{path}"))
            .param("SCRIPT_NAME", mount)
            .param("PATH_INFO", path)
            .param("REMOTE_ADDR", "127.0.0.1")
    };
    for (ask, status) in [
        (mounted("/app", "/status"), 200),
        (mounted("/app", "/status/"), 404),
        (mounted("/status", "/status"), 200),
        (mounted("/status", "/"), 404),
        (here("/st%61tus?x=1").param("PATH_INFO", "/status"), 200),
        (here("/Status"), 404),
        (here("/statu"), 404),
        (here("/"), 404),
        (
            Ask::post("/status", "x").param("REMOTE_ADDR", "127.0.0.1"),
            404,
        ),
    ] {
        assert_eq!(server.ask(&ask).status, status);
    }
    let head = server.ask(&Ask::new("HEAD", "/status").param("REMOTE_ADDR", "127.0.0.1"));
    assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
    assert!(
        head.field("Content-Length")
            .is_some_and(|length| length != "0")
    );
    // The connection goes on behind it.
    let mut wire = server.connect();
    assert_eq!(wire.ask(&here("/status").keep()).status, 200);
    assert_eq!(wire.ask(&here("/hello").keep()).page(), (200, "hello"));
}

#[test]
fn without_being_asked_for_there_is_none() {
    let server = served(
        Server::new()
            .workers(2)
            .status_allow("0.0.0.0/0".parse().unwrap()),
    );
    for path in ["/status", "/"] {
        assert_eq!(server.ask(&here(path)).status, 404);
    }
}

/// An authorizer is not asked for pages.
#[test]
fn an_authorizer_is_asked_for_its_path_too() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let server = self::server().authorizer(move |_, access| {
        *count.lock().unwrap() += 1;
        access.deny(403).send("")
    });
    let server = start(server, Arc::default());
    let mut wire = server.connect();
    let ask = here("/status");
    wire.write(crate::wire::begin_role(1, 2, false));
    wire.write(ask.params());
    assert_eq!(wire.reply(1).status, 403);
    assert_eq!(*asked.lock().unwrap(), 1);
}

/// Settings are the flags of who has no command line.
#[test]
fn the_settings_file_has_it() {
    let folder = Folder::new();
    let program = folder.path().join("app");
    testbed::copy(testbed::example("testbed"), &program);
    let settings = folder.path().join(".ht.app");
    std::fs::write(&settings, "status /what\nstatus-allow 192.0.2.1\nslow 5s\n").unwrap();
    let address = fcgi::Address::Unix(folder.path().join("s"));
    let mut command = testbed::command_of(&program);
    command.args(["--listen", &address.to_string()]);
    let testbed = Testbed::spawn(command, address, folder);
    poll("the testbed", || {
        Wire::try_connect(testbed.address()).is_ok()
    });
    let ask = Ask::get("/what").param("REMOTE_ADDR", "192.0.2.1");
    assert!(testbed.ask(&ask).page().1.starts_with("version: fcgi "));
}
