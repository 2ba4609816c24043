//! Records that are received with their headers apart from their contents, so that the contents make one piece. Made by the
//! reader, received by `wire`.

use super::record::HEADER_LEN;

/// A guess at what comes next: the rest of the content of a record that has begun, then records with the same header, of the last
/// of which only that. So the places of the headers are known before they come, and they can be received apart:
///
/// ```text
/// the stream    … content | header | content | header | content | header
/// goes to       first       apart    each      apart    each      apart
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// What is left of the content of the record that has begun.
    pub(crate) first: usize,
    /// How long the content of each of the others is.
    pub(crate) each: usize,
    /// How many others, and so how many headers.
    pub(crate) records: usize,
    /// What the headers of the others are, if they are what they are taken for.
    pub(super) header: [u8; HEADER_LEN],
}

/// What has come of a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// How much of it is content of records that were guessed right: it stands in one piece.
    pub(crate) content: usize,
    /// How much of the content of the last of those is still to come.
    pub(crate) open: u16,
    /// How many headers were guessed right.
    pub(crate) headers: usize,
    /// How many bytes came behind that content, headers that were received apart included. [`Run::put_back`] mends them.
    pub(crate) behind: usize,
}

impl Run {
    /// The most headers of one.
    pub(crate) const MOST: usize = 4;

    /// What the first `n` bytes that came are, by the headers among them.
    pub(crate) fn came(&self, n: usize, headers: &[[u8; HEADER_LEN]; Self::MOST]) -> Came {
        let content = n.min(self.first);
        let mut came = Came {
            content,
            open: (self.first - content) as u16,
            headers: 0,
            behind: n - content,
        };
        for header in &headers[..self.records] {
            if came.behind < HEADER_LEN || *header != self.header {
                break;
            }
            let content = (came.behind - HEADER_LEN).min(self.each);
            came.content += content;
            came.open = (self.each - content) as u16;
            came.headers += 1;
            came.behind -= HEADER_LEN + content;
        }
        came
    }

    /// Puts headers that were received apart back to where they stand in the stream: `bytes` begin with `behind` bytes of it
    /// without them, and have room for them.
    pub(crate) fn put_back(&self, bytes: &mut [u8], behind: usize, headers: &[[u8; HEADER_LEN]]) {
        let record = HEADER_LEN + self.each;
        for (i, header) in headers.iter().enumerate().rev() {
            let Some(here) = behind.checked_sub(i * record) else {
                continue;
            };
            let (start, header) = (i * record, &header[..here.min(HEADER_LEN)]);
            let content = (here - header.len()).min(self.each);
            let from = i * self.each;
            bytes.copy_within(from..from + content, start + HEADER_LEN);
            bytes[start..start + header.len()].copy_from_slice(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::RecordReader;
    use super::super::record::{RecordHeader, RecordType};
    use super::*;

    /// Whatever comes of a run, and whichever of its headers is another one: what is right is content, and what is behind it
    /// stands there as it was sent.
    #[test]
    fn what_was_received_apart_is_the_stream_again() {
        const EACH: usize = 5;
        for (first, wrong) in [0, 3]
            .into_iter()
            .flat_map(|first| (0..5).map(move |w| (first, w)))
        {
            let mut reader = RecordReader::default();
            let begun = RecordHeader::new(RecordType::Stdin, 1, EACH as u16);
            let begun = RecordHeader {
                padding: 0,
                ..begun
            }
            .encode();
            reader.begin_content(&begun, &mut 0, RecordType::Stdin, 1);
            reader.take(EACH - first);
            let run = reader.run(60, RecordType::Stdin, 1).unwrap();
            assert_eq!((run.first, run.each, run.records), (first, EACH, 4));
            let right = [1, 5, 0, 1, 0, EACH as u8, 0, 0];
            let mut stream: Vec<u8> = (0..first as u8).collect();
            for record in 0..run.records {
                let mut header = right;
                header[5] += u8::from(record == wrong);
                stream.extend(header);
                stream.extend((0..EACH).map(|i| (10 * record + i) as u8));
            }
            stream.truncate(stream.len() - EACH);
            for n in 1..=stream.len() {
                // As the kernel does.
                let mut contents = [0xee; 60];
                let mut headers = [[0xee; HEADER_LEN]; Run::MOST];
                let (mut rest, mut at) = (&stream[..n], 0);
                for (len, header) in std::iter::once(first).chain([EACH; 3]).zip(&mut headers) {
                    let (content, behind) = rest.split_at(len.min(rest.len()));
                    contents[at..at + content.len()].copy_from_slice(content);
                    at += len;
                    let (apart, behind) = behind.split_at(HEADER_LEN.min(behind.len()));
                    header[..apart.len()].copy_from_slice(apart);
                    rest = behind;
                }
                let came = run.came(n, &headers);
                run.put_back(
                    &mut contents[came.content..],
                    came.behind,
                    &headers[came.headers..],
                );
                let mut again: Vec<u8> = Vec::new();
                let (mut content, behind) =
                    contents[..came.content + came.behind].split_at(came.content);
                for record in 0..=came.headers {
                    if record > 0 {
                        again.extend(right);
                    }
                    let most = if record == 0 { first } else { EACH };
                    let (here, more) = content.split_at(most.min(content.len()));
                    again.extend(here);
                    content = more;
                }
                again.extend(behind);
                assert_eq!(again, stream[..n], "{n} bytes, {wrong} is wrong");
                let whole = first + came.headers * EACH;
                assert_eq!(came.content + usize::from(came.open), whole);
                assert!(came.behind < HEADER_LEN || came.headers == wrong);
            }
        }
    }
}
