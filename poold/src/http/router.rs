//! From addresses to the service.

use super::{
    answer::Refusal,
    ask::{self, Address, Asked},
    output::{self, OutputQuery},
};
use crate::api::{
    ErrorCode, Explanation, HoldOff, InstanceAction, InstanceQuery, InstanceRow, JobDetail, JobPage,
    JobQuery, JobRow, KillRequest, PoolStatus, PriorityRequest, Series, SeriesQuery, Service, Submitted,
    TypeRow, routes,
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pool_core::InstanceId;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

pub(super) type Shared = State<Arc<dyn Service>>;
type Answer<T> = Result<Json<T>, Refusal>;

/// Until an answer has begun; what streams after that has no limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Longest that one question for a job's end is kept open. Clients ask again.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(50);
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// How far back a chart goes by itself.
const DEFAULT_SERIES: Duration = Duration::from_secs(60 * 60);
/// Longest reason for ending something, in bytes.
const MAX_REASON: usize = 1000;
const DEFAULT_REASON: &str = "killed by a user";

/// The whole API. It does not know what carries it.
pub(super) fn router(service: Arc<dyn Service>) -> Router {
    Router::new()
        .route(routes::PING, get(ping))
        .route(routes::METRICS, get(metrics))
        .route(routes::STATUS, get(status))
        .route(routes::JOBS, get(jobs).post(submit))
        .route(routes::JOB, get(job))
        .route(routes::EXPLAIN, get(explain))
        .route(routes::WAIT, get(wait))
        .route(routes::KILL, post(kill))
        .route(routes::PRIORITY, post(set_priority))
        .route(routes::OUTPUT, get(read_output))
        .route(routes::INSTANCES, get(instances))
        .route(routes::TYPES, get(types))
        .route(routes::HOLD_OFFS, get(hold_offs))
        .route(routes::SERIES, get(series))
        .route(routes::EVENTS, get(super::events::answer))
        .route(routes::INSTANCE_ACTION, post(act_on_instance))
        .fallback(no_such_address)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(in_time))
        .with_state(service)
}

async fn in_time(request: Request, next: Next) -> Response {
    timeout(ANSWER_LIMIT, next.run(request)).await.unwrap_or_else(|_| {
        let message = format!("no answer within {ANSWER_LIMIT:?}");
        Refusal::with_status(StatusCode::GATEWAY_TIMEOUT, ErrorCode::Internal, message).into_response()
    })
}

async fn no_such_address(uri: Uri) -> Refusal {
    let message = format!("there is nothing at {}: are poold and its client of one release?", uri.path());
    Refusal::with_status(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
}

async fn no_such_method(request: Request) -> Refusal {
    let message = format!("{} cannot be asked with {}", request.uri().path(), request.method());
    Refusal::with_status(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, message)
}

async fn ping() -> Json<Value> {
    Json(json!({"health": "OK"}))
}

async fn metrics(State(service): Shared) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], service.metrics().await)
}

async fn status(State(service): Shared) -> Answer<PoolStatus> {
    Ok(Json(service.status().await?))
}

async fn jobs(State(service): Shared, Asked(query): Asked<JobQuery>) -> Answer<JobPage> {
    Ok(Json(service.jobs(query).await?))
}

async fn submit(State(service): Shared, body: Body) -> Answer<Submitted> {
    Ok(Json(service.submit(ask::json(body).await?).await?))
}

async fn job(State(service): Shared, Address(job): Address<String>) -> Answer<JobDetail> {
    Ok(Json(service.job(ask::job_key(&job)?).await?))
}

async fn explain(State(service): Shared, Address(job): Address<String>) -> Answer<Explanation> {
    Ok(Json(service.explain(ask::job_key(&job)?).await?))
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    seconds: Option<f64>,
}

async fn wait(
    State(service): Shared,
    Address(job): Address<String>,
    Asked(query): Asked<WaitQuery>,
) -> Answer<JobRow> {
    let patience = match query.seconds {
        None => DEFAULT_WAIT,
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|error| Refusal::invalid(format!("the query: seconds: {error}")))?,
    };
    Ok(Json(service.wait(ask::job_key(&job)?, patience.min(MAX_WAIT)).await?))
}

async fn kill(State(service): Shared, Address(job): Address<String>, body: Body) -> Answer<JobRow> {
    let reason = reason(ask::optional_json(body).await?)?;
    Ok(Json(service.kill(ask::job_key(&job)?, reason).await?))
}

fn reason(request: KillRequest) -> Result<String, Refusal> {
    let reason = request.reason.unwrap_or_else(|| DEFAULT_REASON.to_owned());
    if reason.trim().is_empty() || reason.len() > MAX_REASON || reason.chars().any(char::is_control) {
        let message = format!("reason: give 1 to {MAX_REASON} bytes without control characters, or none");
        return Err(Refusal::invalid(message));
    }
    Ok(reason)
}

async fn set_priority(State(service): Shared, Address(job): Address<String>, body: Body) -> Answer<JobRow> {
    let PriorityRequest { priority } = ask::json(body).await?;
    Ok(Json(service.set_priority(ask::job_key(&job)?, priority).await?))
}

async fn read_output(
    State(service): Shared,
    Address((job, stream)): Address<(String, String)>,
    Asked(query): Asked<OutputQuery>,
) -> Result<Response, Refusal> {
    output::answer(service, &job, &stream, query).await
}

async fn instances(State(service): Shared, Asked(query): Asked<InstanceQuery>) -> Answer<Vec<InstanceRow>> {
    if let Some(problem) = query.problem() {
        return Err(Refusal::invalid(format!("the query: {problem}")));
    }
    let mut rows = service.instances().await?;
    rows.retain(|row| query.wants(row));
    Ok(Json(rows))
}

async fn types(State(service): Shared) -> Answer<Vec<TypeRow>> {
    Ok(Json(service.types().await?))
}

async fn hold_offs(State(service): Shared) -> Answer<Vec<HoldOff>> {
    Ok(Json(service.hold_offs().await?))
}

async fn series(State(service): Shared, Asked(query): Asked<SeriesQuery>) -> Answer<Series> {
    let back = match query.seconds {
        None => DEFAULT_SERIES,
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|error| Refusal::invalid(format!("the query: seconds: {error}")))?,
    };
    Ok(Json(service.series(back).await?))
}

async fn act_on_instance(
    State(service): Shared,
    Address((instance, action)): Address<(String, String)>,
    body: Body,
) -> Answer<InstanceRow> {
    let id = InstanceId::new(&instance)
        .map_err(|error| Refusal::invalid(format!("the instance in the address: {error}")))?;
    let action = match action.as_str() {
        "hold" => InstanceAction::Hold,
        "drain" => InstanceAction::Drain,
        "run" => InstanceAction::Run,
        "kill" => InstanceAction::Kill { reason: reason(ask::optional_json(body).await?)? },
        _ => {
            let message = format!("the action in the address: {action:?}: hold, drain, run or kill");
            return Err(Refusal::with_status(StatusCode::NOT_FOUND, ErrorCode::NotFound, message));
        }
    };
    Ok(Json(service.act_on_instance(id, action).await?))
}
