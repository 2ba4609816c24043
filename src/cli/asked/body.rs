//! The body of a request that flags describe, as curl's do. Called by `asked`, which puts it into the request.

use crate::cli::input::{first_bytes, standard_input};
use crate::cli::order::sort;
use crate::cli::words::{Words, words};
use crate::form;
use getopts::Matches;
use std::fs::File;
use std::path::Path;

/// The most bytes of a body, since it is held whole in memory. A larger one can be sent through `serve`, which streams.
const MAX_BODY: usize = 256 << 20;

/// What is sent behind the headers.
pub(super) enum Body {
    None,
    /// As it is sent.
    Data(Vec<u8>),
    /// The fields of a multipart form.
    Form(Vec<Field>),
}

/// A field of a multipart form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Words,
    /// The name of the file, if the field is one.
    pub(super) file_name: Option<Words>,
    pub(super) content_type: Option<Words>,
    pub(super) content: Vec<u8>,
}

impl Body {
    /// The body that the flags describe.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn of(matches: &Matches) -> Result<Body, Words> {
        let mut left = MAX_BODY;
        let data = data(matches, &mut left)?;
        let form = matches.opt_strs("form");
        match (data, &form[..]) {
            (Some(_), [_, ..]) => Err(
                "--form is a body, and the data of --data and the like is another, but a request has one; leave one out",
            ),
            (Some(data), []) => Ok(Body::Data(data)),
            (None, []) => Ok(Body::None),
            (None, form) => {
                let mut fields = Vec::new();
                for text in form {
                    fields.push(field(text, &mut left)?);
                }
                Ok(Body::Form(fields))
            }
        }
    }
}

/// Name and value in a flag's `NAME=VALUE`.
///
/// # Errors
/// One sentence.
pub(super) fn named<'t>(flag: &str, text: &'t str) -> Result<(&'t str, &'t str), Words> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(words!(
            "--{flag}: {text:?} is not NAME=VALUE; write both, with an equals sign between"
        )),
    }
}

/// The data of all flags that have some, in the order in which they are given, with `&` between; `None` if there are none.
/// `left`: see [`read`].
fn data(matches: &Matches, left: &mut usize) -> Result<Option<Vec<u8>>, Words> {
    type Reader = fn(&str, &mut usize) -> Result<Vec<u8>, Words>;
    let kinds: [(&str, Reader); 4] = [
        ("data", without_line_ends),
        ("data-binary", bytes),
        ("data-raw", |text, _| Ok(text.as_bytes().to_vec())),
        ("data-urlencode", encoded),
    ];
    let mut given = Vec::new();
    for (flag, read) in kinds {
        let texts = matches.opt_strs_pos(flag).into_iter();
        given.extend(texts.map(|(place, text)| (place, text, read)));
    }
    sort(&mut given, |one, other| one.0 > other.0);
    let mut data = None;
    for (_, text, read) in &given {
        let piece = read(text, left)?;
        match &mut data {
            None => data = Some(piece),
            Some(data) => {
                data.push(b'&');
                data.extend(piece);
            }
        }
    }
    Ok(data)
}

/// The text itself, or the content of a file without its line ends and NULs.
fn without_line_ends(text: &str, left: &mut usize) -> Result<Vec<u8>, Words> {
    let mut piece = bytes(text, left)?;
    if text.starts_with('@') {
        piece.retain(|byte| !b"\r\n\0".contains(byte));
    }
    Ok(piece)
}

