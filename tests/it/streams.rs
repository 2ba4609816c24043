//! Streams that real web servers wrote (tests/data/streams), replayed: whole, a byte at a time, and cut at each offset.

use crate::served::{Served, serve};
use crate::wire::{END_REQUEST, GET_VALUES_RESULT, Record, STDOUT, Wire};
use std::fs;
use std::path::Path;

/// Name and bytes of each.
fn streams() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/streams");
    let mut streams: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    streams.sort();
    assert!(streams.len() >= 16, "they are all there");
    streams
}

fn served() -> Served {
    serve(|req, res| {
        let body = std::io::read_to_string(req.body())?;
        let body = if body.len() > 100 {
            body.len().to_string()
        } else {
            body
        };
        let header = req.header("X-A").unwrap_or("none");
        let request = [
            req.method(),
            req.mount(),
            req.path(),
            req.query(),
            header,
            &body,
        ];
        res.send(request.join("|"))
    })
}

/// All that comes until the server closes.
fn transcript(mut wire: Wire) -> Vec<Record> {
    wire.end();
    wire.records_until_the_end()
}

#[test]
fn what_web_servers_wrote_is_understood() {
    let server = served();
    for (name, stream) in streams() {
        let records = transcript(server.after(&stream));
        let pages: Vec<String> = records
            .iter()
            .filter(|record| record.kind == STDOUT && !record.content.is_empty())
            .map(|record| String::from_utf8_lossy(&record.content).into_owned())
            .collect();
        let pages: Vec<&str> = pages
            .iter()
            .map(|page| page.split_once("\r\n\r\n").unwrap().1)
            .collect();
        // Apache joins repeated headers itself, and so do lighttpd and Caddy; nginx, HAProxy and h2o repeat the pair.
        let get = "GET||/a b|x=1|1, 2|";
        let post = "POST||/form||none|name=John";
        let expected: &[&str] = match &name {
            name if name.ends_with("-get") => &[get],
            name if name.ends_with("-post") => &[post],
            _ => &[get, post, "POST||/up||none|3000"],
        };
        assert_eq!(pages, expected, "{name}");
        let ends = records.iter().filter(|record| record.kind == END_REQUEST);
        assert_eq!(ends.count(), expected.len(), "{name}");
        let asked = records
            .iter()
            .any(|record| record.kind == GET_VALUES_RESULT);
        assert_eq!(asked, name == "haproxy-keepalive", "{name}");
    }
}

#[test]
fn a_byte_at_a_time_it_is_the_same() {
    let server = served();
    for (name, stream) in streams() {
        let whole = transcript(server.after(&stream));
        let mut wire = server.connect();
        for byte in &stream {
            wire.write([*byte]);
        }
        assert_eq!(transcript(wire), whole, "{name}");
    }
}

/// The first part and then the end, and the first part and then the rest.
#[test]
fn cut_at_any_offset_it_is_the_same_or_a_whole_part_of_it() {
    let server = served();
    for (name, stream) in streams() {
        let whole = transcript(server.after(&stream));
        for cut in 0..stream.len() {
            let came = transcript(server.after(&stream[..cut]));
            assert!(whole.starts_with(&came), "{name}, cut at {cut}: {came:?}");
            let last = came.last().map(|record| record.kind);
            assert_ne!(last, Some(STDOUT), "{name}, cut at {cut}: half a page");
            let mut wire = server.after(&stream[..cut]);
            wire.write(&stream[cut..]);
            assert_eq!(transcript(wire), whole, "{name}, cut at {cut}");
        }
    }
    server.assert_serves();
}
