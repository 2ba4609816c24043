//! What web servers send: the CGI parameters of one request, in their order and with their oddities. Called by `testing`.
//!
//! Nothing here is made up. Each preset repeats what a recording application got from that server, and the tests below compare
//! with the recording, `tests/data/webservers.txt`.

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

/// What the visitor's browser asks.
pub(super) struct Sketch<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    /// The first is Host.
    pub(super) headers: &'a [(String, Vec<u8>)],
}

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
            | ApacheSetHandler(_) => self.apache(sketch, &raw),
            Nginx | NginxMount(_) => self.nginx(sketch, &raw),
            Lighttpd | LighttpdRoot | LighttpdPrefix(_) => self.lighttpd(sketch, &raw),
            HaProxy | HaProxyMount(_) => self.haproxy(sketch, &raw),
            CaddyTransport | CaddyTransportMount(_) | CaddyPhp => self.caddy(sketch, &raw),
            H2o | H2oMount(_) => self.h2o(sketch, &raw),
        }
    }

    /// What is left of the decoded `path` below the mount; a server that cleans a path up may have left it.
    fn below<'p>(&self, path: &'p [u8]) -> Result<&'p [u8], u16> {
        match path.strip_prefix(self.mount().as_bytes()) {
            Some(below) if below.is_empty() || below.starts_with(b"/") => Ok(below),
            _ => Err(404),
        }
    }

    fn apache(&self, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
        let is_htaccess = matches!(self, ApacheHtaccess | ApacheHtaccessIn(_));
        let is_proxy = matches!(self, ApacheProxyPass | ApacheSetHandler(_));
        let path = decode(raw).ok_or(400_u16)?;
        if has_escape(raw, "2F") || path.contains(&0) {
            return Err(404);
        }
        if is_htaccess && has_escape(raw, "3F") {
            return Err(403);
        }
        if is_htaccess && has_escape(raw, "25") {
            return Err(400);
        }
        let path = clean(&path, true, true).ok_or(400_u16)?;
        let below = self.below(&path)?;
        if is_htaccess && below.is_empty() {
            // mod_dir: the folder's address gets its slash.
            return Err(301);
        }
        let (_, query) = split(sketch.target);
        let host = Host::of(sketch);
        let mount = self.mount();
        let mut params = Pairs::default();
        if is_htaccess {
            params.add("REDIRECT_STATUS", "200");
        }
        if matches!(self, ApacheSetHandler(_)) {
            params.add("proxy-nokeepalive", "1");
        }
        let kept_back: &[&str] = match is_proxy {
            true => &["authorization", "proxy"],
            false => &["authorization", "proxy", "keep-alive", "te", "upgrade"],
        };
        for header in Joined::of(sketch, ", ", ", ") {
            if kept_back.contains(&&*header.lower) || !header.is_plain() {
                continue;
            }
            params.add(
                &header.cgi_name(&["content-type", "content-length"]),
                header.value,
            );
        }
        params.add(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        params.add("SERVER_SIGNATURE", "");
        params.add(
            "SERVER_SOFTWARE",
            match is_proxy {
                true => "Apache/2.4.71 (Debian)",
                false => "Apache/2.4.71 (Debian) mod_fcgid/2.3.9",
            },
        );
        params.add("SERVER_NAME", host.name.to_ascii_lowercase());
        params.add("SERVER_ADDR", "127.0.0.1");
        params.add("SERVER_PORT", host.port.as_deref().unwrap_or("80"));
        params.add("REMOTE_ADDR", "127.0.0.1");
        params.add("DOCUMENT_ROOT", ROOT);
        params.add("REQUEST_SCHEME", "http");
        let (prefix, root) = match self {
            ApacheScriptAlias => ("/", "/srv/www/app.fcgi/"),
            ApacheScriptAliasMount(mount) => (*mount, "/srv/www/app.fcgi"),
            _ => ("", ROOT),
        };
        params.add("CONTEXT_PREFIX", prefix);
        params.add("CONTEXT_DOCUMENT_ROOT", root);
        params.add("SERVER_ADMIN", "[no address given]");
        params.add(
            "SCRIPT_FILENAME",
            match self {
                ApacheHtaccess | ApacheHtaccessIn(_) => format!("{ROOT}{mount}/app.fcgi"),
                ApacheProxyPass => format!("proxy:fcgi://{UPSTREAM}{}", encode(&path)),
                ApacheSetHandler(_) => format!("proxy:fcgi://{UPSTREAM}{ROOT}{mount}"),
                _ => format!("{ROOT}/app.fcgi"),
            },
        );
        params.add("REMOTE_PORT", REMOTE_PORT);
        if is_htaccess {
            params.add("REDIRECT_URL", &path);
            if let Some(query) = query {
                params.add("REDIRECT_QUERY_STRING", query);
            }
        }
        params.add("GATEWAY_INTERFACE", "CGI/1.1");
        params.add("SERVER_PROTOCOL", "HTTP/1.1");
        params.add("REQUEST_METHOD", sketch.method);
        params.add("QUERY_STRING", query.unwrap_or_default());
        params.add("REQUEST_URI", uri(raw, query));
        match self {
            ApacheProxyPass => params.add("SCRIPT_NAME", &path),
            ApacheHtaccess | ApacheHtaccessIn(_) => {
                params.add("SCRIPT_NAME", format!("{mount}/app.fcgi"));
            }
            _ => params.add("SCRIPT_NAME", mount),
        }
        if !matches!(self, ApacheProxyPass) && !below.is_empty() {
            params.add("PATH_INFO", below);
            params.add(
                "PATH_TRANSLATED",
                match self {
                    ApacheHtaccess | ApacheHtaccessIn(_) => {
                        // Garbage: what mod_rewrite left behind, and all but the first part of the path once more.
                        let first = below[1..].iter().position(|&byte| byte == b'/');
                        let again = first.map_or(&b""[..], |slash| &below[1 + slash..]);
                        [b"redirect:/app.fcgi", below, again].concat()
                    }
                    ApacheScriptAlias => [b"/srv/www/app.fcgi", below].concat(),
                    _ => [ROOT.as_bytes(), below].concat(),
                },
            );
        }
        if !is_proxy && sketch.header("content-length").is_none() {
            params.add("CONTENT_LENGTH", "0");
        }
        Ok(params)
    }

    fn nginx(&self, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
        let path = decode(raw).filter(|path| !path.contains(&0));
        let mut path = clean(&path.ok_or(400_u16)?, true, true).ok_or(400_u16)?;
        if self.below(&path)?.is_empty() {
            // The guides' block for the mount itself: `rewrite ^ /app/ last`.
            path.push(b'/');
        }
        let below = self.below(&path)?;
        let (script, info) = match self {
            // A dot of the expression is no newline: it does not match, and nothing is split.
            NginxMount(_) if below.contains(&b'\n') => (&path[..], &b""[..]),
            NginxMount(mount) => (mount.as_bytes(), below),
            _ => (&path[..], &path[..]),
        };
        let (_, query) = split(sketch.target);
        let header = |name| sketch.header(name).unwrap_or_default();
        let mut params = Pairs::default();
        params.add("QUERY_STRING", query.unwrap_or_default());
        params.add("REQUEST_METHOD", sketch.method);
        params.add("CONTENT_TYPE", header("content-type"));
        params.add("CONTENT_LENGTH", header("content-length"));
        params.add("SCRIPT_NAME", script);
        params.add("REQUEST_URI", uri(raw, query));
        params.add("DOCUMENT_URI", &path);
        params.add("DOCUMENT_ROOT", ROOT);
        params.add("SERVER_PROTOCOL", "HTTP/1.1");
        params.add("REQUEST_SCHEME", "http");
        params.add("GATEWAY_INTERFACE", "CGI/1.1");
        params.add("SERVER_SOFTWARE", "nginx/1.22.1");
        params.add("REMOTE_ADDR", "127.0.0.1");
        params.add("REMOTE_PORT", REMOTE_PORT);
        params.add(
            "REMOTE_USER",
            basic_user(header("authorization")).unwrap_or_default(),
        );
        params.add("SERVER_ADDR", "127.0.0.1");
        params.add("SERVER_PORT", "80");
        params.add("SERVER_NAME", "");
        params.add("REDIRECT_STATUS", "200");
        params.add("HTTP_HOST", Host::of(sketch).name.to_ascii_lowercase());
        params.add("PATH_INFO", info);
        params.add(
            "SCRIPT_NAME",
            match self {
                NginxMount(_) => script,
                _ => b"",
            },
        );
        for header in Header::each(sketch) {
            if header.is_plain() && header.lower != "host" {
                params.add(&header.cgi_name(&[]), header.value);
            }
        }
        Ok(params)
    }

    fn lighttpd(&self, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
        let normal = lighttpd_normal(raw);
        let path = decode(&normal).ok_or(400_u16)?;
        if std::str::from_utf8(&path).is_err() || path.iter().any(|byte| byte.is_ascii_control()) {
            return Err(400);
        }
        let below = self.below(&path)?;
        let (script, file) = match self {
            Lighttpd => ("/app.fcgi", "/app.fcgi"),
            LighttpdPrefix(mount) => (*mount, *mount),
            _ => ("", "/"),
        };
        let (_, query) = split(sketch.target);
        let mut params = Pairs::default();
        let length = sketch.header("content-length");
        params.add("CONTENT_LENGTH", length.unwrap_or(b"0"));
        params.add("QUERY_STRING", query.unwrap_or_default());
        params.add("REQUEST_URI", uri(raw, query));
        match self {
            Lighttpd => params.add("REDIRECT_URI", uri(&format!("/app.fcgi{normal}"), query)),
            _ if normal != raw => params.add("REDIRECT_URI", uri(&normal, query)),
            _ => {}
        }
        params.add("REDIRECT_STATUS", "200");
        params.add("SCRIPT_NAME", script);
        if !below.is_empty() {
            params.add("PATH_INFO", below);
            params.add("PATH_TRANSLATED", [ROOT.as_bytes(), below].concat());
        }
        params.add("SCRIPT_FILENAME", format!("{ROOT}{file}"));
        params.add("DOCUMENT_ROOT", ROOT);
        params.add("REQUEST_METHOD", sketch.method);
        params.add("SERVER_PROTOCOL", "HTTP/1.1");
        params.add("SERVER_SOFTWARE", "lighttpd/1.4.69");
        params.add("GATEWAY_INTERFACE", "CGI/1.1");
        params.add("REQUEST_SCHEME", "http");
        params.add("SERVER_PORT", "80");
        params.add("SERVER_ADDR", "127.0.0.1");
        params.add("SERVER_NAME", Host::of(sketch).name.to_ascii_lowercase());
        params.add("REMOTE_ADDR", "127.0.0.1");
        params.add("REMOTE_PORT", REMOTE_PORT);
        for mut header in Joined::of(sketch, ", ", "; ") {
            if header.lower == "proxy" || header.value.is_empty() {
                continue;
            }
            if header.lower == "host" {
                header.value.make_ascii_lowercase();
            }
            let name = header.cgi_name(&["content-type"]);
            params.add(&name.replace('.', "_"), header.value);
        }
        Ok(params)
    }

    fn haproxy(&self, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
        if !raw.is_ascii() {
            return Err(400);
        }
        let path = decode(raw).filter(|path| !path.contains(&0) && !path.contains(&b'\n'));
        let path = path.ok_or(500_u16)?;
        let below = self.below(&path)?;
        let mount = self.mount();
        let (_, query) = split(sketch.target);
        let query = query.unwrap_or_default();
        let mut params = Pairs::default();
        let kept_back = [
            "authorization",
            "proxy",
            "connection",
            "keep-alive",
            "te",
            "upgrade",
        ];
        for header in Header::each(sketch) {
            if !kept_back.contains(&&*header.lower) && header.is_plain() {
                params.add(
                    &header.cgi_name(&["content-type", "content-length"]),
                    header.value,
                );
            }
        }
        if let Some(user) = sketch.header("authorization").and_then(basic_user) {
            params.add("AUTH_TYPE", "Basic");
            params.add("REMOTE_USER", user);
        }
        params.add("GATEWAY_INTERFACE", "CGI/1.1");
        params.add("DOCUMENT_ROOT", ROOT);
        if !mount.is_empty() {
            params.add("SCRIPT_NAME", mount);
        }
        if !below.is_empty() {
            params.add("PATH_INFO", below);
        }
        params.add("REQUEST_URI", uri(raw, split(sketch.target).1));
        params.add("REQUEST_METHOD", sketch.method);
        if !query.is_empty() {
            params.add("QUERY_STRING", query);
        }
        params.add("SERVER_NAME", &sketch.headers[0].1);
        params.add("SERVER_PORT", "80");
        params.add("SERVER_PROTOCOL", "HTTP/1.1");
        params.add("REMOTE_ADDR", "127.0.0.1");
        params.add("REMOTE_PORT", REMOTE_PORT);
        params.add("SCRIPT_FILENAME", format!("{ROOT}{mount}"));
        if !below.is_empty() {
            params.add("PATH_TRANSLATED", [ROOT.as_bytes(), below].concat());
        }
        if sketch.header("content-length").is_none() {
            params.add("CONTENT_LENGTH", "0");
        }
        params.add("SERVER_SOFTWARE", "HAProxy 2.6.12-1+deb12u4");
        Ok(params)
    }

    /// By name: Caddy has an order of its own for each request.
    fn caddy(&self, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
        let path = decode(raw).ok_or(400_u16)?;
        let is_php = matches!(self, CaddyPhp);
        if path.contains(&0) && !is_php {
            return Err(400);
        }
        // Which site a path belongs to is seen from the cleaned one; outside of them Caddy gives an empty page.
        let cleaned = clean(&path, false, false).ok_or(400_u16)?;
        self.below(&cleaned).map_err(|_| 200_u16)?;
        let below = self.below(&path)?;
        let (script, info) = match is_php {
            true => ("/app.fcgi", &b""[..]),
            false => (self.mount(), below),
        };
        let (_, query) = split(sketch.target);
        let header = |name| sketch.header(name);
        let host = Host::of(sketch);
        let default_type: &[u8] = match sketch.method {
            "POST" => b"application/x-www-form-urlencoded",
            _ => b"",
        };
        let mut params = Pairs::default();
        params.add("AUTH_TYPE", "");
        params.add("CONTENT_LENGTH", header("content-length").unwrap_or(b"0"));
        params.add(
            "CONTENT_TYPE",
            header("content-type").unwrap_or(default_type),
        );
        params.add("DOCUMENT_ROOT", ROOT);
        params.add("DOCUMENT_URI", script);
        params.add("GATEWAY_INTERFACE", "CGI/1.1");
        let replaced = ["connection", "keep-alive", "upgrade", "user-agent"];
        for header in Joined::of(sketch, ", ", ", ") {
            let is_forwarded = header.lower.starts_with("x-forwarded-");
            if !replaced.contains(&&*header.lower) && !is_forwarded {
                params.add(&header.cgi_name(&[]), header.value);
            }
        }
        params.add("HTTP_USER_AGENT", header("user-agent").unwrap_or_default());
        params.add("HTTP_X_FORWARDED_FOR", "127.0.0.1");
        params.add("HTTP_X_FORWARDED_HOST", &sketch.headers[0].1);
        params.add("HTTP_X_FORWARDED_PROTO", "http");
        params.add("PATH_INFO", info);
        if !info.is_empty() {
            let cleaned = clean(info, true, false).unwrap_or_default();
            let is_folder = info.ends_with(b"/") && info != b"/";
            let cleaned = cleaned.strip_suffix(b"/").unwrap_or(&cleaned);
            let slash: &[u8] = if is_folder { b"/" } else { b"" };
            params.add(
                "PATH_TRANSLATED",
                [ROOT.as_bytes(), cleaned, slash].concat(),
            );
        }
        params.add("QUERY_STRING", query.unwrap_or_default());
        params.add("REMOTE_ADDR", "127.0.0.1");
        params.add("REMOTE_HOST", "127.0.0.1");
        params.add("REMOTE_IDENT", "");
        params.add("REMOTE_PORT", REMOTE_PORT);
        params.add("REMOTE_USER", "");
        params.add("REQUEST_METHOD", sketch.method);
        params.add("REQUEST_SCHEME", "http");
        params.add("REQUEST_URI", uri(&caddy_uri(raw, &path), query));
        params.add("SCRIPT_FILENAME", format!("{ROOT}{script}"));
        params.add("SCRIPT_NAME", script);
        params.add("SERVER_NAME", host.name);
        params.add("SERVER_PORT", host.port.as_deref().unwrap_or("80"));
        params.add("SERVER_PROTOCOL", "HTTP/1.1");
        params.add("SERVER_SOFTWARE", "Caddy/2.6.2");
        params.0.sort();
        Ok(params)
    }

    fn h2o(&self, sketch: &Sketch<'_>, raw: &str) -> Result<Pairs, u16> {
        let path = clean(&decode_leniently(raw), false, false).unwrap_or_default();
        self.below(&path)?;
        let (_, query) = split(sketch.target);
        let mut params = Pairs::default();
        if let Some(length) = sketch.header("content-length") {
            params.add("CONTENT_LENGTH", length);
        }
        params.add("SCRIPT_NAME", "");
        params.add("PATH_INFO", &path);
        params.add("QUERY_STRING", query.unwrap_or_default());
        params.add("REMOTE_ADDR", "127.0.0.1");
        params.add("REMOTE_PORT", REMOTE_PORT);
        params.add("REQUEST_METHOD", sketch.method);
        params.add("HTTP_HOST", &sketch.headers[0].1);
        params.add("REQUEST_URI", uri(raw, query));
        params.add("SERVER_ADDR", "127.0.0.1");
        params.add("SERVER_PORT", "80");
        params.add("SERVER_NAME", "default");
        params.add("SERVER_PROTOCOL", "HTTP/1.1");
        params.add("SERVER_SOFTWARE", "h2o/2.2.5");
        let elsewhere = ["host", "content-length", "upgrade", "expect", "cookie"];
        for header in Header::each(sketch) {
            if !elsewhere.contains(&&*header.lower) {
                params.add(&header.cgi_name(&["content-type"]), header.value);
            }
        }
        let cookies = Joined::of(sketch, "", ";");
        for cookies in cookies
            .into_iter()
            .filter(|header| header.lower == "cookie")
        {
            params.add("HTTP_COOKIE", cookies.value);
        }
        Ok(params)
    }
}

