//! Process managers, each with exactly what the program prints for it: started, stopped, started again, and asked before
//! and after as a web server would. `main.rs` runs each as a row. What they start leaves the group of these tests, and is
//! known by the path of its program, which lies in the row's own folder.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fcgi::Address;
use fcgi::client::{Begin, Client, Part};

use crate::behind;
use crate::folder::Folder;
use crate::process::{Process, signal, until};
use crate::row::Report;
use crate::testbed::{Testbed, Upstream, WORKERS, installed};
use crate::{Outcome, ensure};

pub fn missing_systemd() -> Vec<String> {
    missing(&["systemd-analyze"])
}

pub fn missing_activate() -> Vec<String> {
    missing(&["systemd-socket-activate"])
}

pub fn missing_supervisor() -> Vec<String> {
    as_root(&["supervisord", "supervisorctl"])
}

pub fn missing_init() -> Vec<String> {
    as_root(&["start-stop-daemon"])
}

pub fn missing_su() -> Vec<String> {
    as_root(&["su"])
}

pub fn missing_setsid() -> Vec<String> {
    missing(&["setsid"])
}

pub fn missing_spawn_fcgi() -> Vec<String> {
    as_root(&["spawn-fcgi"])
}

pub fn missing_multiwatch() -> Vec<String> {
    as_root(&["spawn-fcgi", "multiwatch"])
}

/// systemd's own checks of the two units, with a path that has to be escaped.
pub fn systemd(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("version", || {
        version(folder, "systemd", "systemd-analyze", "--version")
    });
    let place = "www/100% $HOME; #1";
    report.check("folder", || folder.make(place));
    let name = format!("{place}/guest book.fcgi");
    let Some(program) = report.check("program", || testbed.install(folder, &name)) else {
        return;
    };
    let flags = ["--mount", "/$x;y z", "--listen", "unix:/run/a b%.sock"];
    report.check("units", || {
        folder.write("etc/guest_book.service", &program.conf("systemd", &flags)?)?;
        let socket = [&["socket"], &flags[..]].concat();
        folder.write("etc/guest_book.socket", &program.conf("systemd", &socket)?)
    });
    let units = ["etc/guest_book.service", "etc/guest_book.socket"].map(|unit| folder.path(unit));
    report.check("systemd-analyze verify", || {
        let mut verify = Command::new("systemd-analyze");
        let said = run(verify.args(["verify", "--man=no"]).args(&units))?;
        ensure!(said.is_empty(), "it says {said}");
        Ok(())
    });
    report.check("a program that is not there is noticed", || {
        let gone = folder.path("www/gone");
        let shown = fs::read_to_string(&units[0]).map_err(|e| e.to_string())?;
        let line = shown
            .lines()
            .find(|line| line.starts_with("ExecStart="))
            .ok_or("there is no ExecStart")?;
        let other = format!("ExecStart={}", gone.display());
        folder.write("etc/guest_book.service", &shown.replace(line, &other))?;
        let mut verify = Command::new("systemd-analyze");
        let verify = verify.args(["verify", "--man=no"]).args(&units);
        ensure!(run(verify).is_err(), "the check above checks nothing");
        Ok(())
    });
    report.check("it is exposed to little: 2.0 of 10 at most", || {
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--threshold=20"]);
        run(security.arg(&units[0])).map(drop)
    });
}

