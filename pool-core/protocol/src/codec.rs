//! Bytes to frames and back, without I/O.

use serde::{Serialize, de::DeserializeOwned};

/// Longest frame, its line end included. A longer one is an error, however long it goes on: the buffer
/// never holds more.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Bytes that are not a frame. The stream is of no use afterwards: what follows cannot be trusted to begin
/// at a frame's beginning.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A line without an end.
    #[error("a frame is longer than {MAX_FRAME} bytes")]
    TooLong,
    /// Not JSON, or not a frame of this protocol.
    #[error("a line is not a frame of this protocol")]
    Malformed(#[source] serde_json::Error),
    /// A frame that is too long to be sent.
    #[error("a frame of {0} bytes cannot be sent: the limit is {MAX_FRAME}")]
    TooLongToSend(usize),
}

/// One frame as a line.
///
/// # Errors
/// [`FrameError::TooLongToSend`] for a frame that the peer would refuse.
pub fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, FrameError> {
    let mut line = serde_json::to_vec(frame).map_err(FrameError::Malformed)?;
    line.push(b'\n');
    if line.len() > MAX_FRAME {
        return Err(FrameError::TooLongToSend(line.len()));
    }
    Ok(line)
}

/// Collects bytes and gives frames.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// Up to here no line end was found.
    searched: usize,
    /// Up to here frames were taken out.
    taken: usize,
}

impl FrameBuffer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came. Call [`next_frame`](Self::next_frame) until it gives none before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.searched -= self.taken;
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame. Empty lines are passed over.
    ///
    /// # Errors
    /// [`FrameError`]: close the stream.
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        loop {
            let Some(length) = self.bytes[self.searched..].iter().position(|&b| b == b'\n') else {
                self.searched = self.bytes.len();
                return if self.bytes.len() - self.taken > MAX_FRAME {
                    Err(FrameError::TooLong)
                } else {
                    Ok(None)
                };
            };
            let (begin, end) = (self.taken, self.searched + length);
            self.searched = end + 1;
            self.taken = end + 1;
            if end + 1 - begin > MAX_FRAME {
                return Err(FrameError::TooLong);
            }
            let line = self.bytes[begin..end].trim_ascii();
            if !line.is_empty() {
                return serde_json::from_slice(line).map(Some).map_err(FrameError::Malformed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OutputStream, RequestError, ToPool, ToRunner};
    use pool_api::RunId;
    use proptest::prelude::*;

    fn frames() -> Vec<ToPool> {
        let run = RunId::new("job-1".try_into().unwrap(), 1);
        vec![
            ToPool::Heartbeat,
            ToPool::Done { request: 1 },
            ToPool::Started { run },
            ToPool::Failed { request: 2, error: RequestError::UnknownRun },
        ]
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_bytes_are_cut(cuts in prop::collection::vec(1usize..40, 1..60)) {
            let bytes: Vec<u8> = frames().iter().flat_map(|f| encode(f).unwrap()).collect();
            let (mut buffer, mut out, mut rest) = (FrameBuffer::new(), Vec::new(), &bytes[..]);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                rest = later;
                buffer.push(now);
                while let Some(frame) = buffer.next_frame::<ToPool>().unwrap() {
                    out.push(frame);
                }
            }
            prop_assert_eq!(out, frames());
        }

        #[test]
        fn no_bytes_whatever_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut buffer = FrameBuffer::new();
            buffer.push(&bytes);
            while let Ok(Some(_)) = buffer.next_frame::<ToRunner>() {}
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut buffer = FrameBuffer::new();
        let chunk = vec![b'x'; 64 * 1024];
        let error = (0..1000).find_map(|_| {
            buffer.push(&chunk);
            buffer.next_frame::<ToPool>().err()
        });
        assert!(matches!(error, Some(FrameError::TooLong)));
        assert!(buffer.bytes.len() <= MAX_FRAME + chunk.len());
    }

    #[test]
    fn what_is_not_a_frame_is_an_error() {
        for line in
            ["{", "[]", "{\"t\":\"nothing\"}", "null", "\u{0}\u{1}", "{\"t\":\"done\",\"request\":-1}"]
        {
            let mut buffer = FrameBuffer::new();
            buffer.push(line.as_bytes());
            buffer.push(b"\n");
            assert!(matches!(buffer.next_frame::<ToPool>(), Err(FrameError::Malformed(_))), "{line}");
        }
    }

    #[test]
    fn a_frame_that_the_peer_would_refuse_is_not_sent() {
        let long = ToPool::Broken { reason: "x".repeat(MAX_FRAME) };
        assert!(matches!(encode(&long), Err(FrameError::TooLongToSend(_))));
    }

    #[test]
    fn the_wire_form_is_pinned() {
        let run = RunId::new("job-1".try_into().unwrap(), 2);
        let read = ToRunner::Read {
            request: 7,
            run,
            stream: OutputStream::Stderr,
            offset: 10,
            limit: 100,
            wait: true,
        };
        assert_eq!(
            String::from_utf8(encode(&read).unwrap()).unwrap(),
            "{\"t\":\"read\",\"request\":7,\"run\":{\"job\":\"job-1\",\"attempt\":2},\"stream\":\"stderr\",\"offset\":10,\"limit\":100,\"wait\":true}\n",
        );
    }
}
