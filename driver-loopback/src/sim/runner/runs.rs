//! The runs that a runner knows, and their jobs.

use super::{Due, Runner, Scene};
use crate::sim::{SimEnd, SimEvent, SimJob, chance::millis, line::ChannelId};
use pool_api::{InstanceSetId, JobSpec, Resources, RunId};
use pool_protocol::{
    KillTimes, Outcome, OutputStream, RequestError, RunEnd, RunReport, RunStatus, StreamSize, ToPool,
};
use std::time::Duration;

/// Most runs that are kept.
const MOST_RUNS: usize = 600;
/// How patiently a job is ended that has reached its time limit.
const TIME_LIMIT_GRACE: KillTimes = KillTimes { signal_every_ms: 5_000, kill_after_ms: 10_000 };

/// How a run stands.
#[derive(Debug)]
enum Phase {
    Running,
    /// It has ended, and its record is locked.
    Locked(Box<RunEnd>),
    Ended(Box<RunEnd>),
}

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    number: u64,
    instance_set: InstanceSetId,
    resources: Resources,
    job: SimJob,
    output_limit: u64,
    started: Duration,
    started_ms: Option<u64>,
    /// Why it is being ended.
    ending: Option<String>,
    phase: Phase,
}

impl Run {
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    pub(super) fn is_locked(&self) -> bool {
        matches!(self.phase, Phase::Locked(_))
    }

    /// Whether its process was started.
    pub(super) fn has_begun(&self) -> bool {
        self.started_ms.is_some()
    }

    /// How it has ended, as far as its record can be read.
    pub(super) fn end(&self) -> Option<&RunEnd> {
        if let Phase::Ended(end) = &self.phase { Some(end) } else { None }
    }

    /// How much of a stream there is.
    pub(super) fn size(&self, stream: OutputStream, now: Duration) -> StreamSize {
        match &self.phase {
            Phase::Locked(end) | Phase::Ended(end) => match stream {
                OutputStream::Stdout => end.stdout,
                OutputStream::Stderr => end.stderr,
            },
            Phase::Running => {
                let printed = self.printed(stream, now);
                let kept = printed.min(self.output_limit);
                StreamSize { kept, cut: printed - kept }
            }
        }
    }

    fn total(&self, stream: OutputStream) -> u64 {
        match stream {
            OutputStream::Stdout => self.job.stdout,
            OutputStream::Stderr => self.job.stderr,
        }
    }

    fn printed(&self, stream: OutputStream, now: Duration) -> u64 {
        let (total, whole) = (self.total(stream), millis(self.job.duration));
        let passed = millis(now.saturating_sub(self.started)).min(whole);
        if whole == 0 {
            return total;
        }
        let printed = u128::from(total) * u128::from(passed) / u128::from(whole);
        u64::try_from(printed).unwrap_or(total)
    }

    /// When a stream goes beyond this many bytes, if nothing ends the run before.
    pub(super) fn goes_beyond(&self, stream: OutputStream, bytes: u64) -> Option<Duration> {
        let total = self.total(stream);
        if bytes >= total.min(self.output_limit) {
            return None;
        }
        let needed = u128::from(bytes + 1) * u128::from(millis(self.job.duration));
        let passed = needed.div_ceil(u128::from(total));
        Some(self.started + Duration::from_millis(u64::try_from(passed).ok()?))
    }
}

impl Runner {
    pub(super) fn any_going_on(&self) -> bool {
        self.runs.values().any(Run::goes_on)
    }

    /// All ended runs of the instance set whose records can be read.
    pub(super) fn ended(&self, set: &InstanceSetId) -> impl Iterator<Item = (&RunId, &RunEnd)> {
        self.runs
            .iter()
            .filter(move |(_, run)| run.instance_set == *set)
            .filter_map(|(id, run)| Some((id, run.end()?)))
    }

    /// Everything, for a list. A run whose record cannot be read counts as one of `set`.
    pub(super) fn reports(&self, set: &InstanceSetId) -> Vec<RunReport> {
        let report = |(id, run): (&RunId, &Run)| RunReport {
            instance_set: if run.is_locked() { set } else { &run.instance_set }.clone(),
            run: id.clone(),
            resources: run.resources,
            status: match &run.phase {
                Phase::Running => RunStatus::Running { started_ms: run.started_ms.unwrap_or_default() },
                Phase::Locked(_) => RunStatus::Stale,
                Phase::Ended(end) => RunStatus::Ended { end: end.clone() },
            },
        };
        self.runs.iter().map(report).collect()
    }

    /// Records a run and starts its job. The run must not be known.
    pub(super) fn begin_run(
        &mut self,
        channel: ChannelId,
        id: &RunId,
        spec: &JobSpec,
        scene: &mut Scene,
    ) -> Result<(), RequestError> {
        let (Some(told), Some(session)) = (&self.told, self.sessions.get(&channel)) else { return Ok(()) };
        if self.runs.len() >= MOST_RUNS {
            let detail = format!("{MOST_RUNS} runs are kept already: forget some");
            return Err(RequestError::NotRecorded { detail });
        }
        let job = (scene.options.jobs)(id, spec);
        self.started += 1;
        let number = self.started;
        let begins = !matches!(job.end, SimEnd::NotStarted(_));
        let duration = Duration::from_millis(millis(job.duration));
        let run = Run {
            number,
            instance_set: told.instance_set.clone(),
            resources: spec.resources,
            output_limit: spec.output_limit.0,
            started: scene.now,
            started_ms: begins.then(|| scene.now_ms()),
            ending: None,
            job,
            phase: Phase::Running,
        };
        self.runs.insert(id.clone(), run);
        let (instance, program) = (scene.instance.clone(), session.program);
        scene.emit(SimEvent::RunStarted { instance, run: id.clone(), program });
        let run = id.clone();
        if !begins {
            // Told by who asked for it, after it has said that the start is done.
            self.record_end(
                id,
                |run| match &run.job.end {
                    SimEnd::NotStarted(reason) => Outcome::NotStarted { reason: reason.clone() },
                    SimEnd::Exit(_) | SimEnd::Signal(_) => Outcome::Unknown,
                },
                scene,
            );
            return Ok(());
        }
        scene.after(duration, Due::JobEnds { run: run.clone(), number });
        if let Some(limit) = spec.time_limit.filter(|limit| *limit < duration) {
            scene.after(Duration::from_millis(millis(limit)), Due::TimeLimit { run, number });
        }
        Ok(())
    }

