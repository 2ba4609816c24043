//! The table of forms: what curl sends as one, through a web server, is what the testbed's `/form` reads. `main.rs` runs it
//! for each row; where web servers differ, the row's [`Ways`] say what was measured.

use std::fs;
use std::process::{Command, Stdio};

use crate::folder::Folder;
use crate::http::Http;
use crate::row::Report;
use crate::testbed::installed;
use crate::{Outcome, ensure};

/// What a web server was measured to do with forms, where they differ. A row asserts it: a change is news.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// Whether a query may have line breaks, escaped, as a form's has that is sent by GET. lighttpd 1.4.69 refuses it: 400.
    pub breaks_in_queries: bool,
    /// Whether a chunked form of 100,000 bytes arrives. HAProxy 2.6.12 refuses with 400 what exceeds its buffer of 16 KiB.
    pub takes_chunks: bool,
}

impl Ways {
    pub const COMMON: Ways = Ways {
        breaks_in_queries: true,
        takes_chunks: true,
    };
}

pub fn and_curl(mut missing: Vec<String>) -> Vec<String> {
    if installed(&["curl"]).is_none() {
        missing.push("curl".to_owned());
    }
    missing
}

/// More than `FormLimits` has by default, and than everybody on the way holds.
const TOO_LARGE: usize = 10 << 20;

type Check = fn(&Asked) -> Outcome;

pub fn check(report: &mut Report, folder: &Folder, http: Http, ways: &Ways) {
    let checks: [(&str, Check); 8] = [
        ("multipart: fields and files", multipart),
        ("multipart, as older clients escape it", escaped),
        ("urlencoded", urlencoded),
        ("a form in the query", query),
        ("multipart in chunks", chunks),
        ("Expect: 100-continue", continues),
        ("a form that is too large", too_large),
        ("the same in chunks", too_large_in_chunks),
    ];
    let asked = Asked { folder, http, ways };
    for (name, check) in checks {
        report.check(name, || check(&asked));
    }
    report.check("the program serves on", || {
        http.get("/hello")?.expect(200, "Hello, world!")
    });
}

/// A line of the testbed's answer.
pub fn line_of(kind: &str, name: &str, value: &str) -> String {
    let escaped = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('\r', "\\r");
        text.replace('\n', "\\n").replace('\t', "\\t")
    };
    format!("{kind} {}={}", escaped(name), escaped(value))
}

/// Fields of a form.
const FIELDS: [(&str, &str); 6] = [
    ("name", "Ann"),
    ("name", ""),
    ("\u{540d}\u{524d}", "\u{1f600} \u{dc}ml\u{e4}ut"),
    ("text", "one\r\ntwo\n--three--"),
    ("quo\"te", "a\"b\\c;d&e=f+g%41"),
    ("semi;colon", "@<;"),
];

/// Names that a visitor may give to a file.
const NAMES: [&str; 9] = [
    "plain.txt",
    "\u{540d}\u{524d} \u{1f600}.txt",
    "quo\"te'.txt",
    "back\\slash.txt",
    "ends with\\",
    "semi;colon; filename=x.txt",
    "../../etc/passwd",
    "%41 %.txt",
    "line\r\nbreak\n.txt",
];

fn multipart(asked: &Asked) -> Outcome {
    let mut form = Form::default();
    for (name, value) in FIELDS {
        form.field(name, value);
    }
    for name in NAMES {
        form.file(asked.folder, name, "abc")?;
    }
    // Without another name it is that of the file on the disk.
    let path = asked.folder.write("tmp/\u{e9}t\u{e9} 1.txt", "")?;
    form.add("--form", format!("file=@{}", path.display()));
    form.read += "file file=\u{e9}t\u{e9} 1.txt:0:0\n";
    let read = format!("query q=\u{e9} 1\n{}", form.read);
    asked
        .curl("/form?q=%C3%A9+1", &form.args)?
        .expect(200, &read)
}

/// With a backslash before quotes and backslashes, as curl did before 7.81.
fn escaped(asked: &Asked) -> Outcome {
    let mut form = Form::default();
    form.args.push("--form-escape".to_owned());
    for (name, value) in FIELDS {
        form.field(name, value);
    }
    // curl writes line breaks as they are then, and breaks its own form.
    for name in NAMES.iter().filter(|name| !name.contains('\n')) {
        form.file(asked.folder, name, "abc")?;
    }
    form.file(asked.folder, "\\\\two\"\\", "abc")?;
    asked.curl("/form", &form.args)?.expect(200, &form.read)
}

fn urlencoded(asked: &Asked) -> Outcome {
    let mut form = Form::default();
    for (_, value) in FIELDS {
        // curl encodes the value alone.
        form.add("--data-urlencode", format!("a%2B+b={value}"));
        form.read += &format!("{}\n", line_of("field", "a+ b", value));
    }
    asked.curl("/form", &form.args)?.expect(200, &form.read)
}

fn query(asked: &Asked) -> Outcome {
    let form = |breaks: bool| {
        let mut form = Form::default();
        form.args.push("--get".to_owned());
        let fields = FIELDS
            .iter()
            .filter(|(_, value)| breaks || !value.contains('\n'));
        for (_, value) in fields {
            form.add("--data-urlencode", format!("name={value}"));
            form.read += &format!("{}\n", line_of("query", "name", value));
        }
        form
    };
    let (plain, breaks) = (form(false), form(true));
    asked.curl("/form", &plain.args)?.expect(200, &plain.read)?;
    let answer = asked.curl("/form", &breaks.args)?;
    match asked.ways.breaks_in_queries {
        true => answer.expect(200, &breaks.read),
        false => answer.is_refused(),
    }
}

