//! The pages, as html: `site` sends them. Whatever a visitor wrote goes through `html_escape`.

use crate::store::{Entry, Page};
use crate::upload::{MOST, Sent};
use fcgi::{Request, html_escape};

pub const STYLE: &str = include_str!("style.css");
pub const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#b4572e" d="M2 2h5l1 1 1-1h5v11H9l-1 1-1-1H2z"/><path stroke="#fff" d="M8 4v8"/></svg>"##;

/// Nothing but what this program itself gives out, no script, and nobody may frame it.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                          frame-ancestors 'none'";

/// In characters.
pub const MOST_NAME: usize = 60;
pub const MOST_TEXT: usize = 3000;

/// Who looks at it.
pub struct Looker<'a> {
    pub is_owner: bool,
    pub token: &'a str,
}

/// The form, what was wrong with it, and a page of entries.
pub fn guestbook(req: &Request, looker: &Looker, sent: &Sent, wrong: &str, page: &Page) -> String {
    let mut main = form(req, looker, sent, wrong);
    if page.entries.is_empty() {
        main += "<p class=none>Nobody has written yet. Be the first!\n";
    }
    for entry in &page.entries {
        main += &article(req, looker, entry);
    }
    whole(
        req,
        "Guestbook",
        &(main + &turns(req, page)),
        &owner(req, looker),
    )
}

pub fn log_in(req: &Request, looker: &Looker, wrong: &str) -> String {
    let main = format!(
        "<form method=post action=\"{}\" class=card><h2>Log in</h2>{}<input type=hidden name=token value=\"{}\">
<label>Password <input type=password name=password autocomplete=current-password required autofocus></label>
<button>Log in</button></form>\n",
        url(req, "/login"),
        alert(wrong),
        html_escape(looker.token)
    );
    whole(req, "Log in", &main, &back(req))
}

/// In the place of what was asked for.
pub fn error(req: &Request, status: u16) -> String {
    let sentence = match status {
        403 => "This is not for you.",
        404 => "There is no such page.",
        503 => {
            "The guestbook is not set up, or has a moment of weakness. Its owner finds the reason in the log."
        }
        500.. => "Something went wrong. Its owner finds the reason in the log.",
        _ => "This is not how the guestbook is asked.",
    };
    let main = format!("<section class=card><h2>{status}</h2><p>{sentence}</section>\n");
    whole(req, "Guestbook", &main, &back(req))
}

fn whole(req: &Request, title: &str, main: &str, foot: &str) -> String {
    format!(
        "<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">
<meta name=color-scheme content=\"light dark\"><title>{title}</title>
<link rel=stylesheet href=\"{}\"><link rel=icon href=\"{}\">
<header><h1><a href=\"{}\">Guestbook</a></h1></header>
<main>
{main}</main>
<footer>{foot}</footer>
",
        url(req, "/style.css"),
        url(req, "/icon.svg"),
        url(req, "/")
    )
}

/// The token stands first: it is looked at before a picture is taken.
fn form(req: &Request, looker: &Looker, sent: &Sent, wrong: &str) -> String {
    format!(
        "<form method=post action=\"{}\" enctype=multipart/form-data class=card><h2>Write something</h2>{}
<input type=hidden name=token value=\"{}\">
<label>Name <input name=name value=\"{}\" maxlength={MOST_NAME} autocomplete=name required></label>
<label>Text <textarea name=text rows=3 maxlength={MOST_TEXT} required>\n{}</textarea></label>
<label>Picture <small>(if you like: PNG, JPEG, GIF or WebP, up to {MOST}&nbsp;MiB)</small>
<input type=file name=picture accept=\"image/png,image/jpeg,image/gif,image/webp\"></label>
<button>Sign the guestbook</button></form>\n",
        url(req, "/"),
        alert(wrong),
        html_escape(looker.token),
        html_escape(&sent.name),
        html_escape(&sent.text)
    )
}

fn article(req: &Request, looker: &Looker, entry: &Entry) -> String {
    let (id, name, at) = (entry.id, html_escape(&entry.name), &entry.at);
    let mut article = format!(
        "<article class=card id=e{id}><header><b>{name}</b> <time datetime=\"{}Z\">{at} UTC</time></header>
<p>{}</p>\n",
        at.replace(' ', "T"),
        html_escape(&entry.text)
    );
    if let Some(picture) = &entry.picture {
        let picture = url(req, &format!("/picture/{picture}"));
        article += &format!(
            "<a href=\"{picture}\"><img src=\"{picture}\" alt=\"A picture by {name}\" loading=lazy></a>\n"
        );
    }
    if looker.is_owner {
        article += &format!(
            "<details><summary>Delete…</summary><form method=post action=\"{}\"><input type=hidden name=token value=\"{}\">
<input type=hidden name=id value={id}><button>Delete it for ever</button></form></details>\n",
            url(req, "/delete"),
            html_escape(looker.token)
        );
    }
    article + "</article>\n"
}

fn turns(req: &Request, page: &Page) -> String {
    let link = |name: &str, id: i64, words: &str| {
        format!(
            "<a href=\"{}\" rel=nofollow>{words}</a>",
            url(req, &format!("/?{name}={id}"))
        )
    };
    let (first, last) = (page.entries.first(), page.entries.last());
    let newer = first
        .filter(|_| page.has_newer)
        .map(|entry| link("after", entry.id, "← Newer"));
    let older = last
        .filter(|_| page.has_older)
        .map(|entry| link("before", entry.id, "Older →"));
    match (newer, older) {
        (None, None) => String::new(),
        (newer, older) => {
            let of = Option::unwrap_or_default;
            format!(
                "<nav><span>{}</span><span>{}</span></nav>\n",
                of(newer),
                of(older)
            )
        }
    }
}

fn owner(req: &Request, looker: &Looker) -> String {
    if !looker.is_owner {
        return format!("<a href=\"{}\">For the owner</a>", url(req, "/login"));
    }
    format!(
        "<form method=post action=\"{}\"><input type=hidden name=token value=\"{}\"><button>Log out</button></form>",
        url(req, "/logout"),
        html_escape(looker.token)
    )
}

fn back(req: &Request) -> String {
    format!("<a href=\"{}\">Back to the guestbook</a>", url(req, "/"))
}

fn alert(wrong: &str) -> String {
    match wrong {
        "" => String::new(),
        wrong => format!("<p class=wrong role=alert>{}</p>", html_escape(wrong)),
    }
}

/// Of a page of ours, for an attribute.
fn url(req: &Request, path: &str) -> String {
    html_escape(&req.url_for(path)).into_owned()
}
