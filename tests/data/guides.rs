//! The configurations of the classic FastCGI guides, as facts: each block with its directives and values as they stand
//! there, what `conf` prints in its place, and why where the two differ. `tests/it/directives.rs` compares what is printed with
//! it; the server tests run the blocks as they stand, with nothing filled in but paths, ports and the names of modules.

/// How a text falls into statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Each line is one.
    Lines,
    /// Braces and semicolons end them.
    Nginx,
}

/// One configuration.
pub struct Block {
    pub name: &'static str,
    /// The guides that have it whole, by their number.
    pub guides: &'static [usize],
    pub kind: Kind,
    /// As it stands in the guides, but for the indentation.
    pub text: &'static str,
    /// Where the guide puts the program.
    pub program: &'static str,
    /// The words behind `conf` that print ours.
    pub conf: &'static [&'static str],
    /// Paths of ours, and the guide's in their place.
    pub paths: &'static [(&'static str, &'static str)],
    pub differs: &'static [Differs],
}

/// A statement that ours does not have.
pub struct Differs {
    pub guide: &'static str,
    /// What stands there instead; empty: nothing.
    pub ours: &'static str,
    pub why: &'static str,
}

const fn differs(guide: &'static str, ours: &'static str, why: &'static str) -> Differs {
    Differs { guide, ours, why }
}

const THE_SITE_S_OWN: &str = "the site has it already: ours goes inside of it";
const IN_THE_ROOT_FOLDER: &str =
    "what the whole disk allows is nobody's to change: ours allows it the program's folder";