const CHUNKED: &str = "Transfer-Encoding: chunked";

fn chunks(asked: &Asked) -> Outcome {
    let small = Form::with_file(asked.folder, 10_000)?.header(CHUNKED);
    asked.curl("/form", &small.args)?.expect(200, &small.read)?;
    let large = Form::with_file(asked.folder, 100_000)?.header(CHUNKED);
    let answer = asked.curl("/form", &large.args)?;
    match asked.ways.takes_chunks {
        true => answer.expect(200, &large.read),
        false => answer.is_refused(),
    }
}

fn continues(asked: &Asked) -> Outcome {
    let form = Form::with_file(asked.folder, 100_000)?.header("Expect: 100-continue");
    let answer = asked.curl("/form", &form.args)?;
    answer.expect(200, &form.read)?;
    ensure!(
        answer.heads.starts_with("HTTP/1.1 100 "),
        "curl waited in vain: {:?}",
        answer.heads
    );
    Ok(())
}

/// The visitor gets the application's page, and not the web server's about a program that did not listen.
const PAGE: &str = "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>413 Content Too Large</title>\n\
                    <h1>413 Content Too Large</h1>\n";

fn too_large(asked: &Asked) -> Outcome {
    // As browsers do: curl would wait for 100 Continue.
    let form = Form::with_file(asked.folder, TOO_LARGE)?.header("Expect:");
    asked.curl("/form", &form.args)?.expect(413, PAGE)?;
    // Without a file: the text of it is the form.
    let path = asked.folder.write("tmp/file", &"x".repeat(TOO_LARGE))?;
    let mut form = Form::default().header("Expect:");
    form.add("--data-urlencode", format!("name@{}", path.display()));
    asked.curl("/form", &form.args)?.expect(413, PAGE)
}

fn too_large_in_chunks(asked: &Asked) -> Outcome {
    let form = Form::with_file(asked.folder, TOO_LARGE)?.header(CHUNKED);
    let answer = asked.curl("/form", &form.args)?;
    match asked.ways.takes_chunks {
        true => answer.expect(413, PAGE),
        false => answer.is_refused(),
    }
}

/// Arguments for curl, and what the testbed reads of the form.
#[derive(Default)]
struct Form {
    args: Vec<String>,
    read: String,
}

impl Form {
    fn with_file(folder: &Folder, size: usize) -> Outcome<Form> {
        let mut form = Form::default();
        form.field("name", "Ann");
        form.file(folder, "large", &"x".repeat(size))?;
        Ok(form)
    }

    fn add(&mut self, flag: &str, value: String) {
        self.args.extend([flag.to_owned(), value]);
    }

    fn header(mut self, header: &str) -> Form {
        self.add("--header", header.to_owned());
        self
    }

    fn field(&mut self, name: &str, value: &str) {
        self.add("--form-string", format!("{name}={value}"));
        self.read += &format!("{}\n", line_of("field", name, value));
    }

    fn file(&mut self, folder: &Folder, name: &str, content: &str) -> Outcome {
        let path = folder.write("tmp/file", content)?;
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        self.add(
            "--form",
            format!("file=@{};filename=\"{quoted}\"", path.display()),
        );
        let sum: u32 = content.bytes().map(u32::from).sum();
        let line = line_of("file", "file", name);
        self.read += &format!("{line}:{}:{sum}\n", content.len());
        Ok(())
    }
}

struct Asked<'a> {
    folder: &'a Folder,
    http: Http,
    ways: &'a Ways,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// All heads that came, one after the other.
    heads: String,
    text: String,
    /// What curl complained about.
    errors: String,
}

impl Asked<'_> {
    fn curl(&self, target: &str, args: &[String]) -> Outcome<Answer> {
        let (head, page) = (
            self.folder.path("log/curl.head"),
            self.folder.path("log/curl.page"),
        );
        for file in [&head, &page] {
            fs::write(file, "").map_err(|e| format!("cannot write {}: {e}", file.display()))?;
        }
        let mut command = Command::new("curl");
        // Nothing of whose machine this is.
        command.args(["--disable", "--noproxy", "*", "--silent", "--show-error"]);
        command.args(["--max-time", "20", "--expect100-timeout", "2"]);
        command.args(["--write-out", "%{http_code}"]);
        command.arg("--dump-header").arg(&head);
        command.arg("--output").arg(&page);
        command.args(args);
        command.arg(format!("http://{}{target}", self.http.at));
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|e| format!("cannot run curl: {e}"))?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let status = String::from_utf8_lossy(&output.stdout);
        let text = |file| fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Answer {
            status: status.parse().map_err(|_| format!("no status: {errors}"))?,
            heads: text(head).map_err(|e| format!("curl wrote no head: {e}"))?,
            text: text(page).map_err(|e| format!("curl wrote no page: {e}"))?,
            errors,
        })
    }
}

impl Answer {
    /// By a 400; or by a close over what was not read, which may take the 400 back that is on its way (seen once in twenty
    /// runs of HAProxy 2.6.12).
    fn is_refused(&self) -> Outcome {
        let broken = self.status < 200 && !self.errors.is_empty();
        ensure!(self.status == 400 || broken, "refused before, now {self:?}");
        Ok(())
    }

    fn expect(&self, status: u16, text: &str) -> Outcome {
        ensure!(
            (self.status, &*self.text, &*self.errors) == (status, text, ""),
            "expected {status} {text:?}, got {self:?}"
        );
        Ok(())
    }
}
