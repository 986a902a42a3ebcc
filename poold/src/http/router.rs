//! From addresses to handlers, and who may use which.

use super::{
    answer::Refusal,
    audit::{self, AuditLog},
    caller::{self, Caller, Stranger, identify, require},
    gate::Gate,
    handlers::{health, instances, jobs, pool, session},
    openapi,
};
use crate::{
    access::Role,
    api::{ErrorCode, Service, routes},
    page,
};
use axum::{
    Json, Router,
    extract::{FromRef, Request, State},
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What handlers ask.
pub(super) type Shared = State<Arc<dyn Service>>;
/// An answer as JSON.
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

/// Until an answer has begun; what streams after that has no limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// What the router needs.
#[derive(Clone, FromRef)]
struct Parts {
    service: Arc<dyn Service>,
    gate: Arc<Gate>,
}

type Group = OpenApiRouter<Parts>;

/// What needs no token.
fn for_everybody() -> Group {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(session::log_in, session::log_out))
}

fn for_readers() -> Group {
    OpenApiRouter::new()
        .routes(routes!(health::ping))
        .routes(routes!(session::who_am_i))
        .routes(routes!(pool::metrics))
        .routes(routes!(pool::status))
        .routes(routes!(pool::list_types))
        .routes(routes!(pool::list_hold_offs))
        .routes(routes!(pool::series))
        .routes(routes!(pool::events))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::get_job))
        .routes(routes!(jobs::explain_job))
        .routes(routes!(jobs::wait_for_job))
        .routes(routes!(jobs::read_job_output))
        .routes(routes!(instances::list_instances))
}

fn for_submitters() -> Group {
    OpenApiRouter::new()
        .routes(routes!(jobs::submit))
        .routes(routes!(jobs::kill_job))
        .routes(routes!(jobs::set_job_priority))
}

fn for_admins() -> Group {
    OpenApiRouter::new().routes(routes!(instances::act_on_instance))
}

/// All addresses with who may use them, and their description.
fn described() -> (Router<Parts>, OpenApi) {
    let for_role = |mut group: Group, role: Role| {
        openapi::complete(group.get_openapi_mut(), Some(role));
        group.route_layer(middleware::from_fn_with_state(role, require))
    };
    let mut everybody = for_everybody();
    openapi::complete(everybody.get_openapi_mut(), None);
    OpenApiRouter::with_openapi(openapi::begin())
        .merge(everybody)
        .merge(for_role(for_readers(), Role::Read))
        .merge(for_role(for_submitters(), Role::Submit))
        .merge(for_role(for_admins(), Role::Admin))
        .split_for_parts()
}

/// The description of the API, as JSON.
#[cfg(test)]
pub(super) fn description() -> String {
    as_json(&described().1)
}

fn as_json(api: &OpenApi) -> String {
    api.to_pretty_json().unwrap_or_else(|error| unreachable!("it has only text keys: {error}"))
}

/// The whole API. It does not know what carries it.
pub(crate) fn router(service: Arc<dyn Service>, gate: Arc<Gate>, audit: Arc<AuditLog>) -> Router {
    let (addresses, api) = described();
    let description = Bytes::from(as_json(&api));
    let openapi = get(move || async move { ([(CONTENT_TYPE, "application/json")], description) });
    addresses
        .route(routes::OPENAPI, openapi)
        .fallback(no_such_address)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(audit, audit::write))
        .layer(middleware::from_fn_with_state(Arc::clone(&gate), identify))
        .layer(middleware::map_response(not_to_be_kept))
        .with_state(Parts { service, gate })
        .merge(page::router())
}

async fn in_time(request: Request, next: Next) -> Response {
    timeout(ANSWER_LIMIT, next.run(request)).await.unwrap_or_else(|_| {
        let message = format!("no answer within {ANSWER_LIMIT:?}");
        Refusal::with_status(StatusCode::GATEWAY_TIMEOUT, ErrorCode::Internal, message).into_response()
    })
}

/// Answers say how things are now; and what somebody may read is for nobody else.
async fn not_to_be_kept(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// To who is not known, there is nothing to be found out.
fn for_callers(request: &Request, refusal: impl FnOnce() -> Refusal) -> Response {
    match request.extensions().get::<Caller>() {
        Some(_) => refusal().into_response(),
        None => caller::unknown(request.extensions().get::<Stranger>().copied()),
    }
}

async fn no_such_address(request: Request) -> Response {
    for_callers(&request, || {
        let path = request.uri().path();
        let message = format!("there is nothing at {path}: are poold and its client of one release?");
        Refusal::with_status(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    })
}

async fn no_such_method(request: Request) -> Response {
    for_callers(&request, || {
        let message = format!("{} cannot be asked with {}", request.uri().path(), request.method());
        Refusal::with_status(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, message)
    })
}
