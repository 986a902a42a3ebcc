//! All checks together, and the first violation.

use super::{caps::Caps, idle::Idle, jobs::Jobs, machines::Machines, polls::Polls};
use crate::job::Record;
use driver_loopback::sim::SimEvent;
use pool_core::{HourlyPrice, InstanceTypeName, JobId, Notice};
use std::{collections::BTreeMap, fmt, time::Duration};

/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Violation {
    pub(crate) at: Duration,
    /// The rule's name.
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.rule, self.at.as_secs_f64(), self.what)
    }
}

/// What the rules depend on of a setting.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) max_instances: usize,
    pub(crate) max_creates: usize,
    pub(crate) calls_per_second: usize,
    pub(crate) max_price: Option<HourlyPrice>,
    pub(crate) prices: BTreeMap<InstanceTypeName, HourlyPrice>,
    pub(crate) settle_time: Duration,
    /// After which a program gives up on a call.
    pub(crate) call_timeout: Duration,
    pub(crate) sync_interval: Duration,
    pub(crate) probe_interval: Duration,
    /// The name of the tag that says what becomes of an idle instance.
    pub(crate) idle_tag: String,
}

/// The checks and what they have seen.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(super) limits: Limits,
    pub(super) now: Duration,
    pub(super) machines: Machines,
    pub(super) jobs: Jobs,
    pub(super) caps: Caps,
    pub(super) idle: Idle,
    pub(super) polls: Polls,
    first: Option<Violation>,
}

impl Checker {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            now: Duration::ZERO,
            machines: Machines::default(),
            jobs: Jobs::default(),
            caps: Caps::default(),
            idle: Idle::default(),
            polls: Polls::default(),
            first: None,
        }
    }

    /// The first rule that was broken: what follows may be a consequence of it.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.first.as_ref()
    }

    /// A rule is broken.
    pub(crate) fn broken(&mut self, rule: &'static str, what: impl Into<String>) {
        if self.first.is_none() {
            self.first = Some(Violation { at: self.now, rule, what: what.into() });
        }
    }

    /// A program begins a life.
    pub(crate) fn begins(&mut self, program: u32) {
        self.caps_begin(program);
        self.polls_begin(program);
    }

    /// Something has happened in the world.
    pub(crate) fn see(&mut self, now: Duration, event: &SimEvent) {
        self.now = now;
        self.see_machines(event);
        self.see_jobs(event);
        self.see_caps(event);
        self.see_polls(event);
    }

    /// A job's record has become durable.
    pub(crate) fn durable(&mut self, now: Duration, program: u32, job: &JobId, record: &Record) {
        self.now = now;
        self.see_record(program, job, record);
    }

    /// The pool has said something.
    pub(crate) fn notice(&mut self, now: Duration, program: u32, notice: &Notice) {
        self.now = now;
        self.see_notice(program, notice);
        self.see_probes(program, notice);
        // Also where no event log is kept.
        self.check_secrets(&format!("{notice:?}"));
    }
}
