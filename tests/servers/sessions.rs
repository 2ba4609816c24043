//! The examples `cookies` and `authorizer` with curl as the browser, whose jar keeps and returns cookies by the rules: a
//! session in a signed cookie, and a login in front of a folder of files. `main.rs` runs each as a row.

use std::fs;
use std::process::{Command, Stdio};

use crate::folder::Folder;
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::{Testbed, free_address, installed};
use crate::{Outcome, apache, ensure, lighttpd, nginx};

pub fn missing_nginx() -> Vec<String> {
    [nginx::missing(), missing_curl()].concat()
}

pub fn missing_https() -> Vec<String> {
    let mut missing = missing_nginx();
    if installed(&["openssl"]).is_none() {
        missing.push("openssl".to_owned());
    }
    missing
}

pub fn missing_apache() -> Vec<String> {
    [apache::missing_guarded(), missing_curl()].concat()
}

pub fn missing_lighttpd() -> Vec<String> {
    [lighttpd::missing(), missing_curl()].concat()
}

fn missing_curl() -> Vec<String> {
    match installed(&["curl"]) {
        Some(_) => Vec::new(),
        None => vec!["curl".to_owned()],
    }
}

/// Not a secret: the row's own.
const KEY: &str = "0123456789abcdef0123456789abcdef\n";

pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    session(report, folder, testbed, nginx::unix, 404);
}

pub fn apache(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    session(report, folder, testbed, apache::fcgid_htaccess, 403);
}

/// A cookie that is set by https is for https only.
pub fn https(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begun = || {
        folder.write("www/.ht.session-keys", KEY)?;
        let (at, pem) = (free_address()?, certificate(folder)?);
        let running = nginx::secure(folder, &testbed.example("cookies")?, at, &pem)?;
        Ok((running, at))
    };
    let Some((running, at)) = report.check("start", begun) else {
        return;
    };
    let secure = Browser {
        site: format!("https://{at}"),
        ..Browser::new(folder, &running)
    };
    report.check("a login by https is for https", || {
        let form = "name=ada&password=lovelace";
        secure.log_in("/login", form)?.expect(303, "; Secure; ")?;
        secure.get("/")?.expect(200, "Hello, ada!")?;
        // Not asked for by http, for curl trusts this machine with it all the same.
        let cookies = secure.cookies()?;
        let kept = cookies.iter().any(|line| line.contains("\tTRUE\t"));
        ensure!(kept, "the cookies are {cookies:?}");
        Ok(())
    });
    report.check("stop", || running.stop());
}

/// One that nobody vouches for, with its key.
fn certificate(folder: &Folder) -> Outcome<String> {
    let pem = folder.text("etc/localhost.pem");
    let output = Command::new("openssl")
        .args([
            "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost", "-keyout", &pem, "-out"])
        .arg(folder.path("etc/certificate.pem"))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run openssl: {e}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "openssl made no certificate: {errors}"
    );
    let read = |path: &str| {
        fs::read_to_string(folder.path(path)).map_err(|e| format!("cannot read {path}: {e}"))
    };
    let both = read("etc/localhost.pem")? + &read("etc/certificate.pem")?;
    folder.write("etc/localhost.pem", &both)?;
    Ok(pem)
}

type Start = fn(&Folder, &Testbed) -> Outcome<Running>;

