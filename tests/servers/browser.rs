//! A real browser, Chromium, that fills in and sends forms through Apache: what the application reads is what the browser
//! meant. And what its visitor sees. `main.rs` runs it as a row.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use percent_encoding::percent_decode_str;

use crate::devtools::Window;
use crate::folder::Folder;
use crate::forms::line_of;
use crate::http::Http;
use crate::row::Report;
use crate::testbed::{Testbed, installed};
use crate::{Outcome, apache, ensure};

const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

pub fn missing() -> Vec<String> {
    let mut missing = apache::missing_fcgid();
    if installed(&CHROMIUM).is_none() {
        missing.push("chromium".to_owned());
    }
    missing
}

/// Names and values of text fields. The last one is a textarea's.
const FIELDS: &[(&str, &str)] = &[
    ("name", "Ann"),
    ("empty", ""),
    ("same", "1"),
    ("same", "2"),
    (
        "\u{540d}\u{524d}",
        "\u{1f600} \u{dc}ml\u{e4}ut u\u{308} \u{6f22}\u{5b57}",
    ),
    ("quo\"te'", "a\"b'c"),
    ("&=+ %;", "&=+ %41%22;\u{a0}"),
    ("back\\slash", "a\\b\\\\c\\"),
    ("<b>", "</textarea><i>&amp;"),
    ("line\nname", "one\ntwo\rthree\r\nfour\n"),
    ("text", "\tlast\n\n--line--\n"),
];

/// What the visitor's files are called, and how long they are.
const FILES: &[(&str, usize)] = &[
    ("plain.txt", 5),
    ("empty.txt", 0),
    ("300 KiB.bin", 300 << 10),
    ("\u{540d}\u{524d}.txt", 1),
    ("\u{1f600}\u{1f468}\u{200d}\u{1f469}.png", 2),
    ("\u{dc}ml\u{e4}ut \u{df} u\u{308}.txt", 3),
    ("quo\"te'.txt", 4),
    ("line\nbreak.txt", 5),
    ("line\r\nbreak\r.txt", 6),
    ("back\\slash.txt", 7),
    ("ends with\\", 8),
    ("\\\\server\\share\\a\"b.txt", 9),
    ("semi;colon; filename=\"x\".txt", 10),
    ("; name=x", 11),
    ("%41 %2 %.txt", 12),
    (" \u{202e}txt.exe ", 13),
    ("<b>&amp;.txt", 14),
];

pub fn story(report: &mut Report, folder: &mut Folder, testbed: &Testbed) {
    let start = || {
        folder.write("www/page.html", &page())?;
        folder.write("www/upload.html", UPLOAD)?;
        apache::fcgid_htaccess(folder, testbed)
    };
    let Some(running) = report.check("start", start) else {
        return;
    };
    let http = running.http;
    let Some(window) = report.check("a browser", || Window::open(folder)) else {
        return;
    };
    let seen = report.check("the browser sends all three", || {
        browse(&window, http, "page.html")
    });
    let Some(seen) = seen else { return };
    let mut answers = seen.split('\0');
    let mut next = || answers.next().unwrap_or_default();
    let query = [line_of("query", "q", "1")];
    for (name, expected) in [
        (
            "multipart",
            [&query[..], &fields("field"), &files()].concat(),
        ),
        (
            "urlencoded",
            [&query[..], &fields("field"), &names("field")].concat(),
        ),
        ("GET", [fields("query"), names("query")].concat()),
    ] {
        report.check(name, || same(next(), &expected));
    }
    // Each next program takes the last one's place, as a new version does.
    report.check("an upload form, filled in by hand", || {
        let program = testbed.example("upload")?;
        replace(folder, program.built())?;
        let shown = browse(&window, http, "upload.html")?;
        ensure!(
            shown.trim() == "page.html: 300000 bytes",
            "the frame shows {shown:?}"
        );
        Ok(())
    });
    report.check("the built-in page, and its picture", || {
        replace(folder, Path::new(env!("CARGO_BIN_EXE_fcgi")))?;
        shown(&window, http)?;
        picture(&window)?;
        window.close()
    });
    report.check("stop", || running.stop());
}

/// By one rename, so that nobody meets half of it.
fn replace(folder: &Folder, program: &Path) -> Outcome {
    let new = folder.install(program, "www/.ht.new")?;
    fs::rename(&new, folder.path("www/app.fcgi")).map_err(|e| format!("cannot rename: {e}"))
}

/// The path and the query that the stock program's page is asked for by.
const PAGE: &str = "caf%C3%A9?table=4";

/// What the browser makes of that page.
fn shown(window: &Window, http: Http) -> Outcome {
    window.go(&format!("http://{}/{PAGE}", http.at))?;
    let shown = window.value("document.documentElement.outerHTML")?;
    for row in [
        "<h1>It works</h1>",
        "path</th><td>/caf\u{e9}",
        "query</th><td>table=4",
        "web server</th><td>Apache/",
        "protocol</th><td>HTTP/1.1",
    ] {
        ensure!(shown.contains(row), "no {row:?} in {shown}");
    }
    Ok(())
}

/// How it looks: the README's picture is made here.
fn picture(window: &Window) -> Outcome {
    let picture = window.picture(800, 820)?;
    ensure!(
        picture.starts_with(b"\x89PNG") && picture.len() > 10_000,
        "{} bytes are no picture of it",
        picture.len()
    );
    match env::var_os("PICTURE") {
        Some(kept) => fs::write(kept, picture).map_err(|e| format!("cannot keep it: {e}")),
        None => Ok(()),
    }
}

fn fields(kind: &str) -> Vec<String> {
    let fields = FIELDS.iter();
    let lines = fields.map(|(name, value)| line_of(kind, &sent(name), &sent(value)));
    lines.collect()
}

