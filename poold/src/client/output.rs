//! The output of a job, as it comes.

use super::{calls::address, connection::Client, error::ClientError};
use crate::{api::routes, http::RUN_HEADER, job::JobKey};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Method, body::Incoming};
use pool_core::OutputStream;
use std::time::Duration;
use tokio::time::sleep;

/// Reads one stream of one run, across restarts of `poold serve`.
#[derive(Debug)]
pub(crate) struct OutputReader<'a> {
    client: &'a Client,
    path: String,
    run: Option<u32>,
    follow: bool,
    offset: u64,
    body: Option<Incoming>,
    /// How often it was broken off since the last piece.
    broken_off: u32,
}

/// An answer that is broken off so often without a piece will not come.
const MAX_BROKEN_OFF: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

impl Client {
    /// Nothing is asked before the first piece is. Without a run: the present or last.
    pub(crate) fn output(
        &self,
        key: &JobKey,
        stream: OutputStream,
        run: Option<u32>,
        follow: bool,
    ) -> OutputReader<'_> {
        let path = address(routes::OUTPUT, &[&key.to_string(), &stream.to_string()]);
        OutputReader { client: self, path, run, follow, offset: 0, body: None, broken_off: 0 }
    }
}

impl OutputReader<'_> {
    /// From this byte on.
    pub(crate) fn from(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// The run that it reads, where the server has said so.
    pub(crate) fn run(&self) -> Option<u32> {
        self.run
    }

    /// The next piece; none at the end.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was not returned comes again.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.open().await?,
            };
            match body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    self.body = Some(body);
                    if let Ok(data) = frame.into_data() {
                        self.offset += data.len() as u64;
                        self.broken_off = 0;
                        return Ok(Some(data));
                    }
                }
                // It goes on where it was.
                Some(Err(error)) => {
                    self.broken_off += 1;
                    if self.broken_off > MAX_BROKEN_OFF {
                        return Err(ClientError::Lost(error.into()));
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Incoming, ClientError> {
        let mut path = format!("{}?follow={}&offset={}", self.path, self.follow, self.offset);
        if let Some(run) = self.run {
            path.push_str(&format!("&run={run}"));
        }
        let client = self.client;
        let response = client.patiently(|| client.send(Method::GET, &path, Bytes::new())).await?;
        let run = response.headers().get(RUN_HEADER);
        self.run = run.and_then(|run| run.to_str().ok()?.parse().ok()).or(self.run);
        Ok(response.into_body())
    }
}