/// systemd's own tool for trying a service: it makes the socket, and becomes the program when somebody connects.
pub fn systemd_activate(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("version", || {
        version(folder, "systemd", "systemd-analyze", "--version")
    });
    for upstream in [Some(Upstream::unix(folder)), Upstream::tcp().ok()] {
        let Some(upstream) = upstream else { continue };
        let started = report.check("start", || {
            let program = testbed.install(folder, "www/app.fcgi")?;
            let listen = upstream.listen();
            let mut command = Command::new("systemd-socket-activate");
            command
                .args(["--listen", listen.trim_start_matches("unix:")])
                .arg(&program.path)
                .args(["--workers", WORKERS]);
            let log = folder.path("log/activate.log");
            let process = Process::start("systemd-socket-activate", &mut command, &log)?;
            until("it listens", || connect(&upstream).ok())?;
            Ok((process, program.path))
        });
        let Some((mut process, program)) = started else {
            return;
        };
        report.check("who connects is answered", || {
            serves(&upstream)?;
            let pids = running(&program);
            ensure!(pids.len() == 1, "{pids:?} run");
            Ok(())
        });
        report.check("stop", || process.stop());
        report.check("the socket is systemd's", || match &upstream {
            Upstream::Unix(path) => {
                ensure!(path.exists(), "it is gone");
                fs::remove_file(path).map_err(|e| e.to_string())
            }
            Upstream::Tcp(_) => Ok(()),
        });
    }
}

pub fn supervisor(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("version", || {
        version(folder, "supervisor", "supervisord", "--version")
    });
    for upstream in [Some(Upstream::unix(folder)), Upstream::tcp().ok()] {
        let Some(upstream) = upstream else { continue };
        supervised(report, folder, testbed, &upstream);
    }
}

/// What a process manager says of itself.
fn version(folder: &Folder, name: &str, program: &str, flag: &str) -> Outcome {
    let binary = installed(&[program]).ok_or_else(|| format!("{program} is not installed"))?;
    folder.notes().server(name, behind::said(&binary, flag)?);
    Ok(())
}

fn supervised(report: &mut Report, folder: &Folder, testbed: &Testbed, upstream: &Upstream) {
    let Some(program) = report.check("program", || testbed.install(folder, "www/app.fcgi")) else {
        return;
    };
    let _left = Left(&program.path);
    let start = || {
        let printed = program.conf("supervisor", &["--listen", &upstream.listen()])?;
        let two = replaced(&printed, "\nnumprocs=1\n", "\nnumprocs=2\n")?;
        let log = folder.text("log/app.log");
        let conf = replaced(&two, "/var/log/supervisor/app.log", &log)?;
        folder.write("etc/app.conf", &conf)?;
        let conf = folder.write("etc/supervisord.conf", &supervisord(folder))?;
        let mut command = Command::new("supervisord");
        command.arg("--nodaemon").arg("--configuration").arg(conf);
        let log = folder.path("log/supervisord.out");
        let mut process = Process::start("supervisord", &mut command, &log)?;
        process.await_ready(|| pid(upstream).is_ok())?;
        Ok(process)
    };
    let Some(mut process) = report.check("start", start) else {
        return;
    };
    let control = |words: &[&str]| {
        let mut command = Command::new("supervisorctl");
        let conf = folder.path("etc/supervisord.conf");
        run(command.arg("--configuration").arg(conf).args(words))
    };
    report.check(
        "it is the web server's user's, and so is its socket",
        || belongs(folder, &program.path, upstream),
    );
    report.check("stop and start", || {
        control(&["stop", "app:*"])?;
        nothing_runs(&program.path)?;
        refuses(upstream)?;
        control(&["start", "app:*"])?;
        serves(upstream)
    });
    report.check("restart of all", || {
        let before = running(&program.path);
        control(&["restart", "app:*"])?;
        are_new(&before, &program.path, 2)?;
        serves(upstream)
    });
    report.check("restart one after another refuses nobody", || {
        let before = running(&program.path);
        for one in ["app:app_00", "app:app_01"] {
            control(&["stop", one])?;
            serves(upstream)?;
            control(&["start", one])?;
            serves(upstream)?;
        }
        are_new(&before, &program.path, 2)
    });
    report.check("after a crash it is started again", || {
        let before = running(&program.path);
        before.iter().for_each(|&pid| signal("KILL", pid));
        are_new(&before, &program.path, 2)?;
        serves(upstream)
    });
    report.check("its end ends the program", || {
        process.stop()?;
        nothing_runs(&program.path)?;
        refuses(upstream)
    });
}

