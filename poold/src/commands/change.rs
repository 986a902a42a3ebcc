//! `poold kill` and `poold priority`.

use super::{
    failure::{FAILED, Failure, NOT_SERVING, OK},
    harmless::harmless_line,
    place::Place,
};
use crate::{
    api::JobRow,
    client::{Client, ClientError},
    job::JobKey,
};
use clap::Args;
use serde::Serialize;
use std::future::Future;

#[derive(Args, Debug)]
#[command(after_help = "\
A job that waits is cancelled at once; one that runs gets SIGTERM, then SIGKILL, and is cancelled when it has ended.

Exit codes: 0 it was asked for, for all of them; 1 not for some: there is no such job, or it has ended already; 2 the command line \
makes no sense; 3 poold serve does not run.")]
pub(crate) struct KillArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Ids or numbers
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<JobKey>,
    /// Why, for who looks at the job later
    #[arg(long)]
    reason: Option<String>,
}

impl KillArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let (client, reason) = (&client, &self.reason);
        each(&self.place, &self.jobs, state, |key| client.kill(key, reason.clone())).await
    }
}

fn state(job: &JobRow) -> String {
    match job.state.is_final() {
        true => format!("{} is {}", job.id, job.state),
        false => format!("{} is being ended", job.id),
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
More goes first. 0: the job is not started, and stopped if it runs.

Exit codes: 0 it was changed, for all of them; 1 not for some; 2 the command line makes no sense; 3 poold serve does not run.")]
pub(crate) struct PriorityArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// 0 to 1000000
    priority: u32,
    /// Ids or numbers
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<JobKey>,
}

impl PriorityArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let (client, priority) = (&client, self.priority);
        let line = |job: &JobRow| format!("{} has priority {}", job.id, job.priority);
        each(&self.place, &self.jobs, line, |key| client.set_priority(key, priority)).await
    }
}

/// Does the same to all, whatever becomes of one of them; says of each what became of it.
pub(super) async fn each<'a, K, T, F>(
    place: &Place,
    keys: &'a [K],
    line: impl Fn(&T) -> String,
    change: impl Fn(&'a K) -> F,
) -> Result<u8, Failure>
where
    T: Serialize,
    F: Future<Output = Result<T, ClientError>>,
{
    let mut changed = Vec::new();
    let mut worst = OK;
    for key in keys {
        match change(key).await {
            Ok(value) => {
                if !place.json {
                    place.console.print(harmless_line(&line(&value)) + "\n")?;
                }
                changed.push(value);
            }
            Err(error) => {
                let failure = Failure::from(error);
                if failure.exit_code() == NOT_SERVING || keys.len() == 1 {
                    return Err(failure);
                }
                place.console.report(&failure, place.json);
                worst = FAILED;
            }
        }
    }
    if place.json {
        place.console.print_json(&changed)?;
    }
    Ok(worst)
}
