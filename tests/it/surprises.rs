//! What the web servers were seen to do that nobody would guess, and the tests that hold what we do about it. A row names
//! tests of the library and rows of `tests/servers`; both have to be there.

use crate::served::serve;
use crate::testbed;
use crate::wire::Ask;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which tests hold it.
enum Held {
    /// Tests by name, and rows of `tests/servers` by name.
    By(&'static [&'static str], &'static [&'static str]),
    /// No test can: why.
    No(&'static str),
}

use Held::{By, No};

/// What was seen, in the order of its discovery.
const SURPRISES: [(&str, Held); 35] = [
    (
        "nginx sends SCRIPT_NAME twice at the root; the second is meant",
        By(
            &[
                "the_last_of_a_repeated_cgi_variable_wins",
                "nginxs_two_script_names_are_the_last",
            ],
            &["nginx-paths", "nginx-guides-root-paths"],
        ),
    ),
    (
        "nginx 1.22, HAProxy and h2o repeat the pair of a repeated header",
        By(
            &[
                "repeated_headers_are_joined_and_cookies_by_semicolon",
                "thousands_of_repeated_headers_are_joined_in_order",
            ],
            &["nginx-unix", "haproxy-unix", "h2o-unix"],
        ),
    ),
    (
        "repeated cookies come joined by a comma (Apache, Caddy), by a semicolon with a blank (lighttpd), or without (h2o)",
        By(
            &[
                "cookies_are_found_however_headers_were_joined",
                "cookies_are_found_however_they_were_joined",
            ],
            &[
                "apache-proxy-unix",
                "caddy-unix",
                "lighttpd-external-unix",
                "h2o-unix",
            ],
        ),
    ),
    (
        "nginx waits for ever for the close of a connection without KEEP_CONN",
        By(
            &["without_keep_conn_we_close_after_end_request"],
            &["nginx-unix"],
        ),
    ),
    (
        "a close with the body unread loses the answer",
        By(
            &[
                "a_close_with_unread_stdin_is_a_half_close_a_bounded_drain_and_a_close",
                "a_close_with_unread_stdin_is_no_reset_of_a_tcp_connection",
            ],
            &["nginx-unix", "caddy-tcp"],
        ),
    ),
    (
        "nginx sends no more STDIN once STDOUT has ended",
        By(
            &["end_request_does_not_wait_for_the_rest_of_stdin"],
            &["nginx-unix-keepalive"],
        ),
    ),
    (
        "on a kept connection the rest of a body follows END_REQUEST, and then the same id again",
        By(
            &["late_records_of_a_finished_id_are_dropped_and_the_id_begins_anew"],
            &[
                "nginx-tcp-keepalive",
                "apache-proxy-tcp-keepalive",
                "haproxy-tcp-keepalive",
            ],
        ),
    ),
    (
        "HAProxy 2.6.12 dies of a STDERR record, and of STDOUT that ends before a head does",
        By(
            &[
                "there_is_no_stderr_record_unless_the_application_writes_one",
                "nothing_unasked_is_sent",
            ],
            &["haproxy-unix"],
        ),
    ),
    (
        "END_REQUEST with OVERLOADED is an empty 200 behind mod_proxy_fcgi, and HAProxy hangs",
        By(
            &[
                "a_refusal_is_a_real_503",
                "busy_workers_never_cause_a_503",
                "an_unknown_role_is_refused_by_its_name_and_the_connection_goes_on",
            ],
            &[],
        ),
    ),
    (
        "a body on HEAD, 204 or 304 is a 502 behind HAProxy, and h2o passes it on",
        By(
            &["head_204_and_304_have_no_body_and_1xx_is_no_answer"],
            &["haproxy-unix", "h2o-unix"],
        ),
    ),
    (
        "a Location without a Status is a 200 behind mod_proxy_fcgi, Caddy and h2o",
        By(
            &["status_is_always_sent_and_always_first"],
            &["apache-proxy-unix", "caddy-unix", "h2o-unix"],
        ),
    ),
    (
        "mod_fcgid and mod_fastcgi serve the page of a Location with Status 200 themselves",
        By(
            &["a_location_with_status_200_is_a_500_and_with_any_other_fine"],
            &["apache-fcgid-htaccess"],
        ),
    ),
    (
        "an authorizer is sent no STDIN at all, not even its end",
        By(
            &[
                "an_authorizer_starts_at_the_end_of_params_and_grants_with_variables",
                "its_three_guards_are_asked_without_any_stdin",
            ],
            &[
                "apache-fcgid-access-checker",
                "apache-fcgid-authorizer",
                "apache-authnz-fcgi",
                "lighttpd-authorizer",
            ],
        ),
    ),
    (
        "mod_fcgid makes a 500 of a connection without END_REQUEST, and ends that process: it is for what was cut alone",
        By(
            &[
                "an_error_before_the_head_has_left_is_a_page_of_its_status",
                "an_error_after_the_head_has_left_cuts_the_answer",
            ],
            &["apache-fcgid-htaccess"],
        ),
    ),
    (
        "a process that ends by itself is 500s, 503s and waits under mod_fcgid, mod_fastcgi, lighttpd and h2o",
        By(
            &[
                "a_process_that_a_web_server_started_never_exits_by_itself",
                "children_are_recycled_without_a_failed_request",
            ],
            &["nginx-recycling"],
        ),
    ),
    (
        "mod_fcgid refuses bodies above 131,072 bytes, and asks nobody",
        By(&[], &["apache-fcgid-numbers", "apache-wrapper-numbers"]),
    ),
    (
        "the guides' rewrite: %3F is a 403, %25 a 400, and PATH_TRANSLATED is garbage",
        By(
            &["files_that_the_web_server_names_decide_nothing"],
            &[
                "apache-guides-htaccess-paths",
                "apache-fcgid-htaccess-paths",
            ],
        ),
    ),
    (
        "ProxyPass sends no PATH_INFO, and the whole path as SCRIPT_NAME",
        By(
            &["the_place_is_the_same_behind_every_web_server"],
            &["apache-proxy-bare-paths", "apache-guides-proxypass-paths"],
        ),
    ),
    (
        "Caddy's php_fastcgi has the path in REQUEST_URI alone",
        By(
            &["the_place_is_the_same_behind_every_web_server"],
            &["caddy-php", "caddy-php-paths"],
        ),
    ),
    (
        "lighttpd at \"/\" takes the first name of the path for SCRIPT_NAME",
        By(
            &["what_cannot_be_told_takes_the_setting"],
            &[
                "lighttpd-root-without-fix-paths",
                "lighttpd-root-without-fix-told-paths",
            ],
        ),
    ),
    (
        "nginx's old block: PATH_INFO without its slash, encoded again, cut at a line break",
        By(
            &["the_place_is_the_same_behind_every_web_server"],
            &["nginx-if-paths", "nginx-guides-older-paths"],
        ),
    ),
    (
        "HAProxy alone would send several requests on one connection at the same time: it is told that it may not",
        By(
            &[
                "values_are_told_at_once_wherever_they_are_asked_for",
                "a_second_begin_is_refused_with_cant_mpx_conn_and_the_first_goes_on",
            ],
            &["haproxy-tcp-keepalive"],
        ),
    ),
    (
        "HAProxy alone asks GET_VALUES, before its first request, and sends ABORT_REQUEST",
        By(
            &[
                "values_are_told_at_once_wherever_they_are_asked_for",
                "an_abort_in_the_body_is_the_readers_error_and_ends_with_end_request_alone",
                "an_abort_after_the_head_cuts_what_was_begun",
            ],
            &["haproxy-tcp-keepalive"],
        ),
    ),
    (
        "HAProxy 2.6.12 with a large tune.bufsize writes records whose lengths lie",
        By(
            &[
                "what_is_not_fastcgi_closes_the_connection_with_one_line_that_says_what_it_is",
                "a_broken_record_in_the_body_is_a_400_and_never_content",
                "announced_lengths_are_not_believed",
            ],
            &[],
        ),
    ),
    (
        "mod_fastcgi listens on every address with -port",
        By(&["which_ones_bite_is_said"], &[]),
    ),
    (
        "an application that binds by itself under mod_fastcgi takes all requests from its siblings, or dies",
        By(
            &[
                "what_it_would_listen_on_itself_is_ignored",
                "the_first_match_wins_and_the_rest_is_said_to_be_ignored",
            ],
            &["apache-mod_fastcgi-static"],
        ),
    ),
    (
        "FastCgiServer does not know -host, which guides give it",
        By(
            &["each_mode_has_its_own_directive_and_options_that_it_knows"],
            &[],
        ),
    ),
    (
        "the environment is PATH alone, nothing at all, or the web server's own",
        By(
            &["it_needs_no_environment"],
            &["apache-fcgid-htaccess", "lighttpd-spawned"],
        ),
    ),
    (
        "multiwatch stops its children by SIGUSR1",
        By(
            &[
                "an_idle_process_ends_at_once_with_0_and_takes_its_socket_along",
                "a_running_request_is_answered_before_the_end_and_no_new_one",
            ],
            &["multiwatch"],
        ),
    ),
    (
        "lighttpd, mod_fastcgi and h2o send one SIGTERM and nothing after it",
        By(
            &[
                "at_the_deadline_it_ends_with_1_and_names_what_it_cuts",
                "it_ends_by_itself_although_a_handler_does_not",
            ],
            &["lighttpd-spawned-turns"],
        ),
    ),
    (
        "CONTENT_LENGTH is -1, empty, absent or 0, and a body follows",
        By(
            &[
                "only_the_end_of_stdin_ends_the_body",
                "the_body_ends_where_stdin_ends_whatever_the_length_says",
                "a_content_length_that_lies_or_is_absurd_is_no_length",
            ],
            &["caddy-unix", "nginx-ungathered-forms"],
        ),
    ),
    (
        "a visitor who leaves in mid-upload is an end of the connection before the end of STDIN",
        By(
            &["a_connection_that_ends_before_the_end_of_stdin_is_an_error_and_never_a_short_body"],
            &["apache-proxy-unix", "nginx-uploads"],
        ),
    ),
    (
        "nginx and HAProxy make REMOTE_USER of an Authorization header that nobody checked",
        By(&["who_reads_remote_user_is_told_who_checked_it"], &[]),
    ),
    (
        "a Proxy header arrives as HTTP_PROXY; names of headers may hold dots, and some web servers drop underscores",
        By(
            &[
                "a_header_never_becomes_a_setting",
                "headers_are_looked_up_by_their_http_names",
            ],
            &[],
        ),
    ),
    (
        "mod_fcgid's socket has a backlog of 5",
        No(
            "The socket is mod_fcgid's, one for each process, and it never opens a second connection to a process that has one.",
        ),
    ),
];

