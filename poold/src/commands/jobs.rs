//! `poold jobs`.

use super::{
    explain::took,
    failure::{Failure, OK},
    place::Place,
    print::{ago, cell, duration, optional, table},
};
use crate::{
    api::{JobQuery, JobRow},
    client::Client,
    job::{JobState, Moment},
};
use clap::Args;
use comfy_table::{Cell, Table};
use pool_core::JobGroup;

/// Jobs of one question.
const PAGE: usize = 1000;

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 they were printed, also if there are none; 1 it did not work; 2 the command line makes no sense; 3 poold serve \
does not run.")]
pub(crate) struct JobsArguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only those in these states: queued, locked, running, complete, cancelled
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = state)]
    state: Vec<JobState>,
    /// Only those of this group
    #[arg(long)]
    group: Option<JobGroup>,
    /// Only those with exactly this name
    #[arg(long)]
    name: Option<String>,
    /// Only those with this label; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<String>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = positive)]
    limit: usize,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

fn state(text: &str) -> Result<JobState, String> {
    let states = JobState::ALL;
    states
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| format!("give some of {}", states.map(JobState::as_str).join(", ")))
}

fn label(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        None => Err("give KEY=VALUE".to_owned()),
        // Commas part labels on their way.
        Some(_) if text.contains(',') => Err("labels with commas cannot be searched for".to_owned()),
        Some(_) => Ok(text.to_owned()),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("give 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn joined(texts: impl ExactSizeIterator<Item = String>) -> Option<String> {
    (texts.len() > 0).then(|| texts.collect::<Vec<_>>().join(","))
}

impl JobsArguments {
    pub(crate) async fn run(self, client: Client) -> Result<u8, Failure> {
        let limit = if self.all { usize::MAX } else { self.limit };
        let mut query = JobQuery {
            state: joined(self.state.iter().map(ToString::to_string)),
            group: self.group.clone(),
            name: self.name.clone(),
            label: joined(self.labels.iter().cloned()),
            before: None,
            limit: None,
        };
        let mut jobs = Vec::new();
        let mut more = true;
        while more && jobs.len() < limit {
            query.limit = Some(PAGE.min(limit - jobs.len()));
            let page = client.jobs(&query).await?;
            jobs.extend(page.jobs);
            query.before = page.next;
            more = page.next.is_some();
        }
        if self.place.json {
            self.place.console.print_json(&jobs)?;
            return Ok(OK);
        }
        if jobs.is_empty() {
            self.place.console.say("no jobs");
            return Ok(OK);
        }
        self.place.console.print_table(&rows(&jobs, Moment::now()))?;
        if more {
            self.place.console.say(&format!("the newest {limit}; there may be more: --limit N or --all"));
        }
        Ok(OK)
    }
}

fn rows(jobs: &[JobRow], now: Moment) -> Table {
    let mut table = table(&[
        "ID",
        "NAME",
        "STATE",
        ">EXIT",
        ">ATTEMPTS",
        "INSTANCE",
        "TYPE",
        "SUBMITTED",
        "STARTED",
        ">TOOK",
    ]);
    for job in jobs {
        let exit = job.signal.clone().or_else(|| job.exit_code.map(|code| code.to_string()));
        table.add_row([
            cell(job.id.as_str()),
            optional(job.name.as_ref()),
            Cell::new(job.state),
            optional(exit.as_ref()),
            Cell::new(job.attempts),
            optional(job.instance.as_ref()),
            optional(job.instance_type.as_ref()),
            Cell::new(ago(job.submitted_at, now)),
            optional(job.started_at.map(|started| ago(started, now)).as_ref()),
            optional(took(job, now).map(duration).as_ref()),
        ]);
    }
    table
}
