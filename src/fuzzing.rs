//! What the fuzz targets under tests/fuzz run, and what replays their corpus in the ordinary tests: the pure parts on any
//! bytes, and a whole connection. Compiled for them alone.

use crate::cgi::{Known, Params, Scratch, Target, locate, raw_path};
use crate::protocol::{RecordReader, Step, values_result};
use crate::server::{Handle, Server};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

/// Records in pieces, the first byte of `data` long, come to the same as in one.
pub fn record_reader(data: &[u8]) {
    let Some((&size, data)) = data.split_first() else {
        return;
    };
    let whole = records(data, data.len().max(1));
    assert_eq!(records(data, usize::from(size).max(1)), whole);
}

/// What is found in a stream of records: headers as they are, contents as their sum. It ends at a wrong version.
fn records(data: &[u8], size: usize) -> Vec<u64> {
    let (mut reader, mut found, mut content) = (RecordReader::default(), Vec::new(), 0);
    for piece in data.chunks(size) {
        let mut at = 0;
        loop {
            match reader.step(piece, &mut at) {
                Step::More => break,
                Step::BadVersion(_) => return found,
                Step::Header(header) => {
                    found.push(content);
                    content = 0;
                    found.push(u64::from(header.request_id) << 16 | u64::from(header.content));
                }
                Step::Content(n) => {
                    let here = &piece[at..at + n];
                    content += here.iter().map(|&byte| 1 + u64::from(byte)).sum::<u64>();
                    reader.take(n);
                    at += n;
                }
            }
        }
        assert_eq!(at, piece.len(), "all of a piece is used");
    }
    found.push(content);
    found
}

/// A stream of params, its joined headers, and where it points.
pub fn params(data: &[u8]) {
    let (mut room, mut desk) = (vec![0; 1 << 16], vec![0; 1 << 14]);
    let mut scratch = Scratch::new(&mut room, &mut desk);
    let Ok(params) = Params::new(data, 4096, 1 << 15, &mut scratch) else {
        return;
    };
    for (name, value) in params.pairs() {
        let found = params.get(name).expect("what is there is found");
        assert!(name.starts_with(b"HTTP_") || found.len() <= data.len());
        // Joined values hold each other; of any other name the last value counts.
        assert!(!name.starts_with(b"HTTP_") || found.len() >= value.len());
    }
    let known = |known| params.known(known).unwrap_or_default();
    let target = Target {
        script_name: known(Known::ScriptName),
        path_info: known(Known::PathInfo),
        request_uri: params.known(Known::RequestUri),
    };
    for mount in [None, Some(&b""[..]), Some(b"/app")] {
        let Some(place) = locate(target, mount, &mut scratch) else {
            return;
        };
        assert!(!place.path.is_empty(), "there is a path");
        assert!(!place.mount.ends_with(b"/"), "a mount ends without a slash");
        if let Some(uri) = target.request_uri {
            raw_path(uri, place.mount);
        }
    }
}

/// The content of GET_VALUES is answered in bounds.
pub fn get_values(data: &[u8]) {
    let answer = values_result(data, 1000, 4);
    assert!(answer.len() <= 8 + 72, "{} bytes", answer.len());
    assert_eq!(answer.len() % 8, 0, "a whole, padded record");
}

/// Whatever a connection brings, it is answered with whole records or closed, and the next one is served.
pub fn connection(data: &[u8]) {
    static HANDLE: OnceLock<Handle> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = Server::new().listen(address).workers(2).max_params(1 << 16);
        let server = server.responder(handle_any).filter(handle_any);
        let server = server.authorizer(|_, access| access.grant().send());
        server.start().expect("it starts")
    });
    let Some((&size, data)) = data.split_first() else {
        return;
    };
    let size = usize::from(size) * 7 + 1;
    check_records(&exchange(handle, data, size));
    // What padding there is, and how the bytes come, changes nothing.
    if let Some(bare) = without_padding(data) {
        let reader = reader();
        let (padded, bare) = (
            exchange(reader, data, size),
            exchange(reader, &bare, usize::MAX),
        );
        assert_eq!(padded, bare, "padding changes the answer");
    }
    // BEGIN, no params but a method, no body.
    let hello = b"\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0\x01\x04\0\x01\0\x11\0\0\x0e\x01REQUEST_METHODG\x01\x04\0\x01\0\0\0\0\x01\x05\0\x01\0\0\0\0";
    let answer = exchange(handle, hello, hello.len());
    assert!(
        answer.windows(6).any(|w| w == b"served"),
        "the next one is served"
    );
}

