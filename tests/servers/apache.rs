//! Apache, started privately with the printed configuration: as `.htaccess`, or in the place of `<VirtualHost>`.

use std::env;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::behind::{self, Way};
use crate::folder::Folder;
use crate::guides;
use crate::http::Http;
use crate::process::Process;
use crate::row::Running;
use crate::testbed::{Program, Testbed, Upstream, free_address, installed};
use crate::{Outcome, ensure};

pub fn missing_fcgid() -> Vec<String> {
    missing(&FCGID)
}

pub fn missing_user() -> Vec<String> {
    missing(&USER)
}

pub fn missing_authorized() -> Vec<String> {
    missing(&AUTHORIZED)
}

pub fn missing_authnz() -> Vec<String> {
    missing(&AUTHNZ)
}

pub fn missing_guarded() -> Vec<String> {
    missing(&GUARDED)
}

pub fn missing_rewrite() -> Vec<String> {
    missing(&REWRITE)
}

pub fn missing_proxy() -> Vec<String> {
    missing(&PROXY)
}

pub fn missing_fcgid_and_proxy() -> Vec<String> {
    missing(&[FCGID, PROXY].concat())
}

pub fn missing_troubles() -> Vec<String> {
    missing(&TROUBLES)
}

pub fn missing_cgid() -> Vec<String> {
    missing(&CGID)
}

pub fn fcgid_htaccess(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    htaccess(folder, testbed, "app.fcgi")?;
    shared_host(folder)
}

/// The guides' form.
pub fn htaccess_addhandler(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    for (place, mount) in HTACCESS {
        let program = testbed.install(folder, &format!("{place}/app.fcgi"))?;
        let printed = program.conf("htaccess", &[&["addhandler"], mount].concat())?;
        folder.write(&format!("{place}/.htaccess"), &printed)?;
    }
    shared_host(folder)
}

/// The program lies in no folder that is served.
pub fn htaccess_wrapper(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    folder.make("my bin")?;
    let program = testbed.install(folder, "my bin/app.fcgi")?;
    for (place, mount) in HTACCESS {
        let printed = program.conf("htaccess", &[&["wrapper"], mount].concat())?;
        folder.write(&format!("{place}/.htaccess"), &printed)?;
    }
    shared_host(folder)
}

const HTACCESS: [(&str, &[&str]); 2] = [("www", &[]), ("www/sub", &["--mount", "/sub"])];

fn shared_host(folder: &Folder) -> Outcome<Running> {
    let host = format!("{}\n{LARGE_BODIES}", allow_override(folder));
    start(folder, &FCGID, &host)
}

/// The default, 131072, cannot be raised in .htaccess.
const LARGE_BODIES: &str = "FcgidMaxRequestLen 20000000";

/// A folder that nothing is in yet.
pub fn fcgid_empty(folder: &Folder) -> Outcome<Running> {
    start(folder, &FCGID, &allow_override(folder))
}

/// The same `.htaccess` where no module runs programs.
pub fn bare_htaccess(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    htaccess(folder, testbed, "app.fcgi")?;
    start(folder, &REWRITE, &allow_override(folder))
}

pub fn fcgid_script_alias(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(folder, &FCGID, &program.conf("apache", &[])?)
}

/// With the directive that passes pieces of an answer on as they come.
pub fn fcgid_unbuffered(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let host = format!("{}\nFcgidOutputBufferSize 0", program.conf("apache", &[])?);
    start(folder, &FCGID, &host)
}

pub fn cgid(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    htaccess(folder, testbed, "app.cgi")?;
    // Beside it a script that shows what mod_cgid makes of a query, and that the danger is real.
    let script = folder.write("www/arguments.sh", ARGUMENTS)?;
    folder.install(&script, "www/arguments.cgi")?;
    let host = format!(
        "{}\n<Files \"arguments.cgi\">\nSetHandler cgi-script\nOptions +ExecCGI\n</Files>",
        allow_override(folder)
    );
    start(folder, &CGID, &host)
}

