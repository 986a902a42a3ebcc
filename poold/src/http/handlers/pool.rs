//! The pool as a whole.

use crate::{
    api::{HoldOff, PoolStatus, Series, SeriesQuery, TypeRow, routes},
    http::{
        answer::Refusal,
        ask::Asked,
        router::{Answer, Shared},
    },
};
use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::StreamExt as _;
use std::{convert::Infallible, time::Duration};

/// A comment is sent after so long without an event: writing it is how a reader is noticed that is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How far back a chart goes by itself.
const DEFAULT_SERIES: Duration = Duration::from_secs(60 * 60);

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

/// Lists the configured instance types, with what holds them off
#[utoipa::path(get, path = routes::TYPES, tag = "pool", responses((status = 200, body = [TypeRow])))]
pub(in crate::http) async fn list_types(State(service): Shared) -> Answer<Vec<TypeRow>> {
    Ok(Json(service.types().await?))
}

/// Lists what is not asked of the provider for now, and until when
#[utoipa::path(get, path = routes::HOLD_OFFS, tag = "pool", responses((status = 200, body = [HoldOff])))]
pub(in crate::http) async fn list_hold_offs(State(service): Shared) -> Answer<Vec<HoldOff>> {
    Ok(Json(service.hold_offs().await?))
}

/// Jobs, instances and price over time
///
/// Since the start of the program, for a month at most; coarser the further back.
#[utoipa::path(get, path = routes::SERIES, tag = "pool", params(SeriesQuery), responses((status = 200, body = Series)))]
pub(in crate::http) async fn series(
    State(service): Shared,
    Asked(query): Asked<SeriesQuery>,
) -> Answer<Series> {
    let back = match query.seconds {
        None => DEFAULT_SERIES,
        Some(seconds) if seconds > Duration::MAX.as_secs_f64() => Duration::MAX,
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|error| Refusal::invalid(format!("the query: seconds: {error}")))?,
    };
    Ok(Json(service.series(back).await?))
}

/// What changes, as it changes: server-sent events
///
/// The first is `status`. From then on `status` (a PoolStatus), `jobs` (a JobsChanged), `instances` (an InstancesChanged), `hold_offs` (a
/// list of HoldOff), each when something has changed, and at most a few times a second; and `missed`, when the reader was too slow:
/// read everything again.
#[utoipa::path(get, path = routes::EVENTS, tag = "pool", responses(
    (status = 200, description = "Events, as they happen: of the type `text/event-stream`")
))]
pub(in crate::http) async fn events(State(service): Shared) -> Result<impl IntoResponse, Refusal> {
    let events = service.events().await?;
    let events = events.map(|message| {
        Ok::<_, Infallible>(Event::default().event(message.event.as_str()).data(&*message.data))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}
