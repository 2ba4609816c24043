//! What is asked of a program while it is watched: the four usual loads, each by one connection after the other. What one
//! request costs is the difference of two runs, so that start and stop cancel out.

use crate::wire::{read_answer, request_of_nginx};
use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

pub struct Load {
    pub name: &'static str,
    target: &'static str,
    is_kept: bool,
    body: usize,
    /// Bytes of its answer's body, at least.
    answer: u64,
}

pub const MIB: usize = 1 << 20;

pub const CLOSED: Load = Load {
    name: "a connection a request",
    target: "/hello",
    is_kept: false,
    body: 0,
    answer: 13,
};

pub const KEPT: Load = Load {
    name: "a kept connection",
    is_kept: true,
    ..CLOSED
};

/// An upload that is summed.
pub const COUNTED: Load = Load {
    name: "1 MiB in, summed",
    target: "/count",
    body: MIB,
    answer: 1,
    ..CLOSED
};

/// An upload that nothing is done with.
pub const DRAINED: Load = Load {
    name: "1 MiB in",
    target: "/drain",
    ..COUNTED
};

pub const BYTES: Load = Load {
    name: "1 MiB out",
    target: "/bytes?n=1048576",
    answer: MIB as u64,
    ..CLOSED
};

impl Load {
    /// As fast as it goes.
    pub fn run(&self, socket: &Path, requests: usize) {
        self.exchange(socket, requests, usize::MAX, || ());
    }

    /// With `wait` before all that is read or written. A piece is what a socket hands over whole.
    pub fn run_in_step(&self, socket: &Path, requests: usize, wait: impl Fn()) {
        self.exchange(socket, requests, 32 << 10, wait);
    }

    fn exchange(&self, socket: &Path, requests: usize, piece: usize, wait: impl Fn()) {
        let request = request_of_nginx(self.target, self.is_kept, &vec![b'x'; self.body]);
        let connect = || Waiting {
            stream: UnixStream::connect(socket).unwrap(),
            wait: &wait,
        };
        let mut buffer = vec![0; 64 << 10];
        let mut connection = None;
        for _ in 0..requests {
            wait();
            let mut stream = connection
                .take()
                .unwrap_or_else(|| BufReader::with_capacity(256 << 10, connect()));
            for piece in request.chunks(piece) {
                wait();
                stream.get_mut().stream.write_all(piece).unwrap();
            }
            let answer = read_answer(&mut stream, &mut buffer);
            assert!(answer >= self.answer, "{}: {answer} bytes", self.name);
            if self.is_kept {
                connection = Some(stream);
            } else {
                // Until then another connection would be another one at once.
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            }
        }
    }
}

struct Waiting<F> {
    stream: UnixStream,
    wait: F,
}

impl<F: Fn()> Read for Waiting<F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        (self.wait)();
        self.stream.read(into)
    }
}
