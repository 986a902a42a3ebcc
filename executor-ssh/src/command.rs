//! A command from its start to its end.

use crate::{
    channel::{OpenChannel, exit_status},
    connection::Connection,
    slots::Use,
};
use bytes::Bytes;
use pool_api::{Command, CommandOutput, ExecutorError};
use russh::ChannelMsg;
use std::{pin::pin, sync::Arc};

/// The code of standard error among a channel's extended data, RFC 4254 section 5.2.
pub(crate) const STDERR: u32 = 1;

/// Runs a command to its end; the caller watches its time limit.
///
/// # Cancel safety
/// Dropping the future closes the channel; other commands go on.
pub(crate) async fn run(
    connection: &Arc<Connection>,
    command: Command,
) -> Result<CommandOutput, ExecutorError> {
    let mut channel = OpenChannel::open(connection, Use::Command).await?;
    channel.start(&command).await?;

    let write = Arc::clone(&channel.write);
    let stdin = command.stdin;
    // Errors of sending are not looked at: a command need not read its input, and the channel's end says more.
    let mut sending = pin!(async move {
        let _ = write.data_bytes(stdin).await;
        let _ = write.eof().await;
    });
    let mut sent = false;
    let mut stdout = Capture::new(command.output_limit);
    let mut stderr = Capture::new(command.output_limit);
    let mut status = None;
    loop {
        let message = tokio::select! {
            biased;
            message = channel.read.wait() => message,
            () = &mut sending, if !sent => {
                sent = true;
                continue;
            }
            () = connection.end.come() => None,
        };
        match message {
            Some(ChannelMsg::Data { data }) => stdout.take(&data),
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => stderr.take(&data),
            Some(ChannelMsg::Failure) => return Err(ExecutorError::Refused),
            Some(ChannelMsg::Close) => {
                channel.set_closed();
                break;
            }
            // Even with a status: output may follow it (OpenSSH does so), and would be missing.
            None => return Err(connection.end.error()),
            Some(other) => status = exit_status(&other).or(status),
        }
    }
    Ok(CommandOutput {
        // A channel that is closed without a status says nothing of the command's end.
        status: status.ok_or_else(|| connection.end.error())?,
        truncated: stdout.truncated || stderr.truncated,
        stdout: stdout.into_bytes(),
        stderr: stderr.into_bytes(),
    })
}

/// The beginning of a stream.
struct Capture {
    kept: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Capture {
    fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, truncated: false }
    }

    fn take(&mut self, data: &[u8]) {
        let room = self.limit - self.kept.len();
        self.truncated |= data.len() > room;
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
    }

    fn into_bytes(self) -> Bytes {
        self.kept.into()
    }
}
