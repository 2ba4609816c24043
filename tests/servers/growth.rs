//! Past one machine with what there is: three instances on three addresses behind one web server, all of it as it is
//! printed. One of them is killed, drained, reloaded while visitors ask, and nothing is lost but what was in flight on
//! the killed one. `main.rs` runs each web server as a row.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::family::Family;
use crate::folder::Folder;
use crate::http::{Http, request};
use crate::process::until;
use crate::row::{Report, Running};
use crate::testbed::{Program, Testbed, Upstream, WORKERS, free_address};
use crate::{Outcome, ensure, haproxy, nginx};

/// Three machines: as far as the web server can tell.
const MACHINES: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/// How many answers there are before and after what happens to an instance.
const SOME: usize = 60;

/// What visitors ask for, one thing after the other. nginx asks another instance for a GET whose answer has not begun;
/// what was posted neither of them sends twice.
const VISITORS: [(&str, &str); 8] = [
    ("GET", "/sleep?ms=5&"),
    ("GET", "/sleep?ms=100&"),
    ("GET", "/bytes?n=300000&"),
    ("GET", "/chunks?n=3&ms=30&"),
    ("POST", "/sleep?ms=5&"),
    ("POST", "/sleep?ms=100&"),
    ("POST", "/sleep?ms=100&"),
    ("POST", "/count?"),
];

pub fn nginx(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        name: "nginx",
        change: Ok,
        start: |folder, text, first| {
            nginx::printed(folder, text, "", Upstream::Tcp(first), Vec::new())
        },
        log: "log/nginx-error.log",
        // It asks nobody for their health: a request finds out, and the line names the address.
        gone: |instance| format!("upstream: \"fastcgi://{}\"", instance.address),
        back: None,
    };
    told(report, folder, testbed, front);
}

pub fn haproxy(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    told(report, folder, testbed, HAPROXY);
}

const HAPROXY: Front = Front {
    name: "haproxy",
    change: Ok,
    start: |folder, text, first| haproxy::printed(folder, text, Upstream::Tcp(first), Vec::new()),
    log: "log/haproxy.out",
    gone: |instance| format!("Server app/app{} is DOWN", instance.number),
    back: Some(|instance| format!("Server app/app{} is UP", instance.number)),
};

/// With the printed line active that asks for a page, and not only for a connection.
pub fn haproxy_asking(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let front = Front {
        change: |text| {
            // The testbed has no page at its root.
            let asked = text.replace(
                "    #option httpchk GET /\n",
                "    option httpchk GET /hello\n",
            );
            ensure!(asked != text, "conf haproxy prints no line with httpchk");
            Ok(asked)
        },
        ..HAPROXY
    };
    let Some((mut site, running)) = report.check("start", || Site::start(folder, testbed, front))
    else {
        return;
    };
    report.check("each instance is asked for the page", || {
        (0..site.instances.len()).try_for_each(|i| site.answers(i))
    });
    report.check(
        "one that stands still is left out, and nothing is lost",
        || site.frozen(2),
    );
    report.check("stop", || {
        site.instances.iter_mut().try_for_each(Instance::stop)?;
        running.stop()
    });
}

/// A web server in front of several instances.
#[derive(Clone, Copy)]
struct Front {
    name: &'static str,
    /// What a person changes of what was printed.
    change: fn(String) -> Outcome<String>,
    /// With what was printed. The address is the first one's.
    start: fn(&Folder, &str, SocketAddr) -> Outcome<Running>,
    log: &'static str,
    /// What stands in the log when an instance was found to be gone, and when it was found to be back.
    gone: fn(&Instance) -> String,
    back: Option<fn(&Instance) -> String>,
}

