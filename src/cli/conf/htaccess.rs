//! `.htaccess` beside the program, for a host where nothing else can be set. It works in the document root and in any
//! folder below it. Called by [`text`](super::text).

use super::{Site, escaped, in_regex};

pub(super) fn text(site: &Site) -> String {
    let path = site.path();
    let name = site.file_name();
    let base = base(site);
    // mod_rewrite takes it as it is then.
    let (pattern, target) = (in_regex(&name), escaped(&name, "$%"));
    format!(
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

# A file beside the program is served as it stands. Not these: hidden ones, databases, logs, copies that editors leave.
RewriteCond %{{REQUEST_FILENAME}} -f
RewriteCond %{{PATH_INFO}} ^$
RewriteCond $0 "(^|/)\.(?!well-known/)|~$" [OR]
RewriteCond $0 "\.(db|sqlite3?|log|sock|toml|bak|old|orig|swp|tmp|part)(-\w+)?(\.(\d+|[gx]z))*$" [NC]
RewriteRule "^.*$" - [F]

# What is not a file goes to the program; a folder is not a file, so / does even where an index.html lies.
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

# Only the server's own configuration can change this: mod_fcgid answers 500 to a request body above FcgidMaxRequestLen
# (131072 bytes unless set), and the program never hears of it.
# Settings of the program: one a line (workers 2) in a file .ht.{name} beside it; Apache never serves .ht*.
"#
    )
}

/// Apache 2.4.71 finds the folder's address by itself: at the root, below it, and in `/~user/`. A wrong one is a 404 for
/// every request, as is the guides' `RewriteBase /` in a folder below the root.
fn base(site: &Site) -> String {
    match site.mount {
        "" => "# If the program is asked for under its path on the disk (404), the host needs the folder's address: RewriteBase /\n"
            .to_owned(),
        mount => format!(
            "# The address of this folder. Apache finds it by itself on most hosts; a wrong one is a 404.\n\
             RewriteBase \"{}/\"\n",
            super::plain(mount)
        ),
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn for_program(program: &str) -> String {
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