/// A server that reads each body and does nothing else, so that its answers do not depend on what comes when.
fn reader() -> &'static Handle {
    static HANDLE: OnceLock<Handle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = Server::new().listen(address).workers(2).max_params(1 << 16);
        let server = server.responder(|req, res| {
            let mut body = Vec::new();
            let read = req
                .body()
                .read_to_end(&mut body)
                .map_err(|error| error.kind());
            let params: usize = req
                .params()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            res.send(format!("{read:?} {params} {body:?}"))
        });
        server.start().expect("it starts")
    })
}

/// The same records without their padding, if they are whole records of version 1.
fn without_padding(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut bare = Vec::new();
    while let Some((header, rest)) = data.split_first_chunk::<8>() {
        let [1, kind, id_high, id_low, high, low, padding, reserved] = *header else {
            return None;
        };
        let content = usize::from(u16::from_be_bytes([high, low]));
        bare.extend([1, kind, id_high, id_low, high, low, 0, reserved]);
        bare.extend_from_slice(rest.get(..content)?);
        data = rest.get(content + usize::from(padding)..)?;
    }
    data.is_empty().then_some(bare)
}

fn handle_any(req: &mut crate::Request<'_>, res: crate::Response<'_>) -> crate::Result {
    match req.query() {
        "echo" => {
            let mut out = res.stream()?;
            std::io::copy(req.body(), &mut out)?;
            out.flush()?;
            Ok(())
        }
        "look" => {
            req.is_aborted();
            let read = std::io::copy(req.body(), &mut std::io::sink());
            req.is_aborted();
            res.send(format!("{read:?} served"))
        }
        "finish" => res.finish("served"),
        "data" => {
            std::io::copy(req.data(), &mut std::io::sink())?;
            res.send("served")
        }
        _ => res.send("served"),
    }
}

/// Writes the bytes in pieces, ends, and reads to the end.
fn exchange(handle: &Handle, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut stream = handle.connect().expect("a pair of sockets");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time limit");
    let mut reader = stream.try_clone().expect("the same socket");
    let writer = |stream: &mut UnixStream| {
        for piece in bytes.chunks(size) {
            if stream.write_all(piece).is_err() {
                return;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
    };
    let mut answer = Vec::new();
    // What is written may exceed what is taken before something is read.
    std::thread::scope(|scope| {
        if bytes.len() > 50_000 {
            scope.spawn(|| writer(&mut stream));
        } else {
            writer(&mut stream);
        }
        if let Err(error) = reader.read_to_end(&mut answer) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it hangs");
        }
    });
    answer
}

/// Nothing but records of an application, each whole but for the last of an answer that was cut; or http's answer.
fn check_records(mut answer: &[u8]) {
    if answer.starts_with(b"HTTP/1.1 400") {
        return;
    }
    while let Some((header, rest)) = answer.split_first_chunk::<8>() {
        let [version, kind, .., padding, _] = *header;
        assert_eq!(version, 1);
        assert!(
            matches!(kind, 3 | 6 | 7 | 10 | 11),
            "a record of type {kind}"
        );
        let content = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let Some(behind) = rest.get(content + usize::from(padding)..) else {
            return;
        };
        answer = behind;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What fuzzing has kept, and what web servers wrote.
    #[test]
    fn the_corpus_is_clean() {
        type Target = (&'static str, fn(&[u8]));
        let targets: [Target; 4] = [
            ("record_reader", super::record_reader),
            ("params", super::params),
            ("get_values", super::get_values),
            ("connection", super::connection),
        ];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
        for (name, run) in targets {
            let seeds = std::fs::read_dir(folder.join(name)).unwrap();
            let mut count = 0;
            for seed in seeds {
                run(&std::fs::read(seed.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 0, "{name} has no seeds");
        }
    }
}
