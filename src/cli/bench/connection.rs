//! A connection of `bench`, and what it is at. Called by `load`.

use super::answer::Answer;
use crate::client::Records;
use crate::net::{Interest, Transport};
use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is asked: it has just failed, or is idle, or there are no more requests.
    Off,
    /// It could not connect, since the application's queue is full, and tries again.
    Queued,
    Connecting,
    Asking,
}

pub(super) struct Connection {
    pub(super) transport: Option<Transport>,
    pub(super) stage: Stage,
    pub(super) interest: Interest,
    pub(super) begun: Instant,
    /// The next tick looks at it.
    pub(super) is_waiting: bool,
    /// The current request is one of those that `--requests` counts.
    pub(super) has_ticket: bool,
    /// It is asked once, and then kept.
    pub(super) is_idle: bool,
    pub(super) is_answered: bool,
    /// It is still the connection of an earlier request.
    pub(super) is_reused: bool,
    /// How many bytes of the request are sent.
    pub(super) sent: usize,
    /// The application does not take more of the request; what it answers still counts.
    pub(super) is_deaf: bool,
    pub(super) records: Records,
    pub(super) answer: Answer,
}

impl Connection {
    pub(super) fn new(now: Instant, is_idle: bool) -> Connection {
        Connection {
            transport: None,
            stage: Stage::Off,
            interest: Interest::Nothing,
            begun: now,
            is_waiting: false,
            has_ticket: false,
            is_idle,
            is_answered: false,
            is_reused: false,
            sent: 0,
            is_deaf: false,
            records: Records::default(),
            answer: Answer::default(),
        }
    }

    /// Begins a request.
    pub(super) fn ask_anew(&mut self) {
        self.stage = Stage::Asking;
        self.sent = 0;
        self.answer = Answer::default();
    }

    pub(super) fn open(&mut self, transport: Transport, is_connected: bool) {
        self.transport = Some(transport);
        self.records = Records::default();
        self.is_deaf = false;
        self.is_reused = false;
        self.stage = match is_connected {
            true => Stage::Asking,
            false => Stage::Connecting,
        };
    }

    /// Closes its descriptor, which also takes it out of the epoll set.
    pub(super) fn close(&mut self) {
        self.transport = None;
        self.is_reused = false;
    }

    pub(super) fn fd(&self) -> i32 {
        self.transport.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    pub(super) fn is_sending(&self, request: &[u8]) -> bool {
        self.sent < request.len() && !self.is_deaf
    }

    pub(super) fn wanted(&self, request: &[u8]) -> Interest {
        match self.stage == Stage::Connecting || self.is_sending(request) {
            true => Interest::BothAlways,
            false => Interest::ReadAlways,
        }
    }

    /// Sends what the socket takes. An error is not told here: reading will find the end of the connection.
    pub(super) fn send(&mut self, request: &[u8]) {
        while self.is_sending(request) {
            let Some(transport) = &self.transport else {
                return;
            };
            match transport.send(&request[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.is_deaf = true,
            }
        }
    }
}
