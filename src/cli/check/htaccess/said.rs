//! What a `.htaccess` says for one file: its directives, as far as they matter to a program. Pure. Called by `htaccess`.

use super::super::name_pattern;
use crate::cli::words::{Words, words};

/// What a `.htaccess` says for one file.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Whether the last Options turn ExecCGI on or off.
    pub(super) exec_cgi: Option<bool>,
    /// A line that Apache refuses: `Options ExecCGI +FollowSymLinks`.
    pub(super) mixed_options: Option<Words>,
    pub(super) handler: Option<Words>,
    /// RewriteEngine is on.
    pub(super) has_engine: bool,
    /// The targets of all rewrite rules.
    pub(super) targets: Vec<Words>,
    /// Requests are led to the program by something else than rewrite rules.
    pub(super) leads_otherwise: bool,
    /// There is an FcgidWrapper with the word virtual, which gets only requests for what is no file.
    pub(super) is_virtual: bool,
    /// There is a handler that is for the program's file, too.
    pub(super) is_handled: bool,
    /// Apache refuses the program's file to whoever asks for it by its own address.
    pub(super) is_denied: bool,
}

/// Reads the text of a `.htaccess` for the file of that name beside it.
pub(super) fn read(text: &str, name: &str) -> Said {
    let mut said = Said::default();
    // How many open sections are for other files than this one.
    let mut others = 0;
    // `<If "! -f %{REQUEST_FILENAME}">` is not for the file itself. What other conditions are for is not known here.
    let (mut is_for_some, mut is_for_no_file) = (false, false);
    let mut is_second = false;
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in text.lines().map(str::trim) {
        let words = words(line);
        let Some((directive, values)) = words.split_first() else {
            continue;
        };
        let directive = directive.to_ascii_lowercase();
        match directive.as_str() {
            "<files" | "<filesmatch" if others > 0 || !is_for(&directive, values, name) => {
                others += 1
            }
            "</files>" | "</filesmatch>" if others > 0 => others -= 1,
            _ if others > 0 => {}
            "options" => said.options(values, line),
            // `conf htaccess` prints a handler for mod_fcgid, and a second one for where that module is missing.
            "<ifmodule" => is_second = values.first().is_some_and(|name| name.starts_with('!')),
            "</ifmodule>" => is_second = false,
            "sethandler" if is_second && said.handler.is_some() => {}
            "<if" => {
                let condition = values.concat().replace([' ', '"', '>'], "");
                // The program is a file.
                is_for_some = condition != "-f%{REQUEST_FILENAME}";
                is_for_no_file = condition.starts_with("!-f");
            }
            "</if>" => (is_for_some, is_for_no_file) = (false, false),
            "sethandler" => {
                said.is_handled |= !is_for_no_file;
                said.handler = values.first().copied();
            }
            "addhandler" if ends_so(name, values) => {
                said.is_handled |= !is_for_no_file;
                said.handler = values.first().copied();
            }
            "require" | "deny" | "redirect" if !is_for_some => {
                said.is_denied |= is_denial(&directive, values)
            }
            "fcgidwrapper" => {
                said.handler = Some("fcgid-script");
                let is_virtual = values.contains(&"virtual");
                said.leads_otherwise |= is_virtual;
                said.is_virtual |= is_virtual;
            }
            "fallbackresource" | "directoryindex" | "action" => said.leads_otherwise = true,
            "rewriteengine" => {
                said.has_engine = values
                    .first()
                    .is_some_and(|on| on.eq_ignore_ascii_case("on"))
            }
            "rewriterule" => said.targets.extend(values.get(1).copied()),
            _ => {}
        }
    }
    said
}

/// Whether a directive refuses a file: `Require all denied`, `Deny from all`, `Redirect 403 "/"`.
fn is_denial(directive: &str, values: &[Words]) -> bool {
    let values = values.join(" ").to_ascii_lowercase();
    match directive {
        "require" => values == "all denied",
        "deny" => values == "from all",
        _ => ["403 ", "404 ", "gone "]
            .iter()
            .any(|status| values.starts_with(status)),
    }
}

impl Said {
    pub(super) fn is_proxied(&self) -> bool {
        let handler = self.handler.unwrap_or("");
        handler.starts_with("proxy:") && handler.contains("fcgi:")
    }

    fn options(&mut self, values: &[Words], line: &str) {
        let signed = values
            .iter()
            .filter(|value| value.starts_with(['+', '-']))
            .count();
        if signed != 0 && signed != values.len() {
            self.mixed_options = Some(words!("{line}"));
        }
        if signed == 0 {
            self.exec_cgi = Some(false);
        }
        for value in values {
            match value.to_ascii_lowercase().as_str() {
                "+execcgi" | "execcgi" | "all" | "+all" => self.exec_cgi = Some(true),
                "-execcgi" | "none" | "-all" => self.exec_cgi = Some(false),
                _ => {}
            }
        }
    }
}

/// Whether a section `<Files>` or `<FilesMatch>` is for the file of that name.
fn is_for(directive: &str, values: &[Words], name: &str) -> bool {
    let plain = |value: &str| value.trim_end_matches('>').trim_matches('"').to_owned();
    match values {
        ["~", value, ..] => name_pattern::fits(&plain(value), name),
        [value, ..] if directive == "<filesmatch" => name_pattern::fits(&plain(value), name),
        [value, ..] => name_pattern::fits_wildcards(&plain(value), name),
        [] => false,
    }
}

/// Whether an AddHandler with these values, `fcgid-script .fcgi fcg`, is for the file of that name. Any of the name's endings
/// may be the one: Apache runs `app.fcgi.jpg`, too.
pub(super) fn ends_so(name: &str, values: &[Words]) -> bool {
    let endings: Vec<&str> = name.split('.').skip(1).collect();
    let wanted = values
        .iter()
        .skip(1)
        .map(|value| value.trim_start_matches('.'));
    wanted.into_iter().any(|wanted| {
        endings
            .iter()
            .any(|ending| ending.eq_ignore_ascii_case(wanted))
    })
}

/// The words of a line as Apache divides it: at blanks, but for those between quotes. None of a comment.
pub(super) fn words(line: &str) -> Vec<Words> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    if line.starts_with('#') {
        return words;
    }
    for c in line.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if (c == '"' || c == '\'') && word.is_empty() => quote = Some(c),
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word).leak());
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word.leak());
    }
    words
}
