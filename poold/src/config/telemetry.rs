//! The section `telemetry`.

use pool_core::FieldProblem;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where traces go.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TelemetryConfig {
    /// A collector that takes OTLP over HTTP; none: no traces.
    pub(crate) otlp_endpoint: Option<String>,
    /// What is sent with each request to it, such as a key: `name=value` on each line.
    pub(crate) otlp_headers_file: Option<PathBuf>,
    /// Which share of all traces is sent, from 0 to 1.
    pub(crate) sample_ratio: f64,
    /// What the traces' source is called.
    pub(crate) service_name: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers_file: None,
            sample_ratio: 1.0,
            service_name: "poold".to_owned(),
        }
    }
}

impl TelemetryConfig {
    /// All that types alone cannot say.
    pub(crate) fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, problem: &str| {
            problems.push(FieldProblem { field: field.to_owned(), problem: problem.to_owned() });
        };
        if let Some(problem) = self.otlp_endpoint.as_deref().and_then(endpoint_problem) {
            wrong("otlp_endpoint", problem);
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            wrong("sample_ratio", "must be from 0 to 1");
        }
        if self.service_name.trim().is_empty() {
            wrong("service_name", "is empty: name it, or leave it out");
        }
        problems
    }
}

#[cfg(feature = "otel")]
use crate::telemetry::endpoint_problem;

#[cfg(not(feature = "otel"))]
fn endpoint_problem(_: &str) -> Option<&'static str> {
    Some("cannot be used: this poold was built without the feature otel")
}
