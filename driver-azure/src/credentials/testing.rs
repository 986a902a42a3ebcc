//! An authority with a script, and configurations.

use crate::config::{AzureConfig, AzureCredentials};
use async_trait::async_trait;
use azure_core::{HttpClient, Request, Response, error::ErrorKind, headers::Headers};
use futures_util::stream;
use serde_json::json;
use std::{
    collections::VecDeque,
    future,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(super) const TENANT: &str = "11111111-1111-1111-1111-111111111111";
pub(super) const CLIENT: &str = "22222222-2222-2222-2222-222222222222";
/// With characters that a form must encode.
pub(super) const SECRET: &str = "Abc8Q~+/=&%secret";

/// A file with a certificate and its key.
pub(super) fn principal() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/credentials/testdata/principal.pem"))
}

/// A file with another certificate.
pub(super) fn another() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/credentials/testdata/another.pem"))
}

/// A configuration with these credentials.
pub(super) fn config(credentials: AzureCredentials) -> AzureConfig {
    let mut config = AzureConfig::from_value(json!({
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "pool",
        "location": "westeurope",
        "virtual_network": "network",
        "subnet": "workers",
        "admin_user": "pool",
    }))
    .unwrap();
    config.credentials = credentials;
    config
}

/// A configuration with a secret.
pub(super) fn secret_config() -> AzureConfig {
    config(AzureCredentials::ClientSecret {
        tenant_id: TENANT.into(),
        client_id: CLIENT.into(),
        client_secret: SECRET.into(),
    })
}

/// What becomes of a request.
pub(super) enum Reply {
    /// It is answered.
    Answer { status: u16, headers: Headers, body: String },
    /// The connection breaks before the answer.
    Silence,
    /// The connection breaks within the answer.
    CutShort,
    /// Nothing, ever.
    Hang,
}

impl Reply {
    pub(super) fn json(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Headers::default(), body: body.to_owned() }
    }

    pub(super) fn token(token: &str, lasts: Duration) -> Self {
        let body = json!({ "token_type": "Bearer", "expires_in": lasts.as_secs(), "access_token": token });
        Self::json(200, &body.to_string())
    }

    pub(super) fn with(self, headers: Headers) -> Self {
        match self {
            Self::Answer { status, body, .. } => Self::Answer { status, headers, body },
            other => other,
        }
    }

    pub(super) async fn answer(self) -> azure_core::Result<Response> {
        let broken = || azure_core::Error::message(ErrorKind::Io, "the connection was reset");
        // So that callers meet.
        tokio::task::yield_now().await;
        match self {
            Self::Answer { status, headers, body } => {
                let body = Box::pin(stream::iter([Ok(body.into())]));
                Ok(Response::new(status.try_into().unwrap(), headers, body))
            }
            Self::CutShort => {
                let body = Box::pin(stream::iter([Ok(r#"{"access_token":"#.into()), Err(broken())]));
                Ok(Response::new(azure_core::StatusCode::Ok, Headers::default(), body))
            }
            Self::Silence => Err(broken()),
            Self::Hang => future::pending().await,
        }
    }
}

/// Answers each request with the next reply, and breaks the connection when there is none.
pub(super) struct Script {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
}

impl Script {
    pub(super) fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let replies = Mutex::new(replies.into_iter().collect());
        Arc::new(Self { replies, requests: Mutex::default() })
    }

    /// What has been asked.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<Response> {
        self.requests.lock().unwrap().push(request.clone());
        let reply = self.replies.lock().unwrap().pop_front();
        reply.unwrap_or(Reply::Silence).answer().await
    }
}
