//! What a shared host leaves to a program alone, under mod_fcgid: the settings file beside it, and a start-up that
//! fails. Nobody can restart it there, and so whatever is put right has to count at once. `main.rs` runs each as a row.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Instant;

use crate::folder::Folder;
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::Testbed;
use crate::{Outcome, apache, ensure};

/// Under the `.htaccess` that the program prints: in the document root and in a folder below it.
pub fn printed(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = || apache::fcgid_htaccess(folder, testbed);
    everywhere(report, folder, &start);
}

/// The same under the guides' own.
pub fn guides(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = || apache::guides_htaccess(folder, testbed);
    everywhere(report, folder, &start);
}

/// Flags reach a program by a wrapper's command line. Wrong ones would end it, and mod_fcgid would start it again for
/// every request.
pub fn flags(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    for (flags, status) in [("--max-body 3", 200), ("--wrokers 4", 503)] {
        let start = || apache::wrapper_with(folder, testbed, flags);
        let Some(running) = report.check(&format!("start with {flags}"), start) else {
            continue;
        };
        let place = Place {
            folder,
            name: "www",
        };
        report.check(&format!("{flags} is a {status}"), || {
            let mut pids = Vec::new();
            for _ in 0..5 {
                let answer = running.http.get("/hello")?;
                ensure!(answer.status == status, "status {}", answer.status);
                ensure!(!answer.text().contains("wrokers"), "{:?}", answer.text());
                pids.push(place.pid()?);
            }
            pids.dedup();
            ensure!(pids.len() == 1, "it was started again: {pids:?}");
            Ok(())
        });
        report.check("the log says why, once", || {
            let words = "every request is answered 503 until this program is started otherwise: --wrokers is no flag; did \
                         you mean --workers?";
            let count = usize::from(status == 503);
            until("the line", || (place.logged(words) == count).then_some(()))
        });
        report.check("stop", || running.stop());
    }
}

/// The process stays, its requests are a 503 at once, and when the reason is gone it serves.
pub fn start_up(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let begin = || {
        folder.write("www/files/away", "")?;
        apache::fcgid_htaccess(folder, testbed)
    };
    let Some(running) = report.check("start", begin) else {
        return;
    };
    let place = Place {
        folder,
        name: "www",
    };
    let begin = Instant::now();
    let failing = report.check("requests are a 503 that says when to come again", || {
        for _ in 0..20 {
            let answer = running.http.get("/hello")?;
            ensure!(answer.status == 503, "status {}", answer.status);
            let later = answer.header("Retry-After");
            let longest = 1 << (tries(begin) - 1);
            let seconds: u64 = later.parse().unwrap_or_default();
            ensure!((1..=longest).contains(&seconds), "Retry-After: {later:?}");
            ensure!(!answer.text().contains("away"), "{:?}", answer.text());
        }
        place.pid()
    });
    report.check("the log has a line for each try, not for each request", || {
        let words = "start-up failed: the database is away; requests are answered 503, and the next try is in";
        until("the line", || (place.logged(words) > 0).then_some(()))?;
        let count = place.logged(words);
        ensure!(count <= tries(begin), "{count} lines for 20 requests");
        Ok(())
    });
    report.check("settings that are changed meanwhile are read", || {
        place.set("max-body 3\n")?;
        until("they are found", || {
            running.http.get("/hello").ok()?;
            (place.logged("the settings have changed") > 0).then_some(())
        })
    });
    report.check("the reason gone, it serves without a restart", || {
        fs::remove_file(folder.path("www/files/away")).map_err(|error| error.to_string())?;
        until("it serves", || {
            let answer = running.http.get("/hello").ok()?;
            (answer.status == 200).then_some(())
        })?;
        running
            .http
            .get("/pid")?
            .expect(200, &failing.unwrap_or_default())?;
        place.obeys(&running)
    });
    report.check("stop", || running.stop());
}

/// How many tries there can have been since then, two at least: the next ones are after 1 s, 2 s more, 4 s more, and so on. On a slow
/// machine 20 requests take as long.
fn tries(begin: Instant) -> usize {
    let later = (begin.elapsed().as_secs() + 1).ilog2() as usize;
    later.max(1) + 1
}

fn everywhere(report: &mut Report, folder: &Folder, start: &dyn Fn() -> Outcome<Running>) {
    for name in ["www", "www/sub"] {
        let place = Place { folder, name };
        let good = place.start(report, start, "# what this host can bear\nmax-body 3\n");
        if let Some(running) = good {
            place.good(report, &running);
            report.check("stop", || running.stop());
        }
        let wrong = place.start(report, start, "workers 2\nworkres 3\n");
        if let Some(running) = wrong {
            place.mended(report, &running);
            report.check("stop", || running.stop());
        }
        // Once right, settings are not read again: each needs a process of its own.
        for check in [Place::trusted, Place::owned] {
            if let Some(running) = place.start(report, start, "max-body 3\n") {
                check(&place, report, &running);
                report.check("stop", || running.stop());
            }
        }
        report.check("the settings are removed", || {
            fs::remove_file(place.settings()).map_err(|error| error.to_string())
        });
    }
}

/// A folder of the site, with its program and its settings.
struct Place<'f> {
    folder: &'f Folder,
    name: &'f str,
}