/// The text itself, or the content of the file that it names behind an `@`.
fn bytes(text: &str, left: &mut usize) -> Result<Vec<u8>, Words> {
    match text.strip_prefix('@') {
        Some(file) => read(file, left),
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// What `--data-urlencode` makes of `VALUE`, `=VALUE`, `NAME=VALUE`, `@FILE` and `NAME@FILE`: the value or the file's content is
/// encoded, the name is not.
fn encoded(text: &str, left: &mut usize) -> Result<Vec<u8>, Words> {
    let (name, content) = match text.find(['=', '@']) {
        Some(at) if text[at..].starts_with('=') => (&text[..at], text[at + 1..].into()),
        Some(at) => (&text[..at], read(&text[at + 1..], left)?),
        None => ("", text.into()),
    };
    let between = if name.is_empty() { "" } else { "=" };
    Ok(format!("{name}{between}{}", form::encoded(&content)).into_bytes())
}

/// The field of a form that `NAME=VALUE` describes; `NAME=@FILE` uploads the file, and `NAME=<FILE` has its content as the
/// value. Behind them may stand `;type=` and `;filename=`.
fn field(text: &str, left: &mut usize) -> Result<Field, Words> {
    let (name, value) = named("form", text)?;
    let (value, [content_type, file_name]) = options(value);
    let (content, own_name) = match value.split_at_checked(1) {
        Some(("@", file)) => (read(file, left)?, Some(last_name(file))),
        Some(("<", file)) => (read(file, left)?, None),
        _ => (value.as_bytes().to_vec(), None),
    };
    let file_name = file_name.map(|name| words!("{name}")).or(own_name);
    let content_type = content_type.map(|content_type| words!("{content_type}"));
    Ok(Field {
        name: words!("{name}"),
        content_type: content_type.or(file_name.map(usual_type)),
        file_name,
        content,
    })
}

/// A field's value without what stands behind it, and that: its type and a file's name, which may be in any order.
fn options(mut value: &str) -> (&str, [Option<&str>; 2]) {
    const MARKS: [&str; 2] = [";type=", ";filename="];
    let mut options = [None; 2];
    let last = |value: &str| MARKS.map(|mark| value.rfind(mark));
    while let Some(at) = last(value).into_iter().flatten().max() {
        let (front, option) = value.split_at(at);
        for (mark, place) in MARKS.iter().zip(&mut options) {
            *place = place.or(option.strip_prefix(mark));
        }
        value = front;
    }
    (value, options)
}

/// The file's name without its folders, for an upload.
fn last_name(file: &str) -> Words {
    let last = Path::new(file).file_name();
    last.map_or("-", |last| words!("{}", last.display()))
}

/// The type that curl guesses by a file's ending.
fn usual_type(file_name: &str) -> &'static str {
    let ending = file_name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "htm" | "html" => "text/html",
        "pdf" => "application/pdf",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

/// The content of a file, or of standard input by the name `-`. `left` is how many bytes the body may still have; what is read
/// is subtracted from it.
fn read(file: &str, left: &mut usize) -> Result<Vec<u8>, Words> {
    let what = match file {
        "-" => "standard input",
        _ => words!("{file:?}"),
    };
    let read = match file {
        "-" => standard_input(),
        _ => File::open(file),
    };
    let read = read.and_then(|opened| first_bytes(opened, *left as u64 + 1));
    let remedy = if file == "-" {
        ""
    } else {
        "; name a file that is there"
    };
    let content =
        read.map_err(|error| words!("cannot read {what} for the body: {error}{remedy}"))?;
    *left = left.checked_sub(content.len()).ok_or_else(|| {
        words!(
            "{what} makes the body longer than {} MiB; write a shorter one, or upload it through serve, with curl",
            MAX_BODY >> 20
        )
    })?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_field(
        text: &str,
        file_name: Option<Words>,
        content_type: Option<Words>,
        content: &str,
    ) {
        let found = field(text, &mut 1000).unwrap();
        let wanted = Field {
            name: "n",
            file_name,
            content_type,
            content: content.into(),
        };
        assert_eq!(found, wanted, "{text}");
    }

    #[test]
    fn a_field_has_a_type_and_a_file_name_as_it_is_told() {
        assert_field("n=v", None, None, "v");
        assert_field("n=", None, None, "");
        assert_field("n=a;b=c", None, None, "a;b=c");
        assert_field(
            "n={};type=application/json",
            None,
            Some("application/json"),
            "{}",
        );
        assert_field(
            "n=v;type=text/plain;charset=utf-8",
            None,
            Some("text/plain;charset=utf-8"),
            "v",
        );
        let octets = Some("application/octet-stream");
        assert_field("n=@/dev/null", Some("null"), octets, "");
        assert_field("n=</dev/null", None, None, "");
        assert_field(
            "n=@/dev/null;filename=a.PNG",
            Some("a.PNG"),
            Some("image/png"),
            "",
        );
        for text in [
            "n=@/dev/null;filename=a b;type=x/y",
            "n=@/dev/null;type=x/y;filename=a b",
        ] {
            assert_field(text, Some("a b"), Some("x/y"), "");
        }
        assert_field("n=v;filename=a.txt", Some("a.txt"), Some("text/plain"), "v");
    }

    #[test]
    fn what_has_no_end_is_not_read() {
        let mut left = 1000;
        let sentence = read("/dev/zero", &mut left).unwrap_err();
        assert!(
            sentence.starts_with("\"/dev/zero\" makes the body longer than 256 MiB"),
            "{sentence}"
        );
    }

    #[test]
    fn a_value_is_encoded_and_its_name_is_not() {
        for (text, wanted) in [
            ("a b&ü", "a+b%26%C3%BC"),
            ("=a=b", "a%3Db"),
            ("n=a@b", "n=a%40b"),
            ("n@/dev/null", "n="),
            ("@/dev/null", ""),
        ] {
            assert_eq!(
                encoded(text, &mut 1000).unwrap(),
                wanted.as_bytes(),
                "{text}"
            );
        }
    }
}
