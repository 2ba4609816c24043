//! What a handler learns of its request, whatever the web server sent.

use crate::served::{serve, serve_as};
use crate::wire::Ask;
use fcgi::{Request, Server};

/// What `show` writes of a request.
fn shown(server: Server, ask: &Ask, show: fn(&Request<'_>) -> String) -> String {
    let server = serve_as(server.workers(1), move |req, res| res.send(show(req)));
    let reply = server.ask(ask);
    assert_eq!(reply.page().0, 200);
    reply.text().to_owned()
}

fn place(req: &Request<'_>) -> String {
    let raw = String::from_utf8_lossy(req.raw_path()).into_owned();
    let names = [req.mount(), req.path(), &raw, &req.url_for("/login?a=b c")];
    names.join(" | ")
}

/// nginx sends SCRIPT_NAME twice in the guides' root configuration, and means the last.
#[test]
fn nginxs_two_script_names_are_the_last() {
    let ask = Ask::bare()
        .param("SCRIPT_NAME", "/news/today")
        .param("REQUEST_METHOD", "GET")
        .param("REQUEST_URI", "/news/today?x=1")
        .param("PATH_INFO", "/news/today")
        .param("SCRIPT_NAME", "");
    let found = shown(Server::new(), &ask, place);
    assert_eq!(found, " | /news/today | /news/today | /login?a=b%20c");
    let names = |req: &Request<'_>| {
        let name = |(name, value): (&[u8], &[u8])| [name, b"=", value].concat();
        let raw: Vec<Vec<u8>> = req.params().map(name).collect();
        String::from_utf8(raw.join(&b" "[..])).unwrap()
    };
    assert_eq!(
        shown(Server::new(), &ask, names),
        "SCRIPT_NAME=/news/today REQUEST_METHOD=GET REQUEST_URI=/news/today?x=1 PATH_INFO=/news/today SCRIPT_NAME=",
        "the raw pairs, in order, as received"
    );
}

#[test]
fn a_joined_header_lends_like_all_others() {
    let server = serve(|req, res| {
        let (rep, cookie) = (req.header("X-Rep"), req.param("HTTP_COOKIE"));
        // They stay readable while the body is read.
        let body = std::io::read_to_string(req.body())?;
        res.send(format!("{rep:?} {cookie:?} {body}"))
    });
    let ask = Ask::post("/", "body")
        .param("HTTP_X_REP", "a")
        .param("HTTP_COOKIE", "k=1")
        .param("HTTP_X_REP", "b")
        .param("HTTP_COOKIE", "l=2");
    let reply = server.ask(&ask);
    assert_eq!(reply.text(), "Some(\"a, b\") Some(\"k=1; l=2\") body");
}

/// A visitor's `Proxy` header must not tell the application where to send its own requests (httpoxy, CVE-2016-5387).
#[test]
fn a_header_never_becomes_a_setting() {
    let ask = Ask::get("/")
        .param("HTTP_PROXY", "http://evil.example")
        .param("http_proxy", "http://evil.example")
        .param("FCGI_TEST_LEAK", "1");
    let found = shown(Server::new(), &ask, |req| {
        let names = [
            "HTTP_PROXY",
            "http_proxy",
            "FCGI_TEST_LEAK",
            "REQUEST_METHOD",
        ];
        assert!(
            req.params().any(|(name, _)| name == b"HTTP_PROXY"),
            "it was sent"
        );
        let set = names.iter().filter(|name| std::env::var_os(name).is_some());
        set.copied().collect()
    });
    assert_eq!(found, "", "set in the environment of the process");
}

#[test]
fn the_mount_can_be_said_where_it_cannot_be_found() {
    let lighttpd = Ask::bare()
        .param("REQUEST_METHOD", "GET")
        .param("SCRIPT_NAME", "/app")
        .param("PATH_INFO", "/news%")
        .param("REQUEST_URI", "/app/news%25");
    let found = shown(Server::new(), &lighttpd, place);
    assert_eq!(found, "/app | /news% | /news%25 | /app/login?a=b%20c");
    for root in ["", "/"] {
        let found = shown(Server::new().mount(root), &lighttpd, place);
        assert_eq!(found, " | /app/news% | /app/news%25 | /login?a=b%20c");
    }
    let bare = Ask::bare()
        .param("REQUEST_METHOD", "GET")
        .param("SCRIPT_NAME", "/app")
        .param("REQUEST_URI", "/app");
    for mount in ["/app", "app", "/app/"] {
        let found = shown(Server::new().mount(mount), &bare, place);
        assert_eq!(found, "/app | / | / | /app/login?a=b%20c");
    }
}

#[test]
fn a_request_knows_its_url() {
    let url = |req: &Request<'_>| req.url();
    let https = Ask::get("/a%2Fb/\u{e9}?x= 1#")
        .param("HTTP_HOST", "example.org:8443")
        .param("HTTPS", "on");
    let found = shown(Server::new(), &https, url);
    assert_eq!(found, "https://example.org:8443/a%2Fb/%C3%A9?x=%201#");
    let without_uri = Ask::bare()
        .param("REQUEST_METHOD", "GET")
        .param("SCRIPT_NAME", "/a b")
        .param("PATH_INFO", "/50%")
        .param("QUERY_STRING", "q=%20")
        .param("SERVER_NAME", "h")
        .param("SERVER_PORT", "81");
    assert_eq!(
        shown(Server::new(), &without_uri, url),
        "http://h:81/a%20b/50%25?q=%20"
    );
}