impl Place<'_> {
    /// The settings come last: `conf` would not print over wrong ones, and mod_fcgid starts nothing before a request.
    fn start(
        &self,
        report: &mut Report,
        start: &dyn Fn() -> Outcome<Running>,
        settings: &str,
    ) -> Option<Running> {
        report.check(&format!("start in {} with {settings:?}", self.name), || {
            let running = start()?;
            self.set(settings)?;
            Ok(running)
        })
    }

    fn good(&self, report: &mut Report, running: &Running) {
        report.check("good settings are obeyed", || self.obeys(running));
        report.check("the file is not served, by whatever name", || {
            for name in [
                ".ht.app.fcgi",
                "%2eht.app.fcgi",
                "/.ht.app.fcgi",
                "./.ht.app.fcgi",
                ".ht.app.fcgi/",
            ] {
                let answer = running.http.get(&self.url(name))?;
                ensure!(
                    answer.status == 403 && !answer.text().contains("max-body"),
                    "{name}: status {} and {:?}",
                    answer.status,
                    answer.text()
                );
            }
            Ok(())
        });
    }

    fn mended(&self, report: &mut Report, running: &Running) {
        report.check("a wrong line is a 503 without its reason", || {
            (0..5).try_for_each(|_| self.refuses(running))
        });
        report.check(
            "the log has the file, the line and what is wrong, once",
            || self.told("line 2: workres is no flag; did you mean workers?"),
        );
        report.check("mended, it is a 200 without a restart", || {
            let before = self.pid()?;
            self.set("workers 2\nmax-body 3\n# workers 3\n")?;
            self.obeys(running)?;
            running.http.get(&self.url("pid"))?.expect(200, &before)?;
            until("the line", || {
                (self.logged("the settings are right now") > 0).then_some(())
            })
        });
    }

    fn trusted(&self, report: &mut Report, running: &Running) {
        report.check("what all can write is a 503, until they cannot", || {
            self.allow(0o646)?;
            (0..5).try_for_each(|_| self.refuses(running))?;
            self.told("can be written by everybody; take that away: chmod o-w")?;
            self.allow(0o664)?;
            self.obeys(running)
        });
    }

    /// Only root can give a file away.
    fn owned(&self, report: &mut Report, running: &Running) {
        let Some(user) = self.folder.user() else {
            return;
        };
        let give = |owner| chown(self.settings(), Some(owner), None).map_err(|e| e.to_string());
        report.check("a stranger's file is a 503, until it is ours", || {
            give(4711)?;
            (0..5).try_for_each(|_| self.refuses(running))?;
            self.told(
                "belong to user 4711, who is neither root, nor this user, nor the program's owner",
            )?;
            give(user.uid)?;
            self.obeys(running)
        });
    }

    fn obeys(&self, running: &Running) -> Outcome {
        let hello = running.http.get(&self.url("hello"))?;
        hello.expect(200, "Hello, world!")?;
        let answer = running.http.post(&self.url("count"), b"four")?;
        ensure!(answer.status == 413, "max-body 3: {}", answer.status);
        Ok(())
    }

    fn refuses(&self, running: &Running) -> Outcome {
        let answer = running.http.get(&self.url("hello"))?;
        let (status, text) = (answer.status, answer.text());
        ensure!(status == 503, "status {status}");
        ensure!(
            ["workres", "max-body", "chmod", ".ht."]
                .iter()
                .all(|word| !text.contains(word)),
            "a visitor reads {text:?}"
        );
        Ok(())
    }

    /// One line of Apache's error log has the settings' path and these words.
    fn told(&self, words: &str) -> Outcome {
        let path = self.settings();
        let words = match words.starts_with("line") {
            true => format!("every request is answered 503: {}, {words}", path.display()),
            false => format!(
                "every request is answered 503: the settings {} {words}",
                path.display()
            ),
        };
        until("the line", || (self.logged(&words) > 0).then_some(()))?;
        let count = self.logged(&words);
        ensure!(count == 1, "{count} lines with {words:?}");
        Ok(())
    }

    /// How many lines of Apache's error log have these words.
    fn logged(&self, words: &str) -> usize {
        let log = fs::read_to_string(self.folder.path("log/apache-error.log"));
        let log = log.unwrap_or_default();
        log.lines().filter(|line| line.contains(words)).count()
    }

    fn settings(&self) -> std::path::PathBuf {
        self.folder.path(&format!("{}/.ht.app.fcgi", self.name))
    }

    fn set(&self, content: &str) -> Outcome {
        self.folder
            .write(&format!("{}/.ht.app.fcgi", self.name), content)
            .map(drop)
    }

    fn allow(&self, mode: u32) -> Outcome {
        fs::set_permissions(self.settings(), Permissions::from_mode(mode))
            .map_err(|error| error.to_string())
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.name.trim_start_matches("www"))
    }

    /// Of the one process that runs the program here.
    fn pid(&self) -> Outcome<String> {
        let program = self.folder.path(&format!("{}/app.fcgi", self.name));
        let entries =
            fs::read_dir("/proc").map_err(|error| format!("cannot read /proc: {error}"))?;
        let pids = entries.flatten().filter_map(|entry| {
            let pid = entry.file_name().into_string().ok()?;
            runs(&pid, &program).then_some(pid)
        });
        match &pids.collect::<Vec<_>>()[..] {
            [pid] => Ok(pid.clone()),
            pids => Err(format!("{} is run by {pids:?}", program.display())),
        }
    }
}

fn runs(pid: &str, program: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|found| found == program)
}
