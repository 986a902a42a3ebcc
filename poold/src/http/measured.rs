//! Requests, connections and readers of events, counted for Prometheus.
//!
//! The whole router is put into [`Measured::around`], and each connection holds a [`Measured::connection`].

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{Method, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::Response,
};
use http_body_util::BodyExt as _;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, exponential_buckets};
use std::time::Instant;

/// Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    requests: IntCounterVec,
    durations: HistogramVec,
    connections: IntGauge,
    event_readers: IntGauge,
}

/// Counted in a gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Measured {
    /// Registers what it counts.
    ///
    /// # Errors
    /// Names that are taken.
    pub(crate) fn new(registry: &Registry, instance_set: &str) -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| {
            Opts::new(name, help).namespace("poold_http").const_label("instance_set", instance_set)
        };
        // From 0.5 ms to 16 s, and the long questions for a job's end.
        let mut buckets = exponential_buckets(0.0005, 2.0, 16)?;
        buckets.push(60.0);
        let durations = HistogramOpts::from(opts(
            "request_duration_seconds",
            "Time from a request to the beginning of its answer, by the address' pattern.",
        ));
        let measured = Self {
            requests: IntCounterVec::new(
                opts("requests_total", "Requests that were answered, by the address' pattern."),
                &["route", "method", "status"],
            )?,
            durations: HistogramVec::new(durations.buckets(buckets), &["route", "method"])?,
            connections: IntGauge::with_opts(opts("connections", "Connections that are open."))?,
            event_readers: IntGauge::with_opts(opts(
                "event_readers",
                "Answers that send events as they happen and have not ended.",
            ))?,
        };
        registry.register(Box::new(measured.requests.clone()))?;
        registry.register(Box::new(measured.durations.clone()))?;
        registry.register(Box::new(measured.connections.clone()))?;
        registry.register(Box::new(measured.event_readers.clone()))?;
        Ok(measured)
    }

    /// The same router, measured.
    pub(crate) fn around(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), measure))
    }

    /// A connection, for as long as this is kept.
    pub(crate) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }
}

async fn measure(State(measured): State<Measured>, request: Request, next: Next) -> Response {
    // Never the path itself: there are as many of those as jobs, and as an attacker likes.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let method = known(request.method());
    let began = Instant::now();
    let answer = next.run(request).await;
    measured.durations.with_label_values(&[route, method]).observe(began.elapsed().as_secs_f64());
    measured.requests.with_label_values(&[route, method, answer.status().as_str()]).inc();
    let kind = answer.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        let reader = Counted::new(&measured.event_readers);
        return answer.map(|body| {
            Body::new(body.map_frame(move |frame| {
                // Ends with the body.
                let _counted = &reader;
                frame
            }))
        });
    }
    answer
}

/// One of a few, whatever a client makes up.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{http::StatusCode, response::IntoResponse, routing::get};
    use tower::ServiceExt as _;

    async fn events() -> impl IntoResponse {
        ([(CONTENT_TYPE, "text/event-stream")], "data: {}\n\n")
    }

    #[tokio::test]
    async fn clients_make_no_series_and_readers_of_events_count_until_they_go() {
        let measured = Measured::new(&Registry::new(), "test").unwrap();
        let router = Router::new()
            .route("/jobs/{job}", get(async || StatusCode::NO_CONTENT))
            .route("/events", get(events));
        let router = measured.around(router);
        let ask = async |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap()
        };
        for path in ["/jobs/1", "/jobs/2", "/nosuch/1", "/nosuch/2"] {
            ask("GET", path).await;
        }
        ask("BREW", "/jobs/1").await;
        let count = |labels: &[&str; 3]| measured.requests.with_label_values(labels).get();
        assert_eq!(count(&["/jobs/{job}", "GET", "204"]), 2);
        assert_eq!(count(&["other", "GET", "404"]), 2);
        assert_eq!(count(&["/jobs/{job}", "other", "405"]), 1);

        assert_eq!(measured.event_readers.get(), 0);
        let answer = ask("GET", "/events").await;
        let other = ask("GET", "/events").await;
        assert_eq!(measured.event_readers.get(), 2);
        drop(other);
        assert_eq!(&*answer.into_body().collect().await.unwrap().to_bytes(), b"data: {}\n\n");
        assert_eq!(measured.event_readers.get(), 0);

        let connection = measured.connection();
        assert_eq!(measured.connections.get(), 1);
        drop(connection);
        assert_eq!(measured.connections.get(), 0);
    }
}