pub const BLOCKS: &[Block] = &[
    Block {
        name: "apache-static",
        guides: &[0],
        kind: Kind::Lines,
        text: r#"LoadModule fastcgi_module /usr/lib64/httpd/modules/mod_fastcgi.so
FastCgiServer /var/www/html/yourapplication/app.fcgi -idle-timeout 300 -processes 5
<VirtualHost *>
ServerName webapp1.mydomain.com
DocumentRoot /var/www/html/yourapplication
AddHandler fastcgi-script fcgi
ScriptAlias / /var/www/html/yourapplication/app.fcgi/
<Location />
SetHandler fastcgi-script
</Location>
</VirtualHost>
"#,
        program: "/var/www/html/yourapplication/app.fcgi",
        conf: &["apache", "static", "--processes", "5"],
        paths: &[],
        differs: &[
            differs(
                "LoadModule fastcgi_module /usr/lib64/httpd/modules/mod_fastcgi.so",
                "",
                "a module line: ours has it as a comment, for a host that has the module has the line",
            ),
            differs("<VirtualHost *>", "", THE_SITE_S_OWN),
            differs("</VirtualHost>", "", THE_SITE_S_OWN),
            differs("ServerName webapp1.mydomain.com", "", THE_SITE_S_OWN),
            differs(
                "DocumentRoot /var/www/html/yourapplication",
                "",
                THE_SITE_S_OWN,
            ),
            differs(
                "AddHandler fastcgi-script fcgi",
                "",
                "it would start an uploaded photo.fcgi.jpg too, and nothing needs it beside SetHandler",
            ),
            differs(
                "<Location />",
                "<Files app.fcgi>",
                "in <Location /> files that an Alias serves would be started as programs",
            ),
            differs("</Location>", "</Files>", "it ends the line above"),
        ],
    },
    Block {
        name: "apache-host",
        guides: &[0],
        kind: Kind::Lines,
        text: "FastCgiServer /var/www/html/yourapplication -host 127.0.0.1:3000\n",
        program: "/var/www/html/yourapplication",
        conf: &["apache", "external", "--listen", "127.0.0.1:3000"],
        paths: &[],
        differs: &[differs(
            "FastCgiServer /var/www/html/yourapplication -host 127.0.0.1:3000",
            "FastCgiExternalServer /var/www/html/yourapplication -host 127.0.0.1:3000 -idle-timeout 300",
            "a mistake of the guide: mod_fastcgi says \"invalid option: -host\", which only FastCgiExternalServer knows",
        )],
    },
    Block {
        name: "apache-htaccess",
        guides: &[0],
        kind: Kind::Lines,
        text: r"<IfModule mod_fcgid.c>
AddHandler fcgid-script .fcgi
<Files ~ (\.fcgi)>
SetHandler fcgid-script
Options +FollowSymLinks +ExecCGI
</Files>
</IfModule>
<IfModule mod_rewrite.c>
Options +FollowSymlinks
RewriteEngine On
RewriteBase /
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^(.*)$ yourapplication.fcgi/$1 [QSA,L]
</IfModule>
",
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &["htaccess", "addhandler"],
        paths: &[],
        differs: &[
            differs(
                r"<Files ~ (\.fcgi)>",
                r"<Files ~ \.fcgi$>",
                "without an end the pattern makes a program of an uploaded photo.fcgi.jpg",
            ),
            differs(
                "Options +FollowSymlinks",
                "Options +FollowSymLinks",
                "the same word, as Apache's manual writes it",
            ),
        ],
    },
    Block {
        name: "lighttpd-rewrite",
        guides: &[0],
        kind: Kind::Lines,
        text: r#"fastcgi.server = ("/yourapplication.fcgi" =>
((
"socket" => "/tmp/yourapplication-fcgi.sock",
"bin-path" => "/var/www/yourapplication/yourapplication.fcgi",
"check-local" => "disable",
"max-procs" => 1
))
)
alias.url = (
"/static/" => "/path/to/your/static"
)
url.rewrite-once = (
"^(/static($|/.*))$" => "$1",
"^(/.*)$" => "/yourapplication.fcgi$1"
)
"#,
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &["lighttpd"],
        paths: LIGHTTPD_PATHS,
        differs: &[
            BIN_PATH,
            differs("alias.url = (", "", STATIC),
            differs("/static/ => /path/to/your/static", "", ALIAS),
            differs("^(/static($|/.*))$ => $1", "", STATIC),
        ],
    },
    Block {
        name: "lighttpd-rewrite-older",
        guides: &[3],
        kind: Kind::Lines,
        text: r#"fastcgi.server = ("/yourapplication.fcgi" =>
((
"socket" => "/tmp/yourapplication-fcgi.sock",
"bin-path" => "/var/www/yourapplication/yourapplication.fcgi",
"check-local" => "disable",
"max-procs" => 1
))
)
alias.url = (
"/static/" => "/path/to/your/static"
)
url.rewrite-once = (
"^(/static.*)$" => "$1",
"^(/.*)$" => "/yourapplication.fcgi$1"
"#,
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &["lighttpd"],
        paths: LIGHTTPD_PATHS,
        differs: &[
            BIN_PATH,
            differs("alias.url = (", "", STATIC),
            differs("/static/ => /path/to/your/static", "", ALIAS),
            differs(
                "^(/static.*)$ => $1",
                "",
                "it takes /statics from the program too; the comment of ours ends the name",
            ),
        ],
    },
    Block {
        name: "lighttpd-prefix",
        guides: &[2],
        kind: Kind::Lines,
        text: r#"fastcgi.server = ("/yourapplication" =>
"yourapplication" => (
"socket" => "/tmp/yourapplication-fcgi.sock",
"bin-path" => "/var/www/yourapplication/yourapplication.fcgi",
"check-local" => "disable"
)
)
"#,
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &["lighttpd", "prefix", "--mount", "/yourapplication"],
        paths: LIGHTTPD_PATHS,
        differs: &[
            differs(
                "yourapplication => (",
                "((",
                "a mistake of the guide: lighttpd 1.4.69 does not start, since the program is no list in a list",
            ),
            differs(
                "bin-path => /var/www/yourapplication/yourapplication.fcgi",
                "bin-path => /var/www/yourapplication/yourapplication.fcgi --workers 4 --mount /yourapplication",
                "the program answers several requests at once, and is told where it stands",
            ),
        ],
    },
    Block {
        name: "nginx-mount",
        guides: &[0, 3],
        kind: Kind::Nginx,
        text: "location = /yourapplication { rewrite ^ /yourapplication/ last; }
location /yourapplication { try_files $uri @yourapplication; }
location @yourapplication {
include fastcgi_params;
fastcgi_split_path_info ^(/yourapplication)(.*)$;
fastcgi_param PATH_INFO $fastcgi_path_info;
fastcgi_param SCRIPT_NAME $fastcgi_script_name;
fastcgi_pass unix:/tmp/yourapplication-fcgi.sock;
}
",
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &[
            "nginx",
            "--mount",
            "/yourapplication",
            "--listen",
            "unix:/tmp/yourapplication-fcgi.sock",
        ],
        paths: &[],
        differs: &[
            differs("location /yourapplication", AT_MOUNT, LONGER_NAMES),
            differs(
                "fastcgi_split_path_info ^(/yourapplication)(.*)$",
                "fastcgi_split_path_info (?s)^(/yourapplication)(/.*)$",
                "the guide's pattern does not fit a line break (%0A), and divides /yourapplicationxyz",
            ),
        ],
    },
    Block {
        name: "nginx-root",
        guides: &[0, 3],
        kind: Kind::Nginx,
        text: "location / { try_files $uri @yourapplication; }
location @yourapplication {
include fastcgi_params;
fastcgi_param PATH_INFO $fastcgi_script_name;
fastcgi_param SCRIPT_NAME \"\";
fastcgi_pass unix:/tmp/yourapplication-fcgi.sock;
}
",
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &["nginx", "--listen", "unix:/tmp/yourapplication-fcgi.sock"],
        paths: &[],
        differs: &[],
    },
    Block {
        name: "nginx-older",
        guides: &[2],
        kind: Kind::Nginx,
        text: "location /yourapplication/ {
include fastcgi_params;
if ($uri ~ ^/yourapplication/(.*)?) {
set $path_url $1;
}
fastcgi_param PATH_INFO $path_url;
fastcgi_param SCRIPT_NAME /yourapplication;
fastcgi_pass unix:/tmp/yourapplication-fcgi.sock;
}
",
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &[
            "nginx",
            "if",
            "--mount",
            "/yourapplication",
            "--listen",
            "unix:/tmp/yourapplication-fcgi.sock",
        ],
        paths: &[],
        differs: &[differs(
            "location /yourapplication/",
            AT_MOUNT,
            "a location for names, such as ~ \\.php$, would take addresses from the program",
        )],
    },
    Block {
        name: "nginx-fourth",
        guides: &[2],
        kind: Kind::Nginx,
        text: "location /yourapplication/ {
include fastcgi_params;
fastcgi_param PATH_INFO $fastcgi_script_name;
fastcgi_param SCRIPT_NAME \"\";
fastcgi_pass unix:/tmp/yourapplication-fcgi.sock;
}
",
        program: "/var/www/yourapplication/yourapplication.fcgi",
        conf: &[
            "nginx",
            "location",
            "--listen",
            "unix:/tmp/yourapplication-fcgi.sock",
        ],
        paths: &[],
        differs: &[differs(
            "location /yourapplication/",
            "location /",
            "a mistake of the guide: it means the root of the site, and writes the place of a mount",
        )],
    },
    Block {
        name: "apache-socket",
        guides: &[4],
        kind: Kind::Lines,
        text: "<VirtualHost *:80>
ServerName test
DocumentRoot /var/www/test/htdocs/
<Directory />
Options FollowSymLinks +ExecCGI
AllowOverride All
</Directory>
<Files app.py>
SetHandler fastcgi-script
</Files>
FastCgiServer /var/www/test/htdocs/app.py -processes 4 -socket /tmp/fcgi.sock
</VirtualHost>
",
        program: "/var/www/test/htdocs/app.py",
        conf: &["apache", "static", "--processes", "4"],
        paths: &[],
        differs: &[
            differs("<VirtualHost *:80>", "", THE_SITE_S_OWN),
            differs("</VirtualHost>", "", THE_SITE_S_OWN),
            differs("ServerName test", "", THE_SITE_S_OWN),
            differs("DocumentRoot /var/www/test/htdocs/", "", THE_SITE_S_OWN),
            differs(
                "<Directory />",
                "<Directory /var/www/test/htdocs>",
                IN_THE_ROOT_FOLDER,
            ),
            differs(
                "Options FollowSymLinks +ExecCGI",
                "Options +ExecCGI",
                "a mistake of the guide: Apache 2.4 does not start with options of which some have a sign",
            ),
            differs("AllowOverride All", "", IN_THE_ROOT_FOLDER),
            differs(
                "FastCgiServer /var/www/test/htdocs/app.py -processes 4 -socket /tmp/fcgi.sock",
                "FastCgiServer /var/www/test/htdocs/app.py -idle-timeout 300 -processes 4",
                "in /tmp anybody can have put that socket, and a program that binds it too takes all requests from its three \
                 siblings",
            ),
        ],
    },
    Block {
        name: "apache-port",
        guides: &[4],
        kind: Kind::Lines,
        text: "FastCgiServer /var/www/test/htdocs/app.py -processes 4 -port 8080\n",
        program: "/var/www/test/htdocs/app.py",
        conf: &["apache", "static", "--processes", "4"],
        paths: &[],
        differs: &[differs(
            "FastCgiServer /var/www/test/htdocs/app.py -processes 4 -port 8080",
            "FastCgiServer /var/www/test/htdocs/app.py -idle-timeout 300 -processes 4",
            "mod_fastcgi listens on all addresses then, and a program that binds the port too ends with EADDRINUSE",
        )],
    },
    Block {
        name: "apache-external",
        guides: &[4],
        kind: Kind::Lines,
        text: "FastCgiExternalServer /var/www/test/htdocs/app.py -socket /tmp/fcgi.sock\n",
        program: "/var/www/test/htdocs/app.py",
        conf: &["apache", "external", "--listen", "unix:/tmp/fcgi.sock"],
        paths: &[],
        differs: &[differs(
            "FastCgiExternalServer /var/www/test/htdocs/app.py -socket /tmp/fcgi.sock",
            "FastCgiExternalServer /var/www/test/htdocs/app.py -socket /tmp/fcgi.sock -idle-timeout 300",
            "unless set, a program that is silent for 30 s is a 500",
        )],
    },
    Block {
        name: "apache-files",
        guides: &[4],
        kind: Kind::Lines,
        text: "<Files app.py>
SetHandler fastcgi-script
</Files>
",
        program: "/var/www/test/htdocs/app.py",
        conf: &["apache", "external", "--listen", "unix:/tmp/fcgi.sock"],
        paths: &[],
        differs: &[],
    },
];