#[test]
fn each_surprise_is_held_by_tests_that_there_are() {
    let (tests, rows) = (tests(), rows());
    // It looks in the right place.
    assert!(tests.contains("each_surprise_is_held_by_tests_that_there_are"));
    assert!(!tests.contains("crate"), "names of tests and nothing else");
    for (what, held) in SURPRISES {
        match held {
            By(names, servers) => {
                assert!(names.len() + servers.len() > 0, "nothing holds: {what}");
                for name in names {
                    assert!(tests.contains(*name), "there is no test {name}: {what}");
                }
                for name in servers {
                    assert!(rows.contains(*name), "there is no row {name}: {what}");
                }
            }
            No(why) => assert!(why.ends_with('.') && why.len() > 40, "{what}: {why}"),
        }
    }
    let different: BTreeMap<&str, ()> = SURPRISES.iter().map(|(what, _)| (*what, ())).collect();
    assert_eq!(different.len(), SURPRISES.len(), "one is there twice");
}

/// PATH_TRANSLATED is `redirect:/app.fcgi/…` behind a rewrite, and SCRIPT_FILENAME `proxy:fcgi://…` behind a proxy.
#[test]
fn files_that_the_web_server_names_decide_nothing() {
    let server = serve(|req, res| {
        let place = format!("{}|{}|{}", req.mount(), req.path(), req.url());
        res.send(place)
    });
    let ask = || {
        Ask::bare()
            .param("REQUEST_METHOD", "GET")
            .param("HTTP_HOST", "example.org")
            .param("SCRIPT_NAME", "/app.fcgi")
            .param("PATH_INFO", "/news/today")
            .param("REQUEST_URI", "/news/today?x=1")
    };
    let plain = server.ask(&ask());
    assert!(
        plain.text().starts_with("|/news/today|"),
        "{}",
        plain.text()
    );
    for (translated, file) in [
        ("redirect:/app.fcgi/news/today/today", "/srv/www/app.fcgi"),
        ("", "proxy:fcgi://127.0.0.1:39169/news/today"),
        ("/srv/www/elsewhere", "/app.fcgi/other"),
    ] {
        let ask = ask()
            .param("PATH_TRANSLATED", translated)
            .param("SCRIPT_FILENAME", file)
            .param("DOCUMENT_ROOT", "/srv/www");
        assert_eq!(server.ask(&ask).page(), plain.page(), "{translated} {file}");
    }
}

