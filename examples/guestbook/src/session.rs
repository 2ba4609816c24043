//! Who asks: a number for each visitor, that the tokens of forms are bound to, and the owner's login. Both are cookies; what
//! is to be believed is signed. `site` has one for each worker.

use cookie::{CookieJar, Key};
use fcgi::{Cookie, Error, Request};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

const VISITOR: &str = "visitor";
const OWNER: &str = "owner";
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// How long a page may lie open before its form is sent.
const DAY: Duration = Duration::from_secs(86_400);

pub struct Sessions {
    secret: String,
}

/// What is in a form that this program has made for this visitor.
#[derive(Debug, PartialEq)]
pub struct Token {
    /// Of this form alone: who sends it twice has written once.
    pub once: String,
}

impl Sessions {
    /// With the key of the folder, which is made if there is none.
    pub fn open(folder: &Path) -> fcgi::Result<Sessions> {
        let path = folder.join("key");
        let cannot = |error| {
            Error::new(
                503,
                format!("cannot have the key {}: {error}", path.display()),
            )
        };
        let secret = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_key(&path).map_err(cannot)?;
                fs::read_to_string(&path)
            }
            read => read,
        };
        let secret = secret.map_err(cannot)?;
        if secret.len() < 64 {
            let why = format!(
                "the key {} is cut short; remove it, and a new one is made",
                path.display()
            );
            return Err(Error::new(503, why));
        }
        Ok(Sessions { secret })
    }

    /// The visitor's number, and the cookie that tells it from now on if it is new.
    pub fn visitor(&self, req: &Request) -> fcgi::Result<(String, Option<Cookie>)> {
        let is_ours = |id: &&str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(id) = req.cookie(VISITOR).filter(is_ours) {
            return Ok((id.to_owned(), None));
        }
        let id = random()?;
        let cookie = Cookie::new(VISITOR, &*id).secure(req.scheme() == "https");
        Ok((id, Some(cookie)))
    }

    /// For a form on a page of this visitor.
    pub fn token(&self, visitor: &str) -> fcgi::Result<String> {
        let until = (now() + DAY).as_secs();
        Ok(sign(
            &self.key("form", ""),
            &format!("{visitor}.{until}.{}", random()?),
        ))
    }

    /// `None`: no page of ours has asked this visitor to send it.
    pub fn check(&self, visitor: &str, token: &str) -> Option<Token> {
        let value = verify(&self.key("form", ""), token)?;
        let (for_whom, rest) = value.split_once('.')?;
        let (until, once) = rest.split_once('.')?;
        let is_good = for_whom == visitor && now().as_secs() < until.parse().ok()?;
        is_good.then(|| Token {
            once: once.to_owned(),
        })
    }

    /// The cookie of somebody who knew the password. `hash` is what is kept of it: a new password ends all logins.
    pub fn log_in(&self, req: &Request, hash: &str) -> Cookie {
        let until = (now() + WEEK).as_secs();
        let value = sign(&self.key("owner", hash), &until.to_string());
        Cookie::new(OWNER, value)
            .max_age(WEEK)
            .secure(req.scheme() == "https")
    }

    pub fn log_out(&self) -> Cookie {
        Cookie::removal(OWNER)
    }

    /// Whether this is the owner, logged in. `hash` is asked for only if it may be.
    pub fn is_owner(&self, req: &Request, hash: impl FnOnce() -> Option<String>) -> bool {
        let Some(cookie) = req.cookie(OWNER) else {
            return false;
        };
        let Some(hash) = hash() else { return false };
        let until = verify(&self.key("owner", &hash), cookie);
        until
            .and_then(|until| until.parse().ok())
            .is_some_and(|until: u64| now().as_secs() < until)
    }

    /// Signed values are not tied to what they are for: each kind has a key of its own.
    fn key(&self, what: &str, more: &str) -> Key {
        Key::derive_from(format!("{}{what}{more}", self.secret).as_bytes())
    }
}

