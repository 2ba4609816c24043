//! Routes by `matchit`, the router that axum has, in the types of the `http` crate: values in the path, a 405 that says what is
//! allowed, a form, a download. `cargo run --features http --example router -- --http 8000` shows it. The files lie in the
//! folder `downloads` beside the program.
//!
//! In a crate of its own it needs the feature `http` of fcgi, and `cargo add http matchit`.
//!
//! Any router will do that takes a path, or `http` types, and waits for nothing by itself (no async).

use fcgi::http::{Cgi, Content};
use fcgi::{Body, Error, html_escape};
use http::header::{ALLOW, CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use http::{Method, Request, Response, StatusCode};
use matchit::Params;
use std::fs::File;
use std::path::PathBuf;

const HTML: &str = "text/html; charset=utf-8";

type Handler = fn(&App, &Params, Request<&mut Body>) -> fcgi::Result<Response<Page>>;

/// What an answer may have as its body.
enum Page {
    Text(String),
    File(File),
}

impl Content for Page {
    fn send(self, res: fcgi::Response) -> fcgi::Result {
        match self {
            Page::Text(text) => text.send(res),
            Page::File(file) => file.send(res),
        }
    }
}

struct App {
    downloads: PathBuf,
    routes: matchit::Router<Vec<(Method, Handler)>>,
}

impl App {
    fn new(downloads: PathBuf) -> fcgi::Result<App> {
        let mut routes = matchit::Router::<Vec<(Method, Handler)>>::new();
        routes.insert("/", vec![(Method::GET, front_page)])?;
        routes.insert("/hello/{name}", vec![(Method::GET, hello)])?;
        routes.insert("/old/{name}", vec![(Method::GET, moved)])?;
        routes.insert("/echo", vec![(Method::GET, ask), (Method::POST, echo)])?;
        routes.insert("/downloads/{file}", vec![(Method::GET, download)])?;
        Ok(App { downloads, routes })
    }

    fn answer(&self, req: Request<&mut Body>) -> fcgi::Result<Response<Page>> {
        let cgi = cgi(&req)?;
        // Decoded: with the path of `req.uri()` each handler would have to decode its values.
        let Ok(found) = self.routes.at(cgi.path()) else {
            return Err(Error::new(404, "there is no such page"));
        };
        // A HEAD is answered as a GET; the library leaves the body out.
        let wanted = match req.method() {
            &Method::HEAD => &Method::GET,
            method => method,
        };
        match found.value.iter().find(|(method, _)| method == wanted) {
            Some((_, handler)) => handler(self, &found.params, req),
            None => not_allowed(found.value),
        }
    }
}

fn not_allowed(handlers: &[(Method, Handler)]) -> fcgi::Result<Response<Page>> {
    let named = |(method, _): &(Method, Handler)| match method {
        &Method::GET => "GET, HEAD".to_owned(),
        other => other.to_string(),
    };
    let methods: Vec<String> = handlers.iter().map(named).collect();
    Ok(Response::builder()
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .header(ALLOW, methods.join(", "))
        .header(CONTENT_TYPE, HTML)
        .body(Page::Text("<p>That is not done here.".into()))?)
}

fn front_page(_: &App, _: &Params, req: Request<&mut Body>) -> fcgi::Result<Response<Page>> {
    let cgi = cgi(&req)?;
    let link = |path: &str| html_escape(&cgi.url_for(path)).into_owned();
    page(format!(
        "<p><a href='{}'>A greeting</a>, <a href='{}'>a form</a>",
        link("/hello/Ada"),
        link("/echo")
    ))
}

fn hello(_: &App, params: &Params, _: Request<&mut Body>) -> fcgi::Result<Response<Page>> {
    let name = params.get("name").unwrap_or_default();
    page(format!("<p>Hello, {}!", html_escape(name)))
}

fn moved(_: &App, params: &Params, req: Request<&mut Body>) -> fcgi::Result<Response<Page>> {
    let name = params.get("name").unwrap_or_default();
    Ok(Response::builder()
        .status(StatusCode::PERMANENT_REDIRECT)
        .header(LOCATION, cgi(&req)?.url_for(&format!("/hello/{name}")))
        .body(Page::Text(String::new()))?)
}

fn ask(_: &App, _: &Params, _: Request<&mut Body>) -> fcgi::Result<Response<Page>> {
    page("<form method=post><input name=text><button>Send</button></form>".into())
}

fn echo(_: &App, _: &Params, mut req: Request<&mut Body>) -> fcgi::Result<Response<Page>> {
    let form = fcgi::http::form(&mut req)?;
    let fields = form.fields();
    page(
        fields
            .map(|(name, value)| format!("<p>{}: {}", html_escape(name), html_escape(value)))
            .collect(),
    )
}

/// Read while it is sent: a film takes no more memory than a picture.
fn download(app: &App, params: &Params, _: Request<&mut Body>) -> fcgi::Result<Response<Page>> {
    let name = params.get("file").unwrap_or_default();
    let path = app.downloads.join(name);
    // One segment of a path has no slash; what begins with a dot is hidden, or leads out of the folder.
    if name.starts_with('.') || !path.is_file() {
        return Err(Error::new(404, format!("there is no {}", path.display())));
    }
    Ok(Response::builder()
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_DISPOSITION, "attachment")
        .body(Page::File(File::open(path)?))?)
}