pub fn proxy_unix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    proxy(folder, testbed, Upstream::unix(folder), &[])
}

pub fn proxy_tcp(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    proxy(folder, testbed, Upstream::tcp()?, &[])
}

pub fn proxy_kept(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    proxy(folder, testbed, Upstream::tcp()?, &["--keepalive"])
}

/// With the line that some hosts need, in the document root and below it.
pub fn fcgid_rewrite_base(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    for (place, base) in [("www", "/"), ("www/sub", "/sub")] {
        let program = testbed.install(folder, &format!("{place}/app.fcgi"))?;
        based(folder, &program, place, base)?;
    }
    start(folder, &FCGID, &allow_override(folder))
}

/// A person's own folder, of the user `sub`: `/~sub/`.
pub fn fcgid_user(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/sub/app.fcgi")?;
    based(folder, &program, "www/sub", "/~sub")?;
    user(folder)
}

/// The same without the line.
pub fn fcgid_user_without_base(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    htaccess(folder, testbed, "app.fcgi")?;
    user(folder)
}

fn user(folder: &Folder) -> Outcome<Running> {
    let host = format!(
        "{}\nUserDir \"{}\"",
        allow_override(folder),
        folder.text("www/*")
    );
    start(folder, &USER, &host)
}

pub fn fcgid_mounted(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    fcgid(folder, testbed, &["--mount", "/app"])
}

/// With the line of settings that the printed text names.
pub fn fcgid_mounted_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    folder.write("www/.ht.app.fcgi", "mount /app\n")?;
    fcgid(folder, testbed, &["--mount", "/app"])
}

pub fn addhandler(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    fcgid(folder, testbed, &["addhandler"])
}

pub fn wrapper(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    fcgid(folder, testbed, &["wrapper", "--mount", "/app"])
}

pub fn wrapper_root(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    fcgid(folder, testbed, &["wrapper"])
}

/// With more flags on the wrapper's command line.
pub fn wrapper_with(folder: &Folder, testbed: &Testbed, flags: &str) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let printed = program.conf("apache", &["wrapper"])?;
    let bare = "--mount /\" virtual";
    ensure!(
        printed.contains(bare),
        "conf apache wrapper prints no {bare}"
    );
    let with = format!("--mount / {flags}\" virtual");
    start(folder, &FCGID, &printed.replace(bare, &with))
}

/// The guides' own `.htaccess`: at the root, in a folder, and in that of the user `sub`.
pub fn guides_htaccess(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guides_folders(folder, testbed)?;
    start(folder, &FCGID, &allow_override(folder))
}

/// The same on a host that takes large bodies.
pub fn guides_shared(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guides_folders(folder, testbed)?;
    shared_host(folder)
}

fn guides_folders(folder: &Folder, testbed: &Testbed) -> Outcome {
    folder.notes().guide(Way::Started);
    for (place, base) in [("www", "/"), ("www/sub", "/sub/")] {
        testbed.install(folder, &format!("{place}/app.fcgi"))?;
        folder.write(&format!("{place}/.htaccess"), &guides::htaccess(base))?;
    }
    Ok(())
}

pub fn guides_user(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    folder.notes().guide(Way::Started);
    testbed.install(folder, "www/sub/app.fcgi")?;
    folder.write("www/sub/.htaccess", &guides::htaccess("/~sub/"))?;
    user(folder)
}

/// mod_fastcgi's block of the guides, by mod_fcgid.
pub fn guides_script_alias(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    folder.notes().guide(Way::Started);
    let program = testbed.install(folder, "www/app.fcgi")?;
    let block = guides::script_alias(&program.path.display().to_string());
    start(folder, &FCGID, &format!("{block}\n{LARGE_BODIES}"))
}

