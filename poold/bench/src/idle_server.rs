//! An SSH server that does nothing for a command but say that it succeeded: what is left is the executor.

use crate::error::BenchError;
use executor_ssh::PrivateKey;
use pool_api::{Privilege, RemoteUser, Target};
use russh::{
    Channel, ChannelId, keys,
    server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream},
};
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use tokio::{io::BufReader, net::TcpListener, task::JoinHandle};

/// Takes no further connections when it is dropped.
pub(crate) struct IdleServer {
    pub(crate) target: Target,
    accepting: JoinHandle<()>,
}

impl IdleServer {
    pub(crate) async fn start() -> Result<Self, BenchError> {
        let host_key = keys::PrivateKey::from_openssh(PrivateKey::generate().to_openssh().expose_secret())
            .map_err(BenchError::failed("make a host key"))?;
        let config = Arc::new(Config { keys: vec![host_key], nodelay: true, ..Config::default() });
        let failed = || BenchError::failed("listen for connections over SSH");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?.to_string();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    stream.set_nodelay(true)?;
                    run_stream(config, BufReader::new(stream), Idle).await?.await
                });
            }
        });
        let user = RemoteUser { name: "bench".to_owned(), privilege: Privilege::Own };
        Ok(Self { target: Target { address, user }, accepting })
    }
}

impl Drop for IdleServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Idle;

impl Handler for Idle {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        session.exit_status_request(id, 0)?;
        session.eof(id)?;
        session.close(id)
    }
}
