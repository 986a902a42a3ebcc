//! `poold wait`.

use super::{
    ending,
    failure::{Failure, TIMED_OUT},
    place::Place,
};
use crate::{
    api::{JobQuery, JobRow},
    client::Client,
    job::JobKey,
};
use clap::Args;
use pool_core::JobId;
use std::{collections::BTreeMap, time::Duration};
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

/// Jobs that are asked for at once.
const WINDOW: usize = 100;
/// How long a look at them waits for the last. Longer each time, up to the longest: who waits for long does not look on.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// All of these jobs, in this order, when they are final. `ended` is told of each as soon as that is known.
pub(super) async fn until_all_final(
    client: &Client,
    ids: &[JobId],
    mut ended: impl FnMut(&JobRow),
) -> Result<Vec<JobRow>, Failure> {
    let mut jobs = Vec::with_capacity(ids.len());
    for window in ids.chunks(WINDOW) {
        let mut found: BTreeMap<&JobId, JobRow> = BTreeMap::new();
        let mut look = FIRST_LOOK;
        while let Some(last) = window.iter().rfind(|id| !found.contains_key(id)) {
            let key = JobKey::Id(last.clone());
            if found.len() + 1 == window.len() {
                let job = until_final(client, &key).await?;
                ended(&job);
                found.insert(last, job);
                break;
            }
            let job = client.wait(&key, look).await?;
            look = (look * 2).min(LONGEST_LOOK);
            // Jobs of one submission have numbers that follow one another, most of the time.
            let wanted = JobQuery { before: Some(job.number), limit: Some(WINDOW), ..JobQuery::default() };
            let page = client.jobs(&wanted).await?.jobs;
            let mut rows: BTreeMap<JobId, JobRow> =
                page.into_iter().chain([job]).map(|job| (job.id.clone(), job)).collect();
            for id in window {
                if !found.contains_key(id)
                    && let Some(job) = rows.remove(id).filter(|job| job.state.is_final())
                {
                    ended(&job);
                    found.insert(id, job);
                }
            }
        }
        jobs.extend(window.iter().filter_map(|id| found.remove(id)));
    }
    Ok(jobs)
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
