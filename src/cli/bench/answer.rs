//! What comes of an answer, as its records arrive. Called by `load`.

use super::plan::Plan;
use super::request::ID;
use super::tally::Kind;
use crate::client::{Found, HeadReader, Records, refusal};
use std::io;

/// What has come of an answer so far.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) is_begun: bool,
    status: Option<u16>,
    /// The length that its body has to have.
    length: Option<u64>,
    head: Option<HeadReader>,
    pub(super) body: u64,
    /// A part of the body differs from the expected one.
    is_another: bool,
}

/// The last head that came in one piece. An answer that begins with the same bytes has the same head, which is not parsed
/// again.
#[derive(Default)]
pub(super) struct Known {
    bytes: Vec<u8>,
    status: u16,
    length: Option<u64>,
}

/// What has become of a request by the bytes that came.
pub(super) enum Outcome {
    Running,
    Whole(u16),
    Failed(Kind, String),
}

impl Answer {
    /// Takes the next bytes of the answer.
    pub(super) fn read(
        &mut self,
        records: &mut Records,
        input: &[u8],
        known: &mut Known,
        plan: &Plan,
    ) -> Outcome {
        let expected = plan.expected.as_deref();
        let mut at = 0;
        loop {
            match records.next(ID, input, &mut at) {
                Ok(None) => return Outcome::Running,
                Ok(Some(Found::Stderr(_))) => {}
                Ok(Some(Found::Stdout(content))) => {
                    let read = self.stdout(&input[content], known, expected);
                    if let Err(error) = read {
                        return Outcome::Failed(Kind::Protocol, error.to_string());
                    }
                }
                Ok(Some(Found::End(end))) => {
                    // Padding and management records may follow; of no request, nothing else.
                    let is_end = records.next(0, input, &mut at).is_ok();
                    if let Some(refusal) = refusal(end.protocol_status) {
                        return protocol(&format!(
                            "the application refused the request: {refusal}"
                        ));
                    }
                    return match self.status {
                        _ if !is_end => protocol("the application went on after END_REQUEST"),
                        None => protocol("the answer has no head"),
                        // With another status libfcgi's and this crate's applications end an answer that they could not finish.
                        Some(_) if end.app_status != 0 => Outcome::Failed(
                            Kind::Cut,
                            format!("the application ended with status {}", end.app_status),
                        ),
                        Some(status) => Outcome::Whole(status),
                    };
                }
                Err(words) => return Outcome::Failed(Kind::Protocol, words),
            }
        }
    }

    fn stdout(
        &mut self,
        content: &[u8],
        known: &mut Known,
        expected: Option<&[u8]>,
    ) -> io::Result<()> {
        if self.status.is_some() {
            self.add(content, expected);
            return Ok(());
        }
        if self.head.is_none() && !known.bytes.is_empty() && content.starts_with(&known.bytes) {
            self.status = Some(known.status);
            self.length = known.length;
            self.add(&content[known.bytes.len()..], expected);
            return Ok(());
        }
        let is_first = self.head.is_none();
        let reader = self.head.get_or_insert_default();
        if let Some((head, used)) = reader.read(content)? {
            self.status = Some(head.status());
            self.length = head
                .content_length()
                .filter(|_| ![204, 304].contains(&head.status()));
            self.add(&content[used..], expected);
            if is_first {
                known.bytes.clear();
                known.bytes.extend_from_slice(&content[..used]);
                (known.status, known.length) = (head.status(), self.length);
            }
        }
        Ok(())
    }

    /// Counts a piece of the body.
    fn add(&mut self, piece: &[u8], expected: Option<&[u8]>) {
        if let Some(expected) = expected {
            let begin = self.body as usize;
            self.is_another |= expected.get(begin..begin + piece.len()) != Some(piece);
        }
        self.body += piece.len() as u64;
    }

    /// Whether its body is not the expected one.
    pub(super) fn is_wrong(&self, plan: &Plan) -> bool {
        let is_longer = |expected: &Vec<u8>| expected.len() as u64 > self.body;
        plan.has_bodies() && (self.is_another || plan.expected.as_ref().is_some_and(is_longer))
    }

    /// Whether its body has the length that the head announced. A web server cuts a longer one, and waits for the rest of a
    /// shorter one.
    pub(super) fn is_whole(&self) -> bool {
        self.length.is_none_or(|length| length == self.body)
    }

    pub(super) fn difference(&self) -> String {
        format!(
            "Content-Length says {} bytes, and the body has {}",
            self.length.unwrap_or_default(),
            self.body
        )
    }
}

fn protocol(words: &str) -> Outcome {
    Outcome::Failed(Kind::Protocol, words.to_owned())
}
