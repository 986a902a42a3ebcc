//! What a simulated run begins with: everything about it but the faults' effects.

use super::faults::Fault;
use crate::{
    config::ServeConfig,
    job::JobRequest,
    simulation::{beginning_of_time, place_of},
};
use driver_loopback::{
    LoopbackConfig,
    sim::{SimEnd, SimJob, SimOptions},
};
use pool_core::{JobSpec, RunId};
use std::{sync::Arc, time::Duration};

/// One run: who replays it needs nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// For people.
    pub(crate) name: String,
    /// Everything that is left to chance comes from it.
    pub(crate) seed: u64,
    /// Of the program.
    pub(crate) config: ServeConfig,
    /// The provider and its machines as they are without faults.
    pub(crate) cloud: LoopbackConfig,
    pub(crate) lines: Lines,
    pub(crate) jobs: Vec<PlannedJob>,
    pub(crate) actions: Vec<PlannedAction>,
    pub(crate) faults: Vec<Fault>,
    /// From then on nothing goes wrong any more.
    pub(crate) quiet_from: Duration,
    /// So long after that every job is final and every instance gone.
    pub(crate) patience: Duration,
}

/// How long messages take, and how lists are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// Shortest and longest way of a call's request or answer.
    pub(crate) call: (Duration, Duration),
    /// Shortest and longest way of a frame or a command.
    pub(crate) frame: (Duration, Duration),
    /// Instances on a page of a list.
    pub(crate) page_size: usize,
}

/// A job that somebody submits.
#[derive(Clone, Debug)]
pub(crate) struct PlannedJob {
    /// When. Jobs of one moment are submitted together.
    pub(crate) at: Duration,
    pub(crate) request: JobRequest,
    /// What its processes do: the last one does for all further runs.
    pub(crate) runs: Vec<JobRun>,
}

/// What a job's process does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct JobRun {
    pub(crate) duration: Duration,
    pub(crate) end: JobExit,
    pub(crate) ignores_term: bool,
    pub(crate) stdout: u64,
    pub(crate) stderr: u64,
}

/// How it ends by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JobExit {
    Code(i32),
    Signal(&'static str),
    NotStarted,
}

/// Something that people do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PlannedAction {
    pub(crate) at: Duration,
    pub(crate) action: Action,
}

/// What they do. Jobs are named by their place in [`Setting::jobs`]; instances by their place among those that the pool
/// shows at that moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    KillJob(usize),
    Priority(usize, u32),
    Hold(usize),
    Drain(usize),
    KillInstance(usize),
    /// Every held instance takes jobs again.
    ReleaseAll,
}

impl JobRun {
    /// A job that succeeds after a while.
    pub(crate) fn well(duration: Duration) -> Self {
        Self { duration, end: JobExit::Code(0), ignores_term: false, stdout: 0, stderr: 0 }
    }

    fn sim_job(&self) -> SimJob {
        let end = match self.end {
            JobExit::Code(code) => SimEnd::Exit(code),
            JobExit::Signal(name) => SimEnd::Signal(name.to_owned()),
            JobExit::NotStarted => SimEnd::NotStarted("no such program".to_owned()),
        };
        SimJob {
            duration: self.duration,
            end,
            ignores_term: self.ignores_term,
            stdout: self.stdout,
            stderr: self.stderr,
        }
    }
}

impl PlannedJob {
    /// What a run of it does, by its number from 1.
    pub(crate) fn run(&self, number: u32) -> &JobRun {
        let last = self.runs.len() - 1;
        &self.runs[usize::try_from(number).unwrap_or(1).saturating_sub(1).min(last)]
    }
}

impl Setting {
    /// The options of the simulated cloud, without faults.
    pub(crate) fn options(&self) -> SimOptions {
        let jobs: Arc<[PlannedJob]> = self.jobs.clone().into();
        let does =
            move |run: &RunId, spec: &JobSpec| match place_of(&spec.command).and_then(|at| jobs.get(at)) {
                Some(job) => job.run(run.attempt).sim_job(),
                // Of another program's queue.
                None => JobRun::well(Duration::from_secs(40)).sim_job(),
            };
        let mut options = SimOptions::new(beginning_of_time(), does);
        options.call_latency = self.lines.call.0..=self.lines.call.1;
        options.line_latency = self.lines.frame.0..=self.lines.frame.1;
        options.page_size = self.lines.page_size;
        options.power_off = true;
        options
    }
}
