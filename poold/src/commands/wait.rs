//! `poold wait`.

use super::{
    ending,
    failure::{Failure, TIMED_OUT},
    run::Place,
};
use crate::{api::JobRow, client::Client, job::JobKey};
use clap::Args;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long one question for a job's end is kept open.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 all of them completed with exit code 0; 1 some did not, or it did not work; 2 the command line makes no sense; \
3 poold serve does not run; 124 some have not ended within --timeout.")]
pub(crate) struct WaitArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Ids or numbers
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<JobKey>,
    /// Not longer than this, as in `90s` or `2h`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

impl WaitArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut ended = Vec::new();
        let mut timed_out = false;
        for key in &self.jobs {
            let job = match deadline {
                None => until_final(&client, key).await?,
                Some(deadline) => match timeout_at(deadline, until_final(&client, key)).await {
                    Ok(job) => job?,
                    // What has ended by now counts, whatever its place.
                    Err(_) => client.job(key).await?.job,
                },
            };
            if !job.state.is_final() {
                timed_out = true;
            }
            if !self.place.json {
                let late = (!job.state.is_final()).then(|| format!("job {} is {} still", job.id, job.state));
                if let Some(remark) = late.or_else(|| ending::remark(&job)) {
                    self.place.console.say(&remark);
                }
            }
            ended.push(job);
        }
        if self.place.json {
            self.place.console.print_json(&ended)?;
        }
        Ok(match timed_out {
            true => TIMED_OUT,
            false => ending::exit_code_of_all(&ended),
        })
    }
}

/// A job when it is final.
pub(super) async fn until_final(client: &Client, key: &JobKey) -> Result<JobRow, Failure> {
    loop {
        let job = client.wait(key, PATIENCE).await?;
        if job.state.is_final() {
            return Ok(job);
        }
    }
}
