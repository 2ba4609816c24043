//! The configurations that guides give, as people paste them: the program has to see the right path behind these too,
//! not only behind what it prints itself. Those of the classic guides are run as they stand there, with nothing filled in
//! but paths and names; the web servers' modules run them.

#[path = "../data/guides.rs"]
#[allow(dead_code)] // tests/it/directives.rs reads the rest of it
mod data;

use std::process::Command;

use crate::folder::Folder;
use crate::row::Report;
use crate::testbed::{Testbed, installed};
use crate::{Outcome, apache, ensure, lighttpd};
use data::BLOCKS;

/// Where the classic guides put a program.
pub const PLACE: &str = "/yourapplication";

/// `.htaccess` with a RewriteBase that names its folder.
pub fn htaccess(base: &str) -> String {
    text("apache-htaccess")
        .replace("yourapplication.fcgi", "app.fcgi")
        .replace("RewriteBase /\n", &format!("RewriteBase {base}\n"))
}

/// mod_fastcgi's block for processes that it starts, by mod_fcgid: the module's own directive has no place there, and
/// what is around it is the tests' own.
pub fn script_alias(program: &str) -> String {
    let without = [
        "LoadModule ",
        "FastCgiServer ",
        "ServerName ",
        "DocumentRoot ",
    ];
    let kept = |line: &&str| !without.iter().any(|begin| line.starts_with(begin));
    let inside = |line: &&str| !line.contains("VirtualHost");
    let text = text("apache-static");
    let lines: Vec<&str> = text.lines().filter(kept).filter(inside).collect();
    lines
        .join("\n")
        .replace("/var/www/html/yourapplication/app.fcgi", program)
        .replace("fastcgi-script", "fcgid-script")
}

/// The other guide's block for a file of the site, by mod_fcgid. Its line of options is mended, with which Apache 2.4 does
/// not start.
pub fn files() -> String {
    let text = text("apache-socket");
    let begin = text.find("<Directory").unwrap_or_default();
    let end = text.find("FastCgiServer").unwrap_or(text.len());
    text[begin..end]
        .replace("fastcgi-script", "fcgid-script")
        .replace(OPTIONS, "Options +FollowSymLinks +ExecCGI")
}

/// A block for nginx.
pub fn nginx(name: &str, socket: &str) -> String {
    text(name).replace("/tmp/yourapplication-fcgi.sock", socket)
}

/// A block for lighttpd, with the modules that the guide names.
pub fn lighttpd(name: &str, folder: &Folder) -> String {
    let block = text(name)
        .replace(
            "/tmp/yourapplication-fcgi.sock",
            &folder.text("run/guide.sock"),
        )
        .replace(
            "/var/www/yourapplication/yourapplication.fcgi",
            &folder.text("www/app.fcgi"),
        )
        .replace("/path/to/your/static", &folder.text("public"));
    // The end of one is lost in its guide.
    let open = block.matches('(').count() - block.matches(')').count();
    let end = ")\n".repeat(open);
    format!("server.modules += ( \"mod_rewrite\", \"mod_alias\", \"mod_fastcgi\" )\n{block}{end}")
}

/// The same with a list in a list, without which lighttpd does not start.
pub fn lighttpd_mended(name: &str, folder: &Folder) -> String {
    lighttpd(name, folder)
        .replace("\"yourapplication\" => (", "((")
        .replace("\"disable\"\n)", "\"disable\"\n))")
}

/// What the web servers themselves say of the mistakes in the guides, and that a static file is theirs.
pub fn mistakes(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("lighttpd refuses a program that is no list", || {
        testbed.install(folder, "www/app.fcgi")?;
        let conf = lighttpd("lighttpd-prefix", folder);
        let said = lighttpd::refusal(folder, &conf)?;
        ensure!(said.contains("should have been a list"), "it says {said:?}");
        Ok(())
    });
    report.check("Apache refuses options with and without a sign", || {
        let host = format!("<Directory />\n{OPTIONS}\n</Directory>\n");
        let said = apache::refusal(folder, &host)?;
        ensure!(said.contains("must start with + or -"), "it says {said:?}");
        Ok(())
    });
}

/// The rewrite rules of the two guides: what is below `/static` is lighttpd's own; the older one takes longer names too.
/// Their alias has no slash at its end, so that lighttpd 1.4.69 puts the two names together without one.
pub fn statics(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    for (name, longer) in [
        ("lighttpd-rewrite", "not found"),
        ("lighttpd-rewrite-older", "404 Not Found"),
    ] {
        let Some(running) = report.check("start", || lighttpd::guided(folder, testbed, name))
        else {
            return;
        };
        report.check(name, || {
            folder.write("publicstyle.css", "a style")?;
            running
                .http
                .get("/static/style.css")?
                .expect(200, "a style")?;
            let missing = running.http.get("/static/none.css")?;
            ensure!(
                missing.status == 404 && missing.text() != "not found",
                "{missing:?}"
            );
            let other = running.http.get("/statics")?;
            ensure!(
                other.status == 404 && other.text().contains(longer),
                "/statics: {:?}",
                other.text()
            );
            running.http.get("/hello")?.expect(200, "Hello, world!")
        });
        report.check("stop", || running.stop());
    }
}

/// What a web server says that is asked whether it would start.
pub fn refused(names: &[&str], flags: &[&str], conf: &str) -> Outcome<String> {
    let binary = installed(names).ok_or_else(|| format!("there is no {}", names[0]))?;
    let output = Command::new(binary).args(flags).arg(conf).output();
    let output = output.map_err(|e| format!("cannot run {}: {e}", names[0]))?;
    ensure!(!output.status.success(), "{} would start", names[0]);
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

const OPTIONS: &str = "Options FollowSymLinks +ExecCGI";

fn text(name: &str) -> &'static str {
    let found = BLOCKS.iter().find(|block| block.name == name);
    found.map_or("", |block| block.text)
}

/// mod_fcgid by the file's name, and by a wrapper.
pub fn fcgid(www: &str) -> String {
    format!(
        "<Directory {www}>\n\
         AddHandler fcgid-script .fcgi\n\
         Options +ExecCGI\n\
         Require all granted\n\
         </Directory>\n\
         <Location /app>\n\
         SetHandler fcgid-script\n\
         Options +ExecCGI\n\
         Require all granted\n\
         FcgidWrapper {www}/app.fcgi virtual\n\
         </Location>\n"
    )
}

/// A handler in a place that is deeper than one name.
pub fn set_handler(address: &str) -> String {
    format!("<Location /deep/app>\nSetHandler \"proxy:fcgi://{address}/\"\n</Location>\n")
}

pub fn proxy_pass(address: &str) -> String {
    format!("ProxyPass /app/ fcgi://{address}/\n")
}
