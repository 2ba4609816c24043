//! The program as an authorizer in front of a folder with one page: Apache's three hooks of mod_fcgid from `.htaccess`,
//! mod_authnz_fcgi, and lighttpd. `main.rs` runs each as a row.

use crate::folder::Folder;
use crate::http::{Http, request};
use crate::row::{Report, Running};
use crate::testbed::Testbed;
use crate::{Outcome, apache, ensure, lighttpd};

/// What guards the folder, and how a web server passes a denial on.
struct Guard {
    start: fn(&Folder, &Testbed) -> Outcome<Running>,
    denied: u16,
    /// The program's own page arrives; else it is the web server's.
    own_page: bool,
    /// The variable is shown to the visitor.
    leaks: bool,
}

pub fn fcgid_access_checker(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| fcgid(folder, testbed, "FcgidAccessChecker \"PROGRAM\"\n"),
        denied: 401,
        own_page: false,
        leaks: true,
    };
    check(report, folder, testbed, &guard);
}

pub fn fcgid_authenticator(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| {
            let lines = "AuthType Basic\nAuthName members\n\
                         # Without it mod_auth_basic answers 500: it knows no provider.\n\
                         AuthBasicAuthoritative Off\n\
                         FcgidAuthenticator \"PROGRAM\"\nRequire valid-user\n";
            fcgid(folder, testbed, lines)
        },
        denied: 401,
        own_page: false,
        leaks: true,
    };
    check(report, folder, testbed, &guard);
}

/// As it is printed.
pub fn fcgid_authorizer(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| {
            members(folder, "www")?;
            apache::guarded_place(folder, testbed)
        },
        denied: 401,
        own_page: false,
        leaks: false,
    };
    check(report, folder, testbed, &guard);
}

pub fn authnz_fcgi(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| {
            members(folder, "www")?;
            let host = format!(
                "<Directory \"{}\">\nRequire all granted\n</Directory>\n\
                 <Location \"/members\">\nAuthType Basic\nAuthName members\nAuthBasicProvider guard\nRequire guard\n</Location>",
                folder.text("www")
            );
            apache::guarded(folder, testbed, &host)
        },
        denied: 401,
        own_page: false,
        leaks: false,
    };
    check(report, folder, testbed, &guard);
}

pub fn lighttpd_authorizer(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let guard = Guard {
        start: |folder, testbed| {
            members(folder, "public")?;
            lighttpd::guarded(folder, testbed)
        },
        denied: 403,
        own_page: true,
        leaks: false,
    };
    check(report, folder, testbed, &guard);
}

fn fcgid(folder: &Folder, testbed: &Testbed, lines: &str) -> Outcome<Running> {
    members(folder, "www")?;
    let program = testbed.install(folder, "www/app.fcgi")?;
    let lines = lines.replace("PROGRAM", &program.path.display().to_string());
    folder.write("www/members/.htaccess", &lines)?;
    apache::authorized(folder)
}

fn members(folder: &Folder, place: &str) -> Outcome {
    folder.make(&format!("{place}/members"))?;
    folder
        .write(&format!("{place}/members/page.txt"), "for members")
        .map(drop)
}

fn check(report: &mut Report, folder: &Folder, testbed: &Testbed, guard: &Guard) {
    let Some(running) = report.check("start", || (guard.start)(folder, testbed)) else {
        return;
    };
    let http = running.http;
    // Twice: a connection or process that went wrong shows at the next request.
    for _ in 0..2 {
        report.check("who has the token may pass", || may_pass(http, guard));
        report.check("nobody else may", || may_not(http, guard));
    }
    report.check("stop", || running.stop());
}

fn ask(http: Http, token: &str) -> Outcome<crate::http::Answer> {
    let basic = "Basic bWU6c2VjcmV0";
    let headers = [("X-Token", token), ("Authorization", basic)];
    http.send(&request("GET", "/members/page.txt", &headers, b""))
}

fn may_pass(http: Http, guard: &Guard) -> Outcome {
    let answer = ask(http, "open")?;
    answer.expect(200, "for members")?;
    let leaked = answer.header("Variable-AUTH_USER") == "tester";
    ensure!(leaked == guard.leaks, "the variable is shown: {leaked}");
    Ok(())
}

fn may_not(http: Http, guard: &Guard) -> Outcome {
    let answer = ask(http, "shut")?;
    ensure!(answer.status == guard.denied, "status {}", answer.status);
    let own = answer.text() == "denied";
    ensure!(own == guard.own_page, "the program's own page: {own}");
    ensure!(!answer.text().contains("for members"), "it was let in");
    Ok(())
}
