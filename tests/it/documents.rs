//! The README, the guides and their siblings as plain files: links lead somewhere, and what is shown of `conf` is what it prints.

use crate::cli::Home;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let names = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    let mut documents: Vec<PathBuf> = names.iter().map(|name| root().join(name)).collect();
    for entry in fs::read_dir(root().join("src/guide")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    assert!(documents.len() > 10, "they are all there");
    documents
}

/// The lines that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What a forge makes of a heading: lower case, no punctuation, hyphens for blanks.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let anchor = |heading: &str| -> String {
        let kept = heading.to_lowercase();
        let kept = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The targets of `[text](target)` and `[text]: target`.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for line in prose(text) {
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        links.extend(inline.filter(|target| !target.contains(' ')));
        if line.starts_with('[') {
            links.extend(line.split_once("]: ").map(|(_, target)| target));
        }
    }
    links
}

#[test]
fn links_of_plain_files_lead_somewhere() {
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text)
            .into_iter()
            .filter(|link| !link.starts_with("http"))
        {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            assert!(
                target.exists(),
                "{}: {link} is not there",
                document.display()
            );
            let is_there = anchor.is_empty()
                || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            assert!(
                is_there,
                "{}: {link} has no such heading",
                document.display()
            );
            count += 1;
        }
    }
    assert!(count > 80, "{count} links");
}

/// Without comments and blank lines.
fn bare(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn the_readme_shows_what_conf_prints() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("## Behind each web server").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let shown: Vec<Vec<&str>> = section
        .split("```text\n")
        .skip(1)
        .map(|rest| bare(rest.split("```").next().unwrap()))
        .collect();
    let home = Home::new();
    let folder = home.path().display().to_string();
    let commands: [&[&str]; 6] = [
        &["conf", "nginx", "--listen", "unix:/run/app.sock"],
        &["conf", "lighttpd"],
        &["conf", "apache", "--listen", "127.0.0.1:9000"],
        &["conf", "caddy"],
        &["conf", "h2o"],
        &["conf", "haproxy"],
    ];
    assert_eq!(shown.len(), commands.len());
    for (shown, command) in shown.iter().zip(commands) {
        // Where lighttpd has no folder of its own, its socket is beside the program.
        let beside = format!("{folder}/app.sock");
        let printed = home
            .run(command)
            .stdout
            .replace(&beside, "/run/lighttpd/app.sock");
        let printed = printed.replace(&folder, "/srv/www");
        assert_eq!(shown, &bare(&printed), "{command:?}");
    }
}

#[test]
fn the_sizes_in_the_guide_are_the_recorded_ones() {
    let figures = fs::read_to_string(root().join("tests/data/figures.txt")).unwrap();
    let guide = fs::read_to_string(root().join("src/guide/sizing.md")).unwrap();
    let recorded: Vec<&str> = figures
        .lines()
        .filter_map(|line| line.trim().strip_prefix("bytes, ")?.rsplit(": ").next())
        .collect();
    assert_eq!(recorded.len(), 3, "{figures}");
    for bytes in recorded {
        let threes: Vec<&str> = bytes
            .as_bytes()
            .rchunks(3)
            .rev()
            .flat_map(str::from_utf8)
            .collect();
        let told = threes.join(",");
        assert!(
            guide.contains(&told),
            "{told} is not there; write it into the guide on sizing"
        );
    }
}
