//! One connection.

use pool_protocol::{FrameBuffer, FrameError, HEARTBEAT_INTERVAL, ToPool, encode};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// A connection's number, never used twice by one daemon.
pub(super) type SessionId = u64;

/// How long a connection may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the other side may take to read the rest of an ended session.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// With more bytes than this waiting to be sent, no further request is taken.
const FULL: usize = 1024 * 1024;
/// With more bytes than this waiting to be sent, events included, the other side hangs.
const OVERFULL: usize = 64 * 1024 * 1024;

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Nothing was said.
    New,
    /// Attach has greeted.
    Greeted,
    /// A pool has said hello.
    Attached,
    /// Nothing more is taken from the other side, not even what it has sent already. What is to be sent to it is
    /// sent, then it ends.
    Closed,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: UnixStream,
    pub(super) stage: Stage,
    /// What the pool was last told about the worker's being broken.
    pub(super) told_broken: Option<String>,
    input: FrameBuffer,
    output: Vec<u8>,
    /// How much of `output` was sent.
    sent: usize,
    opened: Instant,
    last_said: Instant,
    /// Set once nothing more is read: when it ends, even if not all was sent.
    ends_at: Option<Instant>,
}

impl Session {
    pub(super) fn new(stream: UnixStream, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            stage: Stage::New,
            told_broken: None,
            input: FrameBuffer::new(),
            output: Vec::new(),
            sent: 0,
            opened: now,
            last_said: now,
            ends_at: None,
        })
    }

    /// Whether more is to be read.
    pub(super) fn wants_input(&self) -> bool {
        self.ends_at.is_none() && self.waiting() < FULL
    }

    pub(super) fn wants_output(&self) -> bool {
        self.waiting() > 0
    }

    fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    /// True when the connection is to be dropped.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let ended = self.ends_at.is_some_and(|at| self.waiting() == 0 || now >= at);
        ended || self.waiting() > OVERFULL
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.stage = Stage::Closed;
        self.ends_at.get_or_insert(now + LAST_WORDS);
    }

    /// When something is due even if nothing happens.
    pub(super) fn next(&self) -> Instant {
        let next = match self.stage {
            Stage::New | Stage::Greeted => Some(self.opened + HELLO_TIMEOUT),
            Stage::Attached => Some(self.last_said + HEARTBEAT_INTERVAL),
            Stage::Closed => None,
        };
        next.into_iter().chain(self.ends_at).min().unwrap_or(self.opened)
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if now < self.next() {
            return;
        }
        match self.stage {
            Stage::New | Stage::Greeted => self.close(now),
            Stage::Attached if self.ends_at.is_none() => self.say(&ToPool::Heartbeat, now),
            Stage::Attached | Stage::Closed => {}
        }
    }

    /// Says something as soon as the other side takes it.
    pub(super) fn say<T: Serialize>(&mut self, frame: &T, now: Instant) {
        match encode(frame) {
            Ok(line) => {
                self.output.extend_from_slice(&line);
                self.last_said = now;
            }
            Err(error) => {
                // All that is said is bounded below the longest frame. The pool must not wait for it for ever.
                log!("a frame cannot be sent: {error}");
                self.close(now);
            }
        }
    }

    /// Takes what has come. At the end of the stream the session closes.
    pub(super) fn receive(&mut self, now: Instant) -> io::Result<()> {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            // Requests that came before are still carried out, and answered as far as that goes at once.
            Ok(0) => self.ends_at = Some(now + LAST_WORDS),
            Ok(length) => self.input.push(&bytes[..length]),
            Err(error) if is_no_news(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The next frame that was received as a whole and is to be handled now.
    pub(super) fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        if self.waiting() >= FULL || self.stage == Stage::Closed { Ok(None) } else { self.input.next_frame() }
    }

    /// Sends what the other side takes without waiting.
    pub(super) fn send(&mut self) -> io::Result<()> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if is_no_news(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        self.output.clear();
        // A few long answers must not be paid for with memory for ever.
        self.output.shrink_to(64 * 1024);
        Ok(())
    }

    /// Sends all that there is, waiting for the other side if it must, but not for long.
    pub(super) fn send_last(&mut self) {
        let timeout = Some(Duration::from_secs(1));
        if self.stream.set_nonblocking(false).is_ok() && self.stream.set_write_timeout(timeout).is_ok() {
            let _ = self.stream.write_all(&self.output[self.sent..]);
        }
    }
}

fn is_no_news(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
