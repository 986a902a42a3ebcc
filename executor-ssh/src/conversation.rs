//! A command whose streams its caller holds.

use crate::{
    channel::{OpenChannel, exit_status},
    command::STDERR,
    connection::Connection,
    end::{Cause, End, EndMarker},
    slots::Use,
};
use async_trait::async_trait;
use bytes::Bytes;
use pool_api::{Channel, ChannelEvent, ChannelReader, ChannelWriter, Command, ExecutorError};
use russh::{ChannelMsg, ChannelWriteHalf, client::Msg};
use std::sync::Arc;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// Events that wait for the reader; behind them the library keeps 100 messages of at most 32 KiB. When that
/// is full too, the connection waits: the operating system's buffers fill, and the peer must stop.
const EVENTS: usize = 4;

/// Starts a command and hands its streams out.
///
/// # Cancel safety
/// Dropping the future closes the channel.
pub(crate) async fn open(connection: &Arc<Connection>, command: Command) -> Result<Channel, ExecutorError> {
    let mut channel = OpenChannel::open(connection, Use::Conversation).await?;
    channel.start(&command).await?;
    wait_for_start(&mut channel).await?;

    let (events, reader) = mpsc::channel(EVENTS);
    let (writer_alive, writer_gone) = oneshot::channel();
    let (marker, channel_end) = EndMarker::new();
    let mut writer = Writer {
        write: Arc::clone(&channel.write),
        connection_end: connection.end.clone(),
        channel_end,
        first: None,
        closed: false,
        _alive: writer_alive,
    };
    if !command.stdin.is_empty() {
        writer.first = Some(tokio::spawn(send(
            Arc::clone(&writer.write),
            command.stdin,
            writer.channel_end.clone(),
            writer.connection_end.clone(),
        )));
    }
    tokio::spawn(pump(channel, events, writer_gone, marker));
    Ok(Channel { writer: Box::new(writer), reader: Box::new(Reader(reader)) })
}

/// Waits until the host says that the command was started.
async fn wait_for_start(channel: &mut OpenChannel) -> Result<(), ExecutorError> {
    loop {
        let message = tokio::select! {
            biased;
            message = channel.read.wait() => message,
            () = channel.connection.end.come() => None,
        };
        match message {
            Some(ChannelMsg::Success) => return Ok(()),
            Some(ChannelMsg::Failure) => return Err(ExecutorError::Refused),
            // RFC 4254 section 6.5 has the host answer first; what ends or speaks before is no shell.
            Some(ChannelMsg::Close | ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. }) | None => {
                return Err(channel.connection.end.error());
            }
            Some(_) => {}
        }
    }
}

/// Moves what comes from the host to the reader until the channel ends or nobody holds it any more.
async fn pump(
    mut channel: OpenChannel,
    events: mpsc::Sender<ChannelEvent>,
    mut writer_gone: oneshot::Receiver<()>,
    ended: EndMarker,
) {
    let end = channel.connection.end.clone();
    let mut status = None;
    // What was printed may follow the status; only a channel that was closed has said all.
    let mut exit = None;
    let mut has_writer = true;
    let mut has_reader = true;
    while has_writer || has_reader {
        let message = tokio::select! {
            biased;
            () = end.come() => break,
            message = channel.read.wait() => message,
            () = events.closed(), if has_reader => {
                has_reader = false;
                continue;
            }
            _ = &mut writer_gone, if has_writer => {
                has_writer = false;
                continue;
            }
        };
        let event = match message {
            Some(ChannelMsg::Data { data }) => ChannelEvent::Stdout(data),
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => ChannelEvent::Stderr(data),
            Some(ChannelMsg::Close) => {
                channel.set_closed();
                exit = status;
                break;
            }
            None => break,
            Some(other) => {
                status = exit_status(&other).or(status);
                continue;
            }
        };
        // Waits as long as the reader does not read; this is what holds the peer back.
        tokio::select! {
            result = events.send(event) => has_reader = result.is_ok(),
            () = end.come() => break,
        }
    }
    ended.mark(Cause::Lost(None));
    // The place is free from here on, even when the reader never fetches the end.
    drop(channel);
    if let Some(status) = exit {
        let _ = events.send(ChannelEvent::Exit(status)).await;
    }
}

/// Sends bytes to a command until it or its connection ends.
async fn send(
    write: Arc<ChannelWriteHalf<Msg>>,
    bytes: Bytes,
    channel_end: End,
    connection_end: End,
) -> Result<(), ExecutorError> {
    tokio::select! {
        biased;
        () = connection_end.come() => Err(connection_end.error()),
        () = channel_end.come() => Err(channel_end.error()),
        result = write.data_bytes(bytes) => result.map_err(|_| connection_end.error()),
    }
}

struct Writer {
    write: Arc<ChannelWriteHalf<Msg>>,
    connection_end: End,
    channel_end: End,
    /// The command's own input, while it is still being sent: everything else comes after it.
    first: Option<JoinHandle<Result<(), ExecutorError>>>,
    closed: bool,
    /// Dropped with the writer: the pump then knows.
    _alive: oneshot::Sender<()>,
}

impl Writer {
    async fn after_first(&mut self) -> Result<(), ExecutorError> {
        if let Some(first) = &mut self.first {
            let result = first.await;
            self.first = None;
            result.unwrap_or(Err(ExecutorError::Lost(None)))?;
        }
        if self.closed { Err(ExecutorError::Lost(Some(Box::new(InputClosed)))) } else { Ok(()) }
    }
}

/// Something was sent after the end of standard input.
#[derive(Debug, thiserror::Error)]
#[error("standard input was closed before")]
struct InputClosed;

#[async_trait]
impl ChannelWriter for Writer {
    async fn send(&mut self, bytes: Bytes) -> Result<(), ExecutorError> {
        self.after_first().await?;
        let (channel_end, connection_end) = (self.channel_end.clone(), self.connection_end.clone());
        send(Arc::clone(&self.write), bytes, channel_end, connection_end).await
    }

    async fn close(&mut self) -> Result<(), ExecutorError> {
        self.after_first().await?;
        self.closed = true;
        tokio::select! {
            biased;
            () = self.connection_end.come() => Err(self.connection_end.error()),
            () = self.channel_end.come() => Err(self.channel_end.error()),
            result = self.write.eof() => result.map_err(|_| self.connection_end.error()),
        }
    }
}

struct Reader(mpsc::Receiver<ChannelEvent>);

#[async_trait]
impl ChannelReader for Reader {
    async fn next(&mut self) -> Option<ChannelEvent> {
        self.0.recv().await
    }
}
