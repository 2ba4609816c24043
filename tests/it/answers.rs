//! What an answer can be told to be beside a body: a redirect, a cookie, a file, "not modified".

use crate::served::{Folder, Served, serve, serve_as};
use crate::wire::{Ask, END_REQUEST, Reply, STDOUT};
use fcgi::testing::request;
use fcgi::{Cookie, Response, SameSite, Sendfile, Server};
use log::Level;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A request as nginx sends it for an application that is reached under a mount.
fn below(mount: &str, path: &str) -> Ask {
    Ask::bare()
        .param("REQUEST_METHOD", "GET")
        .param("SCRIPT_NAME", mount)
        .param("PATH_INFO", path)
        .param("REQUEST_URI", format!("{mount}{path}"))
}

/// A server that answers as it is told last.
type Told = Arc<Mutex<Box<dyn Fn(Response<'_>) -> fcgi::Result + Send>>>;

fn telling(server: Server) -> (Served, Told) {
    let told: Told = Arc::new(Mutex::new(Box::new(|res| res.send(""))));
    let tell = Arc::clone(&told);
    let server = serve_as(server.workers(1), move |_, res| tell.lock().unwrap()(res));
    (server, told)
}

fn tell(told: &Told, answer: impl Fn(Response<'_>) -> fcgi::Result + Send + 'static) {
    *told.lock().unwrap() = Box::new(answer);
}

#[test]
fn a_redirect_is_a_status_a_location_and_a_link() {
    let (server, told) = telling(Server::new());
    for (to, location) in [
        ("/list", "/app/list"),
        ("list?a=b&c#d", "/app/list?a=b&c#d"),
        ("", "/app/"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("https://example.org/x?a=1&b", "https://example.org/x?a=1&b"),
        ("HTTP://example.org", "HTTP://example.org"),
        // Nowhere else, and no second header.
        ("//evil.example", "/app/evil.example"),
        (r"/\evil.example", "/app/%5Cevil.example"),
        (r"\/evil.example", "/app/%5C/evil.example"),
        ("javascript:alert(1)", "/app/javascript:alert(1)"),
        ("https:evil.example", "/app/https:evil.example"),
        ("\t//evil.example", "/app/%09//evil.example"),
        ("/a\r\nSet-Cookie: a=1", "/app/a%0D%0ASet-Cookie:%20a=1"),
        (
            "http://a\r\n\r\n<script>",
            "http://a%0D%0A%0D%0A%3Cscript%3E",
        ),
        ("/\u{e9}\"><script>", "/app/%C3%A9%22%3E%3Cscript%3E"),
    ] {
        tell(&told, move |res| res.redirect(to));
        let reply = server.ask(&below("/app", "/here"));
        assert_eq!(reply.page().0, 303, "{to:?}");
        assert_eq!(reply.field("Location"), Some(location), "{to:?}");
        assert_eq!(
            reply.field("Content-Type"),
            Some("text/html; charset=utf-8")
        );
        let names: Vec<_> = reply.fields.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(
            names,
            ["Location", "Content-Type", "Content-Length"],
            "{to:?}"
        );
        let link = location.replace('&', "&amp;").replace('"', "&quot;");
        assert!(
            reply
                .text()
                .contains(&format!("<a href=\"{link}\">{link}</a>")),
            "{to:?}"
        );
    }
    // At the root of the site, where a path of two slashes would be another host's.
    for to in ["//evil.example", "///evil.example", "/"] {
        tell(&told, move |res| res.redirect(to));
        let reply = server.ask(&below("", "//x"));
        let path = format!("/{}", to.trim_start_matches('/'));
        assert_eq!(reply.field("Location"), Some(&path[..]));
    }
}

#[test]
fn a_redirect_keeps_the_status_that_was_set_if_it_is_one() {
    let (server, told) = telling(Server::new());
    for (set, status) in [
        (301, 301),
        (302, 302),
        (307, 307),
        (308, 308),
        (200, 303),
        (404, 303),
        (304, 303),
    ] {
        tell(&told, move |res| res.status(set).redirect("/"));
        assert_eq!(server.ask(&Ask::get("/")).page().0, status);
    }
    // What was set before is replaced, and what cannot be sent is no redirect.
    tell(&told, |res| {
        let res = res.header("Location", "/old").content_type("text/plain");
        res.header("X-Kept", "1").redirect("/new")
    });
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(
        (reply.field("Location"), reply.field("X-Kept")),
        (Some("/new"), Some("1"))
    );
    assert_eq!(
        reply.field("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    tell(&told, |res| res.redirect(&"x".repeat(9000)));
    assert_eq!(server.ask(&Ask::get("/")).status, 500);
    tell(&told, |res| res.header("bad header", "").redirect("/"));
    assert_eq!(server.ask(&Ask::get("/")).status, 500);
    tell(&told, |res| res.redirect("/"));
    let reply = server.ask(&Ask::new("HEAD", "/"));
    assert_eq!(
        (reply.page(), reply.field("Location")),
        ((303, ""), Some("/"))
    );
}

#[test]
fn cookies_are_set_one_by_one_below_the_mount() {
    let (server, told) = telling(Server::new());
    tell(&told, |res| {
        let second = Cookie::new("b", "2").path("/").same_site(SameSite::None);
        res.set_cookie(Cookie::new("a", "1"))
            .set_cookie(second)
            .set_cookie(Cookie::removal("c"))
            .send("")
    });
    let reply = server.ask(&below("/app", "/"));
    assert_eq!(
        reply.values("Set-Cookie"),
        [
            "a=1; Path=/app; HttpOnly; SameSite=Lax",
            "b=2; Path=/; Secure; HttpOnly; SameSite=None",
            "c=; Path=/app; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax",
        ]
    );
}

#[test]
fn a_cookie_that_is_not_legal_is_a_500_with_one_line() {
    let (server, told) = telling(Server::new());
    let cookies: [fn() -> Cookie; 4] = [
        || Cookie::new("a\r\nX: 1", "1"),
        || Cookie::new("a", "1; Domain=evil.example"),
        || Cookie::new("a", "1").path("/;"),
        || Cookie::new("a", "1").domain("a\nb"),
    ];
    for (i, cookie) in cookies.into_iter().enumerate() {
        tell(&told, move |res| {
            res.set_cookie(cookie())
                .set_cookie(Cookie::new(" ", ""))
                .send("a page")
        });
        assert_eq!(
            server.ask(&Ask::get("/")).page(),
            (500, "500 Internal Server Error\n")
        );
        let lines = server.lines(Level::Error);
        assert_eq!(lines.len(), i + 1);
        assert!(
            lines[i].contains("the cookie \"a") && !lines[i].contains(['\r', '\n']),
            "{lines:?}"
        );
    }
}

#[test]
fn stream_asks_nginx_not_to_gather_unless_the_application_did() {
    let (server, told) = telling(Server::new());
    let buffering = |server: &Served| {
        let reply = server.ask(&Ask::get("/"));
        assert_eq!(reply.page(), (200, "piece"));
        reply.field("X-Accel-Buffering").map(str::to_owned)
    };
    tell(&told, |res| Ok(res.stream()?.write_all(b"piece")?));
    assert_eq!(buffering(&server).as_deref(), Some("no"));
    tell(&told, |res| {
        Ok(res
            .header("x-accel-buffering", "yes")
            .stream()?
            .write_all(b"piece")?)
    });
    assert_eq!(buffering(&server).as_deref(), Some("yes"));
    tell(&told, |res| res.send("piece"));
    assert_eq!(buffering(&server), None);
}

const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const NEWER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn old() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

#[test]
fn a_page_that_the_visitor_has_is_a_304_with_its_validators() {
    let (server, told) = telling(Server::new());
    tell(&told, |res| {
        let res = res
            .etag("v1")
            .last_modified(old())
            .content_type("text/plain")
            .header("Vary", "Cookie");
        match res.is_not_modified() {
            true => res.not_modified(),
            false => res.send("a page"),
        }
    });
    let ask = |method: &str, name: &str, value: &str| {
        server.ask(&Ask::new(method, "/").param(name, value))
    };
    for (method, name, value, status) in [
        ("GET", "HTTP_IF_NONE_MATCH", "\"v1\"", 304),
        ("HEAD", "HTTP_IF_NONE_MATCH", "\"v0\", W/\"v1\"", 304),
        ("GET", "HTTP_IF_NONE_MATCH", "*", 304),
        ("GET", "HTTP_IF_NONE_MATCH", "\"v2\"", 200),
        ("GET", "HTTP_IF_NONE_MATCH", "v1", 200),
        ("POST", "HTTP_IF_NONE_MATCH", "\"v1\"", 200),
        ("GET", "HTTP_IF_MODIFIED_SINCE", OLD, 304),
        ("GET", "HTTP_IF_MODIFIED_SINCE", NEWER, 304),
        (
            "GET",
            "HTTP_IF_MODIFIED_SINCE",
            "Sun, 06 Nov 1994 08:49:36 GMT",
            200,
        ),
        ("PUT", "HTTP_IF_MODIFIED_SINCE", OLD, 200),
        ("GET", "HTTP_HOST", "h", 200),
    ] {
        let reply = ask(method, name, value);
        let body = if status == 200 { "a page" } else { "" };
        assert_eq!(reply.page(), (status, body), "{method} {name} {value}");
        assert_eq!(reply.field("ETag"), Some("\"v1\""));
        assert_eq!(reply.field("Last-Modified"), Some(OLD));
        assert_eq!(reply.field("Vary"), Some("Cookie"));
        assert_eq!(reply.field("Content-Type").is_some(), status == 200);
        assert_eq!(reply.field("Content-Length").is_some(), status == 200);
    }
    let both = Ask::get("/")
        .param("HTTP_IF_NONE_MATCH", "\"v2\"")
        .param("HTTP_IF_MODIFIED_SINCE", OLD);
    assert_eq!(server.ask(&both).status, 200, "the tag wins");
}

/// RFC 9110, section 13.2.1: a condition counts only where the answer would be a success otherwise.
#[test]
fn what_is_no_success_is_never_not_modified() {
    for (status, is_not_modified) in [
        (200, true),
        (203, true),
        (302, false),
        (404, false),
        (500, false),
    ] {
        let ask = request("GET", "/").header("If-None-Match", "\"v1\"");
        let answer = ask.call(|_, res| {
            let res = res.status(status).etag("v1");
            assert_eq!(res.is_not_modified(), is_not_modified, "{status}");
            res.send("")
        });
        assert_eq!(answer.status(), status);
    }
}

#[test]
fn validators_are_replaced_checked_and_never_of_tomorrow() {
    let (server, told) = telling(Server::new());
    tell(&told, |res| {
        let res = res
            .etag("first")
            .etag("W/\"second\"")
            .last_modified(UNIX_EPOCH)
            .last_modified(old());
        res.send("")
    });
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(reply.field("ETag"), Some("W/\"second\""));
    assert_eq!(reply.field("Last-Modified"), Some(OLD));
    tell(&told, |res| {
        res.last_modified(SystemTime::now() + Duration::from_secs(1 << 40))
            .send("")
    });
    let reply = server.ask(&Ask::get("/"));
    let year = reply.field("Last-Modified").unwrap()[12..16]
        .parse::<u32>()
        .unwrap();
    assert!(year < 9000, "{year}");
    tell(&told, |res| {
        res.last_modified(UNIX_EPOCH - Duration::from_secs(1))
            .send("")
    });
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(
        reply.field("Last-Modified"),
        Some("Thu, 01 Jan 1970 00:00:00 GMT")
    );
    tell(&told, |res| res.etag("two words").send(""));
    assert_eq!(server.ask(&Ask::get("/")).status, 500);
    assert!(
        server
            .line(Level::Error, "the ETag")
            .contains("\"two words\" is refused")
    );
}

/// Files of one test, and a server that sends them.
fn files(server: Server) -> (Served, Folder) {
    let folder = Folder::new();
    let path = folder.path().to_owned();
    let server = serve_as(server.workers(1), move |req, res| {
        let res = match req.query() {
            "" => res,
            status => res.status(status.parse()?),
        };
        res.content_type("application/x-test")
            .send_file(path.join(&req.path()[1..]))
    });
    (server, folder)
}

fn write(folder: &Folder, name: &str, content: &[u8]) {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(old())
        .unwrap();
}

/// Around the size of the buffer that it goes through.
#[test]
fn a_file_is_sent_whole_with_its_length_and_its_validators() {
    let (server, folder) = files(Server::new());
    let mut wire = server.connect();
    for len in [
        0,
        1,
        32_000,
        32_400,
        32_700,
        32_768,
        65_000,
        65_536,
        3 << 20,
    ] {
        let content: Vec<u8> = (0..len)
            .map(|i: usize| (i % 251) as u8 ^ (i >> 12) as u8)
            .collect();
        write(&folder, "file", &content);
        let reply = wire.ask(&Ask::get("/file").keep());
        assert!(
            reply.is_whole() && reply.status == 200 && reply.body == content,
            "{len} bytes"
        );
        assert_eq!(reply.field("Content-Length"), Some(&len.to_string()[..]));
        assert_eq!(reply.field("Content-Type"), Some("application/x-test"));
        assert_eq!(reply.field("Last-Modified"), Some(OLD));
        let tag = reply.field("ETag").unwrap();
        let head = wire.ask(&Ask::new("HEAD", "/file").keep());
        assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
        assert_eq!(head.fields, reply.fields, "a HEAD says the same");
        for (name, value, status) in [
            ("HTTP_IF_NONE_MATCH", tag, 304),
            ("HTTP_IF_NONE_MATCH", "\"another\"", 200),
            ("HTTP_IF_MODIFIED_SINCE", OLD, 304),
            (
                "HTTP_IF_MODIFIED_SINCE",
                "Sat, 05 Nov 1994 08:49:37 GMT",
                200,
            ),
        ] {
            let reply = wire.ask(&Ask::get("/file").keep().param(name, value));
            assert_eq!(reply.status, status, "{name} {value}");
        }
    }
    // Another status is another page: it has no version that a visitor knows.
    let reply = wire.ask(
        &Ask::get("/file?404")
            .keep()
            .param("HTTP_IF_MODIFIED_SINCE", OLD),
    );
    assert_eq!((reply.status, reply.body.len()), (404, 3 << 20));
    // A second is long enough for another version of one length.
    let reply = wire.ask(&Ask::get("/file").keep());
    let path = folder.path().join("file");
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(old() + Duration::from_millis(1))
        .unwrap();
    let later = wire.ask(&Ask::get("/file").keep());
    assert_eq!(reply.field("Last-Modified"), later.field("Last-Modified"));
    assert_ne!(reply.field("ETag"), later.field("ETag"));
}

#[test]
fn the_application_may_know_a_file_by_other_validators() {
    let folder = Folder::new();
    write(&folder, "file", b"content");
    let path = folder.path().join("file");
    let server = serve(move |_, res| res.etag("mine").last_modified(UNIX_EPOCH).send_file(&path));
    let reply = server.ask(&Ask::get("/"));
    assert_eq!(reply.page(), (200, "content"));
    assert_eq!(reply.field("ETag"), Some("\"mine\""));
    assert_eq!(
        reply.field("Last-Modified"),
        Some("Thu, 01 Jan 1970 00:00:00 GMT")
    );
}

#[test]
fn what_is_no_file_to_be_read_is_an_error_page() {
    let (server, folder) = files(Server::new());
    fs::create_dir(folder.path().join("folder")).unwrap();
    write(&folder, "file", b"content");
    let made = Command::new("mkfifo")
        .arg(folder.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let long = format!("/{}", "x".repeat(300));
    for path in [
        "/absent",
        "/folder",
        "/pipe",
        "/file/below",
        "/nul%00byte",
        &long,
    ] {
        let decoded = path.replace("%00", "\0");
        let ask = Ask::get(path).param("PATH_INFO", decoded);
        assert_eq!(server.ask(&ask).page(), (404, "404 Not Found\n"), "{path}");
    }
    assert!(
        server
            .line(Level::Info, "absent: there is no such file")
            .contains("answered 404")
    );
    assert!(
        server
            .line(Level::Info, "/pipe: it is no regular file")
            .contains("answered 404")
    );
    // Root may read everything.
    fs::set_permissions(folder.path().join("file"), Permissions::from_mode(0o0)).unwrap();
    let is_root = File::open(folder.path().join("file")).is_ok();
    assert_eq!(
        server.ask(&Ask::get("/file")).status,
        if is_root { 200 } else { 403 }
    );
}

/// The length has left by then: the visitor must not take the rest for the whole.
#[test]
fn a_file_that_gets_shorter_while_it_is_sent_is_cut() {
    let (server, folder) = files(Server::new());
    write(&folder, "file", &vec![b'x'; 8 << 20]);
    let mut wire = server.after(Ask::get("/file").bytes());
    let first = wire.record().unwrap();
    assert_eq!(first.kind, STDOUT);
    File::options()
        .write(true)
        .open(folder.path().join("file"))
        .unwrap()
        .set_len(4 << 20)
        .unwrap();
    let rest = wire.records_until_the_end();
    assert!(rest.iter().all(|record| record.kind != END_REQUEST));
    assert!(
        server
            .line(Level::Error, "Content-Length")
            .contains("the answer is cut")
    );
}

fn handed_over(reply: &Reply, header: &str) -> Option<String> {
    let value = reply.field(header).map(str::to_owned);
    if value.is_some() {
        assert_eq!(reply.page(), (200, ""));
        assert_eq!(reply.field("Content-Length"), None);
        assert_eq!(reply.field("Content-Type"), Some("application/x-test"));
    }
    value
}

#[test]
fn a_web_server_that_sends_files_is_told_which() {
    let (server, folder) = files(Server::new().sendfile(Sendfile::Header));
    write(&folder, "a b", b"content");
    let ask = |path: &str| server.ask(&Ask::get(path).param("PATH_INFO", path.replace("%20", " ")));
    let expected = format!("{}/a%20b", folder.path().display());
    assert_eq!(handed_over(&ask("/a%20b"), "X-Sendfile"), Some(expected));
    assert_eq!(ask("/absent").page(), (404, "404 Not Found\n"));
    let known = Ask::get("/a%20b")
        .param("PATH_INFO", "/a b")
        .param("HTTP_IF_MODIFIED_SINCE", OLD);
    assert_eq!(server.ask(&known).page(), (304, ""));
    // nginx would make a 200 of it.
    let reply = server.ask(&Ask::get("/a%20b?404").param("PATH_INFO", "/a b"));
    assert_eq!(
        (reply.page(), reply.field("X-Sendfile")),
        ((404, "content"), None)
    );
}

/// An application that says how long a file is need not know who sends it.
#[test]
fn a_length_of_the_applications_own_does_not_get_in_the_way_of_a_hand_over() {
    let folder = Folder::new();
    write(&folder, "file", b"content");
    for server in [Server::new(), Server::new().sendfile(Sendfile::Header)] {
        for method in ["GET", "HEAD"] {
            let answer = request(method, "/").settings(&server).call(|_, res| {
                let res = res.header("Content-Length", "7");
                res.send_file(folder.path().join("file"))
            });
            assert_eq!(answer.status(), 200, "{answer:?}");
            let length = answer.header("Content-Length");
            match answer.header("X-Sendfile") {
                Some(_) => assert_eq!(length, None, "the web server's to say"),
                None => assert_eq!(length, Some("7")),
            }
        }
    }
}

#[test]
fn nginx_is_told_by_a_path_of_its_own_and_only_of_files_in_the_folder() {
    let shown = Folder::new();
    let sendfile = Sendfile::Accel {
        folder: shown.path().to_owned(),
        location: "/protected/".to_owned(),
    };
    let outside = Folder::new();
    write(&shown, "50%", b"shown");
    write(&outside, "file", b"outside");
    let paths: Vec<_> = [shown.path().join("50%"), outside.path().join("file")].into();
    let server = serve_as(
        Server::new().workers(1).sendfile(sendfile),
        move |req, res| {
            let path: &Path = &paths[usize::from(req.path() == "/outside")];
            res.content_type("application/x-test").send_file(path)
        },
    );
    let reply = server.ask(&Ask::get("/shown"));
    assert_eq!(
        handed_over(&reply, "X-Accel-Redirect").as_deref(),
        Some("/protected/50%25")
    );
    let reply = server.ask(&Ask::get("/outside"));
    assert_eq!(
        (reply.page(), reply.field("X-Accel-Redirect")),
        ((200, "outside"), None)
    );
}