fn told(report: &mut Report, folder: &Folder, testbed: &Testbed, front: Front) {
    let Some((mut site, running)) = report.check("start", || Site::start(folder, testbed, front))
    else {
        return;
    };
    report.check("all three answer", || {
        let load = Load::default();
        load.during(site.http, || {
            (0..site.instances.len()).try_for_each(|i| site.answers(i))
        })?;
        load.nothing_is_lost()
    });
    report.check(
        "one is killed: what it had is lost, and nothing else",
        || site.killed(0),
    );
    report.check("it is started again, and visitors come", || {
        site.comes_back(0)
    });
    report.check("one is drained: nothing is lost", || site.drained(1));
    report.check("it is started again after that, too", || site.comes_back(1));
    report.check("one is reloaded: nothing is lost", || {
        site.reloaded(2, |_| Ok(()))
    });
    report.check("with another file in the program's place, too", || {
        site.reloaded(2, |site| site.replace())
    });
    report.check("what was posted is done once at most", || site.posts());
    report.check("stop", || {
        site.instances.iter_mut().try_for_each(Instance::stop)?;
        running.stop()
    });
}

/// The three instances, and where visitors ask.
struct Site<'t> {
    folder: &'t Folder,
    program: Program,
    instances: Vec<Instance<'t>>,
    front: Front,
    http: Http,
}

impl<'t> Site<'t> {
    fn start(folder: &'t Folder, testbed: &Testbed, front: Front) -> Outcome<(Site<'t>, Running)> {
        let program = testbed.install(folder, "www/app.fcgi")?;
        let addresses = addresses()?;
        let listen: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let mut flags = vec!["--workers", WORKERS, "--processes", "2"];
        for address in &listen {
            flags.extend(["--listen", address]);
        }
        let text = (front.change)(program.conf(front.name, &flags)?)?;
        let mut instances = Vec::new();
        for (number, address) in (1..).zip(listen) {
            let flags = printed_flags(&text, &program, &address)?;
            let mut instance = Instance::new(folder, number, address, flags);
            instance.start(&program)?;
            instances.push(instance);
        }
        let running = (front.start)(folder, &text, addresses[0])?;
        let site = Site {
            folder,
            program,
            instances,
            front,
            http: running.http,
        };
        Ok((site, running))
    }

    /// Waits until this one has answered visitors.
    fn answers(&self, i: usize) -> Outcome {
        let before = self.instances[i].answered();
        until(&format!("instance {} answers", i + 1), || {
            (self.instances[i].answered() > before).then_some(())
        })
    }

    /// Waits until the web server has noticed what became of this one.
    fn is_said(&self, i: usize, words: fn(&Instance) -> String) -> Outcome {
        let words = words(&self.instances[i]);
        until(&format!("the web server's log has {words:?}"), || {
            let log = fs::read_to_string(self.folder.path(self.front.log)).ok()?;
            log.contains(&words).then_some(())
        })
    }

    fn killed(&mut self, i: usize) -> Outcome {
        let load = Load::default();
        let http = self.http;
        let (from, to) = load.during(http, || {
            load.more()?;
            let from = Instant::now();
            self.instances[i].kill()?;
            let to = Instant::now();
            self.is_said(i, self.front.gone)?;
            load.more()?;
            Ok((from, to))
        })?;
        let others: Vec<&Instance> = (self.instances.iter().enumerate())
            .filter_map(|(other, instance)| (other != i).then_some(instance))
            .collect();
        for lost in load.lost() {
            ensure!(
                lost.began < to && lost.ended > from,
                "{lost} was not in flight when it was killed"
            );
            for other in &others {
                ensure!(
                    !other.has_answered(&lost.id),
                    "{lost} was with instance {}",
                    other.number
                );
            }
        }
        Ok(())
    }

    fn comes_back(&mut self, i: usize) -> Outcome {
        let load = Load::default();
        let http = self.http;
        load.during(http, || {
            self.instances[i].start(&self.program)?;
            if let Some(back) = self.front.back {
                self.is_said(i, back)?;
            }
            self.answers(i)?;
            load.more()
        })?;
        load.nothing_is_lost()
    }

    fn drained(&mut self, i: usize) -> Outcome {
        let load = Load::default();
        let http = self.http;
        load.during(http, || {
            load.more()?;
            self.instances[i].stop()?;
            self.is_said(i, self.front.gone)?;
            load.more()
        })?;
        load.nothing_is_lost()
    }

