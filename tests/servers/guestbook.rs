//! The application in `examples/guestbook` on a shared host: under Apache's mod_fcgid from `.htaccess`, with a real browser,
//! with eight processes on one SQLite file, and deployed anew while visitors write. `main.rs` runs it as a row.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::deploy::deploy;
use crate::devtools::Window;
use crate::folder::Folder;
use crate::http::{Http, request};
use crate::process::{Process, until};
use crate::row::Report;
use crate::testbed::{Testbed, free_address};
use crate::{Outcome, apache, ensure};

const PASSWORD: &str = "correct horse";

/// As many as a busy guestbook would have.
const PROCESSES: usize = 8;

/// Visitors that write at once: mod_fcgid starts a process when all are busy.
const VISITORS: usize = 16;

/// Entries that are written at least before the next step.
const SOME: usize = 40;

pub fn story(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let Some(guestbook) = report.check("build", || testbed.package("guestbook")) else {
        return;
    };
    let program = guestbook.built();
    report.check("without a web server", || alone(folder, program));
    let Some(running) = report.check("start", || apache::fcgid_empty(folder)) else {
        return;
    };
    let http = running.http;
    report.check(
        "data that Apache would serve is a 503, and the log says why",
        || {
            settings(folder, "www/data")?;
            deploy(program, folder)?;
            let answer = http.get("/")?;
            ensure!(answer.status == 503, "{} {}", answer.status, answer.text());
            ensure!(!folder.path("www/data").exists(), "it has made www/data");
            until("the log says why", || {
                let log = fs::read_to_string(folder.path("log/apache-error.log")).ok()?;
                log.contains("www/data lies in").then_some(())
            })
        },
    );
    report.check(
        "the line that the log asks for counts, and nobody deploys anew",
        || {
            settings(folder, "data")?;
            folder.make("data")?;
            until("the page is there", || {
                (http.get("/").ok()?.status == 200).then_some(())
            })
        },
    );
    let written = Mutex::new(Vec::new());
    report.check(
        "eight processes that start at once write into one file",
        || {
            deploy(program, folder)?;
            writing(http, &written, || {
                until("there are eight processes", || {
                    (processes(folder) >= PROCESSES).then_some(())
                })
            })
        },
    );
    report.check("all that was answered with success is there, once", || {
        all_are_there(http, &written)
    });
    report.check("deployed anew, no visitor notices", || {
        writing(http, &written, || {
            for _ in 0..3 {
                let before = count(&written);
                deploy(program, folder)?;
                until("visitors go on", || {
                    (count(&written) > before + SOME).then_some(())
                })?;
            }
            Ok(())
        })
    });
    report.check("nothing of it is lost", || all_are_there(http, &written));
    report.check("nobody was told that the file is locked", || {
        let log =
            fs::read_to_string(folder.path("log/apache-error.log")).map_err(|e| e.to_string())?;
        let troubles: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("locked") || line.contains(" ERROR "))
            .collect();
        // The one of www/data.
        let others = troubles.iter().filter(|line| !line.contains("www/data"));
        ensure!(others.count() == 0, "{troubles:#?}");
        Ok(())
    });
    report.check("what it keeps is its own", || kept(folder));
    report.check("a password is set, but not by a visitor's query", || {
        let cgi = [("GATEWAY_INTERFACE", "CGI/1.1"), ("REQUEST_METHOD", "POST")];
        set_password(folder, &cgi, "a visitor's")?;
        ensure!(
            !folder.path("data/password").exists(),
            "a visitor has set it"
        );
        set_password(folder, &[], PASSWORD)?;
        ensure!(folder.path("data/password").exists(), "it is not set");
        Ok(())
    });
    if let Some(window) = report.check("a browser", || Window::open(folder)) {
        let site = format!("http://{}", http.at);
        report.check("writes with a picture, and sees both", || {
            write(&window, &site)
        });
        report.check("sends what is no picture, and is told", || {
            write_wrong(&window, &site, folder)
        });
        report.check("logs in", || log_in(&window, &site));
        report.check("deletes the entry, and its picture", || {
            delete(&window, &site, folder)
        });
        report.check("logs out", || {
            window.press_and_go("footer button")?;
            window.sees("document.querySelector('footer a') && !document.querySelector('details')")
        });
        report.check("closes", || window.close());
    }
    report.check("stop", || running.stop());
}

