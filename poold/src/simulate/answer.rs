//! What came of it, as `--json` prints it.

use super::{
    job_list::JobList,
    ledger::{JobLife, Ledger, Stage},
    run::{End, Outcome},
    series::Row,
    series::Series,
    types::{TypeTally, hours},
};
use crate::job::Finish;
use driver_loopback::sim::SimCounters;
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, time::Duration};

/// Outcomes that are told apart. Reasons may name workers.
const MOST_OUTCOMES: usize = 30;
/// Rows over time, about.
pub(super) const ROWS: u32 = 20;

/// All of it. Durations are in seconds, prices in the currency of the configuration.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// Whether every job has ended.
    pub(super) complete: bool,
    /// What was given: files and what they say.
    pub(super) given: Given,
    #[serde(rename = "end_seconds", serialize_with = "seconds")]
    pub(super) end: Duration,
    /// It ended because its time was over.
    pub(super) time_was_over: bool,
    /// From the first submission to the last end; none if no job has ended.
    #[serde(rename = "makespan_seconds", serialize_with = "optional_seconds")]
    pub(super) makespan: Option<Duration>,
    pub(super) jobs: usize,
    /// How many ended how, or where they were at the end.
    pub(super) outcomes: BTreeMap<String, usize>,
    /// How many were started again after their worker was lost.
    pub(super) jobs_run_again: usize,
    /// Of the jobs that were started; none if there are none.
    pub(super) waited: Option<Waited>,
    pub(super) instances: Instances,
    /// Price times lifetime.
    pub(super) cost: f64,
    pub(super) types: Vec<TypeRow>,
    /// For what jobs have waited, the longest first.
    pub(super) limited_by: Vec<Limit>,
    /// Jobs that wait at the end, and for what.
    pub(super) still_waiting: Vec<StillWaiting>,
    pub(super) over_time: OverTime,
    pub(super) calls: Calls,
    pub(super) remarks: Vec<String>,
}