/// What every web server could send: RFC 3875, and REQUEST_URI.
pub(super) fn plain(sketch: &Sketch<'_>) -> Vec<Pair> {
    let (path, query) = split(sketch.target);
    let host = Host::of(sketch);
    let mut params = Pairs::default();
    params.add("GATEWAY_INTERFACE", "CGI/1.1");
    params.add(
        "SERVER_SOFTWARE",
        concat!("fcgi/", env!("CARGO_PKG_VERSION")),
    );
    params.add("SERVER_PROTOCOL", "HTTP/1.1");
    params.add("SERVER_NAME", host.name);
    params.add("SERVER_ADDR", "127.0.0.1");
    params.add("SERVER_PORT", host.port.as_deref().unwrap_or("80"));
    params.add("REQUEST_SCHEME", "http");
    params.add("REMOTE_ADDR", "127.0.0.1");
    params.add("REMOTE_PORT", REMOTE_PORT);
    params.add("DOCUMENT_ROOT", ROOT);
    params.add("REQUEST_METHOD", sketch.method);
    params.add("REQUEST_URI", sketch.target);
    params.add("SCRIPT_NAME", "");
    if path.starts_with('/') {
        params.add("PATH_INFO", decode_leniently(path));
    }
    params.add("QUERY_STRING", query.unwrap_or_default());
    for header in Header::each(sketch) {
        params.add(
            &header.cgi_name(&["content-type", "content-length"]),
            header.value,
        );
    }
    params.0
}

