//! Traces: a job's life as spans, and the calls to the cloud, sent to a collector that speaks OTLP.

#[cfg(feature = "otel")]
mod exporter;
mod job_trace;
#[cfg(feature = "otel")]
mod otlp;
#[cfg(feature = "otel")]
mod post;
mod span;
mod tracer;
mod traces;

pub(crate) use job_trace::{JobTrace, Left, requeued_at};
#[cfg(feature = "otel")]
pub(crate) use post::endpoint_problem;
pub(crate) use tracer::Tracer;
pub(crate) use traces::{TelemetryError, Traces};