/// A file of the site, as the other guide has it: `/app.py`.
pub fn guides_files(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    folder.notes().guide(Way::Started);
    testbed.install(folder, "www/app.py")?;
    let block = guides::files();
    start(folder, &FCGID, &format!("{block}\n{LARGE_BODIES}"))
}

/// What Apache says of these lines.
pub fn refusal(folder: &Folder, host: &str) -> Outcome<String> {
    let text = outer(folder, free_address()?, &[], "", host);
    let conf = folder.write("etc/refused.conf", &text)?;
    guides::refused(&APACHE, &["-t", "-f"], &conf.display().to_string())
}

pub fn guides_fcgid(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    testbed.install(folder, "www/app.fcgi")?;
    start(folder, &FCGID, &guides::fcgid(&folder.text("www")))
}

pub fn guides_set_handler(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guides_proxy(folder, testbed, guides::set_handler, &[])
}

pub fn guides_set_handler_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let told = ["--mount", "/deep/app"];
    guides_proxy(folder, testbed, guides::set_handler, &told)
}

pub fn guides_proxy_pass(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guides_proxy(folder, testbed, guides::proxy_pass, &[])
}

pub fn guides_proxy_pass_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    guides_proxy(folder, testbed, guides::proxy_pass, &["--mount", "/app"])
}

fn guides_proxy(
    folder: &Folder,
    testbed: &Testbed,
    guide: fn(&str) -> String,
    flags: &[&str],
) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let upstream = Upstream::tcp()?;
    let app = program.serve(folder, &upstream, flags)?;
    let mut running = start(folder, &PROXY, &guide(&upstream.listen()))?;
    running.processes.push(app);
    Ok(running)
}

pub fn sethandler_root(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    proxy(folder, testbed, Upstream::unix(folder), &["sethandler"])
}

/// Deeper than one name, and with what a pattern would take for its own.
pub fn sethandler_deep(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let flags = ["sethandler", "--mount", "/deep/my.app"];
    proxy(folder, testbed, Upstream::unix(folder), &flags)
}

/// Connected, with flags for what is printed.
pub fn proxied(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    proxy(folder, testbed, Upstream::tcp()?, flags)
}

/// Started, with flags for what is printed.
pub fn fcgid(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    start(folder, &FCGID, &program.conf("apache", flags)?)
}

/// `.htaccess` as it is printed for the folder's address, with that as RewriteBase.
fn based(folder: &Folder, program: &Program, place: &str, base: &str) -> Outcome {
    let printed = program.conf("htaccess", &["--mount", base])?;
    // Nothing is printed for the root, where hosts need none.
    let line = "RewriteEngine On\n";
    let text = match base {
        "/" => printed.replace(line, &format!("{line}RewriteBase /\n")),
        _ => printed,
    };
    ensure!(
        text.contains("\nRewriteBase "),
        "conf htaccess --mount {base} prints no RewriteBase"
    );
    folder.write(&format!("{place}/.htaccess"), &text).map(drop)
}

pub fn sethandler(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let flags = ["sethandler", "--mount", "/app"];
    proxy(folder, testbed, Upstream::unix(folder), &flags)
}

pub fn sethandler_kept(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let flags = ["sethandler", "--keepalive"];
    proxy(folder, testbed, Upstream::tcp()?, &flags)
}

pub fn sethandler_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let flags = ["sethandler", "--mount", "/app"];
    let upstream = Upstream::tcp()?;
    proxy_as(
        folder,
        testbed,
        upstream,
        &flags,
        &["--mount", "/app"],
        |conf| conf,
    )
}

pub fn proxy_mounted(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    proxy(folder, testbed, Upstream::tcp()?, &["--mount", "/app"])
}

pub fn proxy_mounted_told(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let flags = ["--mount", "/app"];
    proxy_as(folder, testbed, Upstream::tcp()?, &flags, &flags, |conf| {
        conf
    })
}

