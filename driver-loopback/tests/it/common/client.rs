//! A client of the instances' SSH servers.

use pool_api::Instance;
use russh::{
    Channel, ChannelMsg, Disconnect,
    client::{self, Handle, Msg},
    keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey},
};
use std::sync::{Arc, Mutex};
use tokio::time::timeout;

pub(crate) struct Client {
    pub(crate) handle: Handle<Seen>,
    pub(crate) host_key: PublicKey,
}

/// Takes every host key and keeps it.
pub(crate) struct Seen(Arc<Mutex<Option<PublicKey>>>);

impl client::Handler for Seen {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        *self.0.lock().unwrap() = Some(PublicKey::from_openssh(&key_line(key)).unwrap());
        Ok(true)
    }
}

fn key_line(key: &russh::keys::PublicKeyOrCertificate) -> String {
    match key {
        russh::keys::PublicKeyOrCertificate::PublicKey { key, .. } => key.to_openssh().unwrap(),
        other => panic!("not a plain key: {other:?}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(u32),
    Signal(String),
    /// The channel was closed without a word.
    None,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) end: End,
    /// Whether the command was accepted.
    pub(crate) accepted: bool,
}

impl Output {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

impl Client {
    /// Connects and logs in as the instance's user.
    pub(crate) async fn connect(
        instance: &dyn Instance,
        key: &Arc<PrivateKey>,
    ) -> Result<Self, russh::Error> {
        Self::connect_as(instance, &instance.remote_user().name, key).await
    }

    pub(crate) async fn connect_as(
        instance: &dyn Instance,
        user: &str,
        key: &Arc<PrivateKey>,
    ) -> Result<Self, russh::Error> {
        let seen = Arc::new(Mutex::new(None));
        let config = client::Config { nodelay: true, ..Default::default() };
        let address = instance.address().expect("the instance has no address");
        let connecting = client::connect(Arc::new(config), address, Seen(Arc::clone(&seen)));
        let mut handle = timeout(super::PATIENCE, connecting).await.expect("no answer")?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
        if !handle.authenticate_publickey(user, key).await?.success() {
            return Err(russh::Error::NotAuthenticated);
        }
        let host_key = seen.lock().unwrap().clone().unwrap();
        Ok(Self { handle, host_key })
    }

    pub(crate) async fn start(&self, line: impl Into<Vec<u8>>) -> Channel<Msg> {
        let channel = self.handle.channel_open_session().await.unwrap();
        channel.exec(true, line).await.unwrap();
        channel
    }

    /// Runs a command with this input to its end.
    pub(crate) async fn run_with(&self, line: impl Into<Vec<u8>>, input: &[u8]) -> Output {
        let channel = self.start(line).await;
        let (mut reader, writer) = channel.split();
        let send = async {
            // A command that does not read its input ends the sending early.
            if !input.is_empty() {
                let _ = writer.data_bytes(input.to_vec()).await;
            }
            let _ = writer.eof().await;
        };
        let receive = async { collect(&mut reader).await };
        timeout(super::PATIENCE, async { tokio::join!(send, receive).1 })
            .await
            .expect("the command does not end")
    }

    pub(crate) async fn run(&self, line: impl Into<Vec<u8>>) -> Output {
        self.run_with(line, b"").await
    }

    pub(crate) async fn disconnect(self) {
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

pub(crate) async fn collect(reader: &mut russh::ChannelReadHalf) -> Output {
    let mut output = Output { stdout: Vec::new(), stderr: Vec::new(), end: End::None, accepted: false };
    while let Some(message) = reader.wait().await {
        match message {
            ChannelMsg::Data { data } => output.stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: 1 } => output.stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => output.end = End::Code(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                let name = match signal_name {
                    russh::Sig::Custom(name) => name,
                    known => format!("{known:?}"),
                };
                output.end = End::Signal(name);
            }
            ChannelMsg::Success => output.accepted = true,
            _ => {}
        }
    }
    output
}