/// `hidden` is the status of the file with the key.
fn session(report: &mut Report, folder: &Folder, testbed: &Testbed, start: Start, hidden: u16) {
    let begun = || start(folder, &testbed.example("cookies")?);
    let Some(running) = report.check("start", begun) else {
        return;
    };
    let browser = Browser::new(folder, &running);
    report.check("without a key nobody is served", || {
        browser.get("/")?.expect(503, "")
    });
    report.check("with one everybody is, soon", || {
        folder.write("www/.ht.session-keys", KEY)?;
        until("the key is found", || {
            let page = browser.get("/").ok()?;
            page.expect(200, "Log in").ok()
        })
    });
    report.check("the key is shown to nobody", || {
        browser.get("/.ht.session-keys")?.expect(hidden, "")
    });
    report.check("a wrong password is no login", || {
        browser
            .log_in("/login", "name=ada&password=x")?
            .expect(403, "Wrong")?;
        ensure!(browser.cookies()?.is_empty(), "it has a cookie");
        Ok(())
    });
    report.check("a login is remembered", || {
        let answer = browser.log_in("/login", "name=ada&password=lovelace")?;
        answer.expect(303, "")?;
        browser.get("/")?.expect(200, "Hello, ada!")
    });
    report.check("the browser keeps it from scripts, for a week", || {
        let cookies = browser.cookies()?;
        let [cookie] = &cookies[..] else {
            return Err(format!("the cookies are {cookies:?}"));
        };
        // Host, subdomains, path, https only, end, name, value.
        let fields: Vec<&str> = cookie.split('\t').collect();
        ensure!(
            fields[..4] == ["#HttpOnly_127.0.0.1", "FALSE", "/", "FALSE"] && fields[5] == "session",
            "the cookie is {cookie:?}"
        );
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map_err(|e| e.to_string())?;
        let end: u64 = fields[4].parse().map_err(|e| format!("{cookie:?}: {e}"))?;
        let left = end.saturating_sub(now.as_secs());
        ensure!((604_700..=604_800).contains(&left), "it ends in {left} s");
        Ok(())
    });
    report.check("one that was tampered with is ignored", || {
        let good = browser.tamper(".ada", ".bob")?;
        browser.get("/")?.expect(200, "Log in")?;
        browser.restore(&good)?;
        browser.get("/")?.expect(200, "Hello, ada!")
    });
    report.check("a logout is the end", || {
        browser.log_in("/logout", "")?.expect(303, "")?;
        ensure!(browser.cookies()?.is_empty(), "it keeps its cookie");
        browser.get("/")?.expect(200, "Log in")
    });
    report.check("stop", || running.stop());
}

/// mod_fcgid from `.htaccess`: every denial is a 401, and the login page is its ErrorDocument.
pub fn apache_guard(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| {
            pages(folder, "www")?;
            let lines = format!(
                "FcgidAccessChecker \"{}\"\nErrorDocument 401 /login\n\
                 # What the program says of the visitor.\n\
                 Header set X-Member \"%{{MEMBER}}e\"\n",
                folder.text("www/app.fcgi")
            );
            folder.write("www/members/.htaccess", &lines)?;
            apache::guarded_folder(folder, testbed)
        },
        denied: 401,
        member: "X-Member: ada",
    };
    guarded(report, folder, testbed, &guard);
}

/// lighttpd hands the redirect on.
pub fn lighttpd_guard(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| {
            pages(folder, "public")?;
            lighttpd::guarded_folder(folder, testbed)
        },
        denied: 303,
        member: "",
    };
    guarded(report, folder, testbed, &guard);
}

/// nginx asks the responder, by `auth_request`.
pub fn nginx_guard(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| {
            pages(folder, "public")?;
            nginx::asking(folder, testbed)
        },
        denied: 401,
        member: "",
    };
    guarded(report, folder, testbed, &guard);
}

struct Guard {
    start: Start,
    denied: u16,
    /// A line of the head of what a member gets.
    member: &'static str,
}

fn pages(folder: &Folder, place: &str) -> Outcome {
    folder.make(&format!("{place}/members"))?;
    folder.write(&format!("{place}/members/page.txt"), "for members")?;
    folder
        .write(&format!("{place}/open.txt"), "for all")
        .map(drop)
}