fn page(text: String) -> fcgi::Result<Response<Page>> {
    Ok(Response::builder()
        .header(CONTENT_TYPE, HTML)
        .body(Page::Text(text))?)
}

fn cgi<B>(req: &Request<B>) -> fcgi::Result<Cgi> {
    let cgi = req.extensions().get::<Cgi>().cloned();
    cgi.ok_or_else(|| Error::new(500, "the request did not come from fcgi::http"))
}

fn main() -> std::process::ExitCode {
    match App::new(fcgi::home().join("downloads")) {
        Ok(app) => fcgi::cli::main(fcgi::http::responder(move |req| app.answer(req))),
        Err(error) => {
            eprintln!("router: a route is wrong: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::App;
    use fcgi::testing::{Answer, Ask, Behind, request};
    use std::fs;
    use std::path::Path;

    fn answer_with(ask: Ask, downloads: &Path) -> Answer {
        let app = App::new(downloads.to_owned()).unwrap();
        ask.call(fcgi::http::responder(move |req| app.answer(req)))
    }

    fn answer(ask: Ask) -> Answer {
        answer_with(ask, Path::new("/nowhere"))
    }

    #[test]
    fn a_value_in_the_path_is_decoded() {
        let answer = answer(request("GET", "/hello/%3CJ%C3%B6rg%3E"));
        let page = (answer.status(), answer.text());
        assert_eq!(page, (200, "<p>Hello, &lt;Jörg&gt;!"), "{answer:?}");
    }

    #[test]
    fn what_is_not_there_is_a_404_and_what_is_not_done_a_405() {
        assert_eq!(answer(request("GET", "/hello")).status(), 404);
        for (ask, allowed) in [
            (request("DELETE", "/echo"), "GET, HEAD, POST"),
            (request("POST", "/hello/x").body("x"), "GET, HEAD"),
        ] {
            let answer = answer(ask);
            let said = (answer.status(), answer.header("Allow"));
            assert_eq!(said, (405, Some(allowed)), "{answer:?}");
        }
        let head = answer(request("HEAD", "/echo"));
        assert_eq!((head.status(), head.body()), (200, &b""[..]), "{head:?}");
    }

    #[test]
    fn a_form_comes_back() {
        let answer = answer(request("POST", "/echo").form(&[("text", "a & <b>"), ("more", "")]));
        assert_eq!(answer.text(), "<p>text: a &amp; &lt;b&gt;<p>more: ");
        let json = request("POST", "/echo").header("Content-Type", "application/json");
        assert_eq!(self::answer(json.body("{}")).status(), 415);
    }

    #[test]
    fn links_lead_below_the_mount() {
        let behind = |target| request("GET", target).behind(Behind::NginxMount("/app"));
        let front = answer(behind("/"));
        assert!(front.text().contains("'/app/hello/Ada'"), "{front:?}");
        let moved = answer(behind("/old/Ada%20L"));
        let said = (moved.status(), moved.header("Location"));
        assert_eq!(said, (308, Some("/app/hello/Ada%20L")));
    }

    #[test]
    fn a_file_is_downloaded_and_nothing_beside_it() {
        let folder = std::env::temp_dir().join(format!("fcgi-router-{}", std::process::id()));
        fs::create_dir_all(folder.join("more")).unwrap();
        let film = vec![b'f'; 3 << 20];
        fs::write(folder.join("film.mp4"), &film).unwrap();
        fs::write(folder.join(".ht.secret"), "x").unwrap();
        let file = answer_with(request("GET", "/downloads/film.mp4"), &folder);
        assert!(file.status() == 200 && file.body() == film, "{file:?}");
        assert_eq!(file.header("Content-Length"), Some("3145728"));
        let head = answer_with(request("HEAD", "/downloads/film.mp4"), &folder);
        assert_eq!(head.header("Content-Length"), Some("3145728"));
        for target in [
            "/downloads/none",
            "/downloads/more",
            "/downloads/.ht.secret",
            "/downloads/..",
            "/downloads/%2e%2e%2fx",
        ] {
            let answer = answer_with(request("GET", target), &folder);
            assert_eq!(answer.status(), 404, "{target}: {answer:?}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