/// ProxyPass alone, as it stands in many guides: the whole path is SCRIPT_NAME, and PATH_INFO is not sent.
pub fn proxy_bare(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let without = |conf: String| {
        let lines = conf
            .lines()
            .filter(|line| !line.starts_with("ProxyFCGISetEnvIf"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    proxy_as(folder, testbed, Upstream::tcp()?, &[], &[], without)
}

/// With the printed line for files made active.
pub fn alias_files(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let printed = program.conf("apache", &[])?;
    let files = folder.text("www/static");
    let alias = active(&printed, "Alias \"/static/\"")?.replace("/path/to/static", &files);
    // Above ScriptAlias, as the text says.
    start(folder, &FCGID, &format!("{alias}\n{printed}"))
}

/// The same for ProxyPass.
pub fn proxy_files(folder: &Folder, testbed: &Testbed, flags: &[&str]) -> Outcome<Running> {
    let except = |conf: String| match active(&conf, "ProxyPass") {
        Ok(line) => conf.replacen(&format!("#{line}"), &line, 1),
        Err(why) => format!("# {why}\n{conf}"),
    };
    proxy_as(folder, testbed, Upstream::tcp()?, flags, flags, except)
}

/// The line that begins so, and is printed as a comment.
fn active(printed: &str, begin: &str) -> Outcome<String> {
    let mut lines = printed.lines().filter_map(|line| line.strip_prefix('#'));
    let line = lines.find(|line| line.starts_with(begin));
    line.map(str::to_owned)
        .ok_or_else(|| format!("conf apache prints no line #{begin}"))
}

/// With what an authorizer in `.htaccess` needs.
pub fn authorized(folder: &Folder) -> Outcome<Running> {
    let host = format!(
        "<Directory \"{}\">\nAllowOverride FileInfo Options AuthConfig\nRequire all granted\n</Directory>",
        folder.text("www")
    );
    start(folder, &AUTHORIZED, &host)
}

/// The printed place that an authorizer guards.
pub fn guarded_place(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let printed = program.conf("apache", &["authorizer"])?;
    let host = format!(
        "<Directory \"{}\">\nRequire all granted\n</Directory>\n{printed}",
        folder.text("www")
    );
    start(folder, &AUTHORIZED, &host)
}

/// The printed `.htaccess`, and a folder below it whose own may say no more than that one.
pub fn guarded_folder(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    htaccess(folder, testbed, "app.fcgi")?;
    start(folder, &GUARDED, &allow_override(folder))
}

/// mod_fastcgi is in no registry: who has it says where, in this variable.
pub const OLD_MODULE: &str = "MOD_FASTCGI_SO";

pub fn missing_old() -> Vec<String> {
    let named = env::var_os(OLD_MODULE).is_some_and(|file| Path::new(&file).is_file());
    match named {
        true => missing(&[]),
        false => vec![format!("file that {OLD_MODULE} names")],
    }
}

pub fn old_static(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    old(folder, &program, &["static", "--processes", "4"])
}

pub fn old_dynamic(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    old(folder, &program, &["dynamic"])
}

pub fn old_external_unix(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    old_external(folder, testbed, Upstream::unix(folder))
}

pub fn old_external_tcp(folder: &Folder, testbed: &Testbed) -> Outcome<Running> {
    old_external(folder, testbed, Upstream::tcp()?)
}

fn old_external(folder: &Folder, testbed: &Testbed, upstream: Upstream) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, &[])?;
    let listen = upstream.listen();
    let mut running = old(folder, &program, &["external", "--listen", &listen])?;
    running.processes.push(app);
    running.upstream = Some(upstream);
    Ok(running)
}

fn old(folder: &Folder, program: &Program, flags: &[&str]) -> Outcome<Running> {
    let printed = program.conf("apache", flags)?;
    let heading = "# In <VirtualHost>";
    let (outside, host) = printed
        .split_once(heading)
        .ok_or_else(|| format!("conf apache {} prints no {heading:?}", flags[0]))?;
    let file = env::var(OLD_MODULE).map_err(|e| format!("{OLD_MODULE}: {e}"))?;
    let lines = format!(
        "LoadModule fastcgi_module \"{file}\"\nFastCgiIpcDir \"{}\"\n{outside}",
        folder.text("run")
    );
    // The rest of the heading is a comment, too.
    start_with(folder, &[], &lines, &format!("#{host}"))
}

/// With the program as somebody else started it, and `host` that asks the provider `guard` for permission.
pub fn guarded(folder: &Folder, testbed: &Testbed, host: &str) -> Outcome<Running> {
    let upstream = Upstream::tcp()?;
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, &[])?;
    let provider = format!(
        "AuthnzFcgiDefineProvider authnz guard fcgi://{}/",
        upstream.listen()
    );
    let mut running = start_with(folder, &AUTHNZ, &provider, host)?;
    running.processes.push(app);
    Ok(running)
}