fn guarded(report: &mut Report, folder: &Folder, testbed: &Testbed, guard: &Guard) {
    let begun = || (guard.start)(folder, &testbed.example("authorizer")?);
    let Some(running) = report.check("start", begun) else {
        return;
    };
    let browser = Browser::new(folder, &running);
    let page = "/members/page.txt";
    report.check("without a key nobody may pass", || {
        let answer = browser.get(page)?;
        ensure!(
            answer.status >= 400 && !answer.text.contains("for members"),
            "{answer:?}"
        );
        folder.write("www/.ht.session-key", KEY).map(drop)
    });
    report.check("what is not guarded is for all", || {
        browser.get("/open.txt")?.expect(200, "for all")
    });
    report.check("a stranger is asked to log in", || {
        denied(&browser, guard, page)
    });
    report.check("no page is no way around", || {
        denied(&browser, guard, "/members/nothing.txt")?;
        denied(&browser, guard, "/members/")
    });
    report.check("a login leads to the page", || {
        let answer = browser.log_in("/login", &format!("name=ada&password=lovelace&to={page}"))?;
        answer.expect(303, "")?;
        ensure!(answer.has("Location: ", page), "{answer:?}");
        Ok(())
    });
    // Twice: a connection or process that went wrong shows at the next request.
    for _ in 0..2 {
        report.check("a member gets the page", || {
            let answer = browser.get(page)?;
            answer.expect(200, "for members")?;
            ensure!(answer.text.contains(guard.member), "{answer:?}");
            Ok(())
        });
    }
    report.check("a cookie that was tampered with lets nobody in", || {
        let good = browser.tamper(".ada", ".bob")?;
        denied(&browser, guard, page)?;
        browser.restore(&good)
    });
    report.check("a logout is the end", || {
        browser.log_in("/logout", "")?.expect(303, "")?;
        denied(&browser, guard, page)
    });
    report.check("stop", || running.stop());
}

fn denied(browser: &Browser, guard: &Guard, page: &str) -> Outcome {
    let answer = browser.get(page)?;
    ensure!(answer.status == guard.denied, "{page}: {answer:?}");
    ensure!(!answer.text.contains("for members"), "{page}: {answer:?}");
    if guard.denied == 401 {
        let wanted = format!("value='{page}'");
        ensure!(
            answer.text.contains(&wanted),
            "no login for {page}: {answer:?}"
        );
        return Ok(());
    }
    ensure!(answer.has("Location: ", "/login"), "{page}: {answer:?}");
    browser.get("/login")?.expect(200, "Log in")
}

/// curl, with a jar in the row's folder.
struct Browser {
    site: String,
    jar: String,
}

#[derive(Debug)]
struct Seen {
    status: u16,
    /// Head and body.
    text: String,
}

impl Seen {
    fn expect(&self, status: u16, part: &str) -> Outcome {
        ensure!(
            self.status == status && self.text.contains(part),
            "expected {status} with {part:?}, got {self:?}"
        );
        Ok(())
    }

    fn has(&self, name: &str, end: &str) -> bool {
        let mut lines = self.text.lines();
        lines.any(|line| line.starts_with(name) && line.ends_with(end))
    }
}

impl Browser {
    fn new(folder: &Folder, running: &Running) -> Browser {
        Browser {
            site: format!("http://{}", running.http.at),
            jar: folder.text("tmp/jar"),
        }
    }

    fn get(&self, path: &str) -> Outcome<Seen> {
        self.curl(path, &[])
    }

    fn log_in(&self, path: &str, form: &str) -> Outcome<Seen> {
        self.curl(path, &["--data", form])
    }

    fn curl(&self, path: &str, more: &[&str]) -> Outcome<Seen> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--include", "--insecure"])
            .args(["--noproxy", "*"])
            .args([
                "--max-time",
                "20",
                "--cookie",
                &self.jar,
                "--cookie-jar",
                &self.jar,
            ])
            .args(more)
            .arg(format!("{}{path}", self.site))
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cannot run curl: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let errors = String::from_utf8_lossy(&output.stderr);
        let status = status.ok_or_else(|| format!("curl {path}: {errors}{text:?}"))?;
        Ok(Seen { status, text })
    }

    /// The lines of the jar.
    fn cookies(&self) -> Outcome<Vec<String>> {
        let text = self.jar()?;
        let lines = text.lines().filter(|line| line.contains('\t'));
        Ok(lines.map(str::to_owned).collect())
    }

    /// Changes the jar, and returns what it was.
    fn tamper(&self, from: &str, to: &str) -> Outcome<String> {
        let good = self.jar()?;
        ensure!(good.contains(from), "the jar has no {from}: {good}");
        self.restore(&good.replace(from, to))?;
        Ok(good)
    }

    fn restore(&self, jar: &str) -> Outcome {
        fs::write(&self.jar, jar).map_err(|e| format!("cannot write {}: {e}", self.jar))
    }

    fn jar(&self) -> Outcome<String> {
        fs::read_to_string(&self.jar).map_err(|e| format!("cannot read {}: {e}", self.jar))
    }
}
