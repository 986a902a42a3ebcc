//! What the dispatcher counts and measures, beside what the pool does.

use crate::job::JobState;
use prometheus::{Histogram, HistogramOpts, IntGaugeVec, Opts, Registry, exponential_buckets};
use std::collections::BTreeMap;

/// Registered with the pool's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    jobs: IntGaugeVec,
    pub(super) passes: Histogram,
    pub(super) commits: Histogram,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let jobs = IntGaugeVec::new(Opts::new("poold_jobs", "Jobs in the queue, by state."), &["state"])?;
        let times = |name: &str, help: &str| {
            // From 0.1 ms to 3 s.
            let buckets = exponential_buckets(0.0001, 2.0, 16)?;
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))
        };
        let passes =
            times("poold_pass_seconds", "How long a pass of the dispatcher took, its commit included.")?;
        let commits = times("poold_commit_seconds", "How long a commit to the queue took.")?;
        registry.register(Box::new(jobs.clone()))?;
        registry.register(Box::new(passes.clone()))?;
        registry.register(Box::new(commits.clone()))?;
        Ok(Self { jobs, passes, commits })
    }

    pub(super) fn set_jobs(&self, counts: &BTreeMap<JobState, u64>) {
        for state in JobState::ALL {
            let count = counts.get(&state).copied().unwrap_or(0);
            self.jobs.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
