//! Where the dynamic linker looks for libraries, and which ones it will not find. Called by `format`.

use super::elf::{self, Elf};
use super::text_of;
use crate::cli::words::{Words, words};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Of a program that needs more libraries, the rest is not looked for.
const MOST: usize = 500;

/// A library that is not there, and what needs it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) name: Words,
    pub(super) needed_by: Words,
}

/// The libraries that the linker will not find, of those that the program needs and those that these need in turn.
pub(super) fn missing(program: &Path, elf: &Elf) -> Vec<Missing> {
    let system = system_folders(elf.machine);
    let is_musl = elf
        .interpreter
        .as_ref()
        .is_some_and(|name| name.contains("/ld-musl"));
    // An RPATH, the older way, also counts for what libraries need. A RUNPATH does not.
    let inherited = match elf.has_run_path {
        true => Vec::new(),
        false => own_folders(program, &elf.run_path),
    };
    let mut found = vec![(program.to_owned(), elf.clone())];
    let mut next = 0;
    let (mut seen, mut missing) = (Vec::new(), Vec::new());
    while let Some((file, elf)) = found.get(next).cloned() {
        next += 1;
        let mut folders = own_folders(&file, &elf.run_path);
        if !elf.has_run_path {
            folders.extend(inherited.iter().cloned());
        }
        folders.extend(system.iter().cloned());
        for name in elf.needed {
            let is_there = is_musl && is_loaders(name);
            if is_there || seen.contains(&name) || seen.len() == MOST {
                continue;
            }
            seen.push(name);
            match library(name, &folders, elf.machine) {
                Some(library) => found.push(library),
                None => missing.push(Missing {
                    name,
                    needed_by: words!("{}", file.display()),
                }),
            }
        }
    }
    missing
}

/// The versions of the C library that the program wants and the one here does not have.
pub(super) fn missing_versions(elf: &Elf) -> Vec<Words> {
    let folders = system_folders(elf.machine);
    let Some((libc, _)) = library("libc.so.6", &folders, elf.machine) else {
        return Vec::new();
    };
    let Some(known) = open(&libc) else {
        return Vec::new();
    };
    // What the C library offers is in the same table of its file in which a program has what it wants.
    let mut lacks = elf.versions.clone();
    lacks.retain(|version| !known.versions.contains(version));
    lacks
}

/// Reads the head of a file.
pub(super) fn open(path: &Path) -> Option<Elf> {
    fs::metadata(path).ok().filter(|found| found.is_file())?;
    let file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    elf::read(&|at, len| {
        let len = size.saturating_sub(at).min(len as u64) as usize;
        let mut bytes = vec![0; len];
        match file.read_exact_at(&mut bytes, at) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    })
}

/// A library by its name: the first in these folders that is for this machine. The linker, too, passes by one for another.
fn library(name: &str, folders: &[PathBuf], machine: u16) -> Option<(PathBuf, Elf)> {
    let open = |path: PathBuf| {
        let elf = open(&path).filter(|elf| elf.machine == machine)?;
        Some((path, elf))
    };
    match name.contains('/') {
        true => open(name.into()),
        false => folders.iter().find_map(|folder| open(folder.join(name))),
    }
}

/// Whether a library is a part of musl's loader, which needs no file for it. A file of that name may be something else:
/// Debian's libc.so is a text for ld.
fn is_loaders(name: &str) -> bool {
    let parts = ["c", "pthread", "rt", "m", "dl", "util", "xnet"];
    parts
        .iter()
        .any(|part| name.starts_with(words!("lib{part}.")))
}