/// With these modules, these lines in `<VirtualHost>`, and this level of the log.
pub fn with(folder: &Folder, modules: &[&str], level: &str, host: &str) -> Outcome<Running> {
    start_with(folder, modules, &format!("LogLevel {level}"), host)
}

const ARGUMENTS: &str = "#!/bin/sh\n\
    printf 'Content-Type: text/plain\\r\\n\\r\\n'\n\
    for argument; do printf '[%s]' \"$argument\"; done\n";

const FCGID: [&str; 2] = ["rewrite", "fcgid"];
const AUTHORIZED: [&str; 5] = ["fcgid", "authn_core", "auth_basic", "authz_user", "env"];
const GUARDED: [&str; 3] = ["rewrite", "fcgid", "headers"];
const AUTHNZ: [&str; 5] = [
    "authn_core",
    "auth_basic",
    "authz_user",
    "authnz_fcgi",
    "env",
];
const USER: [&str; 3] = ["rewrite", "fcgid", "userdir"];
const REWRITE: [&str; 1] = ["rewrite"];
const PROXY: [&str; 2] = ["proxy", "proxy_fcgi"];
const CGID: [&str; 2] = ["rewrite", "cgid"];

/// All ways to start a program or to ask one.
pub const TROUBLES: [&str; 6] = [
    "rewrite",
    "fcgid",
    "cgid",
    "proxy",
    "proxy_fcgi",
    "proxy_http",
];

/// What Debian loads anyway and the printed configuration may lean on.
const STOCK: [&str; 5] = ["mpm_event", "authz_core", "alias", "dir", "mime"];

fn missing(modules: &[&str]) -> Vec<String> {
    if installed(&APACHE).is_none() {
        return vec!["apache2".to_owned()];
    }
    STOCK
        .iter()
        .chain(modules)
        .filter(|name| !module(name).is_file())
        .map(|name| format!("Apache's mod_{name}"))
        .collect()
}

const APACHE: [&str; 2] = ["apache2", "httpd"];

fn module(name: &str) -> PathBuf {
    Path::new("/usr/lib/apache2/modules").join(format!("mod_{name}.so"))
}

/// A shared host's part: the folder may have its own `.htaccess`.
fn allow_override(folder: &Folder) -> String {
    format!(
        "<Directory \"{}\">\nAllowOverride FileInfo Options\nRequire all granted\n</Directory>",
        folder.text("www")
    )
}

/// The program in the document root, and once more in a folder below it.
fn htaccess(folder: &Folder, testbed: &Testbed, name: &str) -> Outcome {
    for place in ["www", "www/sub"] {
        let program = testbed.install(folder, &format!("{place}/{name}"))?;
        folder.write(
            &format!("{place}/.htaccess"),
            &program.conf("htaccess", &[])?,
        )?;
    }
    Ok(())
}

fn proxy(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
) -> Outcome<Running> {
    proxy_as(folder, testbed, upstream, flags, &[], |conf| conf)
}