fn supervisord(folder: &Folder) -> String {
    let (run, log) = (folder.text("run"), folder.text("log"));
    format!(
        "[supervisord]\n\
         pidfile={run}/supervisord.pid\n\
         logfile={log}/supervisord.log\n\
         childlogdir={log}\n\
         user=root\n\
         [unix_http_server]\n\
         file={run}/supervisor.sock\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\
         [supervisorctl]\n\
         serverurl=unix://{run}/supervisor.sock\n\
         [include]\n\
         files = {}\n",
        folder.text("etc/app.conf")
    )
}

/// As root, by start-stop-daemon.
pub fn init(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("version", || {
        version(
            folder,
            "init script, start-stop-daemon",
            "start-stop-daemon",
            "--version",
        )
    });
    let path = std::env::var("PATH").unwrap_or_default();
    init_by(report, folder, testbed, |command| {
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    });
}

/// As root where there is no start-stop-daemon.
pub fn init_by_su(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let Some(tools) = report.check("tools", || tools(folder)) else {
        return;
    };
    init_by(report, folder, testbed, |command| {
        command.env("PATH", &tools);
    });
}

/// As somebody who is not root, for a program of their own.
pub fn init_by_user(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    // Two borrows of it, one of them in the closure.
    let user = folder.user().cloned();
    init_by(report, folder, testbed, |command| {
        use std::os::unix::process::CommandExt;
        if let Some(user) = &user {
            command.uid(user.uid).gid(user.gid);
        }
    });
}

/// The commands of the script, without the one that is Debian's own.
fn tools(folder: &Folder) -> Outcome<PathBuf> {
    folder.make("tools")?;
    for name in [
        "sh", "cat", "tr", "head", "tail", "sleep", "id", "mkdir", "chown", "rm", "grep", "su",
    ] {
        let tool = installed(&[name]).ok_or(format!("{name} is not installed"))?;
        let link = folder.path("tools").join(name);
        symlink(tool, &link).map_err(|e| format!("cannot link {}: {e}", link.display()))?;
    }
    Ok(folder.path("tools"))
}

