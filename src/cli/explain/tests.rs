//! Logs, and what is made of their lines. Each author's own lines are tested beside its rules.

use super::*;
use std::collections::BTreeSet;

/// A line, what it is about, and a part of its cause.
type Row<'l> = (&'l str, &'l str, &'l str);

/// Each line has a rule of this author.
#[track_caller]
pub(super) fn assert_explained(author: &Author, rows: &[Row]) {
    for (line, object, cause) in rows {
        let report = told(line.as_bytes());
        let [finding] = &report.findings[..] else {
            panic!("{} findings: {line}", report.findings.len());
        };
        let found = (finding.author.name, finding.object.as_str());
        assert_eq!(found, (author.name, *object), "{line}");
        let told = finding.to_string();
        assert!(told.contains(cause), "{cause:?} in {told}");
        assert!(
            !told.contains("{object}") && !told.contains("{detail}"),
            "{told}"
        );
    }
}

fn told(log: &[u8]) -> Report {
    Report::read(log, &|_| {}).expect("a slice can be read")
}

/// Apache writes two lines of what mod_fcgid could not read, and of what a program has told by itself.
#[test]
fn what_two_lines_say_of_one_request_is_told_once() {
    let pair = |thread: u32, name: &str| {
        format!(
            "[fcgid:warn] [pid 1:tid {thread}] (104)Connection reset by peer: [client 127.0.0.1:5] mod_fcgid: error reading data from FastCGI server\n\
                 [core:error] [pid 1:tid {thread}] [client 127.0.0.1:5] End of script output before headers: {name}\n"
        )
    };
    let late = "[fcgid:warn] [pid 1:tid 9] [client 127.0.0.1:5] mod_fcgid: read data timeout in 40 seconds\n\
                    [core:error] [pid 1:tid 9] [client 127.0.0.1:5] End of script output before headers: a.fcgi\n";
    let told_of = |log: &str| {
        let report = told(log.as_bytes());
        let findings = report.findings.iter();
        let told = findings.map(|finding| (finding.object.clone(), finding.count));
        (told.collect::<Vec<_>>(), report.to_string())
    };
    let a = |count| ("a.fcgi".to_owned(), count);
    let (found, text) = told_of(&pair(2, "a.fcgi").repeat(3));
    assert_eq!(found, [a(3)], "{text}");
    assert_eq!(
        text.matches("cause:  a.fcgi could not be run, or").count(),
        1,
        "{text}"
    );
    assert!(text.contains("before headers: a.fcgi\n  cause:"), "{text}");
    assert!(
        text.contains("6 lines explained, 0 lines passed over"),
        "{text}"
    );
    let (found, text) = told_of(&(pair(2, "a.fcgi") + &pair(3, "b.fcgi")));
    assert_eq!(found, [a(1), ("b.fcgi".to_owned(), 1)], "{text}");
    let (found, text) = told_of(&late.repeat(2));
    assert_eq!(found.len(), 1, "{text}");
    assert!(
        text.contains("FcgidIOTimeout") && !text.contains("could not be run"),
        "{text}"
    );
    // Another thread's line is another request's, and one further down may be.
    let (found, _) = told_of(&late.replacen("tid 9", "tid 8", 1));
    assert_eq!(found.len(), 2);
    let (found, _) = told_of(&format!("{late}{}", pair(9, "a.fcgi")));
    assert_eq!(found.len(), 2);
    let (found, _) = told_of(&late.replacen('\n', "\nanything\n", 1));
    assert_eq!(found.len(), 2);
}

#[test]
fn what_two_kinds_of_lines_have_in_common_is_told_once() {
    let log = "mod_fcgid: error reading data from FastCGI server\nanything\n\
                   [core:error] End of script output before headers: app.fcgi\n\
                   [core:error] /srv/.htaccess: Invalid command 'Redirect', perhaps misspelled\n\
                   AH01630: client denied by server configuration: /srv/.htaccess\n";
    let report = told(log.as_bytes());
    assert_eq!(report.findings.len(), 3);
    let text = report.to_string();
    assert_eq!(
        text.matches("OTHER check --as www-data").count(),
        1,
        "{text}"
    );
    assert_eq!(
        text.matches("  remedy: as for line 1\n").count(),
        1,
        "{text}"
    );
    assert!(text.contains("a2enmod alias"), "{text}");
}

