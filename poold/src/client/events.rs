//! What the server tells by itself: server-sent events (HTML Living Standard, 9.2).

use super::{connection::Client, error::ClientError};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Method, body::Incoming};
use std::{io, time::Duration};
use tokio::time::timeout;

/// The server says something at least each 15 s, if only a comment.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Longest event, in bytes. All instances of a large pool have less.
const MAX_EVENT: usize = 256 * 1024 * 1024;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ServerEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Cuts what comes into events.
#[derive(Debug, Default)]
struct Parser {
    /// The beginning of a line.
    line: Vec<u8>,
    event: ServerEvent,
}

impl Parser {
    /// How much it holds back.
    fn held(&self) -> usize {
        self.line.len() + self.event.data.len()
    }

    /// The events that end in it.
    fn push(&mut self, data: &[u8], events: &mut impl Extend<ServerEvent>) {
        let mut lines = data.split(|byte| *byte == b'\n');
        // What follows the last line feed is the beginning of a line.
        let last = lines.next_back().unwrap_or_default();
        for line in lines {
            self.line.extend_from_slice(line);
            let line = std::mem::take(&mut self.line);
            events.extend(self.end_of_line(&line));
        }
        self.line.extend_from_slice(last);
    }

    fn end_of_line(&mut self, line: &[u8]) -> Option<ServerEvent> {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.name.is_empty()).then_some(event);
        }
        // Without a field's name it is a comment.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

/// Reads the server's events.
#[derive(Debug)]
pub(crate) struct EventReader {
    body: Incoming,
    parser: Parser,
    /// Those that have come, the next one last.
    come: Vec<ServerEvent>,
}

impl Client {
    /// Follows what changes from now on.
    pub(crate) async fn events(&self, address: &str) -> Result<EventReader, ClientError> {
        let response = self.send(Method::GET, address, Bytes::new()).await?;
        Ok(EventReader { body: response.into_body(), parser: Parser::default(), come: Vec::new() })
    }
}

impl EventReader {
    /// The next one. Its end is an error, too: the server has gone.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub(crate) async fn next(&mut self) -> Result<ServerEvent, ClientError> {
        let lost = |why: &str| ClientError::Lost(io::Error::other(why).into());
        loop {
            if let Some(event) = self.come.pop() {
                return Ok(event);
            }
            let frame = timeout(SILENCE_LIMIT, self.body.frame()).await;
            let frame = frame.map_err(|_| ClientError::NoAnswer(SILENCE_LIMIT))?;
            let frame = frame.ok_or_else(|| lost("the events have ended"))?;
            if let Ok(data) = frame.map_err(|error| ClientError::Lost(error.into()))?.into_data() {
                self.parser.push(&data, &mut self.come);
                self.come.reverse();
                if self.parser.held() > MAX_EVENT {
                    return Err(lost("an event is too long"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_out_wherever_their_pieces_end() {
        let text = ": hello\n\nevent: status\ndata: {\"a\":1}\n\nevent:jobs\r\ndata: [1,\r\ndata: 2]\r\n\r\n: alive\n\ndata: nameless\n\nevent: missed\ndata: {}\n\n";
        let event = |name: &str, data: &str| ServerEvent { name: name.into(), data: data.into() };
        let expected = [event("status", "{\"a\":1}"), event("jobs", "[1,\n2]"), event("missed", "{}")];
        for size in 1..text.len() {
            let (mut parser, mut events) = (Parser::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                parser.push(piece, &mut events);
            }
            assert_eq!(events, expected, "{size}");
            assert_eq!(parser.held(), 0);
        }
    }
}
