//! Traces as `poold serve` has them: from the configuration to the last batch.

#[cfg(feature = "otel")]
use super::exporter::Exporter;
use super::tracer::{Tracer, TracerMetrics};
use crate::config::TelemetryConfig;
use prometheus::Registry;
use std::time::Duration;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

/// How long what is left may take to be sent when it is to stop.
const LAST_BATCHES: Duration = Duration::from_secs(2);

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    #[cfg(feature = "otel")]
    #[error(transparent)]
    Exporter(#[from] super::exporter::ExporterError),
}

/// Not sending yet.
pub(crate) struct Traces {
    tracer: Tracer,
    metrics: TracerMetrics,
    #[cfg(feature = "otel")]
    exporter: Option<Exporter>,
}

impl Traces {
    /// Off where no collector is configured.
    ///
    /// # Errors
    /// [`TelemetryError`].
    #[cfg(feature = "otel")]
    pub(crate) fn new(config: &TelemetryConfig, instance_set: &str) -> Result<Self, TelemetryError> {
        let metrics = TracerMetrics::new(instance_set)?;
        let (tracer, exporter) = Exporter::new(config, instance_set, metrics.clone())?.unzip();
        Ok(Self { tracer: tracer.unwrap_or_default(), metrics, exporter })
    }

    /// Off: the configuration has no collector where there is no code for one.
    ///
    /// # Errors
    /// [`TelemetryError`].
    #[cfg(not(feature = "otel"))]
    pub(crate) fn new(_: &TelemetryConfig, instance_set: &str) -> Result<Self, TelemetryError> {
        Ok(Self { tracer: Tracer::default(), metrics: TracerMetrics::new(instance_set)? })
    }

    pub(crate) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// # Errors
    /// Names that are taken.
    pub(crate) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        self.metrics.register(registry)
    }

    /// Sends from now on.
    pub(crate) fn start(self) -> Sending {
        #[cfg(feature = "otel")]
        if let Some(exporter) = self.exporter {
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(exporter.run(async { drop(stopped.await) }));
            return Sending(Some((stop, task)));
        }
        Sending(None)
    }
}

/// Sending.
pub(crate) struct Sending(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Sending {
    /// Sends what is left, if that does not take long.
    ///
    /// # Cancel safety
    /// Dropping it loses what was not sent.
    pub(crate) async fn stop(self) {
        let Some((stop, mut task)) = self.0 else { return };
        // Fails when it has ended by itself.
        stop.send(()).ok();
        if timeout(LAST_BATCHES, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the collector of traces did not take the last ones in time");
        }
    }
}
