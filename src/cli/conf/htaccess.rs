//! `.htaccess`, for a host where nothing else can be set. It is for the document root or any folder below it. Called by
//! [`text`](super::text).

use super::apache::{ending, wrapped_program, wrapped_words};
use super::escape::{escaped, in_regex, plain};
use super::site::Site;
use crate::cli::words::{Words, joined, words};

/// The program is known by its own name. It does more than the guides' form.
pub(super) fn text(site: &Site) -> Words {
    let path = site.path();
    let name = site.file_name();
    let base = base(site);
    // The name as mod_rewrite has to have it, so that no letter of it has a special meaning.
    let (pattern, target) = (in_regex(name), escaped(name, "$%"));
    words!(
        r#"# .htaccess beside {path}: every address that is not a file goes to the program.
# It has the program's name; under another one this has to be printed anew, or each request is a 500 (AH00124).
# The server has to allow this file its directives: AllowOverride FileInfo Options (or All) for the folder.
# Each one of these that it does not allow or know is a 500, and a line in its error log that names the directive.

<Files "{name}">
    # mod_fcgid keeps the program running. Without that module it runs once a request, as plain CGI: slower, no less.
    <IfModule mod_fcgid.c>
        SetHandler fcgid-script
    </IfModule>
    <IfModule !mod_fcgid.c>
        SetHandler cgi-script
    </IfModule>
    # Without it: 403. If the file itself is not executable (chmod 755), or is built for another machine: 500, and
    # "End of script output before headers" in the error log.
    Options +ExecCGI
</Files>

RewriteEngine On

# No module here that runs programs: an error, or visitors would download this one.
<IfModule !mod_fcgid.c>
    <IfModule !mod_cgid.c>
        <IfModule !mod_cgi.c>
            RewriteRule "^{pattern}(/|$)" - [R=503,L]
        </IfModule>
    </IfModule>
</IfModule>

{denied}# What is not a file goes to the program; a folder is not a file, so / does even where an index.html lies.
{base}<IfModule mod_version.c>
    <IfVersion >= 2.4.26>
        # B encodes again what Apache would decode twice: else %3F in a path is a 403, %25 a 400, and %23 ends it.
        RewriteCond %{{REQUEST_FILENAME}} !-f
        RewriteRule "^(.*)$" "{target}/$1" [B=#?%,QSA,L]
    </IfVersion>
</IfModule>
RewriteCond %{{REQUEST_FILENAME}} !-f
RewriteRule "^(.*)$" "{target}/$1" [QSA,L]

# The Authorization header is not passed on unless the next line is made active (and AllowOverride has AuthConfig).
#CGIPassAuth On

{limits}# Settings of the program: one a line (workers 2) in a file .ht.{name} beside it; Apache never serves .ht*.
"#,
        denied = denied(name),
        limits = limits(site)
    )
}

/// The program is known by its ending, as guides have it.
pub(super) fn addhandler(site: &Site) -> Words {
    let (path, name) = (site.path(), site.file_name());
    let ending = ending(name);
    let pattern = in_regex(ending);
    let target = escaped(name, "$%");
    let by_ending = match ending.starts_with('.') {
        true => words!("        AddHandler fcgid-script {ending}\n"),
        // AddHandler knows endings alone.
        false => "",
    };
    words!(
        r#"# .htaccess beside {path}, in the shape that guides have: any file that ends in {ending} is a program.
# Plain `conf htaccess` does more: %3F or %25 in a path, which are a 403 and a 400 here, CGI where mod_fcgid is
# missing, and any folder without RewriteBase.
# The server has to allow this file its directives: AllowOverride FileInfo Options (or All) for the folder; else each
# request is a 500, and its error log names the directive.

<IfModule mod_fcgid.c>
    # The pattern ends with the name. Without its $, and by AddHandler outside of it, an uploaded photo{ending}.jpg
    # would be a program too.
    <Files ~ "{pattern}$">
{by_ending}        SetHandler fcgid-script
        # Without ExecCGI: 403. FollowSymLinks is a 500 with hosts that allow no more than SymLinksIfOwnerMatch.
        Options +FollowSymLinks +ExecCGI
    </Files>
</IfModule>
# Without that module visitors would download the program.
<IfModule !mod_fcgid.c>
    <Files ~ "{pattern}$">
        Redirect 503 "/"
    </Files>
</IfModule>

{denied}<IfModule mod_rewrite.c>
    # Rewriting in a folder needs it.
    Options +FollowSymLinks
    RewriteEngine On
    # The address of this folder: in one below the root another, or each request is a 404.
    RewriteBase "{base}/"
    # What is no file is the program's. That {name} does not show in addresses is the program's doing.
    RewriteCond %{{REQUEST_FILENAME}} !-f
    RewriteRule "^(.*)$" "{target}/$1" [QSA,L]
</IfModule>

{limits}# Settings of the program: one a line (workers 2) in a file .ht.{name} beside it; Apache never serves .ht*.
"#,
        denied = denied(name),
        base = plain(site.mount),
        limits = limits(site)
    )
}

/// The program lies elsewhere, and nothing of it is in a folder that is served.
pub(super) fn wrapper(site: &Site) -> Words {
    let (path, name) = (site.path(), site.file_name());
    let (program, words) = (wrapped_program(site), wrapped_words(site));
    words!(
        r#"# .htaccess of a folder whose addresses are the program's, {path}. It had better lie elsewhere: what is not
# served nobody can download, nor what lies beside it. It has to be mod_fcgid's.
# The server has to allow this file its directives: AllowOverride FileInfo Options (or All) for the folder; else each
# request is a 500, and its error log names the directive.

# Without it: 403. If the program is not executable (chmod 755), or is built for another machine: 500.
Options +ExecCGI

<IfModule mod_fcgid.c>
    # What is no file is the program's; an index.html is served for its folder.
    <If "! -f %{{REQUEST_FILENAME}}">
        SetHandler fcgid-script
        # virtual: no file has to have the name that is asked for. Apache takes the first part of a path for SCRIPT_NAME
        # then; --mount says what is meant, the address of this folder.
        FcgidWrapper "{program}{words}" virtual
    </If>
</IfModule>
<IfModule !mod_fcgid.c>
    # Nothing else runs it here.
    <If "! -f %{{REQUEST_FILENAME}}">
        Redirect 503 "/"
    </If>
</IfModule>

# The program itself, should it lie here after all: Apache would send it as a file.
<Files "{name}">
    <If "-f %{{REQUEST_FILENAME}}">
        Redirect 403 "/"
    </If>
</Files>
{denied}{limits}# Flags of the program stand behind its name above, or as settings in a file .ht.{name} beside it: one a line
# (max-body 1000000).
"#,
        denied = denied(name),
        limits = limits(&site.without_told())
    )
}

/// Sections that refuse what lies beside the program and is for nobody. FilesMatch looks at the name alone, and an address of the
/// program's own may have such a name: so `<If>` looks whether there is a file. `Require all denied` would need AllowOverride
/// AuthConfig, which many hosts do not give. FileInfo allows what is used here, and that also holds in a folder below that has a
/// RewriteEngine of its own.
fn denied(name: &str) -> Words {
    let program = in_regex(name);
    let kinds = [
        (
            "Hidden ones, copies of programs, what editors leave.",
            words!(r"\..*|{program}.+|.*\.f?cgi.+|.*~|#.*#"),
        ),
        (
            "Databases and logs, with what goes with them: -wal, .1, .gz.",
            r".*\.(db3?|sqlite3?|sql|dump|log|sock|pid)(-\w+)?(\.(\d+|[gx]z|bz2|zip))*",
        ),
        (
            "Settings, keys, sources.",
            r".*\.(toml|ini|conf|cfg|ya?ml|env|lock|key|pem|rs|py|sh)",
        ),
        (
            "Backups and half an upload.",
            r".*\.(bak|old|orig|new|swp|tmp|part)(\.(\d+|[gx]z|bz2|zip))*",
        ),
    ];
    let mut refused = kinds.into_iter().map(|(what, names)| {
        words!(
            r#"# {what}
<FilesMatch "(?i)^(?!{program}$)({names})$">
    <If "-f %{{REQUEST_FILENAME}}">
        Redirect 403 "/"
    </If>
</FilesMatch>
"#
        )
    });
    words!(
        r#"# Other files are served as they stand. Not these, here and in folders below; add what else is nobody's business.
{}# What is in a hidden folder.
<If "-f %{{REQUEST_FILENAME}} && -z %{{PATH_INFO}} && %{{REQUEST_URI}} =~ m#/\.(?!well-known/)#">
    Redirect 403 "/"
</If>

"#,
        joined(&mut refused, "")
    )
}

/// Comments on mod_fcgid's limits: none of its directives is allowed in `.htaccess`.
fn limits(site: &Site) -> Words {
    let patience = match site.patience() {
        Some(seconds) => words!(
            "# For --timeout, FcgidIOTimeout and FcgidBusyTimeout have to be {seconds} or more: ask the host.\n"
        ),
        None => {
            "# A program that is silent for longer than FcgidIOTimeout (40 s unless set) is a 500, too.\n"
        }
    };
    words!(
        "# Only the server's own configuration can change this: mod_fcgid answers 500 to a request body above FcgidMaxRequestLen\n\
         # (131072 bytes unless set), and the program never hears of it.\n\
         {patience}{}",
        site.as_settings()
    )
}

/// Apache 2.4.71 finds the folder's address by itself: at the root, below it, and in `/~user/`. A wrong one is a 404 for
/// every request, as is the guides' `RewriteBase /` in a folder below the root.
fn base(site: &Site) -> Words {
    match site.mount {
        "" => {
            "# If the program is asked for under its path on the disk (404), the host needs the folder's address: RewriteBase /\n"
        }
        mount => words!(
            "# The address of this folder. Apache finds it by itself on most hosts; a wrong one is a 404.\n\
             RewriteBase \"{}/\"\n",
            super::escape::plain(mount)
        ),
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn for_program(program: &str) -> Words {
        text(&Site::sample(program, &[]))
    }

    #[test]
    fn names_this_file_and_no_other() {
        let text = for_program("/srv/www/guest.book.fcgi");
        assert!(text.contains(r#"<Files "guest.book.fcgi">"#), "{text}");
        assert!(
            text.contains(r#"RewriteRule "^guest\.book\.fcgi(/|$)" - [R=503,L]"#),
            "{text}"
        );
        assert!(
            text.contains(r#"RewriteRule "^(.*)$" "guest.book.fcgi/$1" [B=#?%,QSA,L]"#),
            "{text}"
        );
    }

    #[test]
    fn a_dollar_or_percent_in_the_name_is_no_reference() {
        let text = for_program("/srv/a$1%2.fcgi");
        assert!(
            text.contains(r#" "a\$1\%2.fcgi/$1" [B=#?%,QSA,L]"#),
            "{text}"
        );
    }

    #[test]
    fn a_mount_is_the_address_of_the_folder() {
        let text = text(&Site {
            mount: "/~ada",
            ..Site::sample("/home/ada/public_html/app.fcgi", &[])
        });
        assert!(text.contains("\nRewriteBase \"/~ada/\"\n"), "{text}");
    }
}
