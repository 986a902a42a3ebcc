//! The server: requests in, answers out, and everything written down.

use super::{ApiError, Call, Query};
use crate::{
    Exchange, Settings,
    cloud::{Cloud, Event},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde_json::Value;
use stand_in::Exchanges;
use std::{
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Handle, time};

/// More than any body with metadata of the largest size.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// What requests and the stand-in's owner share.
pub(crate) struct Shared {
    cloud: Mutex<Cloud>,
    pub(crate) exchanges: Exchanges,
    token: Option<String>,
    longest_wait: Duration,
    runtime: Handle,
}

impl Shared {
    pub(crate) fn new(settings: Settings, runtime: Handle) -> Arc<Self> {
        Arc::new(Shared {
            exchanges: Exchanges::new(settings.exchanges_kept),
            token: settings.token.clone(),
            longest_wait: settings.longest_wait,
            runtime,
            cloud: Mutex::new(Cloud::new(settings)),
        })
    }

    /// Does something to the cloud, and sees to it that what follows from it happens in time.
    pub(crate) fn cloud<T>(self: &Arc<Self>, act: impl FnOnce(&mut Cloud) -> T) -> T {
        let (done, later) = {
            let mut cloud = self.cloud.lock().unwrap_or_else(PoisonError::into_inner);
            let done = act(&mut cloud);
            (done, cloud.take_later())
        };
        for (delay, event) in later {
            self.runtime.spawn(happen(Arc::clone(self), delay, event));
        }
        done
    }

    async fn answer(
        self: &Arc<Self>,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> (Option<Value>, Result<Value, ApiError>) {
        let parsed = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
        let request = parsed.as_ref().ok().filter(|body| !body.is_null()).cloned();
        let answered = async {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let (project, call) = Call::parse(method, path)?;
            self.authorize(headers)?;
            self.cloud(|cloud| cloud.admit(&project, &call))?;
            let body = parsed.map_err(|error| ApiError::payload(&error.to_string()))?;
            if let Call::WaitForOperation { zone, operation } = &call {
                self.wait(zone, operation).await?;
            }
            let version = headers.get("x-goog-api-version").and_then(|version| version.to_str().ok());
            let query = Query::parse(query).with_version(version);
            self.cloud(|cloud| cloud.answer(&call, &query, &body))
        };
        (request, answered.await)
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).ok_or_else(ApiError::no_credentials)?;
        let given = given.to_str().ok().and_then(|given| given.strip_prefix("Bearer "));
        if given == Some(token) { Ok(()) } else { Err(ApiError::bad_credentials()) }
    }

    /// "Waits for the specified Operation resource to return as DONE or for the request to approach the 2
    /// minute deadline": <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations/wait>.
    async fn wait(self: &Arc<Self>, zone: &str, operation: &str) -> Result<(), ApiError> {
        let mut done = self.cloud(|cloud| cloud.waiter(zone, operation))?;
        // Neither a wait that was too long nor an operation that is gone is an error: the caller sees how the
        // operation is.
        time::timeout(self.longest_wait, done.wait_for(|done| *done)).await.ok();
        Ok(())
    }
}

/// Lets something happen after a time. What follows from it may itself happen later, hence the box.
fn happen(
    shared: Arc<Shared>,
    delay: Duration,
    event: Event,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        time::sleep(delay).await;
        shared.cloud(|cloud| cloud.happen(&event));
    })
}

/// Answers requests until it is dropped.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    axum::serve(listener, Router::new().fallback(handle).with_state(shared)).await
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let place = shared.exchanges.place();
    let method = request.method().as_str().to_owned();
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let (head, body) = request.into_parts();
    let (request, answer) = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => shared.answer(&method, &path, &head.headers, &body).await,
        Err(error) => (None, Err(ApiError::payload(&error.to_string()))),
    };
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(error) => (error.status, error.body()),
    };
    let text = body.to_string();
    shared.exchanges.fill(place, Exchange { method, path, request, status, response: Some(body) });
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = header::HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
