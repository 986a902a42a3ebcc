//! The output of a job, as it comes.

use super::{answer::Refusal, ask};
use crate::api::{OutputRead, Service, ServiceError, numbers::place};
use axum::{
    body::Body,
    http::{
        HeaderName, HeaderValue,
        header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use pool_core::OutputStream;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Names the run whose output follows. Absent when the job had none yet.
pub(crate) const RUN_HEADER: &str = "x-pool-run";

/// Which piece of an output.
#[derive(Deserialize, Debug, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutputQuery {
    /// Goes on until the run is over.
    #[serde(default)]
    follow: bool,
    /// Of this run, counted from 1; none: the present or last.
    #[param(minimum = 1)]
    run: Option<u32>,
    /// From this byte on.
    #[serde(default, deserialize_with = "place")]
    offset: u64,
}

/// Begins to answer with what is there; the rest is read as the client takes it.
///
/// A failure under way breaks the answer off, so that nobody takes a part for the whole.
pub(super) async fn answer(
    service: Arc<dyn Service>,
    job: &str,
    stream: &str,
    query: OutputQuery,
) -> Result<Response, Refusal> {
    let stream = match stream {
        "stdout" => OutputStream::Stdout,
        "stderr" => OutputStream::Stderr,
        _ => {
            return Err(Refusal::invalid(format!("the stream in the address: {stream:?}: stdout or stderr")));
        }
    };
    let OutputQuery { follow, run, offset } = query;
    // Without waiting, so that the answer begins at once.
    let mut read = OutputRead { key: ask::job_key(job)?, stream, run, offset, wait: false };
    let first = service.read_output(read.clone()).await?;
    read.run = first.run.or(read.run);
    let run = read.run;
    read.wait = follow;
    read.offset = read.offset.saturating_add(first.data.len() as u64);
    // Without `wait`, `last` may say only that no more has arrived yet.
    let over = first.last && !follow;
    let pieces = Pieces { service, read, first: (!first.data.is_empty()).then_some(first.data), over };
    let mut response = Body::from_stream(stream::try_unfold(pieces, Pieces::next)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(run) = run {
        headers.insert(HeaderName::from_static(RUN_HEADER), HeaderValue::from(run));
    }
    Ok(response)
}

struct Pieces {
    service: Arc<dyn Service>,
    read: OutputRead,
    first: Option<Bytes>,
    over: bool,
}

impl Pieces {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ServiceError> {
        if let Some(data) = self.first.take() {
            return Ok(Some((data, self)));
        }
        while !self.over {
            let piece = self.service.read_output(self.read.clone()).await?;
            // All of it is of one run.
            self.read.run = self.read.run.or(piece.run);
            self.read.offset = self.read.offset.saturating_add(piece.data.len() as u64);
            self.over = piece.last;
            if !piece.data.is_empty() {
                return Ok(Some((piece.data, self)));
            }
        }
        Ok(None)
    }
}