#[test]
fn what_is_alike_is_told_once_and_the_rest_is_counted() {
    let refused = "connect() to unix:/run/a.sock failed (111: Connection refused) while connecting to upstream\n";
    let other = refused.replace("a.sock", "b.sock");
    let log = format!("hello\n{refused}\n{refused}{other}{refused}bye");
    let report = told(log.as_bytes());
    let seen = report.findings.iter();
    let seen = seen.map(|f| (f.object.as_str(), f.count, f.first, f.last));
    let seen: Vec<_> = seen.collect();
    assert_eq!(
        seen,
        [("unix:/run/a.sock", 3, 2, 6), ("unix:/run/b.sock", 1, 5, 5)]
    );
    let text = report.to_string();
    assert!(
        text.contains("line 2 and 2 more like it, the last is line 6:"),
        "{text}"
    );
    assert!(
        text.ends_with("4 lines explained, 3 lines passed over.\n"),
        "{text}"
    );
}

/// The same words, where a web server says whose they are.
#[test]
fn a_web_servers_word_comes_before_the_programs() {
    let line = "2026/11/21 13:24:18 [error] 1#1: *1 FastCGI sent in stderr: \"No module named x\" while reading response \
                    header from upstream, client: 127.0.0.1, upstream: \"fastcgi://unix:/run/app.sock:\", host: \"a\"";
    let report = told(line.as_bytes());
    assert_eq!(report.findings[0].author.name, "nginx");
}

#[test]
fn a_log_that_says_nothing() {
    for (log, told_is) in [
        ("", "0 lines, and none of a kind that is known here.\n"),
        (
            "GET / HTTP/1.1 200\n",
            "1 line, and none of a kind that is known here.\n",
        ),
    ] {
        let report = told(log.as_bytes());
        assert!(!report.has_findings());
        assert_eq!(report.to_string(), told_is);
    }
}

/// A visitor chooses some of the objects: they do not push out what else is found, nor fill the memory.
#[test]
fn of_one_kind_a_few_objects_are_told() {
    let mut log = String::new();
    for number in 0..1000 {
        log += &format!("AH01630: client denied by server configuration: /srv/{number}\n");
    }
    log += "End of script output before headers: app.fcgi\n";
    let report = told(log.as_bytes());
    assert_eq!(report.findings.len(), MOST_OBJECTS + 1);
    let text = report.to_string();
    assert!(
        text.contains("995 more such lines are about others."),
        "{text}"
    );
    assert!(text.contains("app.fcgi could not be run"), "{text}");
}

#[test]
fn who_waits_is_told_how_far_it_is() {
    let said = std::cell::RefCell::new(Vec::new());
    let log = "\n".repeat(2 * SAID_EVERY as usize + 1);
    Report::read(log.as_bytes(), &|lines| said.borrow_mut().push(lines)).unwrap();
    assert_eq!(*said.borrow(), [SAID_EVERY, 2 * SAID_EVERY]);
}

#[test]
fn a_line_of_any_length_takes_bounded_memory() {
    let begin = &b"End of script output before headers: "[..];
    let line = [
        begin,
        &vec![b'x'; 1 << 20],
        b"\nEnd of script output before headers: app\n",
    ]
    .concat();
    // The reader's own pieces are smaller than what counts of a line.
    let mut log = BufReader::with_capacity(1000, &line[..]);
    let mut taken = Vec::new();
    assert!(next_line(&mut log, &mut taken).unwrap());
    assert_eq!(taken.len(), LONGEST_LINE);
    assert!(next_line(&mut log, &mut taken).unwrap());
    assert_eq!(taken, b"End of script output before headers: app");
    assert!(!next_line(&mut log, &mut taken).unwrap());
    let report = told(&line);
    assert_eq!((report.lines, report.explained), (2, 2));
    assert!(report.to_string().len() < 3000);
}