/// In a file's name line ends stay what they were. The box without files is not there.
fn files() -> Vec<String> {
    let lines = FILES.iter().map(|(name, len)| {
        let sum: u32 = (0..*len).map(|at| u32::from(byte(at))).sum();
        format!("{}:{len}:{sum}", line_of("file", "files", name))
    });
    lines.collect()
}

/// A form that is not multipart has the files' names alone, and that of none.
fn names(kind: &str) -> Vec<String> {
    let names = FILES.iter().map(|(name, _)| name);
    let lines = names.map(|name| line_of(kind, "files", &sent(name)));
    lines.chain([line_of(kind, "none", "")]).collect()
}

/// Each line end is CR LF on the wire, whatever it was: HTML, "constructing the entry list".
fn sent(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace('\n', "\r\n")
}

fn same(answer: &str, expected: &[String]) -> Outcome {
    let lines: Vec<&str> = answer.lines().collect();
    for (number, expected) in expected.iter().enumerate() {
        let seen = lines.get(number).copied().unwrap_or("nothing");
        ensure!(
            seen == expected,
            "the browser meant\n    {expected}\n  and the application read\n    {seen}"
        );
    }
    ensure!(
        lines.len() == expected.len(),
        "more than the browser sent: {:?}",
        &lines[expected.len()..]
    );
    Ok(())
}

/// What the page's script found out.
fn browse(window: &Window, http: Http, page: &str) -> Outcome<String> {
    window.go(&format!("http://{}/{page}", http.at))?;
    window.sees("document.querySelector('output').textContent")?;
    let seen = window.value("document.querySelector('output').textContent")?;
    let seen = percent_decode_str(&seen).decode_utf8();
    seen.map(|seen| seen.into_owned())
        .map_err(|e| format!("the page has no text: {e}"))
}

/// Chromium without a screen, started by a line of the shell that has its log as `$0`.
pub fn command(folder: &Folder, shell: &str) -> Outcome<Command> {
    let binary = installed(&CHROMIUM).ok_or("chromium is not installed")?;
    folder.make("browser")?;
    let home = folder.text("browser");
    let mut command = Command::new("sh");
    command.args(["-c", shell]);
    command
        .arg(folder.path("log/browser.log"))
        .arg(binary)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--disable-breakpad",
            "--no-first-run",
            // No word to anybody but the web server.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ])
        .arg(format!("--user-data-dir={home}"))
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .current_dir(&home);
    folder.give_up_root(&mut command);
    // The log is ours, and not the browser's.
    folder.write("log/browser.log", "")?;
    Ok(command)
}

/// The example's own form, filled in by a visitor; what the page behind it shows.
const UPLOAD: &str = r#"<!doctype html><meta charset=utf-8><title>Upload</title>
<iframe src=/></iframe><output></output>
<script>
const frame = document.querySelector('iframe');
frame.onload = () => {
    const form = frame.contentDocument.forms[0];
    frame.onload = () => {
        const text = frame.contentDocument.documentElement.textContent;
        document.querySelector('output').textContent = encodeURIComponent(text);
    };
    const chosen = new DataTransfer();
    chosen.items.add(new File([new Uint8Array(300000)], 'page.html'));
    form.elements.file.files = chosen.files;
    form.querySelector('button').click();
};
</script>
"#;

/// It puts files into the form as a visitor's hand does, and sends it in three ways, each into a frame of its own. What the
/// frames show stands in `<output>` in the end, escaped.
fn page() -> String {
    let fields: String = FIELDS
        .iter()
        .map(|(name, value)| format!("[{}, {}],\n", script(name), script(value)))
        .collect();
    let files: String = FILES
        .iter()
        .map(|(name, len)| format!("[{}, {len}],\n", script(name)))
        .collect();
    format!(
        "<!doctype html><meta charset=utf-8><title>Forms</title>\n\
         <form><input type=file name=files multiple><input type=file name=none></form>\n\
         <output></output>\n\
         <script>\n\
         const fields = [\n{fields}];\n\
         const files = [\n{files}];\n{SCRIPT}</script>\n"
    )
}

const SCRIPT: &str = r#"
const form = document.querySelector('form');
const box = form.elements.files;
fields.forEach(([name, value], at) => {
    const field = document.createElement(at + 1 < fields.length ? 'input' : 'textarea');
    if (field.localName == 'input') field.type = 'hidden';
    field.name = name;
    field.value = value;
    form.insertBefore(field, box);
});
const chosen = new DataTransfer();
for (const [name, length] of files) {
    const bytes = Uint8Array.from({ length }, (_, at) => at * 7 + Math.floor(at / 251));
    chosen.items.add(new File([bytes], name));
}
box.files = chosen.files;
const send = (method, enctype, action) => new Promise(answered => {
    const frame = document.createElement('iframe');
    frame.name = method + enctype;
    document.body.append(frame);
    frame.onload = () => answered(frame.contentDocument.documentElement.textContent);
    Object.assign(form, { method, enctype, action, target: frame.name });
    form.submit();
});
(async () => {
    const answers = [
        await send('post', 'multipart/form-data', '/form?q=1'),
        await send('post', 'application/x-www-form-urlencoded', '/form?q=1'),
        await send('get', 'application/x-www-form-urlencoded', '/form'),
    ];
    document.querySelector('output').textContent = encodeURIComponent(answers.join('\0'));
})();
"#;

/// The byte of a file at that place, as the script makes it.
fn byte(at: usize) -> u8 {
    (at * 7 + at / 251) as u8
}

/// As a string of the page's script.
fn script(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' => c.to_string(),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    });
    format!("'{}'", escaped.collect::<String>())
}
