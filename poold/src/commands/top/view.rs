//! What is shown of the pool. Fields that an older server does not say are not there.

use crate::{
    api::{HoldOff, InstanceRow, JobRow, PoolStatus, WORKER_STATES},
    commands::{
        harmless::harmless_line,
        print::{ago, command_line, duration},
    },
    job::{JobState, Moment},
};
use pool_core::InstanceId;
use std::{collections::BTreeMap, time::Duration};

/// Jobs that are kept. There may be a million in the queue; who looks for one of them asks `poold jobs`.
const MAX_JOBS: usize = 5000;

/// All at one moment.
#[derive(Clone, Debug)]
pub(super) struct Everything {
    pub(super) status: PoolStatus,
    pub(super) instances: Vec<InstanceRow>,
    pub(super) jobs: Vec<JobRow>,
    /// None: the server does not say.
    pub(super) hold_offs: Option<Vec<HoldOff>>,
}

/// One worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum WorkerKey {
    /// The nth of those that are being created.
    Creating(usize),
    Id(InstanceId),
}

impl WorkerKey {
    /// None while it is being created.
    pub(super) fn id(&self) -> Option<&InstanceId> {
        match self {
            Self::Creating(_) => None,
            Self::Id(id) => Some(id),
        }
    }
}

/// One job, in the order in which they are shown: those on workers first, then as they will be started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct JobKey {
    state: u8,
    priority: std::cmp::Reverse<u32>,
    pub(super) number: u64,
}

/// What is known of the pool.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub(super) status: Option<PoolStatus>,
    pub(super) instances: BTreeMap<InstanceId, InstanceRow>,
    pub(super) creating: Vec<InstanceRow>,
    /// By their numbers.
    pub(super) jobs: BTreeMap<u64, JobRow>,
    pub(super) hold_offs: Option<Vec<HoldOff>>,
}

impl Pool {
    /// In place of all that was known.
    pub(super) fn replace(&mut self, all: Everything) {
        *self = Self { status: Some(all.status), hold_offs: all.hold_offs, ..Self::default() };
        let (with_id, creating) = all.instances.into_iter().partition(|row| row.id.is_some());
        self.change_instances(with_id, &[], creating);
        self.change_jobs(all.jobs);
    }

    pub(super) fn change_jobs(&mut self, changed: Vec<JobRow>) {
        for job in changed {
            if job.state.is_final() {
                self.jobs.remove(&job.number);
            } else {
                self.jobs.insert(job.number, job);
            }
        }
        if self.jobs.len() > MAX_JOBS {
            let mut keys: Vec<JobKey> = self.jobs.values().map(job_key).collect();
            keys.sort_unstable();
            for key in keys.drain(MAX_JOBS..) {
                self.jobs.remove(&key.number);
            }
        }
    }

    pub(super) fn change_instances(
        &mut self,
        changed: Vec<InstanceRow>,
        gone: &[InstanceId],
        creating: Vec<InstanceRow>,
    ) {
        for id in gone {
            self.instances.remove(id);
        }
        for row in changed {
            if let Some(id) = row.id.clone() {
                self.instances.insert(id, row);
            }
        }
        self.creating = creating;
    }

    /// The workers that match: by type, then by state, then by their ids.
    pub(super) fn workers(&self, filter: &Filter, now: Moment) -> Vec<WorkerKey> {
        let creating = self.creating.iter().enumerate().map(|(at, row)| (WorkerKey::Creating(at), row));
        let others = self.instances.iter().map(|(id, row)| (WorkerKey::Id(id.clone()), row));
        let mut all: Vec<(WorkerKey, &InstanceRow)> = creating
            .chain(others)
            .filter(|(_, row)| filter.is_empty() || filter.matches(&worker_cells(row, now)))
            .collect();
        // They are in the order of their ids already, and a stable sort keeps that.
        all.sort_by_cached_key(|(_, row)| (row.instance_type.clone(), state_rank(&row.worker_state)));
        all.into_iter().map(|(key, _)| key).collect()
    }

    pub(super) fn worker(&self, key: &WorkerKey) -> Option<&InstanceRow> {
        match key {
            WorkerKey::Id(id) => self.instances.get(id),
            WorkerKey::Creating(at) => self.creating.get(*at),
        }
    }

    /// The jobs that match, in their order.
    pub(super) fn jobs(&self, filter: &Filter, now: Moment) -> Vec<JobKey> {
        let all = self.jobs.values();
        let mut keys: Vec<JobKey> = all
            .filter(|job| filter.is_empty() || filter.matches(&job_cells(job, now)))
            .map(job_key)
            .collect();
        keys.sort_unstable();
        keys
    }

    /// How many jobs the queue has that are not final; some may not be known here.
    pub(super) fn unfinished(&self) -> u64 {
        let counts = self.status.iter().flat_map(|status| &status.jobs);
        let counted: u64 = counts.filter(|(state, _)| !state.is_final()).map(|(_, count)| count).sum();
        counted.max(self.jobs.len() as u64)
    }

