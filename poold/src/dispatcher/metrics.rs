//! What the dispatcher counts and measures, beside what the pool does.

use super::{board::Setback, settings::DispatchSettings};
use crate::job::{Finish, JobState, Moment, Record};
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector, exponential_buckets,
};
use std::{collections::BTreeMap, path::Path};

/// From a tenth of a second to two weeks. Seconds.
const JOB_BUCKETS: [f64; 16] = [
    0.1,
    0.5,
    1.0,
    5.0,
    15.0,
    60.0,
    300.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    14400.0,
    43200.0,
    86400.0,
    259_200.0,
    1_209_600.0,
];

const OUTCOMES: [&str; 5] = ["exit_zero", "exit_nonzero", "signal", "not_started", "cancelled"];
const CAUSES: [&str; 6] =
    ["worker_gone", "preempted", "denied_by_worker", "refused_by_worker", "refused_by_pool", "end_unknown"];

/// Registered with the pool's metrics.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    jobs: IntGaugeVec,
    stopped: IntGauge,
    pub(super) passes: Histogram,
    pub(super) commits: Histogram,
    submitted: IntCounter,
    ended: IntCounterVec,
    run_time: Histogram,
    waited: HistogramVec,
    lost: IntCounterVec,
    pub(super) output: IntCounter,
    commit_failures: IntCounter,
    last_commit: Gauge,
    writable: IntGauge,
    disk_free: Gauge,
    disk_size: Gauge,
}

