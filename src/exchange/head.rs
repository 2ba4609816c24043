//! The head of an answer, as it gathers: its status, its fields, and what of them is refused. Called by `Response`, and by the
//! exchange itself for pages of the library's own.

use super::{Exchange, Stage};
use crate::cgi::{Illegal, check_field, check_value, is_bodiless, reason};
use crate::decimal::Decimal;
use crate::error::{Error, Result};
use crate::limits::{LARGE_RESPONSE_HEAD, MAX_FIELDS, MAX_RESPONSE_HEAD};
use crate::log_line::warn;
use std::ops::Range;

impl<'buf> Exchange<'buf> {
    pub(crate) fn set_status(&mut self, status: u16) {
        if (200..600).contains(&status) {
            self.status = status;
        } else {
            // 1xx as a final status breaks every web server that was tried; 99 is a 502, or passed on.
            self.refuse(|| format!("status {status} is refused: it is not in 200–599"));
        }
    }

    pub(crate) fn add_field(&mut self, name: &str, value: &[u8]) {
        if let Err(why) = check_field(name.as_bytes(), value) {
            return self.refuse_field(name, why);
        }
        if name.eq_ignore_ascii_case("content-length") {
            return self.declare(value);
        }
        self.has_buffering |= name.eq_ignore_ascii_case("X-Accel-Buffering");
        self.push_field(name.as_bytes(), value);
    }

