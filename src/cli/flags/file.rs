//! The text of a settings file: one flag a line, without dashes. Called by `settings`, which finds and reads the file.

use super::options::Options;
use super::{Kind, all, unknown};
use std::path::Path;

/// Reads the text. Relative paths count from `home`.
///
/// # Errors
/// The number of the line, and one sentence.
pub(in crate::cli) fn parse_file(text: &str, home: &Path) -> Result<Options, (usize, String)> {
    let mut options = Options::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        parse_line(line, number, home, &mut options).map_err(|reason| (number, reason))?;
    }
    options.resolve(home);
    Ok(options)
}

/// Adds what the line with this number asks for.
fn parse_line(line: &str, number: usize, home: &Path, options: &mut Options) -> Result<(), String> {
    let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if let Some(name) = name.strip_prefix("--") {
        return Err(format!("a flag has no dashes here; write {name}"));
    }
    if let Some((name, value)) = assigned(line) {
        return Err(format!(
            "between name and value is a space here; write {name} {value}"
        ));
    }
    let flag = all().find(|flag| flag.name == name);
    let flag = flag.ok_or_else(|| unknown(name, ""))?;
    match flag.kind {
        Kind::Keepalive => return Err("keepalive is for the command conf; leave it out".into()),
        _ if !flag.takes_value() && !value.is_empty() => {
            return Err(format!("{name} takes no value; write {name}"));
        }
        _ if !flag.is_repeatable() && options.names(name) => {
            return Err(format!("{name} is given twice; leave one out"));
        }
        _ => {}
    }
    if value.is_empty() && flag.takes_value() {
        return Err(format!("{name} needs a value; write {name} {}", flag.value));
    }
    options
        .add(flag, value.trim(), Some(number))
        .map_err(|reason| format!("{name}: {reason}"))?;
    match options.repeated(home) {
        Some(address) => Err(format!("listen {address} is given twice; leave one out")),
        None => Ok(()),
    }
}

/// Name and value of a line that is written as in other settings files: `workers = 4`, `workers=4`, `workers: 4`. Without this,
/// the equals sign would be taken for the beginning of a path. A colon may begin a value (`socket-owner :www-data`), so that it
/// counts only right behind the name.
fn assigned(line: &str) -> Option<(&str, &str)> {
    let end = line.find(|at: char| at.is_whitespace() || "=:".contains(at))?;
    let (name, rest) = line.split_at(end);
    let value = rest
        .strip_prefix(':')
        .or_else(|| rest.trim_start().strip_prefix('='))?;
    Some((name, value.trim()))
}

/// The line without its comment. A `#` begins one at the start of the line and after a space: within a word, a path say, it is
/// a character as others are.
fn without_comment(line: &str) -> &str {
    let is_start = |at: usize| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    let start = line.match_indices('#').find(|&(at, _)| is_start(at));
    start.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Address;
    use crate::server::Server;

    #[test]
    fn a_file_has_one_flag_a_line() {
        let text = [
            "# for the shared host\r",
            "\r",
            "  workers\t 2 # two are enough\r",
            "listen unix:a#b.sock",
            "listen /run/c.sock",
            "socket-owner :0",
        ];
        let options = parse_file(&text.join("\n"), Path::new("/srv/www")).unwrap();
        let addresses: Vec<String> = options.listen().map(Address::to_string).collect();
        assert_eq!(addresses, ["unix:/srv/www/a#b.sock", "unix:/run/c.sock"]);
        assert_eq!(options.apply(Server::new()).workers, 2);
        assert!(parse_file("", Path::new("/")).is_ok());
    }

    #[test]
    fn a_wrong_line_has_its_number() {
        for (text, number, sentence) in [
            ("wrokers 4", 1, "wrokers is no flag; did you mean workers?"),
            (
                "# x\n\n--workers 4",
                3,
                "a flag has no dashes here; write workers",
            ),
            (
                "workers=4",
                1,
                "between name and value is a space here; write workers 4",
            ),
            (
                "access-log = .ht.access.log",
                1,
                "between name and value is a space here; write access-log .ht.access.log",
            ),
            (
                "log-level: debug",
                1,
                "between name and value is a space here; write log-level debug",
            ),
            ("workers", 1, "workers needs a value; write workers N"),
            ("workers # 4", 1, "workers needs a value; write workers N"),
            (
                "workers 4\nworkers 4\n",
                2,
                "workers is given twice; leave one out",
            ),
            (
                "listen unix:s\nworkers 4\nlisten /srv/www/s\n",
                3,
                "listen unix:/srv/www/s is given twice; leave one out",
            ),
            (
                "keepalive",
                1,
                "keepalive is for the command conf; leave it out",
            ),
            ("help", 1, "help is no flag; see --help"),
            ("bananas 3", 1, "bananas is no flag; see --help"),
        ] {
            let error = parse_file(text, Path::new("/srv/www")).unwrap_err();
            assert_eq!(error, (number, sentence.to_owned()), "{text:?}");
        }
    }
}
