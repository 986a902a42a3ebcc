//! The output of jobs on its way to this program's own.

use super::{console::Console, failure::Failure, harmless::Filter};
use crate::{client::Client, job::JobKey};
use pool_core::OutputStream;

/// Takes what a job has written.
pub(super) trait Sink {
    fn take(&mut self, data: &[u8]) -> Result<(), Failure>;

    /// Nothing follows.
    fn finish(&mut self) -> Result<(), Failure>;
}

/// Standard output or standard error: harmless where that is a terminal, as it is elsewhere.
#[derive(Debug)]
pub(super) struct Printer<'a> {
    console: &'a Console,
    stream: OutputStream,
    filter: Option<Filter>,
}

impl<'a> Printer<'a> {
    /// To this stream of our own. `raw`: as it is, also to a terminal.
    pub(super) fn new(console: &'a Console, stream: OutputStream, raw: bool) -> Self {
        let filter = (console.is_terminal(stream) && !raw).then(Filter::default);
        Self { console, stream, filter }
    }
}

impl Sink for Printer<'_> {
    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        match &mut self.filter {
            Some(filter) => {
                let shown = filter.pass(data);
                self.console.write(self.stream, shown.as_bytes())
            }
            None => self.console.write(self.stream, data),
        }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        match &mut self.filter {
            Some(filter) => {
                let shown = filter.finish();
                self.console.write(self.stream, shown.as_bytes())
            }
            None => Ok(()),
        }
    }
}

impl Sink for Vec<u8> {
    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.extend_from_slice(data);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Copies one stream of a run to its end. Returns which run it was, where the server said so.
pub(super) async fn copy(
    client: &Client,
    key: &JobKey,
    stream: OutputStream,
    run: Option<u32>,
    follow: bool,
    sink: &mut impl Sink,
) -> Result<Option<u32>, Failure> {
    let mut output = client.output(key, stream, run, follow);
    loop {
        match output.next().await {
            Ok(Some(data)) => sink.take(&data)?,
            Ok(None) => {
                sink.finish()?;
                return Ok(output.run());
            }
            Err(error) => {
                // What was held back is not lost with it.
                sink.finish()?;
                return Err(error.into());
            }
        }
    }
}