const LIGHTTPD_PATHS: &[(&str, &str)] = &[(
    "/var/www/yourapplication/yourapplication.sock",
    "/tmp/yourapplication-fcgi.sock",
)];
const BIN_PATH: Differs = differs(
    "bin-path => /var/www/yourapplication/yourapplication.fcgi",
    "bin-path => /var/www/yourapplication/yourapplication.fcgi --workers 4",
    "lighttpd sends a process several requests at once; the number is the program's own default, shown to be changed",
);
const STATIC: &str = "files of the site's own: ours has the rule for them as a comment";
const ALIAS: &str = "a mistake of the guide: without a slash behind it lighttpd looks for /path/to/your/staticstyle.css";
const AT_MOUNT: &str = "location ^~ /yourapplication/";
const LONGER_NAMES: &str = "the guide's takes /yourapplicationxyz too";

/// The statements of a text, in one spelling: no quotes, no comments, no blanks that mean nothing.
pub fn statements(kind: Kind, text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    let active: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    let pieces: Vec<&str> = match kind {
        Kind::Lines => active,
        Kind::Nginx => {
            let ends = ['{', '}', ';'];
            let lines = active.into_iter();
            lines.flat_map(|line| line.split_inclusive(ends)).collect()
        }
    };
    let spelled = pieces.into_iter().map(|piece| spelled(kind, piece));
    spelled.filter(|piece| !piece.is_empty()).collect()
}