fn init_by(report: &mut Report, folder: &Folder, testbed: &Testbed, set: impl Fn(&mut Command)) {
    let upstream = Upstream::unix(folder);
    let Some(program) = report.check("program", || testbed.install(folder, "www/app.fcgi")) else {
        return;
    };
    let _left = Left(&program.path);
    let printed = report.check("script", || {
        let printed = program.conf("init", &["--listen", &upstream.listen()])?;
        let here = replaced(
            &printed,
            "pidfile=/run/",
            &format!("pidfile={}/", folder.text("run")),
        )?;
        let here = replaced(
            &here,
            "log=/var/log/",
            &format!("log={}/", folder.text("log")),
        )?;
        let text = folder.write("etc/app.text", &here)?;
        folder.install(&text, "etc/app")
    });
    let Some(script) = printed else { return };
    let call = |word: &str| {
        let mut command = Command::new(&script);
        set(&mut command);
        // A file: whoever reads a pipe to its end waits for all that has it open.
        let said = folder.path("log/script.out");
        let out = File::create(&said).map_err(|e| e.to_string())?;
        let err = out.try_clone().map_err(|e| e.to_string())?;
        command.arg(word).current_dir("/").stdin(Stdio::null());
        let status = command.stdout(out).stderr(err).status();
        let status = status.map_err(|e| format!("cannot run {}: {e}", script.display()))?;
        let said = fs::read_to_string(&said).map_err(|e| e.to_string())?;
        Ok::<_, String>((status.code(), said))
    };
    let expect = |word: &str, code: i32, words: &str| {
        let (ended, said) = call(word)?;
        ensure!(
            ended == Some(code) && said.contains(words),
            "{word} ended with {ended:?} and says {said:?}"
        );
        Ok::<_, String>(())
    };
    report.check("before its start", || {
        expect("status", 3, "does not run")?;
        expect("stop", 0, "")?;
        expect("reload", 1, "")?;
        expect("begin", 2, "usage: ")
    });
    report.check("start, once", || {
        expect("start", 0, "")?;
        serves(&upstream)?;
        expect("status", 0, "app runs, as ")?;
        expect("start", 0, "app runs already, as ")?;
        let pids = running(&program.path);
        ensure!(pids.len() == 1, "{pids:?} run");
        let file = fs::read_to_string(folder.path("run/app.pid")).unwrap_or_default();
        ensure!(
            file.trim() == pids[0].to_string(),
            "the pid file has {file}"
        );
        Ok(())
    });
    report.check(
        "it is the web server's user's, and so is its socket",
        || belongs(folder, &program.path, &upstream),
    );
    report.check(
        "it does not end with the terminal of who started it",
        || {
            let ours = session("self")?;
            for pid in running(&program.path) {
                let its = session(&pid.to_string())?;
                ensure!(its != ours, "its session {its} is that of these tests");
            }
            Ok(())
        },
    );
    report.check("what it says is in the log", || {
        let log = fs::read_to_string(folder.path("log/app.log")).unwrap_or_default();
        ensure!(log.contains("listening on "), "the log has {log:?}");
        Ok(())
    });
    report.check("nothing of the script is left", || {
        let name = script.as_os_str().as_encoded_bytes();
        let is_left = |line: &Vec<u8>| line.split(|&byte| byte == 0).any(|word| word == name);
        until("the script has ended", || {
            (!command_lines().any(|(_, line)| is_left(&line))).then_some(())
        })
    });
    report.check("reload keeps it serving", || {
        let before = running(&program.path);
        expect("reload", 0, "")?;
        serves(&upstream)?;
        ensure!(running(&program.path) == before, "another process runs");
        Ok(())
    });
    report.check("restart with a new version", || {
        let before = running(&program.path);
        // A new file of the same name, as deploying leaves it.
        testbed.install(folder, "www/new")?;
        fs::rename(folder.path("www/new"), &program.path).map_err(|e| e.to_string())?;
        expect("status", 0, "app runs, as ")?;
        expect("restart", 0, "")?;
        are_new(&before, &program.path, 1)?;
        serves(&upstream)
    });
    report.check("after a crash", || {
        running(&program.path)
            .iter()
            .for_each(|&pid| signal("KILL", pid));
        nothing_runs(&program.path)?;
        ensure!(
            folder.path("run/testbed.sock").exists(),
            "a crash removes no socket"
        );
        expect("status", 1, "has ended without being told to")?;
        expect("start", 0, "")?;
        serves(&upstream)
    });
    report.check("the pid of another process is left alone", || {
        let file = folder.path("run/app.pid");
        let own = fs::read_to_string(&file).map_err(|e| e.to_string())?;
        fs::write(&file, std::process::id().to_string()).map_err(|e| e.to_string())?;
        expect("status", 1, "has ended without being told to")?;
        fs::write(&file, own).map_err(|e| e.to_string())?;
        expect("status", 0, "")
    });
    report.check("stop", || {
        expect("stop", 0, "")?;
        nothing_runs(&program.path)?;
        refuses(&upstream)?;
        ensure!(
            !folder.path("run/testbed.sock").exists(),
            "the socket is left"
        );
        ensure!(!folder.path("run/app.pid").exists(), "the pid file is left");
        expect("status", 3, "does not run")
    });
    report.check("a start that fails says why", || {
        folder.write("www/.ht.app.fcgi", "workres 3\n")?;
        expect("start", 1, "workres")?;
        nothing_runs(&program.path)
    });
}

pub fn spawn_fcgi(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("version", || {
        version(folder, "spawn-fcgi", "spawn-fcgi", "-v")
    });
    for upstream in [Some(Upstream::unix(folder)), Upstream::tcp().ok()] {
        let Some(upstream) = upstream else { continue };
        spawned(report, folder, testbed, ("spawn-fcgi", 1), &upstream);
    }
}

