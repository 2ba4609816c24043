//! A request's body as HTTP frames it: of a stated length, or in chunks (RFC 9112, sections 6 and 7). Pure. Called by
//! `connection`.

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By its length; 0 if the request has none.
    Length(u64),
    /// The last chunk says so.
    Chunked,
}

/// The most bytes of a chunk's first line: a size, and extensions that nobody uses.
const MAX_CHUNK_LINE: usize = 1024;

/// The most bytes of all fields behind the last chunk. They are not passed on.
const MAX_TRAILER: usize = 8 << 10;

/// Finds a body's content in bytes that come in pieces of any size. The lines of chunks have to be there whole.
#[derive(Clone, Debug)]
pub(super) struct BodyReader {
    state: State,
}

/// What stands next in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of content, and then the end.
    Content(u64),
    /// A chunk's size.
    Size,
    /// So many bytes of a chunk's content.
    Chunk(u64),
    /// The line end behind a chunk's content.
    ChunkEnd,
    /// A field behind the last chunk, or the empty line. So many bytes of fields have been read.
    Trailer(usize),
    /// Nothing of this body.
    Done,
}

/// What the bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes of content lie in front: [`BodyReader::take`] them.
    Content(usize),
    /// More bytes are needed.
    More,
    /// The body has ended.
    End,
    /// This is not how chunks are written.
    Bad(&'static str),
}

impl BodyReader {
    pub(super) fn new(framing: Framing) -> BodyReader {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Content(length),
            Framing::Chunked => State::Size,
        };
        BodyReader { state }
    }

    /// Whether all of the body was taken.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Looks at `bytes[*at..]`, and moves `at` over all that is not content.
    pub(super) fn next(&mut self, bytes: &[u8], at: &mut usize) -> Next {
        loop {
            let rest = &bytes[*at..];
            match self.state {
                State::Done => return Next::End,
                State::Content(_) | State::Chunk(_) if rest.is_empty() => return Next::More,
                State::Content(left) | State::Chunk(left) => {
                    return Next::Content(
                        rest.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
                    );
                }
                State::Size => match chunk_size(rest) {
                    Ok(Some((line, size))) => {
                        *at += line;
                        self.state = match size {
                            0 => State::Trailer(0),
                            size => State::Chunk(size),
                        };
                    }
                    Ok(None) => return Next::More,
                    Err(what) => return Next::Bad(what),
                },
                State::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        *at += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Next::More,
                    _ => return Next::Bad("a chunk is longer than its size says"),
                },
                State::Trailer(before) => {
                    let end = rest.iter().position(|&byte| byte == b'\n');
                    let line = end.map_or(rest.len(), |end| end + 1);
                    if before + line > MAX_TRAILER {
                        return Next::Bad("the fields behind the last chunk are too long");
                    }
                    if end.is_none() {
                        return Next::More;
                    }
                    self.state = match rest[..line] {
                        [b'\n'] | [b'\r', b'\n'] => State::Done,
                        _ => State::Trailer(before + line),
                    };
                    *at += line;
                }
            }
        }
    }

    /// `n` bytes of content were used: `n` is at most what `Next::Content` said.
    pub(super) fn take(&mut self, n: usize) {
        let n = n as u64;
        self.state = match self.state {
            State::Content(left) if left == n => State::Done,
            State::Content(left) => State::Content(left - n),
            State::Chunk(left) if left == n => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - n),
            state => state,
        };
    }
}

/// The length of the line that `rest` begins with, and the size of the chunk that it says. The first digit is looked at here,
/// since `httparse` takes an empty line for a zero.
fn chunk_size(rest: &[u8]) -> Result<Option<(usize, u64)>, &'static str> {
    const BAD: &str = "a chunk does not begin with its size";
    let Some(first) = rest.first() else {
        return Ok(None);
    };
    if !first.is_ascii_hexdigit() {
        return Err(BAD);
    }
    let line = &rest[..rest.len().min(MAX_CHUNK_LINE)];
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete(found)) => Ok(Some(found)),
        Ok(httparse::Status::Partial) if line.len() < MAX_CHUNK_LINE => Ok(None),
        _ => Err(BAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, and what lies behind it, of bytes that come in pieces of `size`; `Err` is what is bad about them.
    fn read(
        framing: Framing,
        bytes: &[u8],
        size: usize,
    ) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
        let mut reader = BodyReader::new(framing);
        let (mut body, mut at, mut filled) = (Vec::new(), 0, 0);
        loop {
            match reader.next(&bytes[..filled], &mut at) {
                Next::Content(n) => {
                    let n = n.div_ceil(2); // whoever uses it need not use all
                    body.extend_from_slice(&bytes[at..at + n]);
                    at += n;
                    reader.take(n);
                }
                Next::More if filled == bytes.len() => return Ok(None),
                Next::More => filled = bytes.len().min(filled + size),
                Next::End => {
                    assert!(reader.is_done());
                    return Ok(Some((body, at)));
                }
                Next::Bad(what) => return Err(what),
            }
        }
    }

    #[test]
    fn bodies_end_where_they_say_in_pieces_of_every_size() {
        let rows: &[(Framing, &[u8], &[u8])] = &[
            (Framing::Length(0), b"", b""),
            (Framing::Length(5), b"hello", b"hello"),
            (Framing::Chunked, b"0\r\n\r\n", b""),
            (Framing::Chunked, b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (
                Framing::Chunked,
                b"3;x=y\r\nhel\r\n02 ; z\r\nlo\r\n000\r\n\r\n",
                b"hello",
            ),
            (
                Framing::Chunked,
                b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
                b"01234567890123456789",
            ),
            (
                Framing::Chunked,
                b"1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n",
                b"x",
            ),
        ];
        for &(framing, bytes, body) in rows {
            let stream = [bytes, b"GET / HTTP/1.1\r\n"].concat();
            for size in 1..=stream.len() {
                let read = read(framing, &stream, size);
                assert_eq!(
                    read,
                    Ok(Some((body.to_vec(), bytes.len()))),
                    "pieces of {size}"
                );
            }
            for length in 0..bytes.len() {
                assert_eq!(
                    read(framing, &bytes[..length], 3),
                    Ok(None),
                    "{length} bytes"
                );
            }
        }
    }

    #[test]
    fn chunks_that_are_no_chunks_are_bad() {
        let long_line = [b"1;".as_slice(), &[b'x'; MAX_CHUNK_LINE]].concat();
        let long_trailer = [b"0\r\n".as_slice(), &[b'x'; MAX_TRAILER + 1]].concat();
        let long_trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(2000)].concat();
        let rows: &[&[u8]] = &[
            b"\r\n",
            b"x\r\n",
            b"-1\r\n",
            b" 1\r\n",
            b"5\nhello",
            b"1 2\r\n",
            b"fffffffffffffffff\r\n",
            b"2\r\nhello",
            b"2\r\nhe\n",
            &long_line,
            &long_trailer,
            &long_trailers,
        ];
        for bytes in rows {
            let shown = bytes[..bytes.len().min(20)].escape_ascii();
            for size in [1, 3, bytes.len()] {
                assert!(read(Framing::Chunked, bytes, size).is_err(), "{shown}");
            }
        }
    }

    #[test]
    fn the_largest_sizes_are_counted_right() {
        let rows = [
            (Framing::Length(u64::MAX), &b"abc"[..]),
            (Framing::Chunked, b"ffffffffffffffff\r\nabc"),
        ];
        for (framing, bytes) in rows {
            assert_eq!(read(framing, bytes, 9), Ok(None));
        }
    }
}