    /// What is not asked of the provider now, as rows of the columns of [`HOLD_OFFS`].
    pub(super) fn hold_off_cells(&self, now: Moment) -> Vec<[String; 3]> {
        if let Some(hold_offs) = &self.hold_offs {
            return hold_offs.iter().map(|hold_off| hold_off_cells(hold_off, now)).collect();
        }
        // An older server says no more than this.
        let Some(status) = &self.status else { return Vec::new() };
        let row = |kind: &str, covers: &str| [kind.to_owned(), harmless_line(covers), "not known".to_owned()];
        let quota = status.at_provider_quota.then(|| row("quota", "all"));
        let capacity = status.at_capacity.iter().map(|of| row("capacity", of.as_str()));
        quota.into_iter().chain(capacity).collect()
    }
}

fn state_rank(state: &str) -> u8 {
    WORKER_STATES
        .iter()
        .position(|known| *known == state)
        .unwrap_or(WORKER_STATES.len())
        .try_into()
        .unwrap_or(u8::MAX)
}

fn job_key(job: &JobRow) -> JobKey {
    let state = match job.state {
        JobState::Running => 0,
        JobState::Locked => 1,
        _ => 2,
    };
    // Those that run stand in the order in which they were submitted.
    let priority = if state == 2 { job.priority } else { 0 };
    JobKey { state, priority: std::cmp::Reverse(priority), number: job.number }
}

/// A column: its title, the width that it has to have, and the one that it needs.
pub(super) type Column = (&'static str, u16, u16);

/// In the order in which they are left out where there is no room: the last first.
pub(super) const WORKERS: [Column; 9] = [
    ("TYPE", 8, 14),
    ("STATE", 8, 8),
    ("INSTANCE", 20, 20),
    ("JOBS", 4, 4),
    ("WHEN IDLE", 9, 9),
    ("IDLE FOR", 8, 8),
    ("PRICE/H", 8, 8),
    ("CREATED", 11, 11),
    ("REASON", 20, 20),
];
pub(super) const JOBS: [Column; 7] = [
    ("JOB", 10, 14),
    ("STATE", 8, 8),
    ("WHERE, OR WHY IT WAITS", 16, 36),
    ("NAME", 16, 16),
    ("FOR", 8, 8),
    ("PRIORITY", 8, 8),
    ("COMMAND", 20, 20),
];
pub(super) const HOLD_OFFS: [Column; 3] = [("HELD OFF", 10, 10), ("WHAT", 14, 30), ("UNTIL", 12, 24)];

pub(super) fn worker_cells(row: &InstanceRow, now: Moment) -> [String; 9] {
    let idle = row.idle_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    [
        harmless_line(row.instance_type.as_str()),
        harmless_line(&row.worker_state),
        row.id.as_ref().map_or_else(|| "-".to_owned(), |id| harmless_line(id.as_str())),
        row.running_jobs.len().to_string(),
        harmless_line(&row.idle_behavior),
        idle.map(duration).unwrap_or_default(),
        row.price.map(|price| format!("{price:.4}")).unwrap_or_default(),
        row.created_at.map(|created| ago(created, now)).unwrap_or_default(),
        harmless_line(row.reason.as_deref().unwrap_or_default()),
    ]
}

pub(super) fn job_cells(row: &JobRow, now: Moment) -> [String; 7] {
    let place = match (&row.instance, &row.waiting) {
        (Some(instance), _) if row.state != JobState::Queued => instance.to_string(),
        (_, Some(waiting)) => waiting.text.clone(),
        // An older server says it of one job at a time.
        _ => "Enter says why".to_owned(),
    };
    let since = row.started_at.or(row.locked_at).filter(|_| row.state != JobState::Queued);
    [
        harmless_line(row.id.as_str()),
        row.state.to_string(),
        harmless_line(&place),
        harmless_line(row.name.as_deref().unwrap_or_default()),
        duration(now.since(since.unwrap_or(row.submitted_at))),
        row.priority.to_string(),
        harmless_line(&command_line(&row.command)),
    ]
}

fn hold_off_cells(hold_off: &HoldOff, now: Moment) -> [String; 3] {
    let until = match (hold_off.until, hold_off.until_fewer_than) {
        (Some(until), None) => format!("in {}", duration(until.since(now))),
        (None, Some(fewer)) => format!("fewer than {fewer} instances"),
        (Some(until), Some(fewer)) => {
            format!("in {}, or fewer than {fewer} instances", duration(until.since(now)))
        }
        (None, None) => "not known".to_owned(),
    };
    [hold_off.kind.to_string(), harmless_line(&hold_off.covers), until]
}

/// Words that must all be in a row, whatever their case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Filter(pub(super) String);

impl Filter {
    pub(super) fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    fn matches(&self, cells: &[String]) -> bool {
        let row = cells.join(" ").to_lowercase();
        self.0.to_lowercase().split_whitespace().all(|word| row.contains(word))
    }
}
