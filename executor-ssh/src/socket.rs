//! A TCP connection that can be ended from outside, and that notices a peer which takes nothing.

use rustix::net::Shutdown;
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

/// Ends the connection when it is dropped, whatever the tasks that use it are doing: their reads and writes
/// end at once. Dropping the protocol library's handle alone does not (it waits for the peer during a key
/// exchange).
#[derive(Debug)]
pub(crate) struct Socket(Arc<TcpStream>);

impl Socket {
    /// Takes over a connected stream. Returns the handle that ends it and the stream to speak over, whose
    /// writes fail when the peer has taken nothing for `write_limit`.
    pub(crate) fn new(stream: TcpStream, write_limit: Duration) -> (Self, SocketStream) {
        let stream = Arc::new(stream);
        let socket = Self(Arc::clone(&stream));
        (socket, SocketStream { stream, write_limit, stuck: None })
    }

    /// Ends the connection. Waits for nobody; may be called again.
    pub(crate) fn shutdown(&self) {
        // An error means that there is no connection any more.
        let _ = rustix::net::shutdown(&*self.0, Shutdown::Both);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// The stream of a [`Socket`]. One task uses it.
#[derive(Debug)]
pub(crate) struct SocketStream {
    stream: Arc<TcpStream>,
    write_limit: Duration,
    /// Present while the peer takes nothing: when to give it up.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for SocketStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SocketStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while self.stream.poll_write_ready(cx)?.is_ready() {
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    self.stuck = None;
                    return Poll::Ready(result);
                }
            }
        }
        let deadline = Instant::now() + self.write_limit;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data any more")))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = rustix::net::shutdown(&*self.stream, Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}
