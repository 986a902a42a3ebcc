//! `poold logs`, and what it shares with `poold submit --follow`.

use super::{
    console::Console,
    ending,
    failure::{Failure, OK},
    output::{Printer, copy},
    place::Place,
};
use crate::{api::JobRow, client::Client, job::JobKey};
use clap::{Args, ValueEnum};
use pool_core::OutputStream;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// From one look to the next whether a job whose worker was lost has another.
const NEXT_RUN_EVERY: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
#[command(after_help = "\
A job's standard output goes to standard output, its standard error to standard error; one of them alone (--stream) goes to \
standard output. On a terminal, what would steer the terminal \
is shown instead of done; in a pipe or with --raw, output is as it was.

Exit codes: 0 it was printed, however the job ended; 1 it did not work; 2 the command line makes no sense; 3 poold serve does not \
run.")]
pub(crate) struct LogsArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Id or number
    job: JobKey,
    /// Goes on until the job has ended, on its next workers too
    #[arg(short, long, conflicts_with = "json")]
    follow: bool,
    /// Which of its outputs
    #[arg(long, default_value = "both")]
    stream: Streams,
    /// Of which run, counted from 1 [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    run: Option<u32>,
    /// As it is, also to a terminal
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Streams {
    Stdout,
    Stderr,
    Both,
}

impl Streams {
    fn has(self, stream: OutputStream) -> bool {
        match self {
            Self::Both => true,
            Self::Stdout => stream == OutputStream::Stdout,
            Self::Stderr => stream == OutputStream::Stderr,
        }
    }

    /// Where it is printed: who asks for one of them wants to pipe it on.
    fn destination(self, stream: OutputStream) -> OutputStream {
        match self {
            Self::Both => stream,
            Self::Stdout | Self::Stderr => OutputStream::Stdout,
        }
    }
}

impl LogsArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        if self.place.json {
            return self.print_json(&client).await;
        }
        let shown = Shown { streams: self.stream, raw: self.raw, console: &self.place.console };
        let job = if self.follow && self.run.is_none() {
            shown.follow_all(&client, &self.job).await?
        } else {
            shown.copy(&client, &self.job, self.run, self.follow).await?;
            client.job(&self.job).await?.job
        };
        // Of an earlier run nothing is known any more.
        if self.run.is_none_or(|run| run == job.runs)
            && let Some(remark) = ending::output_remark(&job)
        {
            self.place.console.say(&remark);
        }
        Ok(OK)
    }

    async fn print_json(&self, client: &Client) -> Result<u8, Failure> {
        let (mut stdout, mut stderr, mut run) = (Vec::new(), Vec::new(), self.run);
        if self.stream.has(OutputStream::Stdout) {
            run = copy(client, &self.job, OutputStream::Stdout, run, false, &mut stdout).await?;
        }
        if self.stream.has(OutputStream::Stderr) {
            run = copy(client, &self.job, OutputStream::Stderr, run, false, &mut stderr).await?;
        }
        let job = client.job(&self.job).await?.job;
        let text =
            |stream, data: &[u8]| self.stream.has(stream).then(|| String::from_utf8_lossy(data).into_owned());
        self.place.console.print_json(&json!({
            "id": job.id,
            "state": job.state,
            "run": run,
            "stdout": text(OutputStream::Stdout, &stdout),
            "stderr": text(OutputStream::Stderr, &stderr),
            "output": job.output,
        }))?;
        Ok(OK)
    }
}

/// What is printed of a job, and how.
#[derive(Clone, Copy, Debug)]
struct Shown<'a> {
    streams: Streams,
    raw: bool,
    console: &'a Console,
}

impl Shown<'_> {
    /// One run, to its end if it is followed. Returns which run it was, where the server said so.
    async fn copy(
        self,
        client: &Client,
        key: &JobKey,
        run: Option<u32>,
        follow: bool,
    ) -> Result<Option<u32>, Failure> {
        let one = async |stream| {
            if !self.streams.has(stream) {
                return Ok(run);
            }
            let to = self.streams.destination(stream);
            copy(client, key, stream, run, follow, &mut Printer::new(self.console, to, self.raw)).await
        };
        if follow {
            // Both as they come.
            let (stdout, stderr) = tokio::try_join!(one(OutputStream::Stdout), one(OutputStream::Stderr))?;
            return Ok(stdout.or(stderr));
        }
        let stdout = one(OutputStream::Stdout).await?;
        Ok(one(OutputStream::Stderr).await?.or(stdout))
    }

    /// All runs from the present one on, until the job has ended.
    async fn follow_all(self, client: &Client, key: &JobKey) -> Result<JobRow, Failure> {
        let mut run = None;
        loop {
            // Followed from before its first run: it was that one.
            let was = self.copy(client, key, run, true).await?.unwrap_or(1);
            let mut job = client.job(key).await?.job;
            if job.state.is_final() && job.runs <= was {
                return Ok(job);
            }
            self.console
                .say(&format!("run {was} of job {} was lost with its worker; the next run follows", job.id));
            while job.runs <= was {
                if job.state.is_final() {
                    return Ok(job);
                }
                sleep(NEXT_RUN_EVERY).await;
                job = client.job(key).await?.job;
            }
            run = Some(was + 1);
        }
    }
}

/// Prints a job's output until it has ended, and exits as it did.
pub(super) async fn follow_to_the_end(
    client: &Client,
    key: &JobKey,
    console: &Console,
) -> Result<u8, Failure> {
    let shown = Shown { streams: Streams::Both, raw: false, console };
    let job = shown.follow_all(client, key).await?;
    for remark in [ending::output_remark(&job), ending::remark(&job)].into_iter().flatten() {
        console.say(&remark);
    }
    Ok(ending::exit_code(&job))
}