/// 128 bits, as 32 digits.
pub fn random() -> fcgi::Result<String> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes)
        .map_err(|error| Error::new(500, format!("no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Of several processes that start at once one makes it: it is written whole under another name, and a link does not
/// replace what is there.
fn make_key(path: &Path) -> std::io::Result<()> {
    let [one, two, name] = [random(), random(), random()];
    let (secret, draft) = (one? + &two?, path.with_file_name(format!("key.{}", name?)));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let linked = file
        .write_all(secret.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn sign(key: &Key, value: &str) -> String {
    let mut jar = CookieJar::new();
    jar.signed_mut(key).add(("", value.to_owned()));
    jar.get("")
        .map_or(String::new(), |cookie| cookie.value().to_owned())
}

fn verify(key: &Key, signed: &str) -> Option<String> {
    let cookie = cookie::Cookie::new("", signed.to_owned());
    let cookie = CookieJar::new().signed(key).verify(cookie)?;
    Some(cookie.value().to_owned())
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi::testing::request;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    fn sessions() -> Sessions {
        Sessions {
            secret: "0123456789abcdef".repeat(4),
        }
    }

    #[test]
    fn many_that_start_at_once_have_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Sessions::open(folder.path()).unwrap().secret;
        let secrets: Vec<String> = thread::scope(|scope| {
            let all: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(secrets[0].len(), 64);
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["key"]);
        let mode = folder
            .path()
            .join("key")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_is_cut_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), "short").unwrap();
        let error = Sessions::open(folder.path()).err().unwrap();
        assert!(
            error.status() == 503 && error.to_string().contains("cut short"),
            "{error}"
        );
    }

    #[test]
    fn a_token_is_for_one_visitor_and_one_form() {
        let sessions = sessions();
        let token = sessions.token("ann").unwrap();
        let good = sessions.check("ann", &token).unwrap();
        assert_ne!(
            Some(good),
            sessions.check("ann", &sessions.token("ann").unwrap())
        );
        assert_eq!(sessions.check("bob", &token), None);
        assert_eq!(sessions.check("ann", &token.replace("ann", "bob")), None);
        let old = sign(&sessions.key("form", ""), "ann.1.x");
        // And what is signed for something else.
        let other = sign(&sessions.key("owner", ""), &format!("ann.{}.x", u64::MAX));
        for bad in ["", "x", &token[1..], &old, &other] {
            assert_eq!(sessions.check("ann", bad), None, "{bad}");
        }
    }

    #[test]
    fn a_login_ends_with_its_password_and_its_week() {
        let sessions = sessions();
        let log_in = request("GET", "/")
            .call(|req, res| res.set_cookie(sessions.log_in(req, "hash")).send(""));
        let cookie = log_in.header("Set-Cookie").unwrap();
        let (cookie, attributes) = cookie.split_once(';').unwrap();
        assert_eq!(
            attributes,
            " Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
        );
        let is_owner = |cookie: &str, hash: Option<&str>| {
            let ask = request("GET", "/").header("Cookie", cookie);
            let answer = ask.call(|req, res| {
                let is_owner = sessions.is_owner(req, || hash.map(str::to_owned));
                res.send(is_owner.to_string())
            });
            answer.text() == "true"
        };
        assert!(is_owner(cookie, Some("hash")));
        assert!(!is_owner(cookie, Some("other")));
        assert!(!is_owner(cookie, None));
        assert!(!is_owner("owner=1", Some("hash")));
        let old = format!("owner={}", sign(&sessions.key("owner", "hash"), "1"));
        assert!(!is_owner(&old, Some("hash")));
    }

    #[test]
    fn a_visitor_keeps_its_number() {
        let sessions = sessions();
        let told = |cookie: &str| {
            let ask = request("GET", "/").header("Cookie", cookie);
            let answer = ask.call(|req, res| {
                let (id, new) = sessions.visitor(req)?;
                res.send(format!("{id} {}", new.is_some()))
            });
            answer.text().to_owned()
        };
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(told(&format!("visitor={id}")), format!("{id} false"));
        for strange in ["", "visitor=x", &format!("visitor={id}0")] {
            let new = told(strange);
            assert!(
                new.len() == 37 && new.ends_with(" true") && !new.starts_with(id),
                "{new}"
            );
        }
    }
}