/// What the answer is for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Given {
    pub(super) config: String,
    pub(super) jobs: String,
    pub(super) provider: String,
    #[serde(rename = "boot_time_seconds", serialize_with = "seconds")]
    pub(super) boot_time: Duration,
    pub(super) has_faults: bool,
    /// 0: no limit.
    pub(super) max_instances: u32,
    pub(super) seed: u64,
    #[serde(rename = "until_seconds", serialize_with = "seconds")]
    pub(super) until: Duration,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Waited {
    #[serde(rename = "median_seconds", serialize_with = "seconds")]
    pub(super) median: Duration,
    #[serde(rename = "p95_seconds", serialize_with = "seconds")]
    pub(super) p95: Duration,
    #[serde(rename = "longest_seconds", serialize_with = "seconds")]
    pub(super) longest: Duration,
    /// Of all jobs together, also of those that were not started.
    pub(super) job_hours: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Instances {
    pub(super) created: u64,
    pub(super) most_at_once: u64,
    pub(super) left_at_the_end: u64,
    pub(super) hours: f64,
    /// From 0 to 1; none if there were none.
    pub(super) share_with_a_job: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TypeRow {
    pub(super) name: String,
    pub(super) price_per_hour: f64,
    pub(super) created: u64,
    pub(super) most_at_once: u64,
    pub(super) runs: u64,
    pub(super) hours: f64,
    pub(super) share_with_a_job: Option<f64>,
    pub(super) cost: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Limit {
    pub(super) reason: &'static str,
    pub(super) text: String,
    pub(super) remedy: Option<String>,
    pub(super) job_hours: f64,
    /// Of all waiting, from 0 to 1.
    pub(super) share: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct StillWaiting {
    pub(super) jobs: u64,
    pub(super) reason: &'static str,
    pub(super) text: String,
    pub(super) remedy: Option<String>,
    /// Where the first of them was read.
    pub(super) first: String,
}

/// Averages of one step each.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OverTime {
    #[serde(rename = "step_seconds", serialize_with = "seconds")]
    pub(super) step: Duration,
    pub(super) rows: Vec<TimeRow>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TimeRow {
    #[serde(rename = "from_seconds", serialize_with = "seconds")]
    pub(super) from: Duration,
    pub(super) instances: f64,
    pub(super) instances_with_a_job: f64,
    pub(super) jobs_running: f64,
    pub(super) jobs_waiting: f64,
    pub(super) price_per_hour: f64,
}

/// How often the provider was called.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Calls {
    pub(super) creates: u64,
    pub(super) destroys: u64,
    pub(super) lists: u64,
    pub(super) set_tags: u64,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde wants it so")]
fn optional_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

impl Answer {
    pub(super) fn of(given: Given, remarks: Vec<String>, jobs: &JobList, outcome: Outcome) -> Self {
        let Outcome { end, at, ledger, counters } = outcome;
        let makespan = ledger.first_submission.zip(ledger.last_end);
        let step = Series::step(at, ROWS);
        Self {
            complete: ledger.over == ledger.jobs.len(),
            given,
            end: at,
            time_was_over: end == End::Until,
            makespan: makespan.map(|(first, last)| last.saturating_sub(first)),
            jobs: ledger.jobs.len(),
            outcomes: outcomes(&ledger.jobs),
            jobs_run_again: ledger.jobs.iter().filter(|job| job.runs > 1).count(),
            waited: waited(&ledger.jobs),
            instances: instances(&ledger),
            cost: ledger.types.iter().map(TypeTally::cost).sum(),
            types: ledger.types.iter().filter(|of| of.created > 0).map(TypeRow::of).collect(),
            limited_by: limits(&ledger),
            still_waiting: still_waiting(&ledger, jobs),
            over_time: OverTime {
                step,
                rows: ledger.series.rows(at, step).into_iter().map(TimeRow::from).collect(),
            },
            calls: Calls::from(counters),
            remarks,
        }
    }
}

fn outcomes(jobs: &[JobLife]) -> BTreeMap<String, usize> {
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for job in jobs {
        let name = match &job.stage {
            Stage::ToCome => "not submitted yet".to_owned(),
            Stage::Queued { .. } => "waiting at the end".to_owned(),
            Stage::Given { .. } | Stage::Started => "running at the end".to_owned(),
            Stage::Over { finish, .. } => match finish {
                Finish::Exited { code } => format!("exit code {code}"),
                Finish::Signaled { signal } => format!("signal {signal}"),
                Finish::NotStarted { reason } => format!("not started: {reason}"),
                Finish::Cancelled { reason } => format!("cancelled: {reason}"),
            },
        };
        let known = outcomes.contains_key(&name) || outcomes.len() < MOST_OUTCOMES;
        *outcomes.entry(if known { name } else { "other".to_owned() }).or_default() += 1;
    }
    outcomes
}

fn waited(jobs: &[JobLife]) -> Option<Waited> {
    let mut all: Vec<Duration> = jobs.iter().filter(|job| job.runs > 0).map(|job| job.waited).collect();
    all.sort_unstable();
    // The smallest that so many percent of all do not exceed.
    let percentile = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Waited {
        median: percentile(50)?,
        p95: percentile(95)?,
        longest: percentile(100)?,
        job_hours: hours(jobs.iter().map(|job| job.waited.as_millis()).sum()),
    })
}

fn share(part: u128, whole: u128) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn instances(ledger: &Ledger) -> Instances {
    let lived = ledger.types.iter().map(|of| of.lived).sum();
    let worked = ledger.types.iter().map(|of| of.worked).sum();
    Instances {
        created: ledger.types.iter().map(|of| of.created).sum(),
        most_at_once: ledger.most_instances,
        left_at_the_end: ledger.counts.instances,
        hours: hours(lived),
        share_with_a_job: share(worked, lived),
    }
}

fn limits(ledger: &Ledger) -> Vec<Limit> {
    let starting = "it was given to a worker, which has not started it yet";
    let causes = ledger.waiting.causes().iter();
    let mut all: Vec<_> = causes
        .map(|cause| (cause.kind, cause.text.clone(), cause.remedy.clone(), cause.waited))
        .chain([("starting", starting.to_owned(), None, ledger.starting)])
        .filter(|(.., waited)| *waited > 0)
        .collect();
    all.sort_by(|one, other| other.3.cmp(&one.3).then_with(|| one.0.cmp(other.0)));
    let whole = all.iter().map(|(.., waited)| waited).sum();
    let limit = |(reason, text, remedy, waited)| Limit {
        reason,
        text,
        remedy,
        job_hours: hours(waited),
        share: share(waited, whole).unwrap_or_default(),
    };
    all.into_iter().map(limit).collect()
}

fn still_waiting(ledger: &Ledger, jobs: &JobList) -> Vec<StillWaiting> {
    let mut all: Vec<StillWaiting> = ledger
        .waiting
        .now()
        .iter()
        .map(|waiters| {
            let cause = &ledger.waiting.causes()[waiters.cause];
            StillWaiting {
                jobs: waiters.jobs,
                reason: cause.kind,
                text: cause.text.clone(),
                remedy: cause.remedy.clone(),
                first: ledger.place(waiters.first).map(|place| jobs.where_is(place)).unwrap_or_default(),
            }
        })
        .collect();
    all.sort_by_key(|waiting| std::cmp::Reverse(waiting.jobs));
    all
}

impl TypeRow {
    fn of(tally: &TypeTally) -> Self {
        Self {
            name: tally.name.to_string(),
            price_per_hour: tally.price.as_f64(),
            created: tally.created,
            most_at_once: tally.most,
            runs: tally.runs,
            hours: hours(tally.lived),
            share_with_a_job: share(tally.worked, tally.lived),
            cost: tally.cost(),
        }
    }
}

impl From<Row> for TimeRow {
    fn from(row: Row) -> Self {
        let Row { from, instances, busy, running, waiting, price } = row;
        Self {
            from,
            instances,
            instances_with_a_job: busy,
            jobs_running: running,
            jobs_waiting: waiting,
            price_per_hour: price,
        }
    }
}

impl From<SimCounters> for Calls {
    fn from(counters: SimCounters) -> Self {
        let SimCounters { creates, destroys, lists, set_tags, .. } = counters;
        Self { creates, destroys, lists, set_tags }
    }
}