/// h2o 2.2.5 takes `GET @evil.example/x HTTP/1.1` and passes it on as it is: behind a host it would be another host's URL.
#[test]
fn a_url_is_of_its_host_whatever_was_asked_for() {
    for (target, url) in [
        ("@evil.example/x?y", "http://site.example/@evil.example/x?y"),
        (".evil.example/x", "http://site.example/.evil.example/x"),
        (":80@evil.example", "http://site.example/:80@evil.example"),
        ("?x", "http://site.example/?x"),
        ("//evil.example/x", "http://site.example//evil.example/x"),
        ("http://evil.example/x?y", "http://site.example/x?y"),
        // RFC 9112, section 3.3: the server as a whole has no path.
        ("*", "http://site.example"),
    ] {
        let ask = Ask::bare()
            .param("REQUEST_METHOD", "OPTIONS")
            .param("REQUEST_URI", target)
            .param("HTTP_HOST", "site.example");
        let found = shown(Server::new(), &ask, |req| req.url());
        assert_eq!(found, url, "{target}");
    }
    let odd = Ask::bare()
        .param("REQUEST_METHOD", "GET")
        .param("SCRIPT_NAME", ".evil.example")
        .param("PATH_INFO", "/x")
        .param("HTTP_HOST", "site.example");
    let found = shown(Server::new(), &odd, |req| req.url());
    assert_eq!(found, "http://site.example/.evil.example/x");
}

#[test]
fn only_trusted_proxies_are_believed() {
    let ask = Ask::get("/x")
        .param("REMOTE_ADDR", "10.0.0.1")
        .param("HTTP_HOST", "inner:8080")
        .param("HTTP_X_FORWARDED_FOR", "203.0.113.9, 198.51.100.7")
        .param("HTTP_X_FORWARDED_PROTO", "https")
        .param("HTTP_X_FORWARDED_HOST", "site.example");
    let show = |req: &Request<'_>| format!("{} {}", req.remote_addr().unwrap(), req.url());
    assert_eq!(
        shown(Server::new(), &ask, show),
        "10.0.0.1 http://inner:8080/x"
    );
    let trusting = Server::new().trusted_proxy("10.0.0.0/8".parse().unwrap());
    assert_eq!(
        shown(trusting, &ask, show),
        "198.51.100.7 https://site.example/x"
    );
}

/// Apache renames what a rewrite passes on, once for each rewrite.
#[test]
fn authorization_and_user_are_found_after_a_rewrite() {
    let show = |req: &Request<'_>| format!("{:?} {:?}", req.authorization(), req.remote_user());
    for prefix in ["", "REDIRECT_", "REDIRECT_REDIRECT_"] {
        let ask = Ask::get("/").param(format!("{prefix}HTTP_AUTHORIZATION"), "Basic eA==");
        assert_eq!(
            shown(Server::new(), &ask, show),
            "Some(\"Basic eA==\") None"
        );
    }
    let ask = Ask::get("/")
        .param("HTTP_AUTHORIZATION", "")
        .param("REDIRECT_REMOTE_USER", "ada");
    assert_eq!(shown(Server::new(), &ask, show), "None Some(\"ada\")");
}

#[test]
fn the_query_is_decoded() {
    let ask = Ask::get("/?name=John+%C3%A9&name=second&empty");
    let show = |req: &Request<'_>| {
        let values = ["name", "empty", "absent"].map(|name| req.query_value(name));
        format!("{values:?} {}", req.query_pairs().count())
    };
    assert_eq!(
        shown(Server::new(), &ask, show),
        "[Some(\"John \u{e9}\"), Some(\"\"), None] 3"
    );
}

/// Apache and Caddy join several Cookie headers by commas, lighttpd by `; `, h2o by `;`, and nginx sends them one by one.
#[test]
fn cookies_are_found_however_they_were_joined() {
    let show = |req: &Request<'_>| {
        let all: Vec<String> = req
            .cookies()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!(
            "{} {:?} {:?}",
            all.join("|"),
            req.cookie("a"),
            req.cookie("x")
        )
    };
    for joined in ["a=1; b=2", "a=1, b=2", "a=1;b=2", "a=1,b=2", "a=\"1\";b=2;"] {
        let ask = Ask::get("/").param("HTTP_COOKIE", joined);
        assert_eq!(
            shown(Server::new(), &ask, show),
            "a=1|b=2 Some(\"1\") None",
            "{joined}"
        );
    }
    let ask = Ask::get("/")
        .param("HTTP_COOKIE", "a=1")
        .param("HTTP_COOKIE", "b=2");
    assert_eq!(shown(Server::new(), &ask, show), "a=1|b=2 Some(\"1\") None");
    assert_eq!(shown(Server::new(), &Ask::get("/"), show), " None None");
}