pub fn multiwatch(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    report.check("version", || {
        version(folder, "multiwatch", "multiwatch", "--version")
    });
    let upstream = Upstream::unix(folder);
    spawned(report, folder, testbed, ("multiwatch", 2), &upstream);
}

fn spawned(
    report: &mut Report,
    folder: &Folder,
    testbed: &Testbed,
    (conf, processes): (&str, usize),
    upstream: &Upstream,
) {
    let Some(program) = report.check("program", || testbed.install(folder, "www/app.fcgi")) else {
        return;
    };
    let _left = Left(&program.path);
    let printed = report.check("script", || {
        let printed = program.conf(conf, &["--listen", &upstream.listen()])?;
        let pid = format!("{}/app.pid", folder.text("run"));
        let here = replaced(&printed, "/run/app.pid", &pid)?;
        let here = replaced(&here, "/var/log/", &format!("{}/", folder.text("log")))?;
        folder.write("etc/start", &here)
    });
    let Some(script) = printed else { return };
    let start = || {
        run(Command::new("sh").arg(&script).stdin(Stdio::null()))?;
        until("it serves", || pid(upstream).ok()).map(drop)
    };
    let ask_to_stop = || {
        let file = folder.path("run/app.pid");
        let pid = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let pid = pid.trim().parse().map_err(|e| format!("{pid:?}: {e}"))?;
        signal("TERM", pid);
        Ok::<_, String>(())
    };
    let stop = || {
        ask_to_stop()?;
        nothing_runs(&program.path)
    };
    report.check("start", || {
        start()?;
        until(&format!("{processes} run"), || {
            (running(&program.path).len() == processes).then_some(())
        })
    });
    report.check(
        "it is the web server's user's, and so is its socket",
        || belongs(folder, &program.path, upstream),
    );
    report.check("stop and start", || {
        let before = running(&program.path);
        stop()?;
        refuses(upstream)?;
        start()?;
        are_new(&before, &program.path, processes)?;
        serves(upstream)
    });
    report.check("a stop waits for a running request", || {
        let mut client = connect(upstream)?;
        let (mut answer, mut stopped) = (Vec::new(), None);
        let ended = client.exchange(
            Begin::default(),
            params("/chunks", "n=5&ms=100"),
            &b""[..],
            |part| {
                if let Part::Stdout(bytes) = part {
                    answer.extend_from_slice(bytes);
                    // It runs.
                    stopped.get_or_insert_with(&ask_to_stop);
                }
                Ok(())
            },
        );
        ended.map_err(|e| format!("it is cut: {e}"))?;
        stopped.ok_or("nothing came")??;
        ensure!(answer.ends_with(b"chunk 4\n"), "the answer is not whole");
        nothing_runs(&program.path)
    });
    if processes > 1 {
        report.check("after a crash it is started again", || {
            start()?;
            let before = running(&program.path);
            before.iter().for_each(|&pid| signal("KILL", pid));
            are_new(&before, &program.path, processes)?;
            serves(upstream)?;
            stop()
        });
    }
    report.check("what it says is in the log", || {
        start()?;
        ensure!(get(upstream, "/panic").is_err(), "nothing is to be said");
        let log = fs::read_to_string(folder.path("log/app.log")).unwrap_or_default();
        ensure!(log.contains("as asked"), "the log has {log:?}");
        stop()
    });
}

fn missing(names: &[&str]) -> Vec<String> {
    let missing = names.iter().filter(|name| installed(&[name]).is_none());
    missing.map(|&name| name.to_owned()).collect()
}

/// For what gives up root.
fn as_root(names: &[&str]) -> Vec<String> {
    let mut missing = missing(names);
    if fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() != 0) {
        missing.push("root".to_owned());
    }
    missing
}

/// The printed text with one thing in another place: these tests may not write into the system's folders.
fn replaced(printed: &str, from: &str, to: &str) -> Outcome<String> {
    ensure!(printed.contains(from), "conf does not print {from:?}");
    Ok(printed.replace(from, to))
}

