//! Where spans are handed over. It never waits: what has no room is dropped and counted.

use super::span::{self, Attribute, Attributes, Span, SpanId, TraceId};
use crate::job::Moment;
use pool_core::{CallOutcome, CallReport};
use prometheus::{IntCounter, Opts, Registry};
use std::{sync::Arc, time::SystemTime};
use tokio::sync::mpsc;

/// How the hand-over goes.
#[derive(Clone, Debug)]
pub(crate) struct TracerMetrics {
    pub(super) exported: IntCounter,
    pub(super) dropped: IntCounter,
}

impl TracerMetrics {
    /// # Errors
    /// Names that are no names: there are none.
    pub(crate) fn new(instance_set: &str) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| {
            let opts = Opts::new(name, help).namespace("poold").const_label("instance_set", instance_set);
            IntCounter::with_opts(opts)
        };
        Ok(Self {
            exported: counter("spans_exported_total", "Spans that the collector of traces has taken.")?,
            dropped: counter(
                "spans_dropped_total",
                "Spans that were lost: the collector of traces did not answer, was too slow, or refused them.",
            )?,
        })
    }

    /// # Errors
    /// Names that are taken.
    pub(crate) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.exported.clone()))?;
        registry.register(Box::new(self.dropped.clone()))
    }
}

/// Cheap to clone. Without a collector it does nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracer(Option<Arc<Sink>>);

#[derive(Debug)]
struct Sink {
    instance_set: String,
    sample_ratio: f64,
    spans: mpsc::Sender<Span>,
    metrics: TracerMetrics,
}

impl Tracer {
    /// Hands over to `spans`; the share `sample_ratio` of all traces.
    #[cfg(any(feature = "otel", test))]
    pub(crate) fn new(
        instance_set: &str,
        sample_ratio: f64,
        spans: mpsc::Sender<Span>,
        metrics: TracerMetrics,
    ) -> Self {
        Self(Some(Arc::new(Sink { instance_set: instance_set.to_owned(), sample_ratio, spans, metrics })))
    }

    /// The instance set, and the trace of a job of it, if that is to be sent.
    pub(crate) fn trace(&self, job: &str) -> Option<(&str, TraceId)> {
        let sink = self.0.as_deref()?;
        let trace = span::trace_of(&sink.instance_set, job);
        span::is_sampled(trace, sink.sample_ratio).then_some((sink.instance_set.as_str(), trace))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Hands a span over.
    pub(crate) fn emit(&self, span: Span) {
        if let Some(sink) = &self.0
            && sink.spans.try_send(span).is_err()
        {
            sink.metrics.dropped.inc();
        }
    }

    /// A call to the cloud that has just ended: a trace of its own.
    pub(crate) fn call(&self, driver: &str, call: &CallReport) {
        let Some(sink) = &self.0 else { return };
        let trace: TraceId = rand::random();
        if !span::is_sampled(trace, sink.sample_ratio) {
            return;
        }
        let end = SystemTime::now();
        let mut attributes: Attributes = vec![
            ("poold.driver", driver.into()),
            ("poold.cloud.operation", Attribute::Text(call.operation.to_string())),
            ("poold.cloud.outcome", call.outcome.as_str().into()),
        ];
        if let Some(instance_type) = &call.instance_type {
            attributes.push(("poold.instance_type", instance_type.as_str().into()));
        }
        let failure = (call.outcome != CallOutcome::Ok).then(|| call.outcome.as_str());
        if let Some(kind) = failure {
            attributes.push(("error.type", kind.into()));
        }
        self.emit(Span {
            trace,
            id: rand::random::<SpanId>(),
            parent: None,
            name: "cloud call",
            is_call: true,
            start: end.checked_sub(call.took).unwrap_or(end).into(),
            end: Moment::from(end),
            attributes,
            events: Vec::new(),
            failure,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_core::CallKind;
    use std::time::Duration;

    #[test]
    fn what_has_no_room_is_dropped_and_counted() {
        let metrics = TracerMetrics::new("set").unwrap();
        let (sender, mut spans) = mpsc::channel(1);
        let tracer = Tracer::new("set", 1.0, sender, metrics.clone());
        let call = CallReport {
            operation: CallKind::Create,
            outcome: CallOutcome::Ok,
            instance_type: Some("small".parse().unwrap()),
            took: Duration::from_secs(2),
        };
        tracer.call("loopback", &call);
        tracer.call("loopback", &call);
        assert_eq!(metrics.dropped.get(), 1);
        let span = spans.try_recv().unwrap();
        assert_eq!(span.end.since(span.start), Duration::from_secs(2));
        assert_eq!(span.failure, None);
        // Off, nothing is done at all.
        Tracer::default().call("loopback", &call);
        assert!(Tracer::default().trace("abcde-1").is_none());
    }
}
