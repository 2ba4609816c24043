//! The web server's end of a test's connection: asks, and hears what is answered. Used by `Ask`.

use super::behind::Pair;
use crate::client::{Begin, Client, End, Part};
use crate::protocol::Role;
use std::io;
use std::time::{Duration, Instant};

/// What came back for a request.
pub(super) struct Heard {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// `None`: the answer is cut.
    pub(super) end: Option<End>,
}

/// Sends a request and hears the answer, of which no wait may take longer than `limit`, nor all of it together.
pub(super) fn ask(
    client: Client,
    role: Role,
    params: &[Pair],
    body: &[u8],
    limit: Duration,
) -> io::Result<Heard> {
    let began = Instant::now();
    let mut client = client.timeout(limit);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let params = params.iter().map(|(name, value)| (name, value));
    let begin = Begin {
        role,
        ..Begin::default()
    };
    let end = client.exchange(begin, params, body, |part| {
        match part {
            Part::Stdout(bytes) => stdout.extend_from_slice(bytes),
            Part::Stderr(bytes) => stderr.extend_from_slice(bytes),
            Part::End(_) => return Ok(()),
        }
        match began.elapsed() > limit {
            true => Err(io::Error::other(format!(
                "the answer has not ended after {limit:?}"
            ))),
            false => Ok(()),
        }
    });
    let end = match end {
        Ok(end) => Some(end),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(error) => return Err(error),
    };
    Ok(Heard {
        stdout,
        stderr,
        end,
    })
}