/// The site's folder.
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

impl Sketch<'_> {
    /// The first header of this name, which is given in lower case.
    fn header(&self, lower: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(lower));
        found.map(|(_, value)| value.as_slice())
    }
}

/// A header on its way to become a parameter.
struct Header {
    lower: String,
    value: Vec<u8>,
}

impl Header {
    fn each(sketch: &Sketch<'_>) -> impl Iterator<Item = Header> {
        sketch.headers.iter().map(|(name, value)| Header {
            lower: name.to_ascii_lowercase(),
            value: value.clone(),
        })
    }

    /// Whether its name has nothing but letters, digits and `-`: others are dropped by some servers.
    fn is_plain(&self) -> bool {
        self.lower
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }

    /// The parameter's name; those of `bare` have no `HTTP_`.
    fn cgi_name(&self, bare: &[&str]) -> String {
        let name = self.lower.to_ascii_uppercase().replace('-', "_");
        match bare.contains(&&*self.lower) {
            true => name,
            false => format!("HTTP_{name}"),
        }
    }
}

/// Headers with repeated ones joined, each where its first value stands.
struct Joined;

impl Joined {
    fn of(sketch: &Sketch<'_>, between: &str, between_cookies: &str) -> Vec<Header> {
        let mut joined: Vec<Header> = Vec::new();
        for header in Header::each(sketch) {
            match joined.iter_mut().find(|first| first.lower == header.lower) {
                Some(first) => {
                    let between = match header.lower == "cookie" {
                        true => between_cookies,
                        false => between,
                    };
                    first.value.extend_from_slice(between.as_bytes());
                    first.value.extend_from_slice(&header.value);
                }
                None => joined.push(header),
            }
        }
        joined
    }
}