/// It cannot be seen in a request: both kinds look alike.
#[test]
fn who_reads_remote_user_is_told_who_checked_it() {
    let source = fs::read_to_string(folder("src").join("request.rs")).unwrap();
    let (docs, _) = source.split_once("pub fn remote_user(").unwrap();
    let docs = docs.rsplit_once("\n\n").unwrap().1;
    for words in ["nginx", "HAProxy", "unverified"] {
        assert!(docs.contains(words), "{words}: {docs}");
    }
    let mut conf = Command::new(testbed::example("testbed"));
    let printed = conf.args(["conf", "haproxy"]).output().unwrap().stdout;
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.contains("HAProxy checks no password"), "{printed}");
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names of all functions behind a `#[test]`.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for source in sources(&folder("src"))
        .into_iter()
        .chain(sources(&folder("tests/it")))
    {
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            match line.strip_prefix("fn ") {
                Some(rest) if is_test => {
                    let name = rest.split(['(', '<']).next().unwrap_or_default();
                    tests.insert(name.to_owned());
                    is_test = false;
                }
                _ => is_test |= line == "#[test]",
            }
        }
    }
    tests
}

/// The names of the rows of `tests/servers`.
fn rows() -> BTreeSet<String> {
    let table = fs::read_to_string(folder("tests/servers/main.rs")).unwrap();
    let names = table.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix("name: \"")?;
        rest.strip_suffix("\",").map(str::to_owned)
    });
    names.collect()
}

fn sources(folder: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
    sources
}
