//! Opening a channel and starting a command on it, so that nothing is left open when the caller goes away.

use crate::{
    connection::Connection,
    slots::{Slot, Use},
};
use pool_api::{Command, ExecutorError, ExitStatus, Privilege};
use russh::{ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Sig, client::Msg};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::oneshot, time::sleep};

/// How often a host is asked again whose places are taken by commands that were given up.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// For how long it is asked again before its refusal is passed on.
const GIVEN_UP_PATIENCE: Duration = Duration::from_secs(10);

/// A channel that the host has confirmed. Dropping it closes it and then gives its place back.
pub(crate) struct OpenChannel {
    pub(crate) read: ChannelReadHalf,
    pub(crate) write: Arc<ChannelWriteHalf<Msg>>,
    /// Keeps the connection open as long as something runs on it.
    pub(crate) connection: Arc<Connection>,
    slot: Option<Slot>,
    closed: bool,
}

impl OpenChannel {
    /// Opens a channel, when there is a place for it.
    ///
    /// # Cancel safety
    /// A channel that is confirmed after the future was dropped is closed.
    pub(crate) async fn open(connection: &Arc<Connection>, purpose: Use) -> Result<Self, ExecutorError> {
        let slots = Arc::clone(&connection.slots);
        let acquiring = slots.acquire(purpose);
        let mut slot = tokio::select! {
            slot = acquiring => slot,
            () = connection.end.come() => return Err(connection.end.error()),
        };
        let mut settled = false;
        let mut patience = GIVEN_UP_PATIENCE;
        loop {
            // Listens before it asks, so that no end of another channel is missed in between.
            let mut released = pin!(slots.released());
            released.as_mut().enable();
            let before = slots.look();
            slot = match Self::ask(connection, slot).await? {
                Answer::Open(channel) => return Ok(channel),
                Answer::Refused(kept) => kept,
            };
            if before.any_open_until(slots.look()) {
                // The host allows fewer channels than we do: this one waits for another to end.
                tokio::select! {
                    () = released => settled = false,
                    () = connection.end.come() => return Err(connection.end.error()),
                }
            } else if settled && slots.any_given_up() && patience > Duration::ZERO {
                // OpenSSH also counts a channel that we have closed until its process ends, and says nothing
                // when it does.
                tokio::select! {
                    () = sleep(ASK_AGAIN) => patience = patience.saturating_sub(ASK_AGAIN),
                    () = released => settled = false,
                    () = connection.end.come() => return Err(connection.end.error()),
                }
            } else if settled {
                return Err(ExecutorError::Refused);
            } else {
                // OpenSSH counts a channel that has ended until it has worked off what it has read. Its
                // answer to this shows that it has, and that the next refusal is meant.
                tokio::select! {
                    _ = connection.handle.send_ping() => settled = true,
                    () = connection.end.come() => return Err(connection.end.error()),
                }
            }
        }
    }

    /// Asks the host once. In a task of its own, since the host may confirm after our caller went away.
    async fn ask(connection: &Arc<Connection>, mut slot: Slot) -> Result<Answer, ExecutorError> {
        let (sender, receiver) = oneshot::channel();
        let connection = Arc::clone(connection);
        tokio::spawn(async move {
            let answer = tokio::select! {
                answer = connection.handle.channel_open_session() => answer,
                () = connection.end.come() => Err(russh::Error::Disconnect),
            };
            let result = match answer {
                Ok(channel) => {
                    slot.set_open();
                    let (read, write) = channel.split();
                    let write = Arc::new(write);
                    Ok(Answer::Open(Self { read, write, connection, slot: Some(slot), closed: false }))
                }
                Err(russh::Error::ChannelOpenFailure(
                    ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
                )) => Ok(Answer::Refused(slot)),
                Err(russh::Error::ChannelOpenFailure(_)) => Err(ExecutorError::Refused),
                Err(_) => Err(connection.end.error()),
            };
            // When nobody waits any more, the channel in it is dropped, and thereby closed.
            let _ = sender.send(result);
        });
        receiver.await.unwrap_or(Err(ExecutorError::Lost(None)))
    }

    /// Asks the host to run the command's line, as the user or through sudo. The answer comes as
    /// [`ChannelMsg::Success`] or [`ChannelMsg::Failure`].
    pub(crate) async fn start(&self, command: &Command) -> Result<(), ExecutorError> {
        let line = remote_line(&command.line, self.connection.privilege)?;
        self.write.exec(true, line).await.map_err(|_| self.connection.end.error())
    }

    /// Says that the host has closed the channel: nothing is left to do.
    pub(crate) fn set_closed(&mut self) {
        self.closed = true;
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        if self.closed || self.connection.end.has_come() {
            return;
        }
        self.connection.slots.note_given_up();
        let (write, slot) = (Arc::clone(&self.write), self.slot.take());
        // Without a runtime there is no connection either.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // An error means that the connection is gone, and the channel with it.
                let _ = write.close().await;
                drop(slot);
            });
        }
    }
}

/// What the host said.
enum Answer {
    Open(OpenChannel),
    /// It has too many already; here is the place.
    Refused(Slot),
}

/// The line that the remote user's shell gets.
fn remote_line(line: &str, privilege: Privilege) -> Result<String, ExecutorError> {
    // A NUL byte would end the line on the way: half a command is worse than none.
    let quoted = shlex::try_quote(line).map_err(|_| ExecutorError::Refused)?;
    Ok(match privilege {
        Privilege::Own => line.to_owned(),
        Privilege::Sudo => format!("sudo -n -- sh -c {quoted}"),
    })
}

/// The end of a process, where this message is one.
pub(crate) fn exit_status(message: &ChannelMsg) -> Option<ExitStatus> {
    match message {
        ChannelMsg::ExitStatus { exit_status } => Some(ExitStatus::Code(*exit_status)),
        ChannelMsg::ExitSignal { signal_name, .. } => Some(ExitStatus::Signal(signal_name_of(signal_name))),
        _ => None,
    }
}

fn signal_name_of(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.strip_prefix("SIG").unwrap_or(name).to_owned(),
        // The others are called like the signal.
        known => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_gets_the_line_as_one_word() {
        let line = remote_line("echo 'a b'; id -u\n", Privilege::Sudo).unwrap();
        let words = shlex::split(&line).unwrap();
        assert_eq!(words, ["sudo", "-n", "--", "sh", "-c", "echo 'a b'; id -u\n"]);
        assert_eq!(remote_line("id -u", Privilege::Own).unwrap(), "id -u");
    }

    #[test]
    fn a_line_with_a_nul_byte_is_never_sent() {
        for privilege in [Privilege::Own, Privilege::Sudo] {
            assert!(matches!(remote_line("rm -r /tmp/\0x", privilege), Err(ExecutorError::Refused)));
        }
    }

    #[test]
    fn signals_have_their_names_without_sig() {
        for (signal, name) in [(Sig::TERM, "TERM"), (Sig::Custom("SIGXCPU".into()), "XCPU")] {
            assert_eq!(signal_name_of(&signal), name);
        }
    }
}