    fn reloaded(&mut self, i: usize, change: impl Fn(&Site) -> Outcome) -> Outcome {
        let load = Load::default();
        load.during(self.http, || {
            load.more()?;
            change(self)?;
            self.instances[i].family()?.reload()?;
            self.answers(i)?;
            load.more()
        })?;
        load.nothing_is_lost()?;
        let file = inode(&self.folder.text("www/app.fcgi"))?;
        for child in self.instances[i].family()?.children() {
            let runs = inode(&format!("/proc/{child}/exe"))?;
            ensure!(runs == file, "process {child} runs another file");
        }
        Ok(())
    }

    fn frozen(&mut self, i: usize) -> Outcome {
        let load = Load::default();
        load.during(self.http, || {
            load.more()?;
            let family = self.instances[i].family()?;
            family.freeze();
            let noticed = self.is_said(i, self.front.gone).and_then(|()| load.more());
            // Whoever waits for it is answered then, whatever became of the rest.
            family.thaw();
            noticed?;
            self.front
                .back
                .map_or(Ok(()), |back| self.is_said(i, back))?;
            load.more()
        })?;
        load.nothing_is_lost()
    }

    /// As whoever deploys does it: a copy, renamed into its place.
    fn replace(&self) -> Outcome {
        let copy = self.folder.install(&self.program.path, "www/.new")?;
        fs::rename(copy, &self.program.path)
            .map_err(|e| format!("cannot replace {}: {e}", self.program.path.display()))
    }

    fn posts(&self) -> Outcome {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for instance in &self.instances {
            let log = instance.access_log();
            for line in log.lines().filter(|line| line.contains("\"POST ")) {
                *seen.entry(id_of(line).to_owned()).or_default() += 1;
            }
        }
        ensure!(seen.len() > SOME, "{} requests were posted", seen.len());
        match seen.iter().find(|(_, times)| **times > 1) {
            Some((id, times)) => Err(format!("{id} was posted {times} times")),
            None => Ok(()),
        }
    }
}

/// One of the three: started, gone, and started again.
struct Instance<'t> {
    folder: &'t Folder,
    number: usize,
    address: String,
    /// As they are printed.
    flags: Vec<String>,
    family: Option<Family>,
}

impl<'t> Instance<'t> {
    fn new(
        folder: &'t Folder,
        number: usize,
        address: String,
        mut flags: Vec<String>,
    ) -> Instance<'t> {
        let log = folder.text(&format!("log/access-{number}.log"));
        flags.extend(["--access-log".to_owned(), log]);
        Instance {
            folder,
            number,
            address,
            flags,
            family: None,
        }
    }

    fn start(&mut self, program: &Program) -> Outcome {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let log = format!("log/instance-{}.log", self.number);
        self.family = Some(Family::start_as(self.folder, program, &flags, &log)?);
        Ok(())
    }

    fn family(&self) -> Outcome<&Family> {
        self.family
            .as_ref()
            .ok_or_else(|| format!("instance {} does not run", self.number))
    }

    fn stop(&mut self) -> Outcome {
        let Some(mut family) = self.family.take() else {
            return Ok(());
        };
        let status = family.stop()?;
        ensure!(
            status.code() == Some(0),
            "instance {} ended with {status}",
            self.number
        );
        Ok(())
    }

    /// Its parent has ended then, and its socket, too, which is the children's as well: as long as one of them has not come to
    /// its end on a busy machine, the kernel lets visitors in whom nobody answers.
    fn kill(&mut self) -> Outcome {
        self.family.take().map_or(Ok(()), |mut family| {
            let status = family.kill()?;
            ensure!(status.code().is_none(), "it ended with {status}");
            until("nobody listens where it was killed", || {
                let refused = TcpStream::connect(&self.address).err()?;
                (refused.kind() == ErrorKind::ConnectionRefused).then_some(())
            })
        })
    }

    fn access_log(&self) -> String {
        let log = format!("log/access-{}.log", self.number);
        fs::read_to_string(self.folder.path(&log)).unwrap_or_default()
    }

    /// How long its log is: it grows with each answer.
    fn answered(&self) -> u64 {
        let log = format!("log/access-{}.log", self.number);
        fs::metadata(self.folder.path(&log)).map_or(0, |meta| meta.len())
    }

    fn has_answered(&self, id: &str) -> bool {
        self.access_log().lines().any(|line| id_of(line) == id)
    }
}