/// The Host header in its two parts.
struct Host {
    name: String,
    port: Option<String>,
}

impl Host {
    fn of(sketch: &Sketch<'_>) -> Host {
        let host = String::from_utf8_lossy(&sketch.headers[0].1).into_owned();
        let port = host.rsplit_once(':').filter(|(_, port)| {
            // An IPv6 address ends in a bracket.
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        match port {
            Some((name, port)) => Host {
                name: name.to_owned(),
                port: Some(port.to_owned()),
            },
            None => Host {
                name: host,
                port: None,
            },
        }
    }
}

/// Path and query of a target.
fn split(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

fn uri(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// Whether the escape `%hex` stands in a path.
fn has_escape(raw: &str, hex: &str) -> bool {
    raw.to_ascii_uppercase().contains(&format!("%{hex}"))
}

/// Decodes `%XX`; `None` if a `%` begins no escape.
fn decode(raw: &str) -> Option<Vec<u8>> {
    let mut escapes = raw.split('%').skip(1);
    let is_whole = escapes.all(|rest| escaped(rest).is_some());
    is_whole.then(|| decode_leniently(raw))
}

/// Decodes `%XX`, and leaves other `%` alone.
fn decode_leniently(raw: &str) -> Vec<u8> {
    let mut parts = raw.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match escaped(part) {
            Some(byte) => {
                decoded.push(byte);
                decoded.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                decoded.push(b'%');
                decoded.extend_from_slice(part.as_bytes());
            }
        }
    }
    decoded
}

/// The byte that the first two characters are the number of.
fn escaped(rest: &str) -> Option<u8> {
    let digits = rest.get(..2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Removes dot segments, and with `merge` all slashes but one. Above the root is an error if that is `strict`, else the root.
fn clean(path: &[u8], merge: bool, strict: bool) -> Option<Vec<u8>> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.get(1..)?.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"" if merge && !is_last => continue,
            b"." => {}
            b".." => {
                if kept.pop().is_none() && strict {
                    return None;
                }
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push(b"");
        }
    }
    let mut cleaned = Vec::new();
    for segment in kept {
        cleaned.push(b'/');
        cleaned.extend_from_slice(segment);
    }
    Some(cleaned)
}

/// Percent-encodes what does not stand in a path as it is.
fn encode(path: &[u8]) -> String {
    path.iter()
        .fold(String::new(), |encoded, &byte| match stands_in_path(byte) {
            true => encoded + &char::from(byte).to_string(),
            false => encoded + &format!("%{byte:02X}"),
        })
}

/// RFC 3986: `pchar` and the slash.
fn stands_in_path(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// A path as lighttpd rewrites it before it looks at it: escapes that are needless are decoded, needed ones added.
fn lighttpd_normal(raw: &str) -> String {
    let mut parts = raw.split('%');
    let mut normal = encode(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let rest = match escaped(part) {
            Some(byte) if is_unreserved(byte) || byte == b'/' => {
                normal.push(char::from(byte));
                &part[2..]
            }
            Some(byte) => {
                normal += &format!("%{byte:02X}");
                &part[2..]
            }
            None => {
                normal += "%25";
                part
            }
        };
        normal += &encode(rest.as_bytes());
    }
    let cleaned = clean(normal.as_bytes(), true, false).unwrap_or_default();
    String::from_utf8_lossy(&cleaned).into_owned()
}

/// A path as Go writes it: as it came, if that is legal.
fn caddy_uri(raw: &str, path: &[u8]) -> String {
    let is_legal = |byte| stands_in_path(byte) || b"[]%".contains(&byte);
    if raw.bytes().all(is_legal) {
        return raw.to_owned();
    }
    let encoded = encode(path);
    "!'()*".chars().fold(encoded, |encoded, c| {
        encoded.replace(c, &format!("%{:02X}", u32::from(c)))
    })
}

/// The user of `Authorization: Basic`, whom nobody has checked.
fn basic_user(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = authorization.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut user = from_base64(rest.trim_ascii())?;
    let colon = user.iter().position(|&byte| byte == b':')?;
    user.truncate(colon);
    Some(user)
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for &digit in text.iter().take_while(|&&digit| digit != b'=') {
        let value = DIGITS.iter().position(|&known| known == digit)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
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

    /// The parts of the recording: preset, kind, lines.
    fn recorded() -> impl Iterator<Item = (Behind<'static>, &'static str, Vec<&'static str>)> {
        let text = include_str!("../../tests/data/webservers.txt");
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

    /// The requests that were sent.
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

    /// Of each path the parameters that depend on it, or the status without asking.
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

    #[test]
    fn a_user_is_taken_from_basic_authorization_only() {
        for (header, user) in [
            ("Basic YTpi", Some("a")),
            ("basic dXNlcjpwYXNzOndvcmQ=", Some("user")),
            ("Basic Og==", Some("")),
            ("Basic YWI=", None),
            ("Basic *", None),
            ("Bearer YTpi", None),
            ("", None),
        ] {
            let expected = user.map(|user| user.as_bytes().to_vec());
            assert_eq!(basic_user(header.as_bytes()), expected, "{header}");
        }
    }
}
