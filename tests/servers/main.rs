//! Real web servers, each with exactly the configuration that the program prints for it, and one table of requests for
//! all of them. Run by `cargo test`; words after `--` choose rows by parts of their names. A web server that is not
//! installed is a row skipped, by name in the last lines; with `REQUIRE_SERVERS=1` it is a failure. Rows run side by side,
//! `SERVERS_JOBS` of them; when all were good, the guide on deploying has to say so (`behind.rs`).

mod access;
mod apache;
mod behind;
mod browser;
mod caddy;
mod deploy;
mod devtools;
mod events;
mod explained;
mod family;
mod folder;
mod forms;
mod growth;
mod guestbook;
mod guides;
mod h2o;
mod haproxy;
mod http;
mod libfcgi;
mod lighttpd;
mod load;
mod logs;
mod managers;
mod multiplex;
mod nginx;
mod numbers;
mod paths;
mod process;
mod reload;
mod requests;
mod row;
mod sessions;
mod settings;
mod shown;
mod stops;
mod stories;
mod testbed;
mod troubles;
mod turns;
mod uploads;

use std::env;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use behind::Noted;
use folder::Folder;
use forms::Ways;
use paths::{Paths, Way};
use requests::{Asked, TABLE};
use row::{Chunks, Cut, Files, Report, Row, Running, Stderr, Traits, Work};
use testbed::Testbed;

/// What went wrong is a sentence.
pub type Outcome<T = ()> = Result<T, String>;

/// Returns the sentence unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err(format!($($sentence)+));
        }
    };
}

/// Most of the web servers write and read at the same time, gather an answer, and open a connection for each request.
const COMMON: Traits = Traits {
    echoes_large: true,
    chunks: Chunks::All,
    names_cgi: true,
    authorization: true,
    streams: false,
    cut: Cut::Hidden,
    keeps_connections: Some(false),
    files: Files::None,
    base: "",
    way: Way::Apache,
    log: "log/testbed.log",
    stderr: Stderr::Shown("log/apache-error.log"),
};

/// mod_fcgid writes the whole body before it reads the answer.
const FCGID: Traits = Traits {
    echoes_large: false,
    authorization: false,
    cut: Cut::Status(500),
    keeps_connections: None,
    log: "log/apache-error.log",
    ..COMMON
};

const PROXY: Traits = Traits {
    authorization: false,
    streams: true,
    cut: Cut::Noticed,
    ..COMMON
};

/// mod_fastcgi answers 411 to a chunked body, and gathers an answer without `-flush`.
const OLD: Traits = Traits {
    chunks: Chunks::None,
    authorization: false,
    ..COMMON
};

/// nginx 1.22 sends nothing more of a body once it has passed on the head of the answer. What is streamed it does not
/// gather (`X-Accel-Buffering: no`), and takes a close for its end: also with `fastcgi_keep_conn`, where it knows the end
/// of what it does gather by END_REQUEST.
const NGINX: Traits = Traits {
    echoes_large: false,
    streams: true,
    way: Way::Nginx,
    stderr: Stderr::Shown("log/nginx-error.log"),
    ..COMMON
};

const NGINX_KEPT: Traits = Traits {
    keeps_connections: Some(true),
    ..NGINX
};

const LIGHTTPD: Traits = Traits {
    way: Way::Lighttpd,
    stderr: Stderr::Shown("log/lighttpd-error.log"),
    ..COMMON
};

const LIGHTTPD_SPAWNED: Traits = Traits {
    log: "log/lighttpd-breakage.log",
    ..LIGHTTPD
};

/// HAProxy 2.6 gathers what is small, and tells the visitor when an answer is cut.
const HAPROXY: Traits = Traits {
    chunks: Chunks::Small,
    cut: Cut::Noticed,
    way: Way::HaProxy,
    stderr: Stderr::Deadly,
    ..COMMON
};

/// Caddy 2.6 writes the whole body before it reads the answer, as mod_fcgid does.
const CADDY: Traits = Traits {
    echoes_large: false,
    way: Way::Caddy,
    stderr: Stderr::Hidden,
    ..COMMON
};

/// h2o 2.2 passes pieces on as they come.
const H2O: Traits = Traits {
    names_cgi: false,
    streams: true,
    way: Way::H2o,
    stderr: Stderr::Shown("log/h2o-error.log"),
    ..COMMON
};

