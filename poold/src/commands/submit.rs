//! `poold submit`.

use super::{
    ending,
    failure::{Failure, OK},
    logs,
    place::Place,
    requests::{JobOptions, Requests},
    submission, wait,
};
use crate::{
    api::{JobRow, Submitted},
    client::Client,
    job::JobKey,
};
use clap::Args;
use pool_core::JobId;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "\
Prints the id of each job, one a line, as soon as the job is in the queue for good. With --json: {\"ids\": […]}, or with --wait \
the ended job (an array of them with --array or --file).

Exit codes: 0 all was submitted; 1 it did not work; 2 the command line, the file or a job makes no sense, or no worker could run \
it; 3 poold serve does not run. With --wait or --follow, of one job: its own exit code; 128 and the number of the \
signal that ended it; 127 it could not be started; 125 it was cancelled (standard error says why). Of several jobs: 0 if all \
ended with 0, else 1. Ctrl-C ends the waiting, not the job.")]
pub(crate) struct SubmitArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    job: JobOptions,
    /// Many jobs, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["array", "command", "name", "group", "labels", "environment",
        "directory", "cpus", "memory", "scratch", "gpus", "preemptible", "priority", "time_limit", "output_limit",
        "attempts", "rerun_if_unknown"])]
    file: Option<PathBuf>,
    /// Waits until all have ended, and exits as the job did
    #[arg(long)]
    wait: bool,
    /// Waits, and prints the job's output in place of its id
    #[arg(long, conflicts_with_all = ["array", "file", "json"])]
    follow: bool,
}

impl SubmitArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let requests = match &self.file {
            Some(path) => Requests::from_file(path)?,
            None => Requests::from_options(&self.job)?,
        };
        let ids_are_printed = !self.follow && !self.place.json;
        let queued = |ids: &[JobId]| match ids_are_printed {
            true => self.place.console.print(ids.iter().map(|id| format!("{id}\n")).collect::<String>()),
            false => Ok(()),
        };
        let ids = submission::submit(&client, &requests, queued).await?;
        if self.follow {
            let [id] = &ids[..] else { return Ok(OK) };
            return logs::follow_to_the_end(&client, &JobKey::Id(id.clone()), &self.place.console).await;
        }
        if !self.wait {
            if self.place.json {
                self.place.console.print_json(&Submitted { ids })?;
            }
            return Ok(OK);
        }
        let several = self.file.is_some() || self.job.is_array();
        let remark = |job: &JobRow| {
            if let Some(remark) = ending::remark(job)
                && !self.place.json
            {
                self.place.console.say(&remark);
            }
        };
        let jobs = wait::until_all_final(&client, &ids, remark).await?;
        match (&jobs[..], several) {
            ([job], false) => {
                if self.place.json {
                    self.place.console.print_json(job)?;
                }
                Ok(ending::exit_code(job))
            }
            _ => {
                if self.place.json {
                    self.place.console.print_json(&jobs)?;
                }
                Ok(ending::exit_code_of_all(&jobs))
            }
        }
    }
}