fn spelled(kind: Kind, piece: &str) -> String {
    let words: Vec<&str> = piece.split_whitespace().collect();
    let text = words
        .join(" ")
        .replace("( ", "(")
        .replace(" )", ")")
        .replace('"', "");
    match kind {
        Kind::Lines => text.trim_end_matches(',').to_owned(),
        Kind::Nginx => text.trim_end_matches(['{', '}', ';', ' ']).to_owned(),
    }
}

/// What the guides have typed, and what becomes of it: one sentence each.
pub const COMMANDS: &[(&str, &str)] = &[
    (
        "chmod +x /var/www/yourapplication/yourapplication.fcgi",
        EXECUTABLE,
    ),
    ("chmod 755 /var/www/test/htdocs/app.py", EXECUTABLE),
    (
        "chown www-data:www-data /var/www/test/htdocs/app.py",
        "a web server's user has to read and execute the file, which mode 755 gives to all",
    ),
    (
        "rm /tmp/fcgi.sock",
        "a socket that nobody listens on is replaced, and none is left behind",
    ),
    ("apt-get install libapache2-mod-fastcgi", NO_MODULE),
    ("a2enmod fastcgi", NO_MODULE),
    (
        "pip install flup",
        "nothing is installed beside the program",
    ),
    ("screen", BY_HAND),
    ("/var/www/yourapplication/yourapplication.fcgi", BY_HAND),
    ("/var/www/test/htdocs/app.py", BY_HAND),
    ("su www-data", AS_THE_WEB_SERVER),
    ("su - www-data", AS_THE_WEB_SERVER),
    ("cd /var/www/yourapplication", AS_THE_WEB_SERVER),
    ("python application.fcgi", AS_THE_WEB_SERVER),
    ("/etc/init.d/apache2 restart", RESTART),
    ("/etc/init.d/apache restart", RESTART),
    ("/etc/init.d/apache2 start", RESTART),
    ("/etc/init.d/apache2 stop", RESTART),
    ("ps axf", LOOK),
    ("ps auxf", LOOK),
    ("ps auxf | grep apache", LOOK),
    ("ps auxf | grep app.py", LOOK),
    ("ps auxf | grep fcgi-pm", LOOK),
    ("ls -la /tmp/fcgi.sock", LOOK),
];

const EXECUTABLE: &str = "the same is needed, and check says when it is missing";
const NO_MODULE: &str =
    "no distribution has the module for Apache 2.4: mod_fcgid and mod_proxy_fcgi do the same";
const BY_HAND: &str = "with --listen it serves in a terminal too, until that is closed; conf systemd, supervisor and init last";
const AS_THE_WEB_SERVER: &str =
    "su -s /bin/sh www-data -c './app.fcgi check' says what that user may not do";
const RESTART: &str =
    "a program that the web server only connects to may start before it or after it";
const LOOK: &str = "check --connect says whether it answers, and whether this user may connect";