    /// Adds a Content-Type, whose value is the application's.
    pub(crate) fn add_content_type(&mut self, value: &[u8]) {
        match check_value(value) {
            Ok(()) => self.push_known(b"Content-Type: ", value),
            Err(why) => self.refuse_field("Content-Type", why),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The value of the first field of this name in the head so far.
    pub(crate) fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let line = &self.output[self.find_field(name)?];
        Some(&line[name.len() + 2..line.len() - 2])
    }

    /// Adds a field of the library's own, whose value is legal, in place of all of its name.
    pub(crate) fn replace_field(&mut self, name: &[u8], value: &[u8]) {
        self.remove_fields(name);
        self.push_field(name, value);
    }

    pub(crate) fn remove_fields(&mut self, name: &[u8]) {
        while let Some(line) = self.find_field(name) {
            self.output
                .copy_within(line.end..self.pending.end, line.start);
            self.pending.end -= line.len();
            self.fields -= 1;
        }
    }

    /// Takes a Content-Length back: whoever sends the body in our place says how long it is.
    pub(crate) fn forget_length(&mut self) {
        self.declared = None;
    }

    /// Asks nginx not to gather the body; whoever else gets it passes it on, and browsers do not know it. The
    /// application's own word counts, and no answer is refused for it.
    pub(crate) fn ask_not_to_buffer(&mut self) {
        let fits = self.fields < MAX_FIELDS && self.pending.len() + 32 <= LARGE_RESPONSE_HEAD;
        if fits && !self.has_buffering {
            self.push_field(b"X-Accel-Buffering", b"no");
        }
    }

    /// Closes the head, with a Content-Length if one is known: what is written now is the body.
    ///
    /// # Errors
    /// What was refused since the response began.
    pub(crate) fn begin_body(&mut self, length: Option<u64>) -> Result {
        self.bodiless = self.is_head || is_bodiless(self.status);
        if let Some(length) = length {
            match self.declared {
                Some(declared) if declared != length && !self.bodiless => {
                    self.refuse(|| {
                        format!("Content-Length {declared} is refused: the body has {length} bytes")
                    });
                }
                Some(_) => {}
                None => self.declared = Some(length),
            }
        }
        if self.is_denial && self.status == 200 {
            self.refuse(|| "a denial with status 200 is refused: it would grant".into());
        }
        if self.has_location && self.status == 200 {
            // mod_fcgid 2.3.9 serves the page of that path itself then, without a word; HAProxy 2.6.12 makes a 302 of it.
            self.refuse(|| {
                "a Location with status 200 is refused: web servers take it for different things; \
                 use `Response::redirect`, or set the status"
                    .into()
            });
        }
        if let Some(seconds) = self.retry_after
            && self.status == 503
            && self.find_field(b"Retry-After").is_none()
        {
            self.push_field(b"Retry-After", Decimal::of(seconds).as_bytes());
        }
        if let Some(length) = self.declared
            && !is_bodiless(self.status)
        {
            self.push_known(b"Content-Length: ", Decimal::of(length).as_bytes());
        }
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        self.close_head();
        self.stage = Stage::Body;
        Ok(())
    }

    /// Refuses the answer. Of several reasons the first is remembered, and told by `begin_body`.
    pub(crate) fn refuse(&mut self, why: impl FnOnce() -> String) {
        if self.refused.is_none() {
            self.refused = Some(Error::new(500, why()));
        }
    }

    /// Where the first field of this name stands in the head, with its end of line.
    fn find_field(&self, name: &[u8]) -> Option<Range<usize>> {
        if self.stage != Stage::Head {
            return None;
        }
        let mut at = self.pending.start;
        loop {
            let lines = &self.output[at..self.pending.end];
            // A value has no end of line.
            let len = lines.iter().position(|&byte| byte == b'\n')? + 1;
            if lines.get(name.len()) == Some(&b':')
                && lines[..name.len()].eq_ignore_ascii_case(name)
            {
                return Some(at..at + len);
            }
            at += len;
        }
    }

    fn declare(&mut self, value: &[u8]) {
        let number = std::str::from_utf8(value)
            .ok()
            .filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
        match (number.and_then(|v| v.parse().ok()), self.declared) {
            (None, _) => self.refuse(|| "Content-Length is refused: its value is no number".into()),
            (Some(length), None) => self.declared = Some(length),
            (Some(length), Some(declared)) if length != declared => {
                self.refuse(|| format!("two Content-Lengths are refused: {declared} and {length}"));
            }
            _ => {}
        }
    }

    pub(super) fn push_field(&mut self, name: &[u8], value: &[u8]) {
        let len = name.len() + value.len() + 4;
        if !self.has_room(len) {
            return;
        }
        self.has_location |= name.eq_ignore_ascii_case(b"location");
        let field = &mut self.output[self.pending.end..][..len];
        let (field_name, rest) = field.split_at_mut(name.len());
        let (colon, rest) = rest.split_at_mut(2);
        let (field_value, line_end) = rest.split_at_mut(value.len());
        field_name.copy_from_slice(name);
        colon.copy_from_slice(b": ");
        field_value.copy_from_slice(value);
        line_end.copy_from_slice(b"\r\n");
        self.pending.end += len;
    }

    /// As `push_field`, of a name that is known here, with its colon and blank.
    #[inline(always)]
    fn push_known<const N: usize>(&mut self, name: &[u8; N], value: &[u8]) {
        let len = N + value.len() + 2;
        if !self.has_room(len) {
            return;
        }
        let end = self.pending.end;
        // One look at how much room there is, for all of it.
        let room = self.output.get_mut(end..end + len);
        if let Some((for_name, rest)) = room.and_then(|room| room.split_first_chunk_mut())
            && let Some((for_value, line_end)) = rest.split_at_mut_checked(value.len())
        {
            *for_name = *name;
            for_value.copy_from_slice(value);
            line_end.copy_from_slice(b"\r\n");
        }
        self.pending.end += len;
    }

    /// Whether the head has room for another field, of so many bytes. If it has, the field is counted.
    #[inline(always)]
    fn has_room(&mut self, len: usize) -> bool {
        let head = self.pending.len() + len;
        let has_room = self.fields < MAX_FIELDS && head <= LARGE_RESPONSE_HEAD;
        let may = has_room || self.may_exceed(head);
        self.fields += usize::from(may);
        may
    }

    /// As `has_room`, of a head that is at a limit, or larger than nginx's smallest buffer.
    #[cold]
    fn may_exceed(&mut self, head: usize) -> bool {
        if self.fields == MAX_FIELDS {
            self.refuse(|| format!("a response head of more than {MAX_FIELDS} fields is refused"));
            return false;
        }
        if head > MAX_RESPONSE_HEAD {
            self.refuse(|| {
                format!("a response head of more than {MAX_RESPONSE_HEAD} bytes is refused")
            });
            return false;
        }
        if self.pending.len() <= LARGE_RESPONSE_HEAD {
            warn!(
                "a response head of more than {LARGE_RESPONSE_HEAD} bytes is a 502 behind nginx's smallest \
                 fastcgi_buffer_size"
            );
        }
        true
    }

    /// Writes the blank line, and the status line into the room in front of the fields.
    fn close_head(&mut self) {
        // HAProxy 2.6.12 makes a 302 of whatever status stands before a Location. It asks no authorizers, and lighttpd 1.4.69
        // drops what stands before a denial's status.
        if self.has_location && !self.is_denial {
            let (status, reason) = (Decimal::of(self.status.into()), reason(self.status));
            for part in [
                b"Status: ",
                status.as_bytes(),
                b" ",
                reason.as_bytes(),
                b"\r\n\r\n",
            ] {
                self.gather(part);
            }
            return;
        }
        self.put_at(self.pending.end, *b"\r\n");
        self.pending.end += 2;
        const OK: &[u8; 16] = b"Status: 200 OK\r\n";
        if self.status == 200 {
            self.pending.start -= OK.len();
            self.put_at(self.pending.start, *OK);
            return;
        }
        let (status, reason) = (self.status, reason(self.status).as_bytes());
        let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
        for part in [b"\r\n", reason, b" ", &digits, b"Status: "] {
            let start = self.pending.start - part.len();
            self.output[start..self.pending.start].copy_from_slice(part);
            self.pending.start = start;
        }
    }

    fn refuse_field(&mut self, name: &str, why: Illegal) {
        let name = crate::log_text::one_line(name);
        self.refuse(|| format!("the response header {} is refused: {}", name, why.text()));
    }
}