impl Metrics {
    pub(super) fn new(registry: &Registry, settings: &DispatchSettings) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| {
            Opts::new(name, help).namespace("poold").const_label("instance_set", &settings.instance_set)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            HistogramOpts::from(opts(name, help)).buckets(buckets)
        };
        // From 0.1 ms to 3 s.
        let quick = exponential_buckets(0.0001, 2.0, 16)?;
        let metrics = Self {
            jobs: add(registry, IntGaugeVec::new(opts("jobs", "Jobs in the queue, by state."), &["state"])?)?,
            stopped: add(
                registry,
                IntGauge::with_opts(opts(
                    "jobs_stopped",
                    "Queued jobs of priority 0: they wait until they are given another.",
                ))?,
            )?,
            passes: add(
                registry,
                Histogram::with_opts(histogram(
                    "pass_duration_seconds",
                    "How long a pass of the dispatcher took, its commit included.",
                    quick.clone(),
                ))?,
            )?,
            commits: add(
                registry,
                Histogram::with_opts(histogram(
                    "commit_duration_seconds",
                    "How long a commit to the queue took, to the disk.",
                    quick,
                ))?,
            )?,
            submitted: add(
                registry,
                IntCounter::with_opts(opts("jobs_submitted_total", "Jobs that were taken into the queue."))?,
            )?,
            ended: add(
                registry,
                IntCounterVec::new(
                    opts("jobs_ended_total", "Jobs that have come to their end, by how."),
                    &["outcome"],
                )?,
            )?,
            run_time: add(
                registry,
                Histogram::with_opts(histogram(
                    "job_run_seconds",
                    "How long the last run of jobs that have ended took.",
                    JOB_BUCKETS.to_vec(),
                ))?,
            )?,
            waited: add(
                registry,
                HistogramVec::new(
                    histogram(
                        "job_wait_seconds",
                        "From a job's submission to the moment that it was first given to a worker, by the worker's type.",
                        JOB_BUCKETS.to_vec(),
                    ),
                    &["instance_type"],
                )?,
            )?,
            lost: add(
                registry,
                IntCounterVec::new(
                    opts("runs_lost_total", "Runs that were over without an end of their job, by cause."),
                    &["cause"],
                )?,
            )?,
            output: add(
                registry,
                IntCounter::with_opts(opts(
                    "output_bytes_total",
                    "What was fetched from workers of the output of jobs.",
                ))?,
            )?,
            commit_failures: add(
                registry,
                IntCounter::with_opts(opts(
                    "commit_failures_total",
                    "Commits to the queue that have failed.",
                ))?,
            )?,
            last_commit: add(
                registry,
                Gauge::with_opts(opts(
                    "last_commit_timestamp_seconds",
                    "When the last commit to the queue succeeded, in seconds since 1970; 0: none since the start.",
                ))?,
            )?,
            writable: add(
                registry,
                IntGauge::with_opts(opts(
                    "queue_writable",
                    "1 while the queue can be written, 0 after a commit has failed.",
                ))?,
            )?,
            disk_free: add(
                registry,
                Gauge::with_opts(opts(
                    "disk_free_bytes",
                    "Free on the disk of the state directory, for the user of poold.",
                ))?,
            )?,
            disk_size: add(
                registry,
                Gauge::with_opts(opts("disk_size_bytes", "Size of the disk of the state directory."))?,
            )?,
        };
        // Counters that appear only with their first event hide that event from `rate()`.
        for outcome in OUTCOMES {
            metrics.ended.with_label_values(&[outcome]);
        }
        for cause in CAUSES {
            metrics.lost.with_label_values(&[cause]);
        }
        for instance_type in &settings.instance_types {
            metrics.waited.with_label_values(&[instance_type.name.as_str()]);
        }
        metrics.writable.set(1);
        Ok(metrics)
    }

    pub(super) fn set_jobs(&self, counts: &BTreeMap<JobState, u64>) {
        for state in JobState::ALL {
            let count = counts.get(&state).copied().unwrap_or(0);
            self.jobs.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn set_stopped(&self, jobs: usize) {
        self.stopped.set(i64::try_from(jobs).unwrap_or(i64::MAX));
    }

    /// Looks at the disk that holds this directory.
    pub(super) fn look_at_disk(&self, dir: &Path) {
        if let Ok(disk) = rustix::fs::statvfs(dir) {
            self.disk_free.set(disk.f_bavail as f64 * disk.f_frsize as f64);
            self.disk_size.set(disk.f_blocks as f64 * disk.f_frsize as f64);
        }
    }

    pub(super) fn committed(&self, now: Moment) {
        self.last_commit.set(now.0 as f64 / 1000.0);
        self.writable.set(1);
    }

    pub(super) fn commit_failed(&self) {
        self.commit_failures.inc();
        self.writable.set(0);
    }

    pub(super) fn submitted(&self, jobs: usize) {
        self.submitted.inc_by(jobs as u64);
    }

    /// A job was given to a worker, for the first time or again.
    pub(super) fn given(&self, submitted: Moment, record: &Record) {
        if let (1, Some(worker), Some(locked)) = (record.runs, &record.worker, record.locked) {
            let waited = locked.since(submitted).as_secs_f64();
            self.waited.with_label_values(&[worker.instance_type.as_str()]).observe(waited);
        }
    }

    /// A job has ended.
    pub(super) fn ended(&self, record: &Record, finish: &Finish) {
        self.ended.with_label_values(&[outcome(finish)]).inc();
        if let (Some(started), Some(ended)) = (record.started, record.ended) {
            self.run_time.observe(ended.since(started).as_secs_f64());
        }
    }

    pub(super) fn lost(&self, cause: &str) {
        self.lost.with_label_values(&[cause]).inc();
    }
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// How a job has ended, as one of a few words.
pub(super) fn outcome(finish: &Finish) -> &'static str {
    let [exit_zero, exit_nonzero, signal, not_started, cancelled] = OUTCOMES;
    match finish {
        Finish::Exited { code: 0 } => exit_zero,
        Finish::Exited { .. } => exit_nonzero,
        Finish::Signaled { .. } => signal,
        Finish::NotStarted { .. } => not_started,
        Finish::Cancelled { .. } => cancelled,
    }
}

/// Why a run was lost, as one of a few words.
pub(super) fn cause(setback: &Setback, preemptible: bool) -> &'static str {
    let [worker_gone, preempted, denied, refused_by_worker, refused_by_pool, end_unknown] = CAUSES;
    match setback {
        Setback::WorkerGone if preemptible => preempted,
        Setback::WorkerGone => worker_gone,
        Setback::Denied => denied,
        Setback::NotStarted { .. } => refused_by_worker,
        Setback::NotTaken { .. } => refused_by_pool,
        Setback::EndUnknown => end_unknown,
    }
}
