//! What a visitor sends with the form, read as it comes: the fields, and a picture that goes to disk and is told by its bytes.
//! `site` reads an entry by it, and gives pictures out by their names.

use crate::session::random;
use fcgi::{Error, Request, Saved};
use std::io::Read;
use std::path::Path;

/// Of one picture, in MiB. mod_fcgid takes 128 KiB for the whole form unless the host has set FcgidMaxRequestLen.
pub const MOST: u64 = 8;

/// More than any field has.
const MOST_TEXT: u64 = 64 << 10;

#[derive(Default)]
pub struct Sent {
    pub name: String,
    pub text: String,
    pub picture: Option<Picture>,
}

/// On disk, and gone again unless it is kept.
pub struct Picture {
    saved: Saved,
    kind: &'static Kind,
}

/// Kinds of pictures that browsers show and that hold no script.
#[derive(Debug, PartialEq)]
pub struct Kind {
    ending: &'static str,
    pub content_type: &'static str,
}

const PNG: Kind = Kind {
    ending: "png",
    content_type: "image/png",
};
const JPEG: Kind = Kind {
    ending: "jpg",
    content_type: "image/jpeg",
};
const GIF: Kind = Kind {
    ending: "gif",
    content_type: "image/gif",
};
const WEBP: Kind = Kind {
    ending: "webp",
    content_type: "image/webp",
};

impl Sent {
    /// Reads the form into `self`, so that what came before something went wrong can be shown again. Nothing is written
    /// before `is_ours` has seen the token, which stands first in the form.
    ///
    /// # Errors
    /// Status 403 for a form that is not ours, 413 for a picture that is too large, 415 for a file that is none.
    pub fn read(
        &mut self,
        req: &mut Request,
        folder: &Path,
        mut is_ours: impl FnMut(&str) -> bool,
    ) -> fcgi::Result {
        let mut parts = req.multipart()?.max_parts(10);
        let mut is_allowed = false;
        while let Some(part) = parts.next_part()? {
            let (field, is_file) = (
                part.name().to_owned(),
                part.file_name().is_some_and(|name| !name.is_empty()),
            );
            match &*field {
                "token" => is_allowed = is_ours(&part.max_len(MOST_TEXT).text()?),
                _ if !is_allowed => break,
                "name" => self.name = part.max_len(MOST_TEXT).text()?.trim().to_owned(),
                "text" => self.text = part.max_len(MOST_TEXT).text()?.trim().replace("\r\n", "\n"),
                "picture" if is_file => {
                    let mut saved = part.max_len(MOST << 20).save_to(folder)?;
                    let kind = kind_of(&mut saved)?;
                    self.picture = Some(Picture { saved, kind });
                }
                _ => {}
            }
        }
        match is_allowed {
            true => Ok(()),
            false => Err(Error::new(403, "the form has no token of this visitor")),
        }
    }
}

impl Picture {
    /// Under a name that says nothing but its kind: what the visitor called it is of no use.
    pub fn keep(mut self, folder: &Path) -> fcgi::Result<String> {
        let name = format!("{}.{}", random()?, self.kind.ending);
        self.saved.file().sync_all()?;
        self.saved.keep(folder.join(&name))?;
        Ok(name)
    }
}

/// The kind of a picture that was kept; `None` if the name is none that we give.
pub fn kept(name: &str) -> Option<&'static Kind> {
    let (digits, ending) = name.split_once('.')?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != 32 || !digits.bytes().all(is_digit) {
        return None;
    }
    [&PNG, &JPEG, &GIF, &WEBP]
        .into_iter()
        .find(|kind| kind.ending == ending)
}

fn kind_of(saved: &mut Saved) -> fcgi::Result<&'static Kind> {
    let mut start = Vec::new();
    saved.file().take(16).read_to_end(&mut start)?;
    kind(&start).ok_or_else(|| Error::new(415, "the file is no PNG, JPEG, GIF or WebP"))
}

/// By its first bytes. Its name and type are the visitor's words.
fn kind(start: &[u8]) -> Option<&'static Kind> {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(&PNG),
        [0xff, 0xd8, 0xff, ..] => Some(&JPEG),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(&GIF),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some(&WEBP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi::testing::{Ask, request};
    use std::fs;

    const SOME_PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest";

    #[test]
    fn a_picture_is_told_by_its_bytes() {
        for (start, expected) in [
            (SOME_PNG, Some(&PNG)),
            (b"\xff\xd8\xff\xe0", Some(&JPEG)),
            (b"GIF87a", Some(&GIF)),
            (b"GIF89a", Some(&GIF)),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Some(&WEBP)),
            (b"RIFF\x01\x02\x03\x04WAVEfmt ", None),
            (b"<svg onload=alert(1)>", None),
            (b"<!doctype html>", None),
            (b"GIF88a", None),
            (b"\x89PNG", None),
            (b"", None),
        ] {
            assert_eq!(kind(start), expected, "{}", start.escape_ascii());
        }
    }

    #[test]
    fn only_names_that_we_give_are_names() {
        let digits = "0123456789abcdef0123456789abcdef";
        assert_eq!(kept(&format!("{digits}.png")), Some(&PNG));
        assert_eq!(kept(&format!("{digits}.webp")), Some(&WEBP));
        for name in [
            "",
            "key",
            "../key",
            digits,
            &format!("{digits}.html"),
            &format!("{digits}.png.jpg"),
            &format!("{digits}0.png"),
            &format!("../../../../../../../../../../../{}.png", &digits[..0]),
            &digits.to_uppercase(),
        ] {
            assert_eq!(kept(name), None, "{name}");
        }
    }

    /// The status, and how many files there are then.
    fn sent(ask: Ask) -> (u16, usize) {
        let folder = tempfile::tempdir().unwrap();
        let answer = ask.call(|req, res| {
            let mut sent = Sent::default();
            sent.read(req, folder.path(), |token| token == "good")?;
            if let Some(picture) = sent.picture {
                let name = picture.keep(folder.path())?;
                assert!(kept(&name).is_some());
            }
            res.send(sent.name + "|" + &sent.text)
        });
        if answer.status() == 200 {
            assert_eq!(answer.text(), "Ann|one\ntwo");
        }
        (
            answer.status(),
            fs::read_dir(folder.path()).unwrap().count(),
        )
    }

    #[test]
    fn what_is_no_picture_or_too_much_leaves_nothing() {
        let form = |token| {
            let ask = request("POST", "/").field("token", token);
            ask.field("name", " Ann ").field("text", "one\r\ntwo\r\n")
        };
        assert_eq!(sent(form("good")), (200, 0));
        assert_eq!(sent(form("good").file("picture", "", b"")), (200, 0));
        assert_eq!(
            sent(form("good").file("picture", "x.html", SOME_PNG)),
            (200, 1)
        );
        assert_eq!(
            sent(form("good").file("picture", "x.png", b"<script>")),
            (415, 0)
        );
        let mut large = SOME_PNG.to_vec();
        large.resize((MOST as usize) << 20, 0);
        assert_eq!(
            sent(form("good").file("picture", "x.png", &large)),
            (200, 1)
        );
        large.push(0);
        assert_eq!(
            sent(form("good").file("picture", "x.png", &large)),
            (413, 0)
        );
        assert_eq!(
            sent(form("bad").file("picture", "x.png", SOME_PNG)),
            (403, 0)
        );
        assert_eq!(
            sent(request("POST", "/").file("picture", "x.png", SOME_PNG)),
            (403, 0)
        );
    }
}