/// With `flags` for what `conf` prints, others for the program, and a change to what was printed.
fn proxy_as(
    folder: &Folder,
    testbed: &Testbed,
    upstream: Upstream,
    flags: &[&str],
    app_flags: &[&str],
    change: impl Fn(String) -> String,
) -> Outcome<Running> {
    let program = testbed.install(folder, "www/app.fcgi")?;
    let app = program.serve(folder, &upstream, app_flags)?;
    let listen = upstream.listen();
    // A form comes first.
    let flags = [flags, &["--listen", listen.as_str()]].concat();
    let mut running = start(folder, &PROXY, &change(program.conf("apache", &flags)?))?;
    running.processes.push(app);
    running.upstream = Some(upstream);
    Ok(running)
}

fn start(folder: &Folder, modules: &[&str], host: &str) -> Outcome<Running> {
    start_with(folder, modules, "", host)
}

/// With lines that may not stand in `<VirtualHost>`.
fn start_with(folder: &Folder, modules: &[&str], lines: &str, host: &str) -> Outcome<Running> {
    let at = free_address()?;
    let conf = folder.write("etc/apache.conf", &outer(folder, at, modules, lines, host))?;
    let binary = installed(&APACHE).ok_or("Apache is not installed")?;
    let mut command = Command::new(binary);
    command.arg("-f").arg(conf).args(["-D", "FOREGROUND"]);
    let mut process = Process::start("Apache", &mut command, &folder.path("log/apache.out"))?;
    process.await_ready(|| TcpStream::connect(at).is_ok())?;
    note(folder, modules)?;
    Ok(Running {
        http: Http { at },
        upstream: None,
        processes: vec![process],
    })
}

/// What Apache says of itself once it serves: its own version, and mod_fcgid's.
fn note(folder: &Folder, modules: &[&str]) -> Outcome {
    let file = "log/apache-error.log";
    let said = behind::logged(folder, file, "Apache/", " configured -- resuming")?;
    let words = said.split(' ').filter(|word| !word.starts_with('('));
    let version: Vec<String> = words.map(|word| word.replace('/', " ")).collect();
    let connects = ["fcgid", "proxy_fcgi", "cgid", "authnz_fcgi"];
    let name = match connects.into_iter().find(|name| modules.contains(name)) {
        Some(name) => format!("Apache, mod_{name}"),
        None => "Apache".to_owned(),
    };
    folder.notes().server(&name, version.join(", "));
    Ok(())
}

fn outer(folder: &Folder, at: SocketAddr, modules: &[&str], lines: &str, host: &str) -> String {
    let (run, log) = (folder.text("run"), folder.text("log"));
    let www = folder.text("www");
    let mut conf = format!(
        "ServerRoot \"{run}\"\n\
         DefaultRuntimeDir \"{run}\"\n\
         Mutex default:{run}\n\
         PidFile \"{run}/apache.pid\"\n\
         ErrorLog \"{log}/apache-error.log\"\n\
         ServerName localhost\n\
         Listen {at}\n"
    );
    for name in STOCK.iter().chain(modules) {
        let file = module(name);
        conf.push_str(&format!(
            "LoadModule {name}_module \"{}\"\n",
            file.display()
        ));
    }
    if let Some(user) = folder.user() {
        conf.push_str(&format!("User {}\nGroup {}\n", user.name, user.group));
    }
    conf.push_str(&format!(
        "TypesConfig /dev/null\n\
         <IfModule mod_fcgid.c>\n\
         FcgidIPCDir \"{run}/fcgid\"\n\
         FcgidProcessTableFile \"{run}/fcgid_shm\"\n\
         </IfModule>\n\
         <IfModule mod_cgid.c>\n\
         ScriptSock \"{run}/cgid.sock\"\n\
         </IfModule>\n\
         <FilesMatch \"^\\.ht\">\n\
         Require all denied\n\
         </FilesMatch>\n\
         {lines}\n\
         <VirtualHost {at}>\n\
         DocumentRoot \"{www}\"\n\
         {host}\n\
         </VirtualHost>\n"
    ));
    conf
}