/// Nobody writes to the terminal of whoever looks at a log: neither its colours, nor its title, nor lines of its own.
#[test]
fn control_characters_are_escaped() {
    let log =
        b"FastCGI: server \"/srv/\x1b]0;a\x07\" stderr: \x1b[2J\r\xff\xc2\x9b31m \xe2\x80\xae x\n";
    let report = told(log);
    assert!(report.has_findings());
    let text = report.to_string();
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(bad), "{text:?}");
    assert!(text.contains("\\u{1b}"), "{text}");
}

/// What a visitor sends as his Referer is no line of the web server's.
#[test]
fn a_referrer_explains_nothing() {
    for line in [
        "[client 192.0.2.1:5] AH00127: Cannot map GET /x HTTP/1.1 to file, referer: mod_fcgid: can't run /bin/sh",
        "*1 open() \"/srv/x\" failed (2: No such file or directory), request: \"GET /x\", referrer: \"connect() to x failed (13: \", upstream\"",
    ] {
        assert!(!told(line.as_bytes()).has_findings(), "{line}");
    }
}

/// Neither is what he asks for, in any log: it would send whoever reads this after a trouble that there is not.
#[test]
fn an_address_explains_nothing() {
    for line in [
        "2026/11/21 13:24:18 [error] 1#1: *1 open() \"/srv/connect() to unix:/x failed (13: Permission denied) while connecting to upstream\" failed (2: No such file or directory), client: 127.0.0.1",
        "2026/11/21 13:24:18 [error] 1#1: *1 open() \"/srv/x\" failed (2: No such file or directory), client: 127.0.0.1, request: \"GET /connect() to unix:/x failed (111: Connection refused) while connecting to upstream HTTP/1.1\", host: \"a\"",
        "127.0.0.1 - - [21/Nov/2026:13:00:00 +0000] \"GET /mod_fcgid: can't run /bin/x HTTP/1.1\" 404 196 \"-\" \"FastCGI: failed to connect to server\"",
    ] {
        assert!(!told(line.as_bytes()).has_findings(), "{line}");
    }
    for (line, cause) in [
        (
            "[authz_core:error] [client 127.0.0.1:5] AH01630: client denied by server configuration: /srv/End of script output before headers: /bin/x",
            "refuses",
        ),
        (
            "[core:info] [client 127.0.0.1:5] AH00128: File does not exist: /srv/mod_fcgid: can't run /bin/x",
            "looked for the file",
        ),
        (
            "[fcgid:warn] [client 127.0.0.1:5] mod_fcgid: stderr: no page /FastCGI: server \"/bin/x\" stderr: x",
            "wrote to its standard error: no page",
        ),
    ] {
        let report = told(line.as_bytes());
        assert!(report.to_string().contains(cause), "{report}");
    }
}

/// A name in braces that the line itself has is text.
#[test]
fn what_a_line_says_is_not_filled_in_again() {
    let report = told(b"FastCGI: server \"/srv/{detail}\" stderr: {object}");
    let text = report.to_string();
    assert!(
        text.contains("/srv/{detail} wrote to its standard error: {object}\n"),
        "{text}"
    );
}

/// No rule is hidden by one before it, or by a mark that its author lacks: each shape, with its holes filled, finds a
/// rule of its own author.
#[test]
fn each_shape_is_found_by_its_author() {
    let mut hidden = BTreeSet::new();
    for author in AUTHORS {
        for rule in author.rules {
            // A program that was built small has no http of its own, but `get`.
            assert!(!rule.remedy.contains("--http"), "{}", rule.remedy);
            assert!(
                !rule.cause.ends_with('.') && !rule.remedy.ends_with('.'),
                "{}",
                rule.cause
            );
            for shape in rule.patterns {
                let mut line = shape.replace("<>", "x");
                line = line
                    .replace("<object>", "object")
                    .replace("<detail>", "detail");
                let lines = author.marks.iter().map(|mark| format!("{line} {mark}"));
                let lines = std::iter::once(line.clone()).chain(lines);
                let found = lines.filter_map(|line| explained(&line).map(|found| found.1));
                if !found.into_iter().any(|found| std::ptr::eq(found, rule)) {
                    hidden.insert(line);
                }
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
}
