//! The pool as a whole.

use crate::{
    api::{PoolStatus, routes},
    http::router::{Answer, Shared},
};
use axum::{Json, extract::State, http::header::CONTENT_TYPE, response::IntoResponse};

/// Metrics in Prometheus' text format
#[utoipa::path(get, path = routes::METRICS, tag = "pool", responses(
    (status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8")
))]
pub(in crate::http) async fn metrics(State(service): Shared) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], service.metrics().await)
}

/// All in short
#[utoipa::path(get, path = routes::STATUS, tag = "pool", responses((status = 200, body = PoolStatus)))]
pub(in crate::http) async fn status(State(service): Shared) -> Answer<PoolStatus> {
    Ok(Json(service.status().await?))
}
