//! Questions and answers, over connections that are kept for the next question.

use super::{
    dial::{Dialer, Sender, Target},
    error::ClientError,
};
use crate::api::{Problem, ServiceError};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use serde::de::DeserializeOwned;
use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// Until an answer begins. The server's own limit is shorter, and its answer says more.
const ANSWER_LIMIT: Duration = Duration::from_secs(70);
/// Until an answer that is no stream has come whole.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Longest answer that is no stream, in bytes: a page of a thousand jobs of full size has less.
const MAX_ANSWER: usize = 1024 * 1024 * 1024;
/// How long a question is asked again while `poold serve` starts anew.
const RESTART_LIMIT: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// A connection that had no question for so long is not used again: the server closes it after 30 s, and a question that
/// is under way then is lost.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Asks one `poold serve`.
#[derive(Debug)]
pub(crate) struct Client {
    dialer: Dialer,
    /// It was there once: if it is not now, it may be starting anew.
    reached: AtomicBool,
    /// Connections without a question, and since when.
    kept: Mutex<Vec<(Sender, Instant)>>,
}

impl Client {
    /// Nothing is asked yet.
    pub(crate) fn new(target: Target) -> Self {
        Self { dialer: Dialer::new(target), reached: AtomicBool::new(false), kept: Mutex::default() }
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
        let (sender, response) = self.begin(method, path, body).await?;
        let (status, bytes) = whole(response).await?;
        self.keep(sender);
        serde_json::from_slice(&bytes).map_err(|source| ClientError::Strange { status, source })
    }

    /// Asks once, for an answer of any length. What is no success is an error.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        Ok(self.begin(method, path, body).await?.1)
    }

    async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Sender, Response<Incoming>), ClientError> {
        let request = self.request(method, path, body)?;
        let (sender, response) = timeout(ANSWER_LIMIT, self.exchange(request))
            .await
            .map_err(|_| ClientError::NoAnswer(ANSWER_LIMIT))??;
        if response.status().is_success() {
            return Ok((sender, response));
        }
        let (status, bytes) = whole(response).await?;
        self.keep(sender);
        let refused = match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Ok(ServiceError::from(problem)),
            Err(source) => Err(ClientError::Strange { status, source }),
        };
        Err(match (&self.dialer.target, refused) {
            (Target::Server(server), refused) if status == StatusCode::UNAUTHORIZED => {
                ClientError::Unauthorized { has_token: server.has_token(), source: refused.ok() }
            }
            (_, Ok(refused)) => ClientError::Refused(refused),
            (_, Err(strange)) => strange,
        })
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request =
            Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        request = match &self.dialer.target {
            Target::Socket(_) => request.header(HOST, "poold"),
            Target::Server(server) => request.header(HOST, server.authority.to_string()),
        };
        if let Target::Server(server) = &self.dialer.target
            && let Some(value) = server.authorization()
        {
            request = request.header(AUTHORIZATION, value);
        }
        request.body(Full::new(body)).map_err(|error| ClientError::Request(error.into()))
    }

    /// Over a connection that is kept, or a new one.
    async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Sender, Response<Incoming>), ClientError> {
        while let Some(mut sender) = self.take_kept() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                Err(mut error) => match error.take_message() {
                    // It was closed before anything of the question went out.
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::Lost(error.into_error().into())),
                },
            }
        }
        let mut sender = self.dialer.dial().await?;
        self.reached.store(true, Ordering::Relaxed);
        let response = sender.send_request(request).await.map_err(|error| ClientError::Lost(error.into()))?;
        Ok((sender, response))
    }

    fn take_kept(&self) -> Option<Sender> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((sender, since)) = kept.pop() {
            if !sender.is_closed() && since.elapsed() < KEPT_FOR {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: Sender) {
        if !sender.is_closed() {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push((sender, Instant::now()));
        }
    }
}

async fn whole(response: Response<Incoming>) -> Result<(u16, Bytes), ClientError> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
    let body = timeout(BODY_LIMIT, body).await.map_err(|_| ClientError::NoAnswer(BODY_LIMIT))?;
    Ok((status, body.map_err(ClientError::Lost)?.to_bytes()))
}
