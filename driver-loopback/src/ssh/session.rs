//! One client of an instance's SSH server.

use super::{
    Host,
    exec::{self, Exec, Input, Talk},
};
use russh::{
    Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Pty,
    server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, VerifiedPublicKey},
};
use std::{collections::HashMap, convert::Infallible, sync::Arc};
use tokio::sync::oneshot;

/// Most channels that are open on one connection at a time.
const MOST_CHANNELS: usize = 1000;

/// What the server knows of one connection. Dropped when the connection ends; then all channels close.
pub(super) struct Session {
    host: Arc<Host>,
    logged_in: Option<oneshot::Sender<()>>,
    channels: HashMap<ChannelId, OpenChannel>,
}

enum OpenChannel {
    /// Nothing was asked for on it yet.
    Fresh(ChannelWriteHalf<Msg>),
    /// A command runs on it.
    Busy {
        /// Towards the command; none after its end.
        input: Option<Input>,
        /// Dropped when the client has closed the channel.
        open: oneshot::Sender<Infallible>,
    },
}

impl OpenChannel {
    fn is_open(&self) -> bool {
        match self {
            Self::Fresh(_) => true,
            Self::Busy { open, .. } => !open.is_closed(),
        }
    }
}

impl Session {
    pub(super) fn new(host: Arc<Host>, logged_in: oneshot::Sender<()>) -> Self {
        Self { host, logged_in: Some(logged_in), channels: HashMap::new() }
    }

    fn judge(&self, user: &str, key: &russh::keys::PublicKey) -> Auth {
        if self.host.lets_in(user, key) { Auth::Accept } else { Auth::reject() }
    }
}

type Answer = Result<(), russh::Error>;

/// What is not here is refused by russh: other ways to log in, and every kind of forwarding.
impl Handler for Session {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.judge(user, offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(user, key.public_key))
    }

    async fn auth_succeeded(&mut self, _: &mut russh::server::Session) -> Answer {
        if let Some(logged_in) = self.logged_in.take() {
            // The other end is gone only when the connection is being cut.
            let _ = logged_in.send(());
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut russh::server::Session,
    ) -> Answer {
        if self.channels.len() >= MOST_CHANNELS {
            // russh does not say when a channel has ended that this side has closed first.
            self.channels.retain(|_, channel| channel.is_open());
        }
        if self.channels.len() >= MOST_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        // What comes from the client goes through `data` below, which can bound it; the other half would stop the whole
        // connection as soon as one command does not read.
        let (_, write_half) = channel.split();
        self.channels.insert(write_half.id(), OpenChannel::Fresh(write_half));
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: &mut russh::server::Session,
    ) -> Answer {
        let output = match self.channels.remove(&id) {
            Some(OpenChannel::Fresh(output)) => output,
            other => {
                // Only one command runs on a channel (RFC 4254, 6.5).
                self.channels.extend(other.map(|busy| (id, busy)));
                return session.channel_failure(id);
            }
        };
        let (input, feed) = exec::input();
        let (open, closed) = oneshot::channel();
        self.channels.insert(id, OpenChannel::Busy { input: Some(input), open });
        let talk = Talk { session: session.handle(), output, feed, closed };
        tokio::spawn(Exec { line: line.to_owned(), environment: self.host.environment.clone() }.run(talk));
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut russh::server::Session) -> Answer {
        if let Some(OpenChannel::Busy { input: Some(input), .. }) = self.channels.get_mut(&id)
            && input.send(data).await.is_err()
        {
            tracing::warn!("a command does not read what it is sent; its channel is closed");
            self.channels.remove(&id);
            session.close(id)?;
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut russh::server::Session) -> Answer {
        if let Some(OpenChannel::Busy { input, .. }) = self.channels.get_mut(&id) {
            *input = None;
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut russh::server::Session) -> Answer {
        self.channels.remove(&id);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut russh::server::Session,
    ) -> Answer {
        session.channel_failure(id)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut russh::server::Session,
    ) -> Answer {
        session.channel_failure(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: &str,
        session: &mut russh::server::Session,
    ) -> Answer {
        session.channel_failure(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut russh::server::Session) -> Answer {
        session.channel_failure(id)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut russh::server::Session,
    ) -> Answer {
        session.channel_failure(id)
    }
}
