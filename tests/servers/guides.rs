//! The configurations that guides give, as people paste them: the program has to see the right path behind these too,
//! not only behind what it prints itself. The web servers' modules run them; only names and places are filled in.

/// `.htaccess` with a RewriteBase that names its folder.
pub fn htaccess(base: &str) -> String {
    format!(
        r"<IfModule mod_fcgid.c>
AddHandler fcgid-script .fcgi
<Files ~ (\.fcgi)>
SetHandler fcgid-script
Options +FollowSymLinks +ExecCGI
</Files>
</IfModule>
<IfModule mod_rewrite.c>
Options +FollowSymlinks
RewriteEngine On
RewriteBase {base}
RewriteCond %{{REQUEST_FILENAME}} !-f
RewriteRule ^(.*)$ app.fcgi/$1 [QSA,L]
</IfModule>
"
    )
}

/// mod_fcgid by the file's name, and by a wrapper.
pub fn fcgid(www: &str) -> String {
    format!(
        "<Directory {www}>\n\
         AddHandler fcgid-script .fcgi\n\
         Options +ExecCGI\n\
         Require all granted\n\
         </Directory>\n\
         <Location /app>\n\
         SetHandler fcgid-script\n\
         Options +ExecCGI\n\
         Require all granted\n\
         FcgidWrapper {www}/app.fcgi virtual\n\
         </Location>\n"
    )
}

/// A handler in a place that is deeper than one name.
pub fn set_handler(address: &str) -> String {
    format!("<Location /deep/app>\nSetHandler \"proxy:fcgi://{address}/\"\n</Location>\n")
}

pub fn proxy_pass(address: &str) -> String {
    format!("ProxyPass /app/ fcgi://{address}/\n")
}

/// The four blocks for nginx, those with a mount at `/app`, `/older` and `/fourth`.
pub fn nginx(socket: &str) -> String {
    format!(
        r#"location = /app {{ rewrite ^ /app/ last; }}
location /app {{ try_files $uri @app; }}
location @app {{
    include fastcgi_params;
    fastcgi_split_path_info ^(/app)(.*)$;
    fastcgi_param PATH_INFO $fastcgi_path_info;
    fastcgi_param SCRIPT_NAME $fastcgi_script_name;
    fastcgi_pass unix:{socket};
}}
location / {{ try_files $uri @root; }}
location @root {{
    include fastcgi_params;
    fastcgi_param PATH_INFO $fastcgi_script_name;
    fastcgi_param SCRIPT_NAME "";
    fastcgi_pass unix:{socket};
}}
location /older/ {{
    include fastcgi_params;
    if ($uri ~ ^/older/(.*)?) {{
        set $path_url $1;
    }}
    fastcgi_param PATH_INFO $path_url;
    fastcgi_param SCRIPT_NAME /older;
    fastcgi_pass unix:{socket};
}}
location /fourth/ {{
    include fastcgi_params;
    fastcgi_param PATH_INFO $fastcgi_script_name;
    fastcgi_param SCRIPT_NAME "";
    fastcgi_pass unix:{socket};
}}
"#
    )
}

/// lighttpd by a prefix, which is one of letters and not of names.
pub fn lighttpd(program: &str, socket: &str) -> String {
    format!(
        "server.modules += ( \"mod_fastcgi\" )\n\
         fastcgi.server = ( \"/app\" =>\n\
         ((\n\
         \"socket\" => \"{socket}\",\n\
         \"bin-path\" => \"{program}\",\n\
         \"check-local\" => \"disable\"\n\
         ))\n\
         )\n"
    )
}