/// Visitors, and what became of their requests.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    answered: AtomicUsize,
    lost: Mutex<Vec<Lost>>,
}

/// A request without a whole answer.
#[derive(Clone, Debug)]
struct Lost {
    id: String,
    began: Instant,
    ended: Instant,
    why: String,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "request {} ({})", self.id, self.why)
    }
}

impl Load {
    fn during<T>(&self, http: Http, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        thread::scope(|scope| {
            for visitor in VISITORS {
                scope.spawn(move || self.visit(http, visitor));
            }
            let done = work();
            self.over.store(true, Ordering::SeqCst);
            done
        })
    }

    fn visit(&self, http: Http, (method, target): (&str, &str)) {
        // No two requests of a run have the same number.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        while !self.over.load(Ordering::SeqCst) {
            let id = NEXT.fetch_add(1, Ordering::SeqCst).to_string();
            let began = Instant::now();
            match ask(http, method, &format!("{target}id={id}")) {
                Ok(()) => drop(self.answered.fetch_add(1, Ordering::SeqCst)),
                Err(why) => self.losses().push(Lost {
                    id,
                    began,
                    ended: Instant::now(),
                    why: format!("{method} {target}: {why}"),
                }),
            }
        }
    }

    /// Waits for some answers more.
    fn more(&self) -> Outcome {
        let enough = self.answered.load(Ordering::SeqCst) + SOME;
        until(&format!("{SOME} more answers"), || {
            (self.answered.load(Ordering::SeqCst) >= enough).then_some(())
        })
    }

    fn lost(&self) -> Vec<Lost> {
        self.losses().clone()
    }

    fn losses(&self) -> std::sync::MutexGuard<'_, Vec<Lost>> {
        self.lost
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn nothing_is_lost(&self) -> Outcome {
        let lost = self.lost();
        match lost.first() {
            Some(first) => Err(format!("{} requests are lost: {first}", lost.len())),
            None => Ok(()),
        }
    }
}

fn ask(http: Http, method: &str, target: &str) -> Outcome {
    let body = [b'x'; 20_000];
    let length = body.len().to_string();
    let answer = match method {
        "POST" => {
            let headers = [("Content-Length", length.as_str())];
            http.send(&request(method, target, &headers, &body))?
        }
        _ => http.get(target)?,
    };
    ensure!(
        answer.status == 200 && answer.whole,
        "{}, whole: {}",
        answer.status,
        answer.whole
    );
    Ok(())
}

/// The number of a line's request.
fn id_of(line: &str) -> &str {
    let rest = line.split_once("id=").map_or("", |(_, rest)| rest);
    rest.split(' ').next().unwrap_or_default()
}

/// The flags by which the program is to be started for that address, as it is printed.
fn printed_flags(text: &str, program: &Program, address: &str) -> Outcome<Vec<String>> {
    let start = format!("#   {} --listen {address} ", program.path.display());
    let line = text
        .lines()
        .find(|line| line.starts_with(&start))
        .ok_or_else(|| format!("no line is printed that begins with {start:?}"))?;
    let words = line.split_whitespace().skip(2);
    Ok(words.map(str::to_owned).collect())
}

fn inode(path: &str) -> Outcome<u64> {
    let meta = fs::metadata(path).map_err(|e| format!("cannot look at {path}: {e}"))?;
    Ok(meta.ino())
}

/// One port that is free at each of them, and that no other row was given.
fn addresses() -> Outcome<Vec<SocketAddr>> {
    until("a port is free at three addresses", || {
        let port = free_address().ok()?.port();
        let held: Result<Vec<TcpListener>, _> = (MACHINES.iter())
            .map(|machine| TcpListener::bind((*machine, port)))
            .collect();
        held.ok()?
            .iter()
            .map(|held| held.local_addr().ok())
            .collect()
    })
}
