//! An authorizer's answer: may the request go on? Called by handlers of that role.

use crate::cgi::is_token;
use crate::error::{Error, Result};
use crate::response::Response;

/// The answer of an authorizer (section 6.3): [`grant`](Access::grant) or [`deny`](Access::deny).
///
/// ```
/// # use fcgi::{Access, Request, Server};
/// fn members(req: &mut Request, access: Access) -> fcgi::Result {
///     match req.cookie("token") {
///         Some("4f2a") => access.grant().variable("MEMBER", "ada").send(),
///         _ => access.deny(403).send("members only"),
///     }
/// }
/// # let _ =
/// Server::new().authorizer(members);
/// ```
///
/// The example `authorizer` is a whole one: a login page, a signed cookie, and a folder of files that only members get.
///
/// What becomes of a denial, as it was seen:
///
/// | web server | status | body and headers | variables |
/// | --- | --- | --- | --- |
/// | mod_fcgid 2.3.9, `FcgidAuthorizer` | 401 | dropped | environment of what comes next |
/// | mod_fcgid 2.3.9, `FcgidAuthenticator`, `FcgidAccessChecker` | 401, whatever was answered | dropped | sent to the visitor, too |
/// | mod_authnz_fcgi | 401 | dropped | environment |
/// | mod_fastcgi | 403 as it is; its authenticator 401 | dropped | environment |
/// | lighttpd 1.4.69, `"mode" => "authorizer"` | as answered | as answered | environment |
///
/// # Configurations
///
/// The application that is asked is one of its own, or the same as answers: one [`Server`](crate::Server) may have both
/// handlers, and `Server::main` makes a program of it. An authorizer is asked about *every* request below its place, a page for the login included:
/// it has to grant that.
///
/// ```text
/// # lighttpd: in front of a folder. It sends no SCRIPT_NAME, so that `req.path()` is the path of the site.
/// fastcgi.server = ( "/members/" => (( "mode" => "authorizer", "docroot" => "/srv/www",
///     "check-local" => "disable", "socket" => "/run/app.sock" )) )
///
/// # Apache: mod_fcgid starts the program and asks it; in an .htaccess (AllowOverride AuthConfig FileInfo)
/// AuthType Basic
/// AuthName members
/// AuthBasicAuthoritative Off
/// FcgidAuthenticator /srv/app.fcgi
/// FcgidAuthorizer /srv/app.fcgi
/// Require valid-user
///
/// # Apache: a login of the program's own, from the .htaccess of the folder (AllowOverride FileInfo): each denial is a 401,
/// # whose page is the program's
/// FcgidAccessChecker /srv/www/app.fcgi
/// ErrorDocument 401 /login
///
/// # Apache: mod_authnz_fcgi asks one that runs; in the configuration of the server
/// AuthnzFcgiDefineProvider authnz guard fcgi://127.0.0.1:9000/
/// <Location "/members/">
///     AuthType Basic
///     AuthName members
///     AuthBasicProvider guard
///     Require guard
/// </Location>
/// ```
///
/// **nginx has no authorizers.** Its `auth_request` asks by an ordinary request, which the *responder* answers: 200 lets the
/// visitor in, 401 and 403 do not, anything else is a 500. A program that has an authorizer and answers every path with a
/// page lets everybody in there. Give the question a place of its own, and answer it by the same rule:
///
/// ```text
/// location /members/ { auth_request /may-pass; }
/// location = /may-pass { internal; include fastcgi_params; fastcgi_param PATH_INFO /may-pass; fastcgi_param SCRIPT_NAME "";
///     fastcgi_pass_request_body off; fastcgi_param CONTENT_LENGTH ""; fastcgi_pass unix:/run/app.sock; }
/// ```
///
/// Test one by [`Ask::as_authorizer`](crate::testing::Ask::as_authorizer).
#[must_use = "an access that is not answered is a 500"]
pub struct Access<'buf> {
    response: Response<'buf>,
}

/// A permission, and what the web server is to know with it.
///
/// [`Access`] has an example.
#[must_use = "a grant that is not sent is a 500"]
pub struct Grant<'buf> {
    response: Response<'buf>,
    refused: Option<Error>,
}

impl<'buf> Access<'buf> {
    pub(crate) fn new(response: Response<'buf>) -> Access<'buf> {
        Access { response }
    }

    /// The request may go on.
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().authorizer(|_, access| access.grant().send());
    /// assert_eq!(request("GET", "/").as_authorizer().serve(&server).status(), 200);
    /// ```
    pub fn grant(self) -> Grant<'buf> {
        Grant {
            response: self.response.status(200),
            refused: None,
        }
    }

    /// The request ends with this status: 401 with a `WWW-Authenticate` header, 403, or a redirect. Not 200, which is what
    /// grants: here it counts as 403, and set later it is refused.
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().authorizer(|_, access| access.deny(403).send("members only"));
    /// assert_eq!(request("GET", "/").as_authorizer().serve(&server).status(), 403);
    /// ```
    pub fn deny(self, status: u16) -> Response<'buf> {
        self.response
            .denial()
            .status(if status == 200 { 403 } else { status })
    }
}

impl Grant<'_> {
    /// Adds a variable, which the web server puts into the environment of what answers the request: `AUTH_USER`. It
    /// travels as a header `Variable-AUTH_USER`; a name or value that no header can have is the error of
    /// [`send`](Grant::send).
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().authorizer(|_, access| access.grant().variable("MEMBER", "ada").send());
    /// let answer = request("GET", "/").as_authorizer().serve(&server);
    /// assert_eq!(answer.header("Variable-MEMBER"), Some("ada"));
    /// ```
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        if name.is_empty() || !is_token(name.as_bytes()) {
            let why = || {
                Error::new(
                    500,
                    format!("the variable {name:?} is refused: its name is not legal in HTTP"),
                )
            };
            self.refused.get_or_insert_with(why);
            return self;
        }
        self.response = self.response.header(&format!("Variable-{name}"), value);
        self
    }

    /// Answers.
    ///
    /// ```
    /// # use fcgi::{Server, testing::request};
    /// let server = Server::new().authorizer(|_, access| access.grant().send());
    /// assert_eq!(request("GET", "/").as_authorizer().serve(&server).status(), 200);
    /// ```
    ///
    /// # Errors
    /// A variable that was refused; a connection that is gone.
    pub fn send(self) -> Result {
        match self.refused {
            Some(refused) => Err(refused),
            None => self.response.send(""),
        }
    }
}
