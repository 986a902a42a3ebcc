//! Our side of the protocol's callbacks: note the host key, refuse whatever the host wants of us.

use crate::{
    end::{Cause, EndMarker},
    shared_error::SharedError,
    slots::Slots,
};
use pool_api::HostKey;
use russh::{
    Channel, ChannelId, ChannelOpenFailure,
    client::{self, ChannelOpenHandle, DisconnectReason, Msg, Session},
    keys::{HashAlg, PublicKeyOrCertificate, ssh_key},
};
use std::sync::{Arc, OnceLock};

/// The host key of a connection, from the key exchange on.
pub(crate) type SeenHostKey = Arc<OnceLock<HostKey>>;

/// Handles one connection's callbacks. When it is dropped, the connection has ended.
pub(crate) struct Client {
    host_key: SeenHostKey,
    slots: Arc<Slots>,
    end: EndMarker,
}

impl Client {
    pub(crate) fn new(host_key: SeenHostKey, slots: Arc<Slots>, end: EndMarker) -> Self {
        Self { host_key, slots, end }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.end.mark(Cause::Lost(None));
    }
}

/// Most characters kept of what a host says when it hangs up.
const MAX_MESSAGE: usize = 200;

/// The peer said that it ends the connection.
#[derive(Debug, thiserror::Error)]
#[error("the host ended the connection: {message:?} ({reason:?})")]
struct Disconnected {
    reason: russh::Disconnect,
    message: String,
}

/// A host has nothing to open here: nothing was ever forwarded. (The library's default is to accept.)
async fn refuse(kind: &'static str, reply: ChannelOpenHandle) -> Result<(), russh::Error> {
    tracing::warn!(kind, "a host wants to open a channel to the pool: refused");
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}

impl client::Handler for Client {
    type Error = russh::Error;

    /// Accepts the first key, which the verifier will judge before anything is run, and no other.
    ///
    /// The library (0.65) does not call this again when session keys are renewed, although the host may then
    /// sign with another key. That changes nobody: the renewal runs within the verified connection, and only
    /// who holds its present keys can take part. Should the library call it one day, another key is refused.
    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let key_data = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data(),
            PublicKeyOrCertificate::Certificate(certificate) => certificate.public_key(),
        };
        // Without the comment, which a certificate or a key file could carry.
        let key = ssh_key::PublicKey::from(key_data.clone());
        let host_key =
            HostKey { openssh: key.to_openssh()?, fingerprint: key.fingerprint(HashAlg::Sha256).to_string() };
        Ok(*self.host_key.get_or_init(|| host_key.clone()) == host_key)
    }

    async fn channel_open_confirmation(
        &mut self,
        _: ChannelId,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.slots.note_confirmed();
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let source = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let message = info.message.chars().take(MAX_MESSAGE).collect();
                SharedError::new(Disconnected { reason: info.reason_code, message })
            }
            DisconnectReason::Error(error) => SharedError::new(error),
        };
        self.end.mark(Cause::Lost(Some(source)));
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse("session", reply).await
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse("forwarded-tcpip", reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse("forwarded-streamlocal", reply).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse("auth-agent", reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse("direct-tcpip", reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse("direct-streamlocal", reply).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        refuse("x11", reply).await
    }
}