/// What it printed, both streams; its failure is an error.
fn run(command: &mut Command) -> Outcome<String> {
    let ended = command
        .output()
        .map_err(|e| format!("cannot run {command:?}: {e}"))?;
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(
        ended.status.success(),
        "{command:?} ended with {}: {said}",
        ended.status
    );
    Ok(said)
}

fn connect(upstream: &Upstream) -> Outcome<Client> {
    let address = match upstream {
        Upstream::Unix(path) => Address::Unix(path.clone()),
        Upstream::Tcp(address) => Address::Tcp(*address),
    };
    Client::connect(&address).map_err(|e| format!("cannot connect: {e}"))
}

fn params<'a>(path: &'a str, query: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path),
        ("QUERY_STRING", query),
    ]
}

fn get(upstream: &Upstream, path: &str) -> Outcome<String> {
    let answer = connect(upstream)?
        .request(Begin::default(), params(path, ""), b"")
        .map_err(|e| format!("{path}: {e}"))?;
    ensure!(
        answer.head.status() == 200,
        "status {}",
        answer.head.status()
    );
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

/// The process that answers.
fn pid(upstream: &Upstream) -> Outcome<u32> {
    let pid = get(upstream, "/pid")?;
    pid.parse().map_err(|e| format!("{pid:?}: {e}"))
}

fn serves(upstream: &Upstream) -> Outcome {
    let page = get(upstream, "/hello")?;
    ensure!(page == "Hello, world!", "the page is {page:?}");
    Ok(())
}

/// multiwatch itself holds the socket for a moment longer than those that it started.
fn refuses(upstream: &Upstream) -> Outcome {
    until("nobody listens", || {
        connect(upstream).is_err().then_some(())
    })
}

/// The processes of the program, by the path that they were started with. What has ended has none.
fn running(program: &Path) -> Vec<u32> {
    let path = program.as_os_str().as_encoded_bytes();
    command_lines()
        .filter(|(_, line)| line.split(|&byte| byte == 0).next() == Some(path))
        .map(|(pid, _)| pid)
        .collect()
}

/// What each process was started with, its words each ended by a zero byte.
fn command_lines() -> impl Iterator<Item = (u32, Vec<u8>)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline"));
        (pid, line.unwrap_or_default())
    })
}

/// From `/proc/PID/stat`: pid, (name), state, parent, group, session.
fn session(pid: &str) -> Outcome<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|e| e.to_string())?;
    let session = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(3));
    session
        .map(str::to_owned)
        .ok_or_else(|| format!("/proc/{pid}/stat has {stat:?}"))
}

fn nothing_runs(program: &Path) -> Outcome {
    until("no process of the program is left", || {
        running(program).is_empty().then_some(())
    })
}

/// So many run, and none of them did before.
fn are_new(before: &[u32], program: &Path, count: usize) -> Outcome {
    ensure!(!before.is_empty(), "none ran before");
    until(&format!("{count} new processes run"), || {
        let now = running(program);
        (now.len() == count && !now.iter().any(|pid| before.contains(pid))).then_some(())
    })
}

fn belongs(folder: &Folder, program: &Path, upstream: &Upstream) -> Outcome {
    let Some(user) = folder.user() else {
        return Ok(());
    };
    let mut files: Vec<PathBuf> = running(program)
        .iter()
        .map(|pid| PathBuf::from(format!("/proc/{pid}")))
        .collect();
    ensure!(!files.is_empty(), "nothing runs");
    if let Upstream::Unix(path) = upstream {
        files.push(path.clone());
    }
    for file in files {
        let meta = fs::metadata(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        ensure!(
            meta.uid() == user.uid && meta.gid() == user.gid,
            "{} is {}:{}'s",
            file.display(),
            meta.uid(),
            meta.gid()
        );
    }
    Ok(())
}

/// Ends what a check that went wrong has left.
struct Left<'a>(&'a Path);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        running(self.0).iter().for_each(|&pid| signal("KILL", pid));
    }
}
