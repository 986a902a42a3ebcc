//! Whether it lives.

use crate::{
    api::{Health, Problem, ServiceError, routes},
    http::{
        answer::Refusal,
        router::{Answer, Shared},
    },
};
use axum::{Json, extract::State};

fn well() -> Json<Health> {
    Json(Health { health: "OK".to_owned() })
}

/// Whether the program answers
///
/// For whoever restarts what does not. It needs no token and says nothing else.
#[utoipa::path(get, path = routes::LIVE, tag = "health", responses((status = 200, body = Health)))]
pub(in crate::http) async fn live() -> Json<Health> {
    well()
}

/// Whether it works
///
/// Once it has listed the instances: nothing is created before. It needs no token and says nothing else.
#[utoipa::path(get, path = routes::READY, tag = "health", responses(
    (status = 200, body = Health),
    (status = 503, description = "Not yet", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::http) async fn ready(State(service): Shared) -> Answer<Health> {
    if service.is_loaded() {
        return Ok(well());
    }
    Err(Refusal::from(ServiceError::not_yet()))
}

/// Whether the program answers, and the token counts
#[utoipa::path(get, path = routes::PING, tag = "health", responses((status = 200, body = Health)))]
pub(in crate::http) async fn ping() -> Json<Health> {
    well()
}
