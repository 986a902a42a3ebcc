//! The server: requests in, answers out, and everything written down.

use super::{Answer, ApiError, Call, Query, tokens::Tokens};
use crate::{
    Exchange, Settings,
    cloud::{Cloud, Event, Preconditions},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::Value;
use stand_in::Exchanges;
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Handle, time};

/// More than any body with custom data of the largest size.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// What requests and the stand-in's owner share.
pub(crate) struct Shared {
    cloud: Mutex<Cloud>,
    /// Told whenever something has happened in the cloud.
    happened: Condvar,
    pub(crate) exchanges: Exchanges,
    tokens: Tokens,
    settings: Settings,
    url: String,
    runtime: Handle,
}

impl Shared {
    pub(crate) fn new(settings: Settings, url: String, runtime: Handle) -> Arc<Self> {
        Arc::new(Shared {
            exchanges: Exchanges::new(settings.exchanges_kept),
            cloud: Mutex::new(Cloud::new(settings.clone(), url.clone())),
            happened: Condvar::new(),
            tokens: Tokens::default(),
            settings,
            url,
            runtime,
        })
    }

    /// Does something to the cloud, and sees to it that what follows from it happens in time.
    pub(crate) fn cloud<T>(self: &Arc<Self>, act: impl FnOnce(&mut Cloud) -> T) -> T {
        let (done, later) = {
            let mut cloud = self.cloud.lock().unwrap_or_else(PoisonError::into_inner);
            let done = act(&mut cloud);
            (done, cloud.take_later())
        };
        self.happened.notify_all();
        for (delay, event) in later {
            self.runtime.spawn(happen(Arc::clone(self), delay, event));
        }
        done
    }

    /// The URL that a caller has used. A host without a port is none that leads here.
    fn known_as(&self, host: Option<&str>) -> String {
        let host =
            host.filter(|host| host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()));
        host.map_or_else(|| self.url.clone(), |host| format!("http://{host}"))
    }

    /// Blocks until no operation is under way.
    pub(crate) fn settle(&self) {
        let mut cloud = self.cloud.lock().unwrap_or_else(PoisonError::into_inner);
        while cloud.is_busy() {
            cloud = self.happened.wait(cloud).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn expire_tokens(&self) {
        self.tokens.expire();
    }

    fn answer(
        self: &Arc<Self>,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> (Option<Value>, Answer) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = Query::parse(query);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(tenant) = path.strip_prefix('/').and_then(|path| path.strip_suffix("/oauth2/v2.0/token"))
        {
            let form = Query::parse(&String::from_utf8_lossy(body));
            // The form has a secret, and is not JSON: it is not kept.
            return (None, self.tokens.client_credentials(method, tenant, &form, &self.settings));
        }
        if path == "/metadata/identity/oauth2/token" {
            return (None, self.tokens.identity(header("metadata"), &query, &self.settings));
        }
        let parsed = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
        let request = parsed.as_ref().ok().filter(|body| !body.is_null()).cloned();
        let answered = (|| {
            let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            if self.settings.check_tokens {
                self.tokens.check(authorization)?;
            }
            let version = query.text("api-version").ok_or_else(ApiError::no_version)?;
            let (subscription, call) = Call::parse(method, path, version)?;
            self.cloud(|cloud| cloud.admit(&subscription, &call, version))?;
            let body = parsed.map_err(|error| ApiError::content(&error.to_string()))?;
            let preconditions =
                Preconditions { if_match: header("if-match"), if_none_match: header("if-none-match") };
            self.cloud(|cloud| {
                cloud.set_url(self.known_as(header("host")));
                cloud.answer(&call, path, &query, &body, preconditions)
            })
        })();
        let answer = answered.unwrap_or_else(Answer::from);
        (request, answer)
    }
}

/// Lets something happen after a time. What follows from it may itself happen later, hence the box.
fn happen(shared: Arc<Shared>, delay: Duration, event: Event) -> Pin<Box<dyn Future<Output = ()> + Send>> {
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
        Ok(body) => shared.answer(&method, &path, &head.headers, &body),
        Err(error) => (None, ApiError::content(&error.to_string()).into()),
    };
    let Answer { status, headers, body } = answer;
    let text = body.as_ref().map_or_else(String::new, Value::to_string);
    let is_json = body.is_some();
    shared.exchanges.fill(place, Exchange { method, path, request, status, response: body });
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let id = format!("00000000-0000-0000-0001-{place:012x}");
    let common = [("x-ms-request-id", id.clone()), ("x-ms-correlation-request-id", id)];
    for (name, value) in headers.into_iter().chain(common) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if is_json {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    response
}
