//! What web servers send: the CGI parameters of one request, in their order and with their oddities. Called by `testing`.
//!
//! Nothing here is made up. Each preset repeats what a recording application got from that server, and the tests below compare
//! with the recording, `tests/data/webservers.txt`.

mod apache;
mod caddy;
mod h2o;
mod haproxy;
mod lighttpd;
mod nginx;
mod path;
mod plain;
mod sketch;

pub(super) use plain::plain;
pub(super) use sketch::Sketch;

use self::path::split;

/// A web server and its configuration, for [`Ask::behind`](super::Ask::behind).
///
/// Each was measured on Debian 12: Apache 2.4.71 with mod_fcgid 2.3.9 or mod_proxy_fcgi, nginx 1.22.1, lighttpd 1.4.69, HAProxy
/// 2.6.12, Caddy 2.6.2, h2o 2.2.5. For `GET /news/today?x=1` they send:
///
/// | preset | configuration | SCRIPT_NAME | PATH_INFO |
/// | --- | --- | --- | --- |
/// | `ApacheHtaccess` | mod_fcgid, the `.htaccess` of `conf htaccess` in the site's root | `/app.fcgi` | `/news/today` |
/// | `ApacheHtaccessIn("/sub")` | the same in a folder, with or without `RewriteBase` | `/sub/app.fcgi` | `/news/today` |
/// | `ApacheScriptAlias` | mod_fcgid, `ScriptAlias "/" "/srv/www/app.fcgi/"` | empty | `/news/today` |
/// | `ApacheScriptAliasMount("/app")` | mod_fcgid, `ScriptAlias "/app" "/srv/www/app.fcgi"` | `/app` | `/news/today` |
/// | `ApacheProxyPass` | `ProxyPass "/" "fcgi://127.0.0.1:9000/"` and nothing else | `/news/today` | none |
/// | `ApacheSetHandler("/app")` | `SetHandler "proxy:fcgi://127.0.0.1:9000"` in `<Location "/app">` | `/app` | `/news/today` |
/// | `Nginx` | Debian's `fastcgi_params`, `PATH_INFO $fastcgi_script_name`, `SCRIPT_NAME ""` | `/news/today`, then empty | `/news/today` |
/// | `NginxMount("/app")` | Debian's `fastcgi_params`, `fastcgi_split_path_info ^(/app)(.*)$` | `/app`, twice | `/news/today` |
/// | `Lighttpd` | `"/app.fcgi" =>`, and every address rewritten to `/app.fcgi$1` | `/app.fcgi` | `/news/today` |
/// | `LighttpdRoot` | `"/" =>` with `fix-root-scriptname` | empty | `/news/today` |
/// | `LighttpdPrefix("/app")` | `"/app" =>` | `/app` | `/news/today` |
/// | `HaProxy` | `path-info ^()(/.*)$` | none | `/news/today` |
/// | `HaProxyMount("/app")` | `path-info ^(/app)(/.*)?$` | `/app` | `/news/today` |
/// | `CaddyTransport` | `reverse_proxy` with `transport fastcgi` | empty | `/news/today` |
/// | `CaddyTransportMount("/app")` | the same for `/app*`, with `split /app` | `/app` | `/news/today` |
/// | `CaddyPhp` | `php_fastcgi` with `index` and `split` `app.fcgi` | `/app.fcgi` | empty |
/// | `H2o` | `fastcgi.connect` at `"/"` | empty | `/news/today` |
/// | `H2oMount("/app")` | the same at `"/app"`, which is not told: [`Server::mount`](crate::Server::mount) | empty | `/app/news/today` |
///
/// Below a mount REQUEST_URI begins with it. Headers come as that server passes them on: nginx, HAProxy and h2o repeat those that
/// are repeated, others join them; Apache and HAProxy keep Authorization back; nginx and Caddy have `Content-Type` twice; Debian's
/// nginx names the host without its port. Paths are cleaned up and escapes refused as by that server.
///
/// The application is `/srv/www/app.fcgi` or listens on `127.0.0.1:9000`; the site is `http://localhost`, without TLS.
///
/// ```
/// use fcgi::testing::{Behind, request};
///
/// for behind in [Behind::ApacheHtaccess, Behind::NginxMount("/app"), Behind::CaddyPhp] {
///     let answer = request("GET", "/news").behind(behind).call(|req, res| res.send(req.path()));
///     assert_eq!(answer.text(), "/news", "{behind:?}");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behind<'a> {
    /// mod_fcgid starts it, by an `.htaccess` in the site's root.
    ApacheHtaccess,
    /// By an `.htaccess` in this folder.
    ApacheHtaccessIn(&'a str),
    /// mod_fcgid starts it, by ScriptAlias for the whole site.
    ApacheScriptAlias,
    /// By ScriptAlias for this path.
    ApacheScriptAliasMount(&'a str),
    /// mod_proxy_fcgi connects to it, by a plain ProxyPass for the whole site.
    ApacheProxyPass,
    /// By SetHandler in the Location of this path, of one part.
    ApacheSetHandler(&'a str),
    /// nginx connects to it, for the whole site.
    Nginx,
    /// For this path.
    NginxMount(&'a str),
    /// lighttpd, with a rewrite of the whole site.
    Lighttpd,
    /// With `fix-root-scriptname`.
    LighttpdRoot,
    /// For this path.
    LighttpdPrefix(&'a str),
    /// HAProxy connects to it, for the whole site.
    HaProxy,
    /// For this path.
    HaProxyMount(&'a str),
    /// Caddy connects to it, for the whole site.
    CaddyTransport,
    /// For this path.
    CaddyTransportMount(&'a str),
    /// As if it were PHP, which leaves the path to REQUEST_URI alone.
    CaddyPhp,
    /// h2o connects to it, for the whole site.
    H2o,
    /// For this path, of which it says nothing.
    H2oMount(&'a str),
}

use Behind::*;

/// A parameter.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The parameters of a request: those of `behind`, or plain CGI.
///
/// # Panics
/// If no application would be asked this.
#[track_caller]
pub(super) fn params(behind: Option<Behind<'_>>, sketch: &Sketch<'_>) -> Vec<Pair> {
    let target = sketch.target;
    let Some(behind) = behind else {
        let begins = target.starts_with('/') || target == "*";
        assert!(begins, "the target {target:?} has to begin with a slash");
        return plain(sketch);
    };
    assert!(target != "*", "what web servers send for * is not known");
    assert!(
        target.starts_with('/') || !behind.mount().is_empty(),
        "the target {target:?} has to begin with a slash: only behind a preset with a mount can it be left out"
    );
    match behind.params(sketch) {
        Ok(params) => params.0,
        Err(status) => panic!(
            "behind {behind:?} no application is asked for {target:?}: the web server answers by itself, status {status}"
        ),
    }
}

impl Behind<'_> {
    #[track_caller]
    pub(super) fn expect_mount(self) {
        let mount = match self {
            ApacheHtaccess | ApacheScriptAlias | ApacheProxyPass | Nginx | Lighttpd
            | LighttpdRoot | HaProxy | CaddyTransport | CaddyPhp | H2o => return,
            _ => self.mount(),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        let is_legal = mount.len() > 1
            && mount.starts_with('/')
            && !mount.ends_with('/')
            && mount.bytes().all(is_plain)
            && !["//", "/.", "/.."].iter().any(|odd| mount.contains(odd));
        assert!(
            is_legal,
            "the mount {mount:?} of {self:?} has to be written as /app"
        );
        assert!(
            !matches!(self, ApacheSetHandler(_)) || mount.matches('/').count() == 1,
            "SetHandler splits the path at its first part: the mount {mount:?} is not known to work"
        );
    }

    /// What precedes the target in the URL.
    fn mount(&self) -> &str {
        match self {
            ApacheHtaccessIn(mount)
            | ApacheScriptAliasMount(mount)
            | ApacheSetHandler(mount)
            | NginxMount(mount)
            | LighttpdPrefix(mount)
            | HaProxyMount(mount)
            | CaddyTransportMount(mount)
            | H2oMount(mount) => mount,
            _ => "",
        }
    }

    /// The parameters, or the status that the server answers with by itself.
    fn params(&self, sketch: &Sketch<'_>) -> Result<Pairs, u16> {
        let mount = self.mount();
        let (path, _) = split(sketch.target);
        let raw = format!("{mount}{path}");
        match self {
            ApacheHtaccess
            | ApacheHtaccessIn(_)
            | ApacheScriptAlias
            | ApacheScriptAliasMount(_)
            | ApacheProxyPass
            | ApacheSetHandler(_) => apache::params(self, sketch, &raw),
            Nginx | NginxMount(_) => nginx::params(self, sketch, &raw),
            Lighttpd | LighttpdRoot | LighttpdPrefix(_) => lighttpd::params(self, sketch, &raw),
            HaProxy | HaProxyMount(_) => haproxy::params(self, sketch, &raw),
            CaddyTransport | CaddyTransportMount(_) | CaddyPhp => caddy::params(self, sketch, &raw),
            H2o | H2oMount(_) => h2o::params(self, sketch, &raw),
        }
    }

    /// What is left of the decoded `path` below the mount; 404 if it does not lie there any more, once its dot segments are
    /// removed.
    fn below<'p>(&self, path: &'p [u8]) -> Result<&'p [u8], u16> {
        match path.strip_prefix(self.mount().as_bytes()) {
            Some(below) if below.is_empty() || below.starts_with(b"/") => Ok(below),
            _ => Err(404),
        }
    }
}

/// The folder that the web server serves.
const ROOT: &str = "/srv/www";
/// Where an application that a web server connects to listens.
const UPSTREAM: &str = "127.0.0.1:9000";
const REMOTE_PORT: &str = "49152";

#[derive(Default)]
struct Pairs(Vec<Pair>);

impl Pairs {
    fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0
            .push((name.as_bytes().to_vec(), value.as_ref().to_vec()));
    }
}

#[cfg(test)]
mod tests {
    use super::path::decode_leniently;
    use super::*;
    use crate::testing::{Ask, request};

    const PRESETS: [(&str, Behind<'_>); 18] = [
        ("ApacheHtaccess", ApacheHtaccess),
        ("ApacheHtaccessIn", ApacheHtaccessIn("/sub")),
        ("ApacheScriptAlias", ApacheScriptAlias),
        ("ApacheScriptAliasMount", ApacheScriptAliasMount("/app")),
        ("ApacheProxyPass", ApacheProxyPass),
        ("ApacheSetHandler", ApacheSetHandler("/app")),
        ("Nginx", Nginx),
        ("NginxMount", NginxMount("/app")),
        ("Lighttpd", Lighttpd),
        ("LighttpdRoot", LighttpdRoot),
        ("LighttpdPrefix", LighttpdPrefix("/app")),
        ("HaProxy", HaProxy),
        ("HaProxyMount", HaProxyMount("/app")),
        ("CaddyTransport", CaddyTransport),
        ("CaddyTransportMount", CaddyTransportMount("/app")),
        ("CaddyPhp", CaddyPhp),
        ("H2o", H2o),
        ("H2oMount", H2oMount("/app")),
    ];

    /// The parts of the recording: the preset, the kind of request, the lines of what came.
    fn recorded() -> impl Iterator<Item = (Behind<'static>, &'static str, Vec<&'static str>)> {
        let text = include_str!("../../../tests/data/webservers.txt");
        text.split("\n[").skip(1).map(|part| {
            let (title, lines) = part.split_once("]\n").unwrap();
            let (name, kind) = title.split_once(' ').unwrap();
            let preset = PRESETS.iter().find(|(preset, _)| *preset == name);
            let (_, behind) = preset.unwrap_or_else(|| panic!("no preset {name}"));
            (
                *behind,
                kind,
                lines.trim_end_matches('\n').split('\n').collect(),
            )
        })
    }

    /// The request of this kind that was sent to be recorded.
    fn sent(kind: &str) -> Ask<'static> {
        let ask = match kind {
            "get" => request("GET", "/news/today?x=1").header("Accept", "text/plain"),
            "post" => request("POST", "/form?x=1")
                .header("Content-Type", "text/css")
                .body("a=1")
                .header("Accept", "text/plain"),
            "bare-post" => request("POST", "/form").body("a=1"),
            "empty-post" => request("POST", "/form").body(""),
            "port" => request("GET", "/news").header("Host", "WWW.Example.org:8080"),
            "headers" => [
                ("X-Rep", "a"),
                ("Cookie", "a=1"),
                ("X-Rep", "b"),
                ("Cookie", "b=2"),
                ("Authorization", "Basic YTpi"),
                ("Proxy", "p"),
                ("X_Under", "u"),
                ("X-Dot.Name", "d"),
                ("X-Empty", ""),
                ("Content-Type", "text/css"),
                ("Keep-Alive", "k"),
                ("TE", "trailers"),
                ("X-Forwarded-For", "192.0.2.9"),
                ("Accept", "text/plain"),
                ("Upgrade", "x"),
                ("User-Agent", "test"),
            ]
            .iter()
            .fold(request("GET", "/news"), |ask, (name, value)| {
                ask.header(name, value)
            }),
            kind => panic!("what is {kind}?"),
        };
        ask.header("Connection", "close")
    }

    fn lines(params: &[Pair]) -> Vec<String> {
        let line =
            |(name, value): &Pair| format!("{}={}", name.escape_ascii(), value.escape_ascii());
        params.iter().map(line).collect()
    }

    #[test]
    fn each_preset_sends_what_its_server_was_seen_to_send() {
        let mut seen = 0;
        for (behind, kind, expected) in recorded().filter(|(_, kind, _)| *kind != "paths") {
            let params = sent(kind).behind(behind).all_params();
            assert_eq!(lines(&params), expected, "{behind:?} {kind}");
            seen += 1;
        }
        assert_eq!(seen, PRESETS.len() * 6);
    }

    /// A row of the recording has the parameters that depend on the path, or the status where no application was asked.
    #[test]
    fn paths_are_split_decoded_and_refused_as_by_the_server() {
        const OF_THE_PATH: [&str; 8] = [
            "SCRIPT_NAME",
            "PATH_INFO",
            "REQUEST_URI",
            "PATH_TRANSLATED",
            "SCRIPT_FILENAME",
            "REDIRECT_URL",
            "REDIRECT_URI",
            "DOCUMENT_URI",
        ];
        let mut seen = 0;
        for (behind, _, rows) in recorded().filter(|(_, kind, _)| *kind == "paths") {
            for row in rows {
                let (target, expected) = row.split_once('\t').unwrap();
                let target = unescaped(target);
                let headers = [("Host".to_owned(), b"localhost".to_vec())];
                let sketch = Sketch {
                    method: "GET",
                    target: &target,
                    headers: &headers,
                };
                let got = match behind.params(&sketch) {
                    Ok(params) => lines(&params.0)
                        .into_iter()
                        .filter(|line| OF_THE_PATH.contains(&line.split('=').next().unwrap()))
                        .collect::<Vec<_>>()
                        .join("\t"),
                    Err(status) => status.to_string(),
                };
                assert_eq!(got, expected, "{behind:?} {target}");
                seen += 1;
            }
        }
        assert!(seen > PRESETS.len() * 20, "{seen} rows");
    }

    /// Undoes `escape_ascii` for the bytes of a text.
    fn unescaped(text: &str) -> String {
        let percent = text.replace('%', "%25").replace("\\x", "%");
        let bytes = decode_leniently(&percent.replace("\\'", "'").replace("\\\"", "\""));
        String::from_utf8(bytes).unwrap()
    }
}
