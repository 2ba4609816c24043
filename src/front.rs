//! The front of a request: its params, frozen when the last of them has come, and what is found in them at once. What has
//! to be written for a request (joined values, a decoded path) is written here, once. Called by `connection`.

use crate::buffer::Window;
use crate::cgi::{
    Known, Params, ParamsError, Place, Scratch, Suspects, Target, locate, locate_usual,
};
use crate::limits::Limits;
use crate::log_line::warn;
use crate::log_text::one_line;
use crate::refusal::Refusal;
use crate::request_id::Ticket;
use crate::setup::Setup;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most bytes of a parameter's name in a log line.
const MAX_NAME: usize = 64;

/// A request before it has a connection to be answered on.
pub(crate) struct Frozen<'buf> {
    pub(crate) params: Params<'buf>,
    pub(crate) place: Place<'buf>,
    /// `place.path` as text, lossy. `None` means that it is ASCII, and was not made text of yet: [`Frozen::path`] does so when it is
    /// first asked for.
    text: Cell<Option<&'buf str>>,
    pub(crate) ticket: Ticket,
    /// The status of an answer that was finished, and its connection given back, before the handler returned; 0 till then.
    pub(crate) finished_with: Cell<u16>,
}

impl<'buf> Frozen<'buf> {
    /// A front of which nothing is known yet. [`Frozen::freeze`] fills it.
    #[inline(always)]
    pub(crate) fn new(ticket: Ticket) -> Frozen<'buf> {
        Frozen {
            params: Params::new(),
            place: Place::default(),
            text: Cell::new(Some("/")),
            ticket,
            finished_with: Cell::new(0),
        }
    }

    /// The front freezes: all that has to be written for a request is written now, into `joined`. The spare window is
    /// free until an answer has to wait, and serves as a desk, scratch memory. `self` is as new, and filled in place, since it is large. Returns
    /// whether anything was written.
    ///
    /// A request that no handler should have to deal with gets a `refusal`, if it has none yet.
    pub(crate) fn freeze(
        &mut self,
        stream: &'buf [u8],
        joined: &'buf mut [u8],
        spare: &mut Window<'buf>,
        limits: &Limits,
        setup: &Setup,
        refusal: &mut Option<Refusal>,
    ) -> bool {
        let read = self.params.read(stream).and_then(|suspects| {
            let checked = self.params.check(limits.max_pairs, limits.max_pair);
            checked.map(|()| suspects)
        });
        // Nearly always nothing has to be written, nor refused: there is a URL.
        if let Ok(suspects) = &read
            && suspects.is_none()
            && self.params.known(Known::ContentTransferEncoding).is_none()
            && setup.mount.is_none()
            && let Some(place) = locate_usual(self.target())
        {
            self.place = place;
            self.text.set(None);
            return false;
        }
        self.freeze_with_care(read, joined, spare, limits, setup, refusal)
    }

    #[inline(never)]
    fn freeze_with_care(
        &mut self,
        read: Result<Suspects, ParamsError>,
        joined: &'buf mut [u8],
        spare: &mut Window<'buf>,
        limits: &Limits,
        setup: &Setup,
        refusal: &mut Option<Refusal>,
    ) -> bool {
        let desk = std::mem::take(&mut spare.bytes);
        let mut scratch = Scratch::new(joined, desk);
        let refused = match read {
            Ok(suspects) => {
                self.params.join(suspects, &mut scratch);
                refuse(&self.params)
            }
            // What was read of them says whose request it is.
            Err(error) => Some(refuse_stream(error, &self.params, limits)),
        };
        if refusal.is_none() {
            *refusal = refused;
        }
        let mount = setup.mount.as_deref().map(str::as_bytes);
        let place = locate(self.target(), mount, &mut scratch);
        let text = place.and_then(|place| lossy(place.path, &mut scratch));
        match (place, text) {
            (Some(place), Some(text)) => {
                tell_wrong_mount(setup.mount.as_deref(), place, self.target());
                self.place = place;
                self.text.set(Some(text));
            }
            _ => {
                refusal.get_or_insert_with(|| Refusal::new(414, "the path is too long to decode"));
            }
        }
        let touched = scratch.was_touched();
        spare.bytes = scratch.into_desk();
        touched
    }

    #[inline(always)]
    fn target(&self) -> Target<'buf> {
        let known = |known| self.params.known(known);
        Target {
            script_name: known(Known::ScriptName).unwrap_or_default(),
            path_info: known(Known::PathInfo).unwrap_or_default(),
            request_uri: known(Known::RequestUri),
        }
    }

    /// The path below the mount as text, lossy.
    pub(crate) fn path(&self) -> &'buf str {
        if let Some(text) = self.text.get() {
            return text;
        }
        // `locate_usual` has seen that it is ASCII.
        let text = std::str::from_utf8(self.place.path).unwrap_or_default();
        self.text.set(Some(text));
        text
    }
}

