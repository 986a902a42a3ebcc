//! One question, one connection.

use super::error::ClientError;
use crate::{
    api::Problem,
    http::{Reach, socket_path},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

/// Until an answer begins. The server's own limit is shorter, and its answer says more.
const ANSWER_LIMIT: Duration = Duration::from_secs(70);
/// Until an answer that is no stream has come whole.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Longest answer that is no stream, in bytes: a page of a thousand jobs of full size has less.
const MAX_ANSWER: usize = 1024 * 1024 * 1024;
/// How long a question is asked again while `poold serve` starts anew.
const RESTART_LIMIT: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Asks the `poold serve` of one state directory.
#[derive(Debug)]
pub(crate) struct Client {
    state_dir: PathBuf,
    /// It was there once: if it is not now, it may be starting anew.
    reached: AtomicBool,
}

impl Client {
    /// Nothing is asked yet.
    pub(crate) fn new(state_dir: PathBuf) -> Self {
        Self { state_dir, reached: AtomicBool::new(false) }
    }

    /// Asks again for up to ten seconds if it has been there before and is gone: for questions that may be asked twice.
    pub(super) async fn patiently<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut deadline = None;
        loop {
            match ask().await {
                Err(error) if error.may_pass() && self.reached.load(Ordering::Relaxed) => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + RESTART_LIMIT);
                    if Instant::now() >= deadline {
                        return Err(error);
                    }
                    sleep(RETRY_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Asks once, for JSON.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let (status, bytes) = whole(self.send(method, path, body).await?).await?;
        serde_json::from_slice(&bytes).map_err(|source| ClientError::Strange { status, source })
    }

    /// Asks once. What is no success is an error.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "poold")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Request(error.into()))?;
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| ClientError::Lost(error.into()))?;
        // Ends with the answer's body, or when that is dropped. Its error is the body's error.
        tokio::spawn(async { drop(connection.await) });
        let response = timeout(ANSWER_LIMIT, sender.send_request(request))
            .await
            .map_err(|_| ClientError::NoAnswer(ANSWER_LIMIT))?
            .map_err(|error| ClientError::Lost(error.into()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, bytes) = whole(response).await?;
        match serde_json::from_slice(&bytes) {
            Ok::<Problem, _>(problem) => Err(ClientError::Refused(problem.into())),
            Err(source) => Err(ClientError::Strange { status, source }),
        }
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        match connect(&self.state_dir).await {
            Ok(stream) => {
                self.reached.store(true, Ordering::Relaxed);
                Ok(stream)
            }
            Err(source) => {
                let (state_dir, socket) = (self.state_dir.clone(), socket_path(&self.state_dir));
                Err(match source.kind() {
                    io::ErrorKind::NotFound => ClientError::NoSocket { state_dir, socket },
                    io::ErrorKind::ConnectionRefused => ClientError::NobodyThere { state_dir, socket },
                    _ => ClientError::Unreachable { socket, source },
                })
            }
        }
    }
}

async fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    let deadline = Instant::now() + RESTART_LIMIT;
    let reach = Reach::new(state_dir)?;
    loop {
        match UnixStream::connect(reach.path()).await {
            // As many wait as may wait.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                sleep(RETRY_PAUSE).await;
            }
            result => return result,
        }
    }
}

async fn whole(response: Response<Incoming>) -> Result<(u16, Bytes), ClientError> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
    let body = timeout(BODY_LIMIT, body).await.map_err(|_| ClientError::NoAnswer(BODY_LIMIT))?;
    Ok((status, body.map_err(ClientError::Lost)?.to_bytes()))
}