/// By `--http`, with its data where it is told to.
fn alone(folder: &Folder, program: &Path) -> Outcome {
    folder.make("alone")?;
    let at = free_address()?;
    let mut command = Command::new(folder.install(program, "tmp/guestbook")?);
    command.args([
        "--http",
        &at.to_string(),
        "--pause",
        "0",
        "--data",
        &folder.text("alone"),
    ]);
    folder.give_up_root(&mut command);
    let mut process = Process::start("guestbook", &mut command, &folder.path("log/alone.log"))?;
    process.await_ready(|| std::net::TcpStream::connect(at).is_ok())?;
    let http = Http { at };
    sign(http, "alone")?;
    ensure!(texts(http)? == ["alone"], "the entry is not there");
    process.stop()
}

/// Where the data lies, and that visitors need not wait: all of them come from one address.
fn settings(folder: &Folder, data: &str) -> Outcome {
    let lines = format!("data {}\npause 0\n", folder.text(data));
    folder.write("www/.ht.app.fcgi", &lines).map(drop)
}

/// Does `work` while visitors write; each is to be answered with success.
fn writing(http: Http, written: &Mutex<Vec<String>>, work: impl FnOnce() -> Outcome) -> Outcome {
    let (is_over, first) = (AtomicBool::new(false), count(written));
    let visit = |visitor: usize| -> Outcome {
        for number in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            let text = format!("entry {number} of visitor {visitor} after {first}");
            sign(http, &text)?;
            written.lock().map_err(|e| e.to_string())?.push(text);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS)
            .map(|visitor| scope.spawn(move || visit(visitor)))
            .collect();
        let done = work().and_then(|()| {
            until("visitors write", || {
                (count(written) > first + SOME).then_some(())
            })
        });
        is_over.store(true, Ordering::SeqCst);
        for visitor in visitors {
            visitor.join().map_err(|_| "a visitor panicked")??;
        }
        done
    })
}

fn count(written: &Mutex<Vec<String>>) -> usize {
    written.lock().map_or(0, |written| written.len())
}

/// Asks for the page as a new visitor, and sends its form.
fn sign(http: Http, text: &str) -> Outcome {
    let page = http.get("/")?;
    let cookie = page
        .header("Set-Cookie")
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    let html = page.text();
    let token = between(&html, "name=token value=\"", "\"")
        .ok_or_else(|| format!("{} {html}", page.status))?;
    let part = |name, value| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = part("token", token) + &part("name", "Ann") + &part("text", text) + "--x--\r\n";
    let headers = [
        ("Cookie", &*cookie),
        ("Content-Type", "multipart/form-data; boundary=x"),
        ("Content-Length", &body.len().to_string()),
    ];
    let answer = http.send(&request("POST", "/", &headers, body.as_bytes()))?;
    ensure!(
        answer.status == 303 && answer.whole,
        "{text}: {} {}",
        answer.status,
        answer.text()
    );
    Ok(())
}

fn all_are_there(http: Http, written: &Mutex<Vec<String>>) -> Outcome {
    let (written, there) = (written.lock().map_err(|e| e.to_string())?, texts(http)?);
    let (sent, seen): (BTreeSet<_>, BTreeSet<_>) =
        (written.iter().collect(), there.iter().collect());
    let lost: Vec<_> = sent.difference(&seen).collect();
    ensure!(
        lost.is_empty(),
        "of {} entries {} are lost: {lost:?}",
        written.len(),
        lost.len()
    );
    ensure!(
        there.len() == seen.len(),
        "some of {} entries are there twice",
        there.len()
    );
    ensure!(
        there.len() == written.len(),
        "{} entries of {}",
        there.len(),
        written.len()
    );
    Ok(())
}

/// Those of all pages, as their links lead to them.
fn texts(http: Http) -> Outcome<Vec<String>> {
    let (mut texts, mut next) = (Vec::new(), Some("/".to_owned()));
    while let Some(target) = next {
        let page = http.get(&target)?;
        ensure!(page.status == 200, "{target}: {}", page.status);
        let html = page.text();
        let articles = html.split("<article").skip(1);
        texts.extend(
            articles
                .filter_map(|article| between(article, "<p>", "</p>"))
                .map(str::to_owned),
        );
        next = between(&html, "href=\"/?before=", "\"").map(|id| format!("/?before={id}"));
    }
    Ok(texts)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// How many run the program that lies there now.
fn processes(folder: &Folder) -> usize {
    let program = folder.path("www/app.fcgi");
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter(|process| fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == program))
        .count()
}