/// The folders that the file itself names for its libraries, its variables filled in.
fn own_folders(file: &Path, run_path: &[Words]) -> Vec<PathBuf> {
    let origin = file
        .parent()
        .unwrap_or(Path::new("/"))
        .display()
        .to_string();
    // The linker fills in one of these for $LIB; ld.so(8) leaves open which.
    let libs = [
        "lib64",
        "lib",
        "lib/x86_64-linux-gnu",
        "lib/aarch64-linux-gnu",
    ];
    let mut folders = Vec::new();
    for path in run_path {
        let path = path
            .replace("${ORIGIN}", &origin)
            .replace("$ORIGIN", &origin)
            .replace("${LIB}", "$LIB");
        let count = if path.contains("$LIB") { libs.len() } else { 1 };
        for lib in &libs[..count] {
            folders.push(path.replace("$LIB", lib).into());
        }
    }
    folders
}

/// The folders in which the system's linker looks.
fn system_folders(machine: u16) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut files = vec![PathBuf::from("/etc/ld.so.conf")];
    let entries = fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten();
    files.extend(entries.flatten().map(|entry| entry.path()));
    // musl has a list of its own.
    files.push(words!("/etc/ld-musl-{}.path", std::env::consts::ARCH).into());
    for file in files {
        folders.extend(listed(text_of(&file).unwrap_or_default()));
    }
    let triple = match machine {
        3 => "i386-linux-gnu",
        62 => "x86_64-linux-gnu",
        183 => "aarch64-linux-gnu",
        40 => "arm-linux-gnueabihf",
        243 => "riscv64-linux-gnu",
        _ => "",
    };
    for root in ["/lib", "/usr/lib"] {
        folders.push(Path::new(root).join(triple));
        folders.push(root.into());
        folders.push(words!("{root}64").into());
    }
    folders.push("/usr/local/lib".into());
    folders
}

/// The folders that such a list names. Its lines `include` are passed over: the included files are found as files of the
/// folder ld.so.conf.d.
fn listed(text: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in text.lines() {
        for folder in line.split(':') {
            let folder = folder.split('#').next().unwrap_or("").trim();
            if folder.starts_with('/') {
                folders.push(folder.into());
            }
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_lacks_nothing_and_another_what_is_nowhere() {
        let this = Path::new("/proc/self/exe");
        let mut elf = open(this).unwrap();
        assert_eq!(missing(this, &elf), []);
        assert!(missing_versions(&elf).is_empty());
        elf.needed.push("libnowhere.so.7");
        elf.versions.push("GLIBC_2.999");
        let found = missing(this, &elf);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "libnowhere.so.7");
        if elf.needed.len() > 1 {
            assert_eq!(missing_versions(&elf), ["GLIBC_2.999"]);
        }
    }

    /// As musl-gcc links: `libc.so` is the loader itself.
    #[test]
    fn of_musl_its_own_parts_are_never_missing() {
        let mut elf = Elf {
            machine: elf::ours().unwrap_or(0),
            interpreter: Some("/lib/ld-musl-x86_64.so.1"),
            needed: vec!["libc.so", "libnowhere.so"],
            ..Elf::default()
        };
        let names = |elf: &Elf| -> Vec<Words> {
            let missing = missing(Path::new("/srv/app"), elf);
            missing.into_iter().map(|missing| missing.name).collect()
        };
        assert_eq!(names(&elf), ["libnowhere.so"]);
        elf.interpreter = Some("/lib64/ld-linux-x86-64.so.2");
        elf.needed = vec!["libpthread.so"];
        assert_eq!(names(&elf), ["libpthread.so"]);
    }

    #[test]
    fn folders_are_read_from_the_lists() {
        let text = "# x\ninclude /etc/x/*.conf\n/opt/lib # ours\n/a:/b\n";
        assert_eq!(
            listed(text),
            [Path::new("/opt/lib"), Path::new("/a"), Path::new("/b")]
        );
        let own = own_folders(Path::new("/srv/app"), &["$ORIGIN/lib"]);
        assert_eq!(own, [Path::new("/srv/lib")]);
        let own = own_folders(Path::new("/srv/app"), &["${ORIGIN}/$LIB"]);
        assert!(own.contains(&"/srv/lib".into()) && own.contains(&"/srv/lib64".into()));
    }
}
