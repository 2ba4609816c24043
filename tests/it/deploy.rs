//! `scripts/deploy` by itself: what it puts into a folder, and what it leaves as it was. tests/servers has it under Apache.

use crate::served::Folder;
use crate::testbed::{self, Testbed};
use fcgi::Address;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the script ended with and said, on both streams.
type Told = (Option<i32>, String);

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy")
}

fn deploy(words: &[&dyn AsRef<OsStr>]) -> Told {
    let mut command = Command::new(script());
    command.args(words.iter().map(|word| word.as_ref()));
    told(command)
}

fn told(mut command: Command) -> Told {
    let ended = command.output().expect("the script runs");
    let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    (ended.status.code(), said)
}

/// A site, and the program as it was built, each in a folder whose name a shell would take apart.
struct Site {
    folder: Folder,
    site: PathBuf,
    built: PathBuf,
}

impl Site {
    fn new() -> Site {
        let folder = Folder::new();
        let (site, build) = ["my $(site) & 'co", "-build"]
            .map(|name| folder.path().join(name))
            .into();
        let built = build.join("test bed");
        fs::create_dir(&site).unwrap();
        fs::create_dir(&build).unwrap();
        testbed::copy(testbed::example("testbed"), &built);
        Site {
            folder,
            site,
            built,
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.site).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A file beside the built one.
    fn file(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.built.with_file_name(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

#[test]
fn a_program_comes_with_its_htaccess() {
    let here = Site::new();
    let program = here.site.join("app.fcgi");
    let htaccess = here.site.join(".htaccess");
    let (code, said) = deploy(&[&here.built, &here.site]);
    let placed = format!("{}\n{}\n", htaccess.display(), program.display());
    assert_eq!((code, said), (Some(0), placed));
    assert_eq!(here.names(), [".htaccess", "app.fcgi"]);
    assert_eq!(
        fs::read(&program).unwrap(),
        fs::read(&here.built).unwrap(),
        "it is another file"
    );
    assert_eq!(program.metadata().unwrap().mode() & 0o7777, 0o755);
    assert_eq!(htaccess.metadata().unwrap().mode() & 0o7777, 0o644);
    let mut conf = Command::new(&program);
    conf.args(["conf", "htaccess"]);
    let printed = told(conf);
    assert_eq!((Some(0), fs::read_to_string(&htaccess).unwrap()), printed);
}

#[test]
fn names_are_taken_from_where_it_is_called() {
    let here = Site::new();
    let mut command = Command::new(script());
    command
        .args(["-build/test bed", "my $(site) & 'co/", "guest book.fcgi"])
        .current_dir(here.folder.path());
    let (code, said) = told(command);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(here.names(), [".htaccess", "guest book.fcgi"]);
    let htaccess = fs::read_to_string(here.site.join(".htaccess")).unwrap();
    assert!(
        htaccess.contains("<Files \"guest book.fcgi\">"),
        "{htaccess}"
    );
    let path = here.site.join("guest book.fcgi");
    assert!(htaccess.contains(&path.display().to_string()), "{htaccess}");
}

#[test]
fn an_htaccess_that_is_there_stays() {
    let here = Site::new();
    let htaccess = here.site.join(".htaccess");
    for (content, warns) in [("# app.fcgi, by hand\n", false), ("# by hand\n", true)] {
        fs::write(&htaccess, content).unwrap();
        let (code, said) = deploy(&[&here.built, &here.site]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(fs::read_to_string(&htaccess).unwrap(), content);
        assert_eq!(said.contains("does not name app.fcgi"), warns, "{said}");
    }
    fs::remove_file(&htaccess).unwrap();
    symlink("nowhere", &htaccess).unwrap();
    assert_eq!(deploy(&[&here.built, &here.site]).0, Some(0));
    assert_eq!(fs::read_link(&htaccess).unwrap(), Path::new("nowhere"));
}

/// It comes all the same: the program reads the file again once it is mended.
#[test]
fn a_mistake_in_the_settings_file_is_told() {
    let here = Site::new();
    let settings = here.site.join(".ht.app.fcgi");
    let program = here.site.join("app.fcgi");
    for (content, wrong) in [
        ("workers 2\nworker 2\n", Some("worker is no flag")),
        ("workers 2\n", None),
    ] {
        fs::write(&settings, content).unwrap();
        let (code, said) = deploy(&[&here.built, &here.site]);
        assert_eq!(code, Some(0), "{said}");
        assert!(program.exists(), "{said}");
        let told = wrong.map(|wrong| format!("{}, line 2: {wrong}", settings.display()));
        let begin = "scripts/deploy: until this is mended each request is answered 503: ";
        let said = said.lines().find_map(|line| line.strip_prefix(begin));
        assert_eq!(said.is_some(), told.is_some(), "{said:?}");
        let said = said.unwrap_or_default();
        assert!(said.starts_with(&told.unwrap_or_default()), "{said}");
    }
}

/// `cp` fails with "Text file busy", and an upload by FTP leaves half a program that runs.
#[test]
fn a_running_program_is_replaced_and_runs_on() {
    let here = Site::new();
    assert_eq!(deploy(&[&here.built, &here.site]).0, Some(0));
    let program = here.site.join("app.fcgi");
    let folder = Folder::new();
    let address = Address::Unix(folder.path().join("s"));
    let mut command = testbed::command_of(&program);
    command.args(["--listen", &address.to_string()]);
    let testbed = Testbed::spawn(command, address, folder);
    testbed.line("listening on ");
    assert!(
        fs::write(&program, "overwritten").is_err(),
        "nothing is shown"
    );
    let inode = program.metadata().unwrap().ino();
    let (code, said) = deploy(&[&here.built, &here.site]);
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(program.metadata().unwrap().ino(), inode);
    testbed.assert_serves();
    assert_eq!(here.names(), [".htaccess", "app.fcgi"]);
}

#[test]
fn what_is_wrong_is_one_sentence_and_changes_nothing() {
    let here = Site::new();
    let elf = fs::read(&here.built).unwrap();
    let mut foreign = elf.clone();
    // e_machine: Alpha.
    foreign[18..20].copy_from_slice(&0x9026_u16.to_le_bytes());
    let foreign = here.file("foreign", &foreign, 0o755);
    let torn = here.file("torn", &elf[..5000], 0o755);
    // As FTP in text mode leaves it; here what the kernel looks at first is wrong, e_phentsize.
    let mut mangled = elf[..5000].to_vec();
    mangled[54] = b'\r';
    let mangled = here.file("mangled", &mangled, 0o755);
    let script = here.file("script", b"#!/bin/sh\necho 1\n", 0o755);
    let locked = here.file("locked", &elf, 0o644);
    let silent = here.file("silent", &fs::read("/bin/true").unwrap(), 0o755);
    let (nothing, folder) = (here.folder.path().join("nothing"), here.folder.path());
    let name = |name: &'static str| Some(name);
    fs::create_dir(here.site.join("sub")).unwrap();
    for (file, site, name, words) in [
        (&nothing, &here.site, None, "there is no file "),
        (&folder.to_owned(), &here.site, None, " is no file; "),
        (&locked, &here.site, None, " is not executable; "),
        (&script, &here.site, None, " is no program of Linux"),
        (&foreign, &here.site, None, " is built for another machine"),
        (&torn, &here.site, None, ": it is cut off, or damaged; "),
        (&mangled, &here.site, None, ": it is cut off, or damaged; "),
        (
            &silent,
            &here.site,
            None,
            " prints no .htaccess for app.fcgi",
        ),
        (&here.built, &nothing, None, "there is no folder "),
        (&here.built, &here.built, None, " is no folder; "),
        (&here.built, &here.site, name("sub"), "/sub is a folder; "),
        (
            &here.built,
            &here.site,
            name("sub/app"),
            "the name sub/app ",
        ),
        (&here.built, &here.site, name("../app"), "the name ../app "),
        (
            &here.built,
            &here.site,
            name(".ht.app"),
            "the name .ht.app ",
        ),
    ] {
        let mut words_given: Vec<&dyn AsRef<OsStr>> = vec![file, site];
        if let Some(name) = &name {
            words_given.push(name);
        }
        let (code, said) = deploy(&words_given);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with("scripts/deploy: "), "{said}");
        assert!(said.contains(words), "{words}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(here.names(), ["sub"], "{said}");
    }
    for words in [&[][..], &["one"], &["1", "2", "3", "4"]] {
        let words: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| word as _).collect();
        let usage = "usage: scripts/deploy FILE FOLDER [NAME]\n".to_owned();
        assert_eq!(deploy(&words), (Some(2), usage));
    }
}

/// What it says before its end has an empty line in front, and the reason is in the line after the next.
#[test]
fn a_program_that_panics_at_its_start_is_told_with_its_words() {
    let here = Site::new();
    let source = here.file("panics.rs", b"fn main() { panic!(\"no database\") }", 0o644);
    let panics = source.with_extension("");
    let built = Command::new("rustc")
        .args([&source, &"-o".into(), &panics])
        .status();
    assert!(built.unwrap().success());
    let (code, said) = deploy(&[&panics, &here.site]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("panics.rs:1:13: no database\n"), "{said}");
    assert!(here.names().is_empty());
}

/// Root tries it, and what it makes meanwhile is the site's user's: else his own program could not write there.
#[test]
fn what_the_program_makes_at_its_start_belongs_to_the_sites_user() {
    const OTHER: u32 = 65_534;
    let here = Site::new();
    let makes = br#"fn main() {
        let folder = std::env::current_exe().unwrap().with_file_name("uploads");
        std::fs::create_dir_all(folder).unwrap();
    }"#;
    let source = here.file("makes.rs", makes, 0o644);
    let makes = source.with_extension("");
    let built = Command::new("rustc")
        .args([&source, &"-o".into(), &makes])
        .status();
    assert!(built.unwrap().success());
    fs::write(here.site.join(".htaccess"), "# app.fcgi").unwrap();
    if here.site.metadata().unwrap().uid() == 0 {
        chown(&here.site, Some(OTHER), Some(OTHER)).unwrap();
    }
    let (code, said) = deploy(&[&makes, &here.site]);
    assert_eq!(code, Some(0), "{said}");
    let owner = |path: &Path| {
        (
            path.metadata().unwrap().uid(),
            path.metadata().unwrap().gid(),
        )
    };
    assert_eq!(owner(&here.site.join("uploads")), owner(&here.site));
}

/// A full disk, a quota: what is there runs on.
#[test]
fn a_copy_that_does_not_fit_is_removed() {
    let here = Site::new();
    fs::write(here.site.join("app.fcgi"), "the old one").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -f 8; exec "$0" "$@""#])
        .args([&script(), &here.built, &here.site]);
    let (code, said) = told(command);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("could not be copied"), "{said}");
    assert_eq!(here.names(), ["app.fcgi"]);
    let left = fs::read(here.site.join("app.fcgi")).unwrap();
    assert_eq!(left, b"the old one");
}

/// By root it stays whose it was: a host's suexec runs no program of another. Anybody else could not give it away.
#[test]
fn the_program_keeps_its_owner() {
    const OTHER: u32 = 65_534;
    let here = Site::new();
    let program = here.site.join("app.fcgi");
    let is_root = here.site.metadata().unwrap().uid() == 0;
    if is_root {
        chown(&here.site, Some(OTHER), Some(OTHER)).unwrap();
        for owner in [OTHER, 1] {
            assert_eq!(deploy(&[&here.built, &here.site]).0, Some(0));
            for name in [".htaccess", "app.fcgi"] {
                let meta = here.site.join(name).metadata().unwrap();
                let expected = if name == ".htaccess" { OTHER } else { owner };
                assert_eq!((meta.uid(), meta.gid()), (expected, expected), "{name}");
            }
            chown(&program, Some(1), Some(1)).unwrap();
        }
    } else {
        assert_eq!(deploy(&[&here.built, &here.site]).0, Some(0));
        assert_eq!(
            program.metadata().unwrap().uid(),
            here.site.metadata().unwrap().uid()
        );
    }
    let locked = here.folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let mut sites = vec![(locked, " is not writable for ")];
    if is_root {
        sites.push((here.site.clone(), "/app.fcgi belongs to the user 1, "));
    }
    for (site, words) in sites {
        let names = here.names();
        let mut command = Command::new(script());
        command.args([&here.built, &site]);
        if is_root {
            command.uid(OTHER).gid(OTHER);
        }
        let (code, said) = told(command);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
        assert_eq!(here.names(), names);
    }
}