const ROWS: &[Row] = &[
    Row {
        name: "apache-fcgid-htaccess",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::fcgid_htaccess,
            traits: Traits {
                files: Files::Guarded,
                ..FCGID
            },
        },
    },
    Row {
        name: "apache-htaccess-addhandler",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::htaccess_addhandler,
            traits: Traits {
                way: Way::Twice,
                files: Files::Guarded,
                ..FCGID
            },
        },
    },
    Row {
        name: "apache-htaccess-wrapper",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::htaccess_wrapper,
            traits: Traits {
                files: Files::Guarded,
                ..FCGID
            },
        },
    },
    Row {
        name: "apache-fcgid-scriptalias",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::fcgid_script_alias,
            traits: FCGID,
        },
    },
    Row {
        name: "apache-fcgid-settings",
        missing: apache::missing_fcgid,
        work: Work::Story(settings::printed),
    },
    Row {
        name: "apache-fcgid-settings-guide",
        missing: apache::missing_fcgid,
        work: Work::Story(settings::guides),
    },
    Row {
        name: "apache-fcgid-flags",
        missing: apache::missing_fcgid,
        work: Work::Story(settings::flags),
    },
    Row {
        name: "apache-fcgid-start-up",
        missing: apache::missing_fcgid,
        work: Work::Story(settings::start_up),
    },
    Row {
        name: "apache-fcgid-deploy",
        missing: apache::missing_fcgid,
        work: Work::Story(deploy::story),
    },
    Row {
        name: "apache-fcgid-echo",
        missing: apache::missing_fcgid,
        work: Work::Story(stories::echo),
    },
    Row {
        name: "apache-fcgid-browser",
        missing: browser::missing,
        work: Work::Story(browser::story),
    },
    Row {
        name: "apache-fcgid-guestbook",
        missing: browser::missing,
        work: Work::Story(guestbook::story),
    },
    Row {
        name: "apache-without-modules",
        missing: apache::missing_rewrite,
        work: Work::Story(stories::without_modules),
    },
    Row {
        name: "apache-proxy-unix",
        missing: apache::missing_proxy,
        work: Work::Table {
            start: apache::proxy_unix,
            traits: PROXY,
        },
    },
    Row {
        name: "apache-proxy-tcp",
        missing: apache::missing_proxy,
        work: Work::Table {
            start: apache::proxy_tcp,
            traits: PROXY,
        },
    },
    Row {
        name: "apache-proxy-tcp-keepalive",
        missing: apache::missing_proxy,
        work: Work::Table {
            start: apache::proxy_kept,
            traits: Traits {
                keeps_connections: Some(true),
                ..PROXY
            },
        },
    },
    Row {
        name: "apache-sethandler-unix",
        missing: apache::missing_proxy,
        work: Work::Table {
            start: apache::sethandler_root,
            traits: PROXY,
        },
    },
    Row {
        name: "apache-sethandler-tcp-keepalive",
        missing: apache::missing_proxy,
        work: Work::Table {
            start: apache::sethandler_kept,
            traits: Traits {
                keeps_connections: Some(true),
                ..PROXY
            },
        },
    },
    Row {
        name: "apache-files",
        missing: apache::missing_fcgid_and_proxy,
        work: Work::Story(stories::apache_files),
    },
    Row {
        name: "apache-cgid-htaccess",
        missing: apache::missing_cgid,
        work: Work::Table {
            start: apache::cgid,
            traits: Traits {
                echoes_large: false,
                authorization: false,
                streams: true,
                keeps_connections: None,
                log: "log/apache-error.log",
                files: Files::Guarded,
                ..COMMON
            },
        },
    },
    Row {
        name: "apache-cgid-arguments",
        missing: apache::missing_cgid,
        work: Work::Story(stories::arguments),
    },
    Row {
        name: "apache-mod_fastcgi-static",
        missing: apache::missing_old,
        work: Work::Table {
            start: apache::old_static,
            traits: OLD,
        },
    },
    Row {
        name: "apache-mod_fastcgi-external-unix",
        missing: apache::missing_old,
        work: Work::Table {
            start: apache::old_external_unix,
            traits: OLD,
        },
    },
    Row {
        name: "apache-mod_fastcgi-external-tcp",
        missing: apache::missing_old,
        work: Work::Table {
            start: apache::old_external_tcp,
            traits: OLD,
        },
    },
    Row {
        name: "apache-mod_fastcgi-dynamic-paths",
        missing: apache::missing_old,
        work: Work::Paths {
            start: apache::old_dynamic,
            paths: Paths::mounted(Way::Apache, ["|/app.fcgi", "/app.fcgi|/"]).below("/app.fcgi"),
        },
    },
    Row {
        name: "nginx-unix",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::unix,
            traits: NGINX,
        },
    },
    Row {
        name: "nginx-unbuffered",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::unbuffered,
            traits: NGINX,
        },
    },
    Row {
        name: "nginx-unix-keepalive",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::unix_kept,
            traits: NGINX_KEPT,
        },
    },
    Row {
        name: "nginx-tcp",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::tcp,
            traits: NGINX,
        },
    },
    Row {
        name: "nginx-tcp-keepalive",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::tcp_kept,
            traits: NGINX_KEPT,
        },
    },
    Row {
        name: "nginx-reload",
        missing: nginx::missing,
        work: Work::Story(reload::story),
    },
    Row {
        name: "nginx-recycling",
        missing: nginx::missing,
        work: Work::Story(reload::recycling),
    },
    Row {
        name: "nginx-stops-unix",
        missing: nginx::missing,
        work: Work::Story(stops::unix),
    },
    Row {
        name: "nginx-stops-tcp",
        missing: nginx::missing,
        work: Work::Story(stops::tcp),
    },
    Row {
        name: "nginx-growth",
        missing: nginx::missing,
        work: Work::Story(growth::nginx),
    },
    Row {
        name: "haproxy-growth",
        missing: haproxy::missing,
        work: Work::Story(growth::haproxy),
    },
    Row {
        name: "haproxy-growth-asking",
        missing: haproxy::missing,
        work: Work::Story(growth::haproxy_asking),
    },
    Row {
        name: "apache-proxy-turns",
        missing: apache::missing_proxy,
        work: Work::Story(turns::apache_proxy),
    },
    Row {
        name: "nginx-turns",
        missing: nginx::missing,
        work: Work::Story(turns::nginx),
    },
    Row {
        name: "nginx-keepalive-turns",
        missing: nginx::missing,
        work: Work::Story(turns::nginx_keepalive),
    },
    Row {
        name: "lighttpd-external-turns",
        missing: lighttpd::missing,
        work: Work::Story(turns::lighttpd_external),
    },
    Row {
        name: "haproxy-turns",
        missing: haproxy::missing,
        work: Work::Story(turns::haproxy),
    },
    Row {
        name: "haproxy-streams-turns",
        missing: haproxy::missing,
        work: Work::Story(turns::haproxy_streams),
    },
    Row {
        name: "caddy-turns",
        missing: caddy::missing,
        work: Work::Story(turns::caddy),
    },
    Row {
        name: "h2o-turns",
        missing: h2o::missing,
        work: Work::Story(turns::h2o),
    },
    Row {
        name: "apache-fcgid-turns",
        missing: apache::missing_fcgid,
        work: Work::Story(turns::apache_fcgid),
    },
    Row {
        name: "lighttpd-spawned-turns",
        missing: lighttpd::missing,
        work: Work::Story(turns::lighttpd_spawned),
    },
    Row {
        name: "nginx-logs",
        missing: nginx::missing,
        work: Work::Story(logs::behind_nginx),
    },
    Row {
        name: "fcgid-logs",
        missing: apache::missing_fcgid,
        work: Work::Story(logs::under_fcgid),
    },
    Row {
        name: "nginx-explained",
        missing: nginx::missing,
        work: Work::Story(explained::nginx),
    },
    Row {
        name: "apache-proxy-explained",
        missing: apache::missing_proxy,
        work: Work::Story(explained::proxy),
    },
    Row {
        name: "apache-fcgid-explained",
        missing: apache::missing_fcgid,
        work: Work::Story(explained::fcgid),
    },
    Row {
        name: "lighttpd-explained",
        missing: lighttpd::missing,
        work: Work::Story(explained::lighttpd),
    },
    Row {
        name: "apache-troubles",
        missing: apache::missing_troubles,
        work: Work::Story(troubles::apache),
    },
    Row {
        name: "nginx-troubles",
        missing: nginx::missing,
        work: Work::Story(troubles::nginx),
    },
    Row {
        name: "haproxy-troubles",
        missing: haproxy::missing,
        work: Work::Story(troubles::haproxy),
    },
    Row {
        name: "caddy-troubles",
        missing: caddy::missing,
        work: Work::Story(troubles::caddy),
    },
    Row {
        name: "lighttpd-troubles",
        missing: lighttpd::missing,
        work: Work::Story(troubles::lighttpd),
    },
    Row {
        name: "apache-fcgid-shown",
        missing: shown::missing_fcgid,
        work: Work::Story(shown::fcgid),
    },
    Row {
        name: "nginx-shown",
        missing: shown::missing_nginx,
        work: Work::Story(shown::nginx),
    },
    Row {
        name: "nginx-mount-shown",
        missing: shown::missing_nginx,
        work: Work::Story(shown::nginx_mount),
    },
    Row {
        name: "caddy-shown",
        missing: shown::missing_caddy,
        work: Work::Story(shown::caddy),
    },
    Row {
        name: "nginx-root-shown",
        missing: shown::missing_nginx,
        work: Work::Story(shown::nginx_root),
    },
    Row {
        name: "nginx-files",
        missing: nginx::missing,
        work: Work::Story(stories::accel),
    },
    Row {
        name: "nginx-uploads",
        missing: uploads::missing,
        work: Work::Story(uploads::streamed),
    },
    Row {
        name: "nginx-uploads-gathered",
        missing: uploads::missing,
        work: Work::Story(uploads::gathered),
    },
    Row {
        name: "lighttpd-rewrite-files",
        missing: lighttpd::missing,
        work: Work::Story(stories::lighttpd_files),
    },
    Row {
        name: "lighttpd-files",
        missing: lighttpd::missing,
        work: Work::Story(stories::sendfile),
    },
    Row {
        name: "lighttpd-spawned",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::spawned,
            traits: LIGHTTPD_SPAWNED,
        },
    },
    Row {
        name: "lighttpd-spawned-four",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::spawned_four,
            traits: LIGHTTPD_SPAWNED,
        },
    },
    Row {
        name: "lighttpd-streaming",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::streaming_both_ways,
            traits: Traits {
                streams: true,
                chunks: Chunks::Early,
                cut: Cut::Either,
                ..LIGHTTPD_SPAWNED
            },
        },
    },
    Row {
        name: "lighttpd-external-unix",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::external_unix,
            traits: LIGHTTPD,
        },
    },
    Row {
        name: "lighttpd-external-tcp",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::external_tcp,
            traits: LIGHTTPD,
        },
    },
    Row {
        name: "haproxy-unix",
        missing: haproxy::missing,
        work: Work::Table {
            start: haproxy::unix,
            traits: HAPROXY,
        },
    },
    Row {
        name: "haproxy-tcp-keepalive",
        missing: haproxy::missing,
        work: Work::Table {
            start: haproxy::tcp_kept,
            traits: Traits {
                keeps_connections: Some(true),
                ..HAPROXY
            },
        },
    },
    Row {
        name: "haproxy-multiplexed",
        missing: haproxy::missing,
        work: Work::Table {
            start: haproxy::multiplexed,
            traits: Traits {
                keeps_connections: Some(true),
                cut: Cut::NoticedByTwo,
                ..HAPROXY
            },
        },
    },
    Row {
        name: "haproxy-multiplex",
        missing: haproxy::missing,
        work: Work::Story(multiplex::haproxy),
    },
    Row {
        name: "caddy-unix",
        missing: caddy::missing,
        work: Work::Table {
            start: caddy::unix,
            traits: CADDY,
        },
    },
    Row {
        name: "caddy-tcp",
        missing: caddy::missing,
        work: Work::Table {
            start: caddy::tcp,
            traits: CADDY,
        },
    },
    Row {
        name: "caddy-php",
        missing: caddy::missing,
        work: Work::Table {
            start: caddy::php,
            traits: CADDY,
        },
    },
    Row {
        name: "caddy-beside-files",
        missing: caddy::missing,
        work: Work::Story(stories::beside_files),
    },
    Row {
        name: "h2o-spawned",
        missing: h2o::missing,
        work: Work::Table {
            start: h2o::spawned,
            traits: Traits {
                log: "log/h2o.out",
                ..H2O
            },
        },
    },
    Row {
        name: "h2o-unix",
        missing: h2o::missing,
        work: Work::Table {
            start: h2o::unix,
            traits: H2O,
        },
    },
    Row {
        name: "h2o-tcp",
        missing: h2o::missing,
        work: Work::Table {
            start: h2o::tcp,
            traits: H2O,
        },
    },
    Row {
        name: "apache-fcgid-htaccess-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::fcgid_htaccess,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-cgid-htaccess-paths",
        missing: apache::missing_cgid,
        work: Work::Paths {
            start: apache::cgid,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-fcgid-htaccess-sub-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::fcgid_htaccess,
            paths: Paths {
                base: "/sub",
                mount: "/sub",
                above: "",
                way: Way::Apache,
                bare: ["301", "/sub|/"],
                longer: "|/subxyz/b",
                odd: &[],
            },
        },
    },
    Row {
        name: "apache-fcgid-rewritebase-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::fcgid_rewrite_base,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-fcgid-rewritebase-sub-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::fcgid_rewrite_base,
            paths: Paths {
                base: "/sub",
                mount: "/sub",
                above: "",
                way: Way::Apache,
                bare: ["301", "/sub|/"],
                longer: "|/subxyz/b",
                odd: &[],
            },
        },
    },
    Row {
        name: "apache-fcgid-user-paths",
        missing: apache::missing_user,
        work: Work::Paths {
            start: apache::fcgid_user,
            paths: Paths {
                base: "/~sub",
                mount: "/~sub",
                above: "",
                way: Way::Apache,
                bare: ["301", "/~sub|/"],
                longer: "404",
                odd: &[],
            },
        },
    },
    Row {
        name: "apache-fcgid-user-without-base-paths",
        missing: apache::missing_user,
        work: Work::Paths {
            start: apache::fcgid_user_without_base,
            paths: Paths {
                base: "/~sub",
                mount: "/~sub",
                above: "",
                way: Way::Apache,
                bare: ["301", "/~sub|/"],
                longer: "|/subxyz/b",
                odd: &[],
            },
        },
    },
    Row {
        name: "apache-htaccess-addhandler-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::htaccess_addhandler,
            paths: Paths::root(Way::Twice),
        },
    },
    Row {
        name: "apache-htaccess-wrapper-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::htaccess_wrapper,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-htaccess-wrapper-sub-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::htaccess_wrapper,
            paths: Paths::mounted(Way::Apache, ["301", "/sub|/"])
                .below("/sub")
                .longer("|/subxyz/b"),
        },
    },
    Row {
        name: "apache-fcgid-scriptalias-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::fcgid_script_alias,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-fcgid-scriptalias-mount-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::fcgid_mounted,
            paths: Paths::mounted(Way::Apache, ["|/app", "/app|/"]),
        },
    },
    Row {
        name: "apache-fcgid-scriptalias-mount-told-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::fcgid_mounted_told,
            paths: Paths::mounted(Way::Apache, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "apache-fcgid-addhandler-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::addhandler,
            paths: Paths {
                base: "/app.fcgi",
                mount: "/app.fcgi",
                above: "",
                way: Way::Apache,
                bare: ["|/app.fcgi", "/app.fcgi|/"],
                longer: "404",
                odd: &[],
            },
        },
    },
    Row {
        name: "apache-fcgid-wrapper-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::wrapper,
            paths: Paths::mounted(Way::Apache, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "apache-fcgid-wrapper-root-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::wrapper_root,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-proxy-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::proxy_tcp,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-proxy-bare-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::proxy_bare,
            paths: Paths::root(Way::ProxyPass),
        },
    },
    Row {
        name: "apache-proxy-mount-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::proxy_mounted,
            paths: Paths::mounted(Way::Apache, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "apache-proxy-mount-told-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::proxy_mounted_told,
            paths: Paths::mounted(Way::Apache, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "apache-sethandler-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::sethandler,
            paths: Paths::mounted(Way::Apache, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "apache-sethandler-root-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::sethandler_root,
            // The first part of a path is that of a file's name to Apache here.
            paths: Paths::root(Way::Apache).odd(&[("/a%3Fq", "403"), ("/a%0Ab", "403")]),
        },
    },
    Row {
        name: "apache-sethandler-deep-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::sethandler_deep,
            paths: Paths::mounted(Way::Apache, ["/deep/my.app|/", "/deep/my.app|/"])
                .below("/deep/my.app"),
        },
    },
    Row {
        name: "apache-sethandler-told-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::sethandler_told,
            paths: Paths::mounted(Way::Apache, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "nginx-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::unix,
            paths: Paths::root(Way::Nginx),
        },
    },
    Row {
        name: "nginx-mount-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::mounted,
            paths: Paths::mounted(Way::Nginx, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "nginx-location-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::location,
            paths: Paths::mounted(Way::Nginx, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "nginx-beside-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::beside,
            paths: Paths::mounted(Way::Nginx, ["/app|/", "/app|/"]).longer("|/appxyz/b"),
        },
    },
    Row {
        name: "nginx-if-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::by_if,
            paths: Paths::mounted(Way::Nginx, ["301", "/app|/"]),
        },
    },
    Row {
        name: "lighttpd-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::spawned,
            paths: Paths::root(Way::Lighttpd),
        },
    },
    Row {
        name: "lighttpd-mount-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::mounted,
            paths: Paths::mounted(Way::Lighttpd, ["|/app", "/app|/"]),
        },
    },
    Row {
        name: "lighttpd-mount-told-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::mounted_told,
            paths: Paths::mounted(Way::Lighttpd, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "lighttpd-prefix-told-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::prefix_told,
            paths: Paths::mounted(Way::Lighttpd, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "lighttpd-prefix-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::prefix,
            paths: Paths::mounted(Way::Lighttpd, ["|/app", "/app|/"]),
        },
    },
    Row {
        name: "lighttpd-root-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::root,
            paths: Paths::root(Way::Lighttpd),
        },
    },
    Row {
        name: "lighttpd-root-without-fix-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::root_without_fix,
            paths: Paths::mounted(Way::Lighttpd, ["|/app", "/app|/"]).longer("/appxyz|/b"),
        },
    },
    Row {
        name: "lighttpd-root-without-fix-told-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::root_without_fix_told,
            paths: Paths::unknown(Way::Lighttpd, ["|/app", "|/app/"]).longer("|/appxyz/b"),
        },
    },
    Row {
        name: "haproxy-paths",
        missing: haproxy::missing,
        work: Work::Paths {
            start: haproxy::unix,
            paths: Paths::root(Way::HaProxy),
        },
    },
    Row {
        name: "haproxy-mount-paths",
        missing: haproxy::missing,
        work: Work::Paths {
            start: haproxy::mounted,
            paths: Paths::mounted(Way::HaProxy, ["|/app", "/app|/"])
                .longer("503")
                .odd(&[("/a%zz", "503")]),
        },
    },
    Row {
        name: "caddy-paths",
        missing: caddy::missing,
        work: Work::Paths {
            start: caddy::unix,
            paths: Paths::root(Way::Caddy),
        },
    },
    Row {
        name: "caddy-mount-paths",
        missing: caddy::missing,
        work: Work::Paths {
            start: caddy::mounted,
            paths: Paths::mounted(Way::Caddy, ["|/app", "/app|/"]).longer(""),
        },
    },
    Row {
        name: "caddy-php-paths",
        missing: caddy::missing,
        work: Work::Paths {
            start: caddy::php,
            paths: Paths::root(Way::Caddy),
        },
    },
    Row {
        name: "caddy-php-mount-paths",
        missing: caddy::missing,
        work: Work::Paths {
            start: caddy::php_mounted,
            // It sends what the guides' old nginx block does, and only that cleans.
            paths: Paths::mounted(Way::Caddy, ["|/app", "/app|/"])
                .longer("")
                .odd(&[("/a/..", "/")]),
        },
    },
    Row {
        name: "h2o-paths",
        missing: h2o::missing,
        work: Work::Paths {
            start: h2o::unix,
            paths: Paths::root(Way::H2o),
        },
    },
    Row {
        name: "h2o-mount-paths",
        missing: h2o::missing,
        work: Work::Paths {
            start: h2o::mounted,
            paths: Paths::unknown(Way::H2o, ["|/app", "|/app/"]),
        },
    },
    Row {
        name: "h2o-mount-told-paths",
        missing: h2o::missing,
        work: Work::Paths {
            start: h2o::mounted_told,
            paths: Paths::mounted(Way::H2o, ["/app|/", "/app|/"]),
        },
    },
    Row {
        name: "nginx-permissions",
        missing: nginx::missing,
        work: Work::Story(stories::permissions),
    },
    Row {
        name: "apache-fcgid-access-checker",
        missing: apache::missing_authorized,
        work: Work::Story(access::fcgid_access_checker),
    },
    Row {
        name: "apache-fcgid-authenticator",
        missing: apache::missing_authorized,
        work: Work::Story(access::fcgid_authenticator),
    },
    Row {
        name: "apache-fcgid-authorizer",
        missing: apache::missing_authorized,
        work: Work::Story(access::fcgid_authorizer),
    },
    Row {
        name: "apache-authnz-fcgi",
        missing: apache::missing_authnz,
        work: Work::Story(access::authnz_fcgi),
    },
    Row {
        name: "lighttpd-authorizer",
        missing: lighttpd::missing,
        work: Work::Story(access::lighttpd_authorizer),
    },
    Row {
        name: "apache-fcgid-numbers",
        missing: apache::missing_fcgid,
        work: Work::Story(numbers::apache_fcgid),
    },
    Row {
        name: "apache-wrapper-numbers",
        missing: apache::missing_fcgid,
        work: Work::Story(numbers::apache_wrapper),
    },
    Row {
        name: "apache-proxy-numbers",
        missing: apache::missing_proxy,
        work: Work::Story(numbers::apache_proxy),
    },
    Row {
        name: "apache-sethandler-numbers",
        missing: apache::missing_proxy,
        work: Work::Story(numbers::apache_sethandler),
    },
    Row {
        name: "nginx-numbers",
        missing: nginx::missing,
        work: Work::Story(numbers::nginx),
    },
    Row {
        name: "lighttpd-numbers",
        missing: lighttpd::missing,
        work: Work::Story(numbers::lighttpd),
    },
    Row {
        name: "lighttpd-external-numbers",
        missing: lighttpd::missing,
        work: Work::Story(numbers::lighttpd_external),
    },
    Row {
        name: "haproxy-numbers",
        missing: haproxy::missing,
        work: Work::Story(numbers::haproxy),
    },
    Row {
        name: "caddy-numbers",
        missing: caddy::missing,
        work: Work::Story(numbers::caddy),
    },
    Row {
        name: "caddy-php-numbers",
        missing: caddy::missing,
        work: Work::Story(numbers::caddy_php),
    },
    Row {
        name: "h2o-numbers",
        missing: h2o::missing,
        work: Work::Story(numbers::h2o),
    },
    Row {
        name: "nginx-several",
        missing: nginx::missing,
        work: Work::Story(numbers::nginx_several),
    },
    Row {
        name: "nginx-several-kept",
        missing: nginx::missing,
        work: Work::Story(numbers::nginx_several_kept),
    },
    Row {
        name: "lighttpd-several",
        missing: lighttpd::missing,
        work: Work::Story(numbers::lighttpd_several),
    },
    Row {
        name: "haproxy-several",
        missing: haproxy::missing,
        work: Work::Story(numbers::haproxy_several),
    },
    Row {
        name: "caddy-several",
        missing: caddy::missing,
        work: Work::Story(numbers::caddy_several),
    },
    Row {
        name: "apache-guides-htaccess-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::guides_htaccess,
            paths: Paths::root(Way::Twice),
        },
    },
    Row {
        name: "apache-guides-htaccess-sub-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::guides_htaccess,
            paths: Paths::mounted(Way::Twice, ["301", "/sub|/"])
                .below("/sub")
                .longer("|/subxyz/b"),
        },
    },
    Row {
        name: "apache-guides-htaccess-user-paths",
        missing: apache::missing_user,
        work: Work::Paths {
            start: apache::guides_user,
            paths: Paths::mounted(Way::Twice, ["301", "/~sub|/"]).below("/~sub"),
        },
    },
    Row {
        name: "apache-guides-addhandler-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::guides_fcgid,
            paths: Paths::mounted(Way::Apache, ["|/app.fcgi", "/app.fcgi|/"]).below("/app.fcgi"),
        },
    },
    Row {
        name: "apache-guides-wrapper-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::guides_fcgid,
            paths: Paths::mounted(Way::Apache, ["|/app", "/app|/"]),
        },
    },
    Row {
        name: "apache-guides-sethandler-told-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::guides_set_handler_told,
            paths: Paths::mounted(Way::Apache, ["/deep/app|/", "/deep/app|/"]).below("/deep/app"),
        },
    },
    Row {
        name: "apache-guides-proxypass-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::guides_proxy_pass,
            paths: Paths::unknown(Way::ProxyPass, ["404", "|/app/"]),
        },
    },
    Row {
        name: "apache-guides-proxypass-told-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::guides_proxy_pass_told,
            paths: Paths::mounted(Way::ProxyPass, ["404", "/app|/"]),
        },
    },
    Row {
        name: "apache-guides-htaccess",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::guides_shared,
            traits: Traits {
                files: Files::Open,
                way: Way::Twice,
                ..FCGID
            },
        },
    },
    Row {
        name: "apache-guides-scriptalias",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::guides_script_alias,
            traits: FCGID,
        },
    },
    Row {
        name: "apache-guides-scriptalias-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::guides_script_alias,
            paths: Paths::root(Way::Apache),
        },
    },
    Row {
        name: "apache-guides-files",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::guides_files,
            traits: Traits {
                base: "/app.py",
                ..FCGID
            },
        },
    },
    Row {
        name: "apache-guides-files-paths",
        missing: apache::missing_fcgid,
        work: Work::Paths {
            start: apache::guides_files,
            paths: Paths::mounted(Way::Apache, ["|/app.py", "/app.py|/"]).below("/app.py"),
        },
    },
    Row {
        name: "nginx-guides-root",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::guides_root,
            traits: NGINX,
        },
    },
    Row {
        name: "nginx-guides-root-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::guides_root,
            paths: Paths::root(Way::Nginx),
        },
    },
    Row {
        name: "nginx-guides-mount",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::guides_mount,
            traits: Traits {
                base: guides::PLACE,
                ..NGINX
            },
        },
    },
    Row {
        name: "nginx-guides-mount-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::guides_mount,
            paths: Paths::mounted(Way::Nginx, ["/yourapplication|/", "/yourapplication|/"])
                .below(guides::PLACE)
                // The pattern does not fit a line break; and it takes longer names.
                .longer("|/xyz/b")
                .odd(&[("/a%0Ab", r"|/yourapplication/a\nb")]),
        },
    },
    Row {
        name: "nginx-guides-older",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::guides_older,
            traits: Traits {
                base: guides::PLACE,
                ..NGINX
            },
        },
    },
    Row {
        name: "nginx-guides-older-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::guides_older,
            paths: Paths::mounted(Way::Nginx, ["301", "/yourapplication|/"]).below(guides::PLACE),
        },
    },
    Row {
        name: "nginx-guides-fourth-told",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::guides_fourth_told,
            traits: Traits {
                base: guides::PLACE,
                ..NGINX
            },
        },
    },
    Row {
        name: "nginx-guides-fourth-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::guides_fourth,
            paths: Paths::unknown(Way::Nginx, ["301", "|/yourapplication/"]).below(guides::PLACE),
        },
    },
    Row {
        name: "nginx-guides-fourth-told-paths",
        missing: nginx::missing,
        work: Work::Paths {
            start: nginx::guides_fourth_told,
            paths: Paths::mounted(Way::Nginx, ["301", "/yourapplication|/"]).below(guides::PLACE),
        },
    },
    Row {
        name: "lighttpd-guides-rewrite",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::guides_rewrite,
            traits: LIGHTTPD_SPAWNED,
        },
    },
    Row {
        name: "lighttpd-guides-rewrite-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::guides_rewrite,
            paths: Paths::root(Way::Lighttpd),
        },
    },
    Row {
        name: "lighttpd-guides-rewrite-older-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::guides_rewrite_older,
            paths: Paths::root(Way::Lighttpd),
        },
    },
    Row {
        name: "lighttpd-guides-prefix",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::guides_prefix,
            traits: Traits {
                base: guides::PLACE,
                ..LIGHTTPD_SPAWNED
            },
        },
    },
    Row {
        name: "lighttpd-guides-prefix-paths",
        missing: lighttpd::missing,
        work: Work::Paths {
            start: lighttpd::guides_prefix,
            paths: Paths::mounted(Way::Lighttpd, ["|/yourapplication", "/yourapplication|/"])
                .below(guides::PLACE)
                .longer("/yourapplicationxyz|/b"),
        },
    },
    Row {
        name: "guides-mistakes",
        missing: || [apache::missing_fcgid(), lighttpd::missing()].concat(),
        work: Work::Story(guides::mistakes),
    },
    Row {
        name: "lighttpd-guides-static",
        missing: lighttpd::missing,
        work: Work::Story(guides::statics),
    },
    Row {
        name: "apache-fcgid-addhandler",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::addhandler,
            traits: Traits {
                base: "/app.fcgi",
                ..FCGID
            },
        },
    },
    Row {
        name: "apache-fcgid-wrapper",
        missing: apache::missing_fcgid,
        work: Work::Table {
            start: apache::wrapper,
            traits: Traits {
                base: "/app",
                ..FCGID
            },
        },
    },
    Row {
        name: "nginx-location",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::location,
            traits: Traits {
                base: "/app",
                ..NGINX
            },
        },
    },
    Row {
        name: "nginx-if",
        missing: nginx::missing,
        work: Work::Table {
            start: nginx::by_if,
            traits: Traits {
                base: "/app",
                ..NGINX
            },
        },
    },
    Row {
        name: "lighttpd-prefix",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::prefix_told,
            traits: Traits {
                base: "/app",
                ..LIGHTTPD_SPAWNED
            },
        },
    },
    Row {
        name: "lighttpd-root",
        missing: lighttpd::missing,
        work: Work::Table {
            start: lighttpd::root,
            traits: LIGHTTPD_SPAWNED,
        },
    },
    Row {
        name: "apache-guides-sethandler-paths",
        missing: apache::missing_proxy,
        work: Work::Paths {
            start: apache::guides_set_handler,
            // Found to stand below the first name, in which there is no folder.
            paths: Paths {
                base: "/deep/app",
                mount: "/deep",
                above: "/app",
                ..Paths::mounted(Way::Apache, ["/deep|/app", "/deep|/app/"])
            },
        },
    },
    Row {
        name: "apache-fcgid-forms",
        missing: || forms::and_curl(apache::missing_fcgid()),
        work: Work::Forms {
            start: apache::fcgid_htaccess,
            ways: Ways::COMMON,
        },
    },
    Row {
        name: "apache-proxy-forms",
        missing: || forms::and_curl(apache::missing_proxy()),
        work: Work::Forms {
            start: apache::proxy_unix,
            ways: Ways::COMMON,
        },
    },
    Row {
        name: "apache-cgid-forms",
        missing: || forms::and_curl(apache::missing_cgid()),
        work: Work::Forms {
            start: apache::cgid,
            ways: Ways::COMMON,
        },
    },
    Row {
        name: "nginx-forms",
        missing: || forms::and_curl(nginx::missing()),
        work: Work::Forms {
            start: nginx::unix,
            ways: Ways::COMMON,
        },
    },
    Row {
        name: "nginx-ungathered-forms",
        missing: || forms::and_curl(nginx::missing()),
        work: Work::Forms {
            start: nginx::ungathered,
            ways: Ways::COMMON,
        },
    },
    Row {
        name: "lighttpd-forms",
        missing: || forms::and_curl(lighttpd::missing()),
        work: Work::Forms {
            start: lighttpd::external_unix,
            ways: Ways {
                breaks_in_queries: false,
                ..Ways::COMMON
            },
        },
    },
    Row {
        name: "haproxy-forms",
        missing: || forms::and_curl(haproxy::missing()),
        work: Work::Forms {
            start: haproxy::unix,
            ways: Ways {
                takes_chunks: false,
                ..Ways::COMMON
            },
        },
    },
    Row {
        name: "caddy-forms",
        missing: || forms::and_curl(caddy::missing()),
        work: Work::Forms {
            start: caddy::unix,
            ways: Ways::COMMON,
        },
    },
    Row {
        name: "h2o-forms",
        missing: || forms::and_curl(h2o::missing()),
        work: Work::Forms {
            start: h2o::unix,
            ways: Ways::COMMON,
        },
    },
    Row {
        name: "cgi-fcgi",
        missing: libfcgi::missing,
        work: Work::Story(libfcgi::story),
    },
    Row {
        name: "systemd-verify",
        missing: managers::missing_systemd,
        work: Work::Story(managers::systemd),
    },
    Row {
        name: "systemd-socket-activate",
        missing: managers::missing_activate,
        work: Work::Story(managers::systemd_activate),
    },
    Row {
        name: "supervisor",
        missing: managers::missing_supervisor,
        work: Work::Story(managers::supervisor),
    },
    Row {
        name: "init",
        missing: managers::missing_init,
        work: Work::Story(managers::init),
    },
    Row {
        name: "init-su",
        missing: managers::missing_su,
        work: Work::Story(managers::init_by_su),
    },
    Row {
        name: "init-user",
        missing: managers::missing_setsid,
        work: Work::Story(managers::init_by_user),
    },
    Row {
        name: "spawn-fcgi",
        missing: managers::missing_spawn_fcgi,
        work: Work::Story(managers::spawn_fcgi),
    },
    Row {
        name: "multiwatch",
        missing: managers::missing_multiwatch,
        work: Work::Story(managers::multiwatch),
    },
    Row {
        name: "nginx-events",
        missing: nginx::missing,
        work: Work::Story(events::nginx),
    },
    Row {
        name: "apache-proxy-events",
        missing: apache::missing_proxy,
        work: Work::Story(events::apache_proxy),
    },
    Row {
        name: "apache-fcgid-events",
        missing: apache::missing_fcgid,
        work: Work::Story(events::apache_fcgid),
    },
    Row {
        name: "lighttpd-events",
        missing: lighttpd::missing,
        work: Work::Story(events::lighttpd),
    },
    Row {
        name: "apache-fcgid-gathered-events",
        missing: apache::missing_fcgid,
        work: Work::Story(events::apache_fcgid_gathered),
    },
    Row {
        name: "lighttpd-gathered-events",
        missing: lighttpd::missing,
        work: Work::Story(events::lighttpd_gathered),
    },
    Row {
        name: "nginx-session",
        missing: sessions::missing_nginx,
        work: Work::Story(sessions::nginx),
    },
    Row {
        name: "apache-fcgid-session",
        missing: sessions::missing_apache,
        work: Work::Story(sessions::apache),
    },
    Row {
        name: "nginx-session-https",
        missing: sessions::missing_https,
        work: Work::Story(sessions::https),
    },
    Row {
        name: "apache-fcgid-login",
        missing: sessions::missing_apache,
        work: Work::Story(sessions::apache_guard),
    },
    Row {
        name: "lighttpd-login",
        missing: sessions::missing_lighttpd,
        work: Work::Story(sessions::lighttpd_guard),
    },
    Row {
        name: "nginx-login",
        missing: sessions::missing_nginx,
        work: Work::Story(sessions::nginx_guard),
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        for row in ROWS {
            println!("{}: test", row.name);
        }
        return ExitCode::SUCCESS;
    }
    // `--exact` means what it does to the standard runner, and its other flags mean nothing here.
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_exact = words.iter().any(|word| word == "--exact");
    let is_meant = |row: &Row, word: &str| match is_exact {
        true => row.name == word,
        false => row.name.contains(word),
    };
    let chosen =
        |row: &&'static Row| wanted.is_empty() || wanted.iter().any(|word| is_meant(row, word));
    let rows: Vec<&'static Row> = ROWS.iter().filter(chosen).collect();
    println!("\nrunning {} web servers", rows.len());
    match Testbed::find() {
        Ok(testbed) => Tally::of(&rows, &testbed).close(),
        Err(why) => {
            println!("FAILED: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What became of the rows.
#[derive(Default)]
struct Tally {
    passed: Vec<&'static str>,
    failed: Vec<&'static str>,
    failures: Vec<String>,
    skipped: Vec<String>,
    /// How many of these could be had: failures with `REQUIRE_SERVERS=1`.
    to_be_had: usize,
    checks: usize,
    noted: Vec<(&'static Row, Noted)>,
}

/// What became of one.
enum Verdict {
    Run(Report, Noted),
    Missing(Vec<String>),
}

impl Tally {
    /// As many side by side as the machine has processors, and one: most of the time a row waits.
    fn of(rows: &[&'static Row], testbed: &Testbed) -> Tally {
        let next = AtomicUsize::new(0);
        let verdicts: Vec<Mutex<Option<Verdict>>> = rows.iter().map(|_| Mutex::default()).collect();
        let asked = env::var("SERVERS_JOBS").ok().and_then(|n| n.parse().ok());
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        let side_by_side: usize = asked.unwrap_or_else(|| processors() + 1);
        thread::scope(|scope| {
            for _ in 0..side_by_side.clamp(1, rows.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(row) = rows.get(at) else { break };
                        let verdict = Some(judged(row, testbed));
                        *verdicts[at].lock().unwrap_or_else(PoisonError::into_inner) = verdict;
                    }
                });
            }
        });
        let verdicts = verdicts.into_iter().map(|verdict| {
            let verdict = verdict.into_inner();
            verdict.unwrap_or_else(PoisonError::into_inner)
        });
        let mut tally = Tally::default();
        for (&row, verdict) in rows.iter().zip(verdicts) {
            tally.add(row, verdict);
        }
        tally
    }

    fn add(&mut self, row: &'static Row, verdict: Option<Verdict>) {
        match verdict {
            Some(Verdict::Run(report, noted)) if report.failures.is_empty() => {
                self.passed.push(row.name);
                self.checks += report.passed;
                self.noted.push((row, noted));
            }
            Some(Verdict::Run(report, _)) => {
                self.failed.push(row.name);
                self.checks += report.passed;
                let of_row = |failure: &String| format!("{}: {failure}", row.name);
                self.failures.extend(report.failures.iter().map(of_row));
            }
            Some(Verdict::Missing(what)) => {
                // What nobody can install is no failure anywhere.
                let can_be_had = |what: &String| !what.contains(apache::OLD_MODULE);
                self.to_be_had += usize::from(what.iter().any(can_be_had));
                let what = what.join(", ");
                self.skipped.push(format!("{} (without {what})", row.name));
            }
            None => self.failed.push(row.name),
        }
    }

    fn close(self) -> ExitCode {
        let required = env::var("REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        println!();
        let settled = self.settle();
        let good = settled && self.failed.is_empty() && (self.to_be_had == 0 || !required);
        print_names("run", &self.passed);
        print_names("failed", &self.failed);
        self.failures
            .iter()
            .for_each(|failure| println!("{failure}"));
        print_names("skipped", &self.skipped);
        if required && self.to_be_had > 0 {
            println!("REQUIRE_SERVERS=1: a skipped web server is a failure");
        }
        println!(
            "test result: {}. {} passed; {} failed; {} skipped; {} checks\n",
            if good { "ok" } else { "FAILED" },
            self.passed.len(),
            self.failed.len(),
            self.skipped.len(),
            self.checks
        );
        if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Whether the guide on deploying says what was run. Only all of the rows together can tell.
    fn settle(&self) -> bool {
        let is_whole = self.passed.len() + self.skipped.len() == ROWS.len();
        if !is_whole || self.to_be_had > 0 {
            println!(
                "the guide's table of what the program runs behind is looked at when all rows were run and were good"
            );
            return true;
        }
        let lines = behind::lines(self.noted.iter().cloned());
        match behind::settle(&lines) {
            Ok(()) => true,
            Err(why) => {
                println!("FAILED: {why}");
                false
            }
        }
    }
}

/// Runs a row, and says at its end what there is to say.
fn judged(row: &Row, testbed: &Testbed) -> Verdict {
    let missing = (row.missing)();
    if !missing.is_empty() {
        let what = missing.join(", ");
        println!("test {} ... skipped: there is no {what}", row.name);
        return Verdict::Missing(missing);
    }
    let begin = Instant::now();
    let (report, noted) = run(row, testbed);
    let good = report.failures.is_empty();
    let verdict = if good { "ok" } else { "FAILED" };
    println!(
        "{}test {} ... {verdict} ({} checks, {:.1} s)",
        report.said,
        row.name,
        report.passed,
        begin.elapsed().as_secs_f32()
    );
    Verdict::Run(report, noted)
}

fn print_names(what: &str, names: &[impl AsRef<str>]) {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if !names.is_empty() {
        println!("{what}: {}", names.join(", "));
    }
}

fn run(row: &Row, testbed: &Testbed) -> (Report, Noted) {
    let mut report = Report::default();
    let Some(mut folder) = report.check("folder", || Folder::new(row.name)) else {
        return (report, Noted::default());
    };
    match &row.work {
        Work::Table { start, traits } => {
            if let Some(running) = report.check("start", || start(&folder, testbed)) {
                table(&mut report, &folder, running, traits);
            }
        }
        Work::Paths { start, paths } => {
            if let Some(running) = report.check("start", || start(&folder, testbed)) {
                for (name, outcome) in paths::check(running.http, paths) {
                    report.check(&name, || outcome);
                }
                report.check("stop", || running.stop());
            }
        }
        Work::Forms { start, ways } => {
            if let Some(running) = report.check("start", || start(&folder, testbed)) {
                forms::check(&mut report, &folder, running.http, ways);
                report.check("stop", || running.stop());
            }
        }
        Work::Story(story) => story(&mut report, &mut folder, testbed),
    }
    if !report.failures.is_empty() {
        folder.keep();
        report.said.push_str(&folder.tails());
        report.say(&format!("kept: {}", folder.text("")));
        for failure in report.failures.clone() {
            report.say(&failure);
        }
    }
    (report, folder.notes().take())
}

/// A web server that does not reach the program at all fails every check.
const ENOUGH: usize = 5;

fn table(report: &mut Report, folder: &Folder, running: Running, traits: &Traits) {
    report.check("files beside the program", || {
        folder.make("www/.git")?;
        requests::FILES
            .iter()
            .try_for_each(|(name, content)| folder.write(&format!("www/{name}"), content).map(drop))
    });
    let asked = Asked {
        http: running.http,
        traits,
        upstream: running.upstream.as_ref(),
        folder,
    };
    for (name, check) in TABLE {
        report.check(name, || check(&asked));
        if report.failures.len() == ENOUGH {
            report.say(&format!(
                "{ENOUGH} checks failed, and the others of this row are left out"
            ));
            break;
        }
    }
    report.check("stop", || running.stop());
}
