//! The front of a request: its params, frozen when the last of them has come, and what is found in them at once. What has
//! to be written for a request (joined values, a decoded path) is written here, once. Called by `connection`.

use crate::buffer::Window;
use crate::cgi::{Known, Params, ParamsError, Place, Scratch, Target, locate};
use crate::limits::Limits;
use crate::request_id::Ticket;
use crate::setup::Setup;
use std::cell::Cell;

/// A frozen front, and what is left of the parts that it was made of.
pub(crate) struct Front<'buf> {
    pub(crate) request: Frozen<'buf>,
    /// The status that it deserves, and why, if it is one that no handler should have to deal with.
    pub(crate) refusal: Option<(u16, String)>,
    pub(crate) spare: Window<'buf>,
    pub(crate) touched: bool,
}

/// A request before it has a connection to be answered on.
pub(crate) struct Frozen<'buf> {
    pub(crate) params: Params<'buf>,
    pub(crate) place: Place<'buf>,
    /// `place.path` as text, lossy.
    pub(crate) path: &'buf str,
    pub(crate) ticket: Ticket,
    /// The status of an answer that was finished, and its connection given back, before the handler returned; 0 till then.
    pub(crate) finished_with: Cell<u16>,
}

impl<'buf> Front<'buf> {
    /// The front freezes: all that has to be written for a request is written now, into `joined`. The spare window is
    /// free until an answer has to wait, and serves as a desk.
    pub(crate) fn freeze(
        stream: &'buf [u8],
        joined: &'buf mut [u8],
        mut spare: Window<'buf>,
        limits: &Limits,
        setup: &Setup,
        refusal: Option<(u16, String)>,
        ticket: Ticket,
    ) -> Front<'buf> {
        let desk = std::mem::take(&mut spare.bytes);
        let mut scratch = Scratch::new(joined, desk);
        let mut params = Params::default();
        let read = params.read(stream, limits.max_pairs, limits.max_pair, &mut scratch);
        if read.is_err() {
            params = Params::default();
        }
        let refusal = match (refusal, read) {
            (Some(refusal), _) => Some(refusal),
            (None, Ok(())) => refuse(&params),
            (None, Err(error)) => Some(refuse_stream(error, limits)),
        };
        let known = |known| params.known(known).unwrap_or_default();
        let target = Target {
            script_name: known(Known::ScriptName),
            path_info: known(Known::PathInfo),
            request_uri: params.known(Known::RequestUri),
        };
        let place = locate(
            target,
            setup.mount.as_deref().map(str::as_bytes),
            &mut scratch,
        );
        let path = place.and_then(|place| lossy(place.path, &mut scratch));
        let (place, path, refusal) = match (place, path) {
            (Some(place), Some(path)) => (place, path, refusal),
            _ => (
                Place::default(),
                "/",
                refusal.or_else(|| Some((414, "the path is too long to decode".into()))),
            ),
        };
        let touched = scratch.was_touched();
        spare.bytes = scratch.into_desk();
        Front {
            request: Frozen {
                params,
                place,
                path,
                ticket,
                finished_with: Cell::new(0),
            },
            refusal,
            spare,
            touched,
        }
    }
}

impl Frozen<'_> {
    /// How long a CGI request's body is: RFC 3875 section 4.2. Without a length there is none, unless it is chunked.
    pub(crate) fn cgi_length(&self) -> Option<u64> {
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.trim().parse().ok();
        let length = self
            .params
            .known(Known::ContentLength)
            .filter(|value| !value.is_empty());
        match length.and_then(number) {
            Some(length) => Some(length),
            None if self
                .params
                .header("transfer-encoding")
                .is_some_and(|v| v.eq_ignore_ascii_case(b"chunked")) =>
            {
                None
            }
            None => Some(0),
        }
    }
}

/// What no handler should have to deal with.
fn refuse(params: &Params<'_>) -> Option<(u16, String)> {
    let nothing = [Known::RequestMethod, Known::RequestUri, Known::ScriptName]
        .iter()
        .all(|&known| params.known(known).is_none());
    if nothing {
        let why = "the web server sent no CGI parameters; nginx: include fastcgi_params";
        return Some((500, why.into()));
    }
    let chunked = params.known(Known::ContentTransferEncoding);
    if chunked.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
        let why = "the web server (cherokee) leaves a chunked body in its chunks, which cannot be told from content";
        return Some((411, why.into()));
    }
    None
}

fn refuse_stream(error: ParamsError, limits: &Limits) -> (u16, String) {
    match error {
        ParamsError::Broken => (
            400,
            "a parameter's length points past the end of the parameters".into(),
        ),
        ParamsError::TooMany => (
            431,
            format!(
                "there are more parameters than max_pairs, {}",
                limits.max_pairs
            ),
        ),
        ParamsError::PairTooLarge => (
            431,
            format!(
                "a parameter is larger than max_pair, {} bytes",
                limits.max_pair
            ),
        ),
    }
}

/// As text, with `U+FFFD` for what is not UTF-8. `None` if there is no room for it.
fn lossy<'buf>(bytes: &'buf [u8], scratch: &mut Scratch<'buf>) -> Option<&'buf str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text);
    }
    for chunk in bytes.utf8_chunks() {
        let replaced: &[u8] = if chunk.invalid().is_empty() {
            b""
        } else {
            "\u{fffd}".as_bytes()
        };
        if !(scratch.push(chunk.valid().as_bytes()) && scratch.push(replaced)) {
            return None;
        }
    }
    std::str::from_utf8(scratch.finish()).ok()
}
