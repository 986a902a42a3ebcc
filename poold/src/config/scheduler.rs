//! The section `scheduler`.

use pool_core::{FieldProblem, JobGroup, PlanOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How jobs are given to workers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SchedulerConfig {
    /// A job takes a type that costs up to this many times as much as the cheapest that fits.
    pub(crate) price_factor: f64,
    /// Attempts of a job that names none.
    pub(crate) max_attempts: u32,
    /// After so many losses to preemption a job runs only on instances that the provider does not take away, if a type
    /// fits.
    pub(crate) max_preemptions: u32,
    /// Limits of jobs that belong together.
    pub(crate) groups: BTreeMap<JobGroup, GroupLimit>,
}

/// How many jobs of a group may be with workers at once. The lower one counts.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GroupLimit {
    /// So many.
    pub(crate) max_jobs: Option<u32>,
    /// This share of `pool.max_instances`, from 0 to 1; at least one job.
    pub(crate) max_share: Option<f64>,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self { price_factor: 1.5, max_attempts: 3, max_preemptions: 5, groups: BTreeMap::new() }
    }
}

impl GroupLimit {
    /// In jobs; none if there is no limit. `max_instances` is the pool's, 0 for none.
    pub(crate) fn jobs(self, max_instances: u32) -> Option<u32> {
        // Not less than 0 and not more than the number of instances, as the share is not.
        let share = |share: f64| (f64::from(max_instances) * share).floor().max(1.0) as u32;
        let shared = self.max_share.filter(|_| max_instances > 0).map(share);
        [self.max_jobs, shared].into_iter().flatten().min()
    }
}

impl SchedulerConfig {
    /// What the plan is told.
    pub(crate) fn plan_options(&self, max_instances: u32) -> PlanOptions {
        let limits = self.groups.iter();
        PlanOptions {
            price_factor: self.price_factor,
            group_limits: limits
                .filter_map(|(group, limit)| Some((group.clone(), limit.jobs(max_instances)?)))
                .collect(),
        }
    }

    /// All that types alone cannot say. `max_instances` is the pool's, 0 for none; none where it is not known.
    pub(crate) fn problems(&self, max_instances: Option<u32>) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut wrong = |field: String, problem: &str| {
            problems.push(FieldProblem { field, problem: problem.to_owned() });
        };
        if !(1.0..=1e6).contains(&self.price_factor) {
            wrong("price_factor".into(), "must be at least 1 (only the cheapest) and at most 1000000");
        }
        if !(1..=100).contains(&self.max_attempts) {
            wrong("max_attempts".into(), "must be from 1 to 100");
        }
        for (group, limit) in &self.groups {
            if limit.max_jobs == Some(0) {
                wrong(
                    format!("groups.{group}.max_jobs"),
                    "must be at least 1: a group that may run nothing would wait for ever",
                );
            }
            if limit.max_share.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
                wrong(format!("groups.{group}.max_share"), "must be more than 0 and at most 1");
            }
            if limit.max_share.is_some() && max_instances == Some(0) {
                let problem =
                    "is a share of pool.max_instances, which is 0, no limit: set it, or use max_jobs";
                wrong(format!("groups.{group}.max_share"), problem);
            }
        }
        problems
    }
}