    fn going_on(&mut self, id: &RunId, number: u64) -> Option<&mut Run> {
        self.runs.get_mut(id).filter(|run| run.number == number && run.goes_on())
    }

    pub(super) fn job_ends(&mut self, id: &RunId, number: u64, scene: &mut Scene) {
        if self.going_on(id, number).is_some() {
            self.end_run(
                id,
                |run| match &run.job.end {
                    SimEnd::Exit(code) => Outcome::Exited { code: *code },
                    SimEnd::Signal(signal) => Outcome::Signaled { signal: signal.clone() },
                    SimEnd::NotStarted(reason) => Outcome::NotStarted { reason: reason.clone() },
                },
                scene,
            );
        }
    }

    pub(super) fn time_limit(&mut self, id: &RunId, number: u64, scene: &mut Scene) {
        if let Some(run) = self.going_on(id, number) {
            let limit = scene.now.saturating_sub(run.started);
            self.begin_ending(id, format!("time limit of {limit:?} reached"), TIME_LIMIT_GRACE, scene);
        }
    }

    pub(super) fn signal_ends(&mut self, id: &RunId, number: u64, signal: &str, scene: &mut Scene) {
        if self.going_on(id, number).is_some() {
            self.end_run(id, |_| Outcome::Signaled { signal: signal.to_owned() }, scene);
        }
    }

    /// TERM now, KILL at last. The first reason counts.
    pub(super) fn begin_ending(&mut self, id: &RunId, reason: String, times: KillTimes, scene: &mut Scene) {
        let Some(run) = self.runs.get_mut(id).filter(|run| run.goes_on() && run.ending.is_none()) else {
            return;
        };
        run.ending = Some(reason);
        let (after, signal) = if times.kill_after_ms > 0 && !run.job.ignores_term {
            (Duration::ZERO, "TERM")
        } else {
            (Duration::from_millis(times.kill_after_ms), "KILL")
        };
        let number = run.number;
        scene.after(after, Due::Signal { run: id.clone(), number, signal });
    }

    /// Whoever watched the jobs is gone as well.
    pub(super) fn end_all_runs(&mut self, scene: &mut Scene) {
        let alive: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| run.goes_on()).map(|(id, _)| id.clone()).collect();
        for id in alive {
            self.end_run(&id, |_| Outcome::Unknown, scene);
        }
    }

    fn end_run(&mut self, id: &RunId, outcome: impl FnOnce(&Run) -> Outcome, scene: &mut Scene) {
        self.record_end(id, outcome, scene);
        self.tell_end(id, scene);
    }

    fn record_end(&mut self, id: &RunId, outcome: impl FnOnce(&Run) -> Outcome, scene: &mut Scene) {
        let Some(run) = self.runs.get_mut(id) else { return };
        let outcome = outcome(run);
        let watched = outcome != Outcome::Unknown;
        let size = |stream| if run.has_begun() { run.size(stream, scene.now) } else { StreamSize::default() };
        let end = Box::new(RunEnd {
            // Who is killed with its keeper has nobody who could record why.
            killed: run.ending.clone().filter(|_| watched),
            started_ms: run.started_ms,
            ended_ms: scene.now_ms(),
            peak_memory: None,
            cpu_time_ms: None,
            stdout: size(OutputStream::Stdout),
            stderr: size(OutputStream::Stderr),
            outcome,
        });
        let (instance, run_id) = (scene.instance.clone(), id.clone());
        let (outcome, killed) = (end.outcome.to_string(), run.ending.is_some());
        scene.emit(SimEvent::RunEnded { instance, run: run_id, outcome, killed });
        let locked_for = scene.options.stale_runs_for;
        run.phase = if self.locks_records && !locked_for.is_zero() {
            scene.after(locked_for, Due::Unlock { run: id.clone(), number: run.number });
            Phase::Locked(end)
        } else {
            Phase::Ended(end)
        };
    }

    /// Says how a run has ended, if its record can be read.
    fn tell_end(&mut self, id: &RunId, scene: &mut Scene) {
        if let Some(end) = self.runs.get(id).and_then(Run::end) {
            let frame = ToPool::Exited { run: id.clone(), end: Box::new(end.clone()) };
            self.say_to_all(&frame, scene);
        }
        self.look_after_reads(id, scene);
    }

    pub(super) fn unlock(&mut self, id: &RunId, number: u64, scene: &mut Scene) {
        let Some(run) = self.runs.get_mut(id).filter(|run| run.number == number) else { return };
        if let Phase::Locked(end) = &mut run.phase {
            run.phase = Phase::Ended(end.clone());
            self.tell_end(id, scene);
        }
    }
}
