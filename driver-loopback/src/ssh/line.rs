//! A connection that can go dead or be cut from outside, as a machine's can.

use futures_util::task::AtomicWaker;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicU8, Ordering},
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};

const LIVE: u8 = 0;
const DEAD: u8 = 1;
const CUT: u8 = 2;

/// The outside's end.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: AtomicU8,
    /// Of the one task that reads and writes.
    waker: AtomicWaker,
}

impl Line {
    /// From now on nothing is read or written, as if the machine had stopped.
    pub(super) fn go_dead(&self) {
        self.state.fetch_max(DEAD, Ordering::SeqCst);
    }

    /// Ends it for both sides.
    pub(super) fn cut(&self) {
        self.state.store(CUT, Ordering::SeqCst);
        self.waker.wake();
    }

    /// The stream, as the SSH server sees it. Reading and writing must be done by one task.
    pub(super) fn attach(self: &Arc<Self>, stream: TcpStream) -> LineStream {
        // russh reads each packet in two pieces: one call of the system gets all that have come. Below the line's state,
        // so that a dead line says nothing of what waits here either.
        LineStream { line: Arc::clone(self), stream: BufReader::new(stream) }
    }

    /// `Ready` when the stream may be used.
    fn check(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        // Before the state is read, so that no cut goes unnoticed.
        self.waker.register(cx.waker());
        match self.state.load(Ordering::SeqCst) {
            LIVE => Poll::Ready(Ok(())),
            DEAD => Poll::Pending,
            _ => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }
}

/// The server's end.
#[derive(Debug)]
pub(super) struct LineStream {
    line: Arc<Line>,
    stream: BufReader<TcpStream>,
}

impl AsyncRead for LineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.line.check(cx))?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.line.check(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.line.check(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.line.check(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
