//! Sends spans to the collector, in batches.

use super::{
    otlp,
    post::Collector,
    span::Span,
    tracer::{Tracer, TracerMetrics},
};
use crate::{config::TelemetryConfig, say::with_causes};
use bytes::Bytes;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use std::{fs, future::Future, io, path::PathBuf, pin::pin, time::Duration};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// Spans that wait to be sent. More are dropped.
const ROOM: usize = 4096;
/// Most spans of one request.
const BATCH: usize = 512;
/// More may come within this time, and are sent together.
const GATHER: Duration = Duration::from_secs(1);
/// From one attempt with a batch to the next. What comes meanwhile waits, as long as there is room.
const AGAIN: Duration = Duration::from_secs(5);
/// What has standard names is looked for here, too.
const HEADERS_VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// Why spans cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExporterError {
    #[error("telemetry.otlp_headers_file: {path} cannot be read")]
    Headers {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Not shown: it may be a secret.
    #[error("a line of telemetry.otlp_headers_file, or a part of {HEADERS_VARIABLE}, is not name=value")]
    NotAHeader,
    #[error("telemetry.otlp_endpoint cannot be used")]
    Endpoint,
}

/// Sends until it is told to stop.
pub(crate) struct Exporter {
    spans: mpsc::Receiver<Span>,
    collector: Collector,
    service_name: String,
    instance_set: String,
    metrics: TracerMetrics,
    /// The last batch was not taken.
    failing: bool,
}

impl Exporter {
    /// None when no collector is configured.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub(crate) fn new(
        config: &TelemetryConfig,
        instance_set: &str,
        metrics: TracerMetrics,
    ) -> Result<Option<(Tracer, Self)>, ExporterError> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let headers = headers(config, std::env::var(HEADERS_VARIABLE).ok())?;
        let collector = Collector::new(endpoint, headers).ok_or(ExporterError::Endpoint)?;
        let (sender, spans) = mpsc::channel(ROOM);
        let tracer = Tracer::new(instance_set, config.sample_ratio, sender, metrics.clone());
        let (service_name, instance_set) = (config.service_name.clone(), instance_set.to_owned());
        Ok(Some((tracer, Self { spans, collector, service_name, instance_set, metrics, failing: false })))
    }

    /// Sends what comes until `stop` ends, and then what is left, once.
    ///
    /// # Cancel safety
    /// Dropping it loses what was not sent.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut batch = Vec::new();
        loop {
            // Cancel safety: a receive that is dropped has taken nothing.
            tokio::select! {
                biased;
                () = &mut stop => break,
                count = self.spans.recv_many(&mut batch, BATCH) => if count == 0 { return },
            }
            if batch.len() < BATCH && timeout(GATHER, &mut stop).await.is_ok() {
                break;
            }
            self.take_what_is_there(&mut batch);
            let count = batch.len();
            let body = self.body(std::mem::take(&mut batch));
            while !self.send(&body, count).await {
                tokio::select! {
                    biased;
                    () = &mut stop => {
                        self.metrics.dropped.inc_by(count as u64);
                        return;
                    }
                    () = sleep(AGAIN) => {}
                }
            }
        }
        loop {
            self.take_what_is_there(&mut batch);
            if batch.is_empty() {
                return;
            }
            let count = batch.len();
            let body = self.body(std::mem::take(&mut batch));
            if !self.send(&body, count).await {
                self.metrics.dropped.inc_by(count as u64);
                return;
            }
        }
    }

    fn take_what_is_there(&mut self, batch: &mut Vec<Span>) {
        while batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
    }

    fn body(&self, spans: Vec<Span>) -> Bytes {
        let resource = [
            ("service.name", self.service_name.as_str()),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("poold.instance_set", self.instance_set.as_str()),
        ];
        otlp::encode(&resource, spans).into()
    }

    /// False where it is worth another attempt.
    async fn send(&mut self, body: &Bytes, count: usize) -> bool {
        let error = match self.collector.post(body.clone()).await {
            Ok(()) => {
                self.metrics.exported.inc_by(count as u64);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the collector of traces takes them again");
                }
                return true;
            }
            Err(error) => error,
        };
        // It may be away for long: once is enough.
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(
                error = with_causes(&error),
                "the collector of traces does not take them: they wait, then are dropped"
            );
        }
        if error.is_passing() {
            return false;
        }
        self.metrics.dropped.inc_by(count as u64);
        true
    }
}

/// From the file, a line each, or the variable, with commas; percent-encoded as OpenTelemetry has it.
fn headers(config: &TelemetryConfig, variable: Option<String>) -> Result<HeaderMap, ExporterError> {
    let text;
    let pairs: Vec<&str> = match &config.otlp_headers_file {
        Some(path) => {
            text = fs::read_to_string(path)
                .map_err(|source| ExporterError::Headers { path: path.clone(), source })?;
            text.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect()
        }
        None => {
            text = variable.unwrap_or_default();
            text.split(',').map(str::trim).collect()
        }
    };
    let mut headers = HeaderMap::new();
    for pair in pairs.into_iter().filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(ExporterError::NotAHeader)?;
        let value = percent_encoding::percent_decode_str(value.trim()).collect::<Vec<u8>>();
        let name: HeaderName = name.trim().parse().map_err(|_| ExporterError::NotAHeader)?;
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| ExporterError::NotAHeader)?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_from_the_file_or_else_from_the_variable() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("headers");
        let text =
            "# of the vendor, who has others\nAuthorization=Bearer%20hunter2\n\nx-team = night, day\r\n";
        fs::write(&file, text).unwrap();
        let variable = Some("authorization=Basic%20abc,x-a=b".to_owned());
        let mut config = TelemetryConfig::default();
        let from_variable = headers(&config, variable.clone()).unwrap();
        assert_eq!(
            (&from_variable["authorization"], &from_variable["x-a"]),
            (&"Basic abc".parse().unwrap(), &"b".parse().unwrap())
        );
        config.otlp_headers_file = Some(file);
        let from_file = headers(&config, variable).unwrap();
        assert_eq!(from_file["authorization"], "Bearer hunter2");
        assert_eq!((from_file.len(), &from_file["x-team"]), (2, &"night, day".parse().unwrap()));
        assert!(!format!("{from_file:?}").contains("hunter2"));
        config.otlp_headers_file = None;
        let error = headers(&config, Some("hunter2".to_owned())).unwrap_err();
        assert!(!with_causes(&error).contains("hunter2"), "{error}");
    }
}