/// Says in the log, once, that the web server divides paths elsewhere than `--mount` does: no page is below it then.
fn tell_wrong_mount(mount: Option<&str>, place: Place, target: Target) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let is_divided = !target.script_name.is_empty() && !target.path_info.is_empty();
    if let Some(mount) = mount.filter(|mount| !mount.is_empty())
        && place.mount.is_empty()
        && is_divided
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        let theirs = one_line(&String::from_utf8_lossy(target.script_name));
        warn!("--mount is {mount}, and the web server says {theirs}: let both be the same");
    }
}

impl Frozen<'_> {
    /// As sent; GET if the web server does not say.
    pub(crate) fn method(&self) -> &[u8] {
        self.params.known(Known::RequestMethod).unwrap_or(b"GET")
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// What CONTENT_LENGTH says, if it is a number: digits alone (RFC 9110, section 8.6), blanks around them aside.
    pub(crate) fn content_length(&self) -> Option<u64> {
        let digits = self.params.known(Known::ContentLength)?.trim_ascii();
        // A sign would be read as well.
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// How long a CGI request's body is: RFC 3875 section 4.2. Without a length there is none, unless it is chunked.
    pub(crate) fn cgi_length(&self) -> Option<u64> {
        match self.content_length() {
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

/// Why a request whose params could be read is kept from the handler, if it is.
fn refuse(params: &Params<'_>) -> Option<Refusal> {
    let nothing = [Known::RequestMethod, Known::RequestUri, Known::ScriptName]
        .iter()
        .all(|&known| params.known(known).is_none());
    if nothing {
        let why = "the web server sent no CGI parameters; nginx: include fastcgi_params";
        return Some(Refusal::new(500, why));
    }
    let chunked = params.known(Known::ContentTransferEncoding);
    if chunked.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
        let why = "the web server (cherokee) leaves a chunked body in its chunks, which cannot be told from content";
        return Some(Refusal::new(411, why));
    }
    None
}

/// What params come to that could not be read, or are too many or too large.
#[cold]
fn refuse_stream(error: ParamsError, params: &Params<'_>, limits: &Limits) -> Refusal {
    let Limits {
        max_pairs,
        max_pair,
        ..
    } = limits;
    match error {
        ParamsError::Broken => Refusal::new(400, broken(params)),
        ParamsError::TooMany => {
            let count = params.pairs().count();
            let why = format!("{count} parameters are more than max_pairs, {max_pairs}");
            Refusal::too_large(why + " (raise --max-pairs)")
        }
        ParamsError::PairTooLarge => {
            let (name, size) = params.largest();
            let name = shown(name);
            let why = format!("{name} has {size} bytes, more than max_pair, {max_pair}");
            Refusal::too_large(why + " (raise --max-pair)")
        }
    }
}

/// Why params are broken, and where.
fn broken(params: &Params<'_>) -> String {
    let why = "a parameter's length points past the end of the parameters";
    match params.pairs().last() {
        Some((name, _)) => format!("{why}, behind {}", shown(name)),
        None => why.into(),
    }
}

/// A parameter's name for a line of the log.
fn shown(name: &[u8]) -> impl fmt::Display {
    name[..name.len().min(MAX_NAME)].escape_ascii()
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