/// One key, and nobody else may read it.
fn kept(folder: &Folder) -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path("data")).map_err(|e| e.to_string())? {
        names.push(entry.map_err(|e| e.to_string())?.file_name());
    }
    names.sort();
    ensure!(
        names == ["entries.db", "entries.db-journal", "key", "pictures"],
        "there are {names:?}"
    );
    let key = fs::metadata(folder.path("data/key")).map_err(|e| e.to_string())?;
    ensure!(
        key.mode() & 0o777 == 0o600,
        "the key's mode is {:o}",
        key.mode()
    );
    Ok(())
}

fn set_password(folder: &Folder, environment: &[(&str, &str)], password: &str) -> Outcome {
    let mut command = Command::new(folder.path("www/app.fcgi"));
    command
        .arg("--set-password")
        .arg(folder.path("data"))
        .env_clear()
        .envs(environment.iter().copied());
    folder.give_up_root(&mut command);
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|e| format!("cannot run it: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without having read it.
        let _ = writeln!(stdin, "{password}");
    }
    let ended = child.wait_with_output().map_err(|e| e.to_string())?;
    ensure!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(())
}

const PICTURE: &str = "examples/page.png";

fn write(window: &Window, site: &str) -> Outcome {
    window.go(&format!("{site}/"))?;
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join(PICTURE);
    fill_in(window, "Greetings <b>from</b> a browser", &picture)?;
    window.sees("location.hash.startsWith('#e') && document.querySelector('article:target')")?;
    let text = window.value("document.querySelector('article:target p').textContent")?;
    ensure!(
        text == "Greetings <b>from</b> a browser",
        "it shows {text:?}"
    );
    let picture = "document.querySelector('article:target img')";
    window.sees(&format!(
        "{picture}.complete && {picture}.naturalWidth == 800"
    ))?;
    // By the style of a file of its own, which the policy admits.
    window.sees("getComputedStyle(document.querySelector('.card')).display == 'grid'")
}

fn write_wrong(window: &Window, site: &str, folder: &Folder) -> Outcome {
    let page = folder.write(
        "tmp/picture.png",
        "<!doctype html><script>alert(1)</script>",
    )?;
    window.go(&format!("{site}/"))?;
    fill_in(window, "No picture", &page)?;
    window.sees("document.querySelector('[role=alert]')?.textContent.includes('no picture')")?;
    window.sees("document.querySelector('textarea').value == 'No picture'")
}

fn fill_in(window: &Window, text: &str, picture: &Path) -> Outcome {
    window.type_into("[name=name]", "Grace Hopper")?;
    window.type_into("[name=text]", text)?;
    window.choose("[name=picture]", picture)?;
    window.press_and_go("main form button")
}

fn log_in(window: &Window, site: &str) -> Outcome {
    window.go(&format!("{site}/login"))?;
    window.type_into("[name=password]", "wrong horse")?;
    window.press_and_go("main form button")?;
    window
        .sees("document.querySelector('[role=alert]').textContent.includes('not the password')")?;
    // Too soon: the page asks to wait.
    until("the login", || {
        window.type_into("[name=password]", PASSWORD).ok()?;
        window.press_and_go("main form button").ok()?;
        let is_in = window.value("!!document.querySelector('details')").ok()?;
        (is_in == "true").then_some(())
    })
}

fn delete(window: &Window, site: &str, folder: &Folder) -> Outcome {
    let pictures = || fs::read_dir(folder.path("data/pictures")).map_or(0, Iterator::count);
    window.go(&format!("{site}/"))?;
    ensure!(pictures() == 1, "there are {} pictures", pictures());
    let id = window.value("document.querySelector('article:has(img)').id")?;
    let picture = window.value("document.querySelector('article img').src")?;
    window.press(&format!("#{id} summary"))?;
    window.press(&format!("#{id} details button"))?;
    window.sees(&format!(
        "document.readyState == 'complete' && !document.querySelector('#{id}')"
    ))?;
    ensure!(pictures() == 0, "its picture is still there");
    let path = picture
        .strip_prefix(site)
        .ok_or_else(|| format!("the picture is at {picture}"))?;
    let status = Http {
        at: site["http://".len()..]
            .parse()
            .map_err(|e| format!("{site}: {e}"))?,
    }
    .get(path)?
    .status;
    ensure!(status == 404, "{picture} is answered {status}");
    Ok(())
}
