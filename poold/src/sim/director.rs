//! Runs a setting from its beginning to its end: the world, the program's lives, the people, the faults.

use super::{
    checks::{Checker, IdleLook, Limits, Violation, WaitingJob},
    ending,
    faults::{Fault, faults_at},
    people::People,
    setting::Setting,
    shared::Shared,
    story::Story,
};
use crate::{
    api::{Service as _, Submission},
    dispatcher::PassReport,
    job::{JobKey, JobRequest, JobState, Record},
    queue::Change,
    simulation::{Chance, Program, ProgramPlan, begin_life, memory_directory, paused_runtime},
};
use driver_loopback::{Faults, sim::SimCloud};
use pool_core::{InstanceId, InstanceTypeName, JobId, JobStatus, Notice, Phase};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::broadcast;

/// Between two looks at whether all is done, and whether a job waits in vain.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// From the end of a program by itself to its next start, as a service manager would have it.
const RESTART_AFTER: Duration = Duration::from_secs(10);
/// A job that was just taken back may be kept waiting on purpose for so long.
const DEFERRED_FOR: Duration = Duration::from_secs(35);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) story: String,
    pub(crate) figures: Figures,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Lines of the event log.
    pub(crate) events: u64,
    pub(crate) simulated: Duration,
    pub(crate) real: Duration,
    pub(crate) passes: u64,
    pub(crate) lives: u32,
    /// Runs of jobs, and jobs that had more than one.
    pub(crate) runs: u64,
    pub(crate) jobs_again: usize,
    pub(crate) jobs: usize,
    /// Most machines at once.
    pub(crate) most_machines: usize,
    pub(crate) calls: u64,
    pub(crate) frames: u64,
}

/// Why a life of the program came to its end.
enum LifeEnd {
    /// The run is over.
    Over,
    /// Killed, and started again after so long.
    Crash { down: Duration },
}

struct Director<'a> {
    setting: &'a Setting,
    /// Those that are not left out.
    faults: Vec<&'a Fault>,
    cloud: SimCloud,
    shared: Shared,
    people: People,
    dir: TempDir,
    /// What happens when, latest first: the last is taken.
    coming: Vec<(Duration, Item)>,
    lives: u32,
    strikes: Chance,
    /// Everything until then has been asked for by the people.
    asked_until: Option<Duration>,
    look_at: Duration,
    set_back: BTreeMap<JobId, (u32, Duration)>,
    types_of_jobs: Vec<BTreeSet<InstanceTypeName>>,
    most_machines: usize,
}

/// Something that happens at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Item {
    /// What the provider does changes.
    Faults,
    Quiet,
    /// Of the fault with this place.
    Strike(usize),
    Crash(usize),
    SecondBegins(usize),
    SecondEnds(usize),
    Jump(usize),
}

/// Runs a setting. Of its faults only those with the given places, if any are given.
///
/// # Errors
/// Files cannot be made.
pub(crate) fn run(setting: &Setting, only: Option<&[usize]>, told: bool) -> io::Result<Outcome> {
    let began = Instant::now();
    let mut director = Director::new(setting, only, told)?;
    let mut down = Duration::ZERO;
    loop {
        let runtime = paused_runtime()?;
        let end = runtime.block_on(director.live(down))?;
        // Every task of the program ends here, at the await where it is.
        drop(runtime);
        match end {
            LifeEnd::Over => break,
            LifeEnd::Crash { down: pause } => down = pause,
        }
    }
    director.conclude(began.elapsed())
}

impl<'a> Director<'a> {
    fn new(setting: &'a Setting, only: Option<&[usize]>, told: bool) -> io::Result<Self> {
        let chosen = |place: usize| only.is_none_or(|only| only.contains(&place));
        let faults: Vec<&Fault> = setting
            .faults
            .iter()
            .enumerate()
            .filter(|(place, _)| chosen(*place))
            .map(|(_, fault)| fault)
            .collect();
        let mut options = setting.options();
        let mut cloud = setting.cloud.clone();
        for fault in &faults {
            fault.apply_to(&mut options);
        }
        cloud.faults = faults_at(faults.iter().copied(), Duration::ZERO);
        let cloud = SimCloud::new(cloud, options);
        let shared = Shared::new(Story::new(told), Checker::new(limits(setting)));
        let seen = shared.clone();
        cloud.observe(Box::new(move |now, event| seen.see(now, event)));
        let mut coming = coming(&faults, setting.quiet_from);
        coming.sort_by(|one, other| other.cmp(one));
        Ok(Self {
            setting,
            coming,
            cloud,
            shared,
            people: People::new(setting),
            dir: memory_directory("poold-sim-")?,
            lives: 0,
            strikes: Chance::new(setting.seed, "strikes"),
            asked_until: None,
            look_at: Duration::ZERO,
            set_back: BTreeMap::new(),
            types_of_jobs: ending::types_of_jobs(setting),
            most_machines: 0,
            faults,
        })
    }

    /// A life of the program, after so long without one.
    async fn live(&mut self, down: Duration) -> io::Result<LifeEnd> {
        begin_life(&self.cloud);
        let mut first: Option<Program> = None;
        let mut second: Option<(usize, Program)> = None;
        let mut start_at = Some(self.cloud.now() + down);
        // A crash that is to come: how many steps after its event, and for how long.
        let mut crash: Option<(u32, Duration)> = None;
        loop {
            if self.shared.check(|checker| checker.violation().is_some()) {
                return Ok(LifeEnd::Over);
            }
            // Also taken when the crash was called off: it would wake for ever.
            if self.shared.take_wake()
                && let Some((polls, down)) = crash
            {
                for _ in 0..polls {
                    tokio::task::yield_now().await;
                }
                self.tell(format_args!("the program is killed"));
                return Ok(LifeEnd::Crash { down });
            }
            let now = self.cloud.now();
            let people = first.as_ref().and_then(|_| self.people.next_after(self.asked_until));
            let item = self.coming.last().map(|(at, _)| *at);
            let next = [start_at, people, item].into_iter().flatten().fold(self.look_at, Duration::min);
            let pause = next.saturating_sub(now);
            // Cancel safety: waits for ends and timers, which lose nothing.
            let ended = tokio::select! {
                biased;
                () = self.shared.woken() => continue,
                why = ended(first.as_mut()) => Some((0, why)),
                why = ended(second.as_mut().map(|(_, program)| program)) => Some((1, why)),
                () = tokio::time::sleep(pause) => None,
            };
            let now = self.cloud.now();
            match ended {
                Some((0, why)) => {
                    self.tell(format_args!("program 0 has ended by itself: {why}"));
                    if let Some(program) = first.take() {
                        program.stop().await;
                    }
                    start_at = Some(now + RESTART_AFTER);
                    continue;
                }
                Some((_, why)) => {
                    self.tell(format_args!("program 1 has ended by itself: {why}"));
                    if let Some((_, program)) = second.take() {
                        program.stop().await;
                    }
                    continue;
                }
                None => {}
            }
            if start_at.is_some_and(|at| at <= now) {
                start_at = None;
                let program = self.start(0).await?;
                // Whatever had no answer is asked again.
                self.asked_until = None;
                first = Some(program);
            }
            while self.coming.last().is_some_and(|(at, _)| *at <= now) {
                let Some((_, item)) = self.coming.pop() else { break };
                match item {
                    Item::Crash(place) => {
                        if let Some(Fault::Crash { events, polls, down, .. }) = self.faults.get(place)
                            && first.is_some()
                        {
                            crash = Some((*polls, *down));
                            self.shared.wake_after(*events);
                        }
                    }
                    Item::SecondBegins(place) => {
                        self.tell(format_args!("somebody starts a second program"));
                        second = Some((place, self.start(1).await?));
                    }
                    Item::SecondEnds(place) => {
                        if let Some((_, program)) = second.take_if(|(which, _)| *which == place) {
                            self.tell(format_args!("the second program is stopped"));
                            program.stop().await;
                        }
                    }
                    Item::Quiet => {
                        crash = None;
                        self.tell(format_args!("from now on nothing goes wrong"));
                        self.cloud.set_faults(Faults::default());
                        self.cloud.set_options(|options| {
                            options.repeated_entry_rate = 0.0;
                            options.slow_line_rate = 0.0;
                            options.stale_runs_rate = 0.0;
                        });
                    }
                    other => self.happen(other, now),
                }
            }
            if let Some(program) = &first
                && people.is_some_and(|at| at <= now)
            {
                self.people.ask(self.asked_until, now, &program.handle, &self.cloud, &self.shared);
                self.asked_until = Some(now);
            }
            if self.look_at <= now {
                self.look_at = now + LOOK_EVERY;
                if let Some(program) = &first
                    && self.look(program, now).await
                {
                    return Ok(LifeEnd::Over);
                }
                self.check_patience(now);
            }
        }
    }

    fn tell(&self, what: std::fmt::Arguments<'_>) {
        self.shared.tell(self.cloud.now(), what);
    }

    async fn start(&mut self, number: u32) -> io::Result<Program> {
        self.lives += 1;
        let ahead = self.faults.iter().find_map(|fault| match fault {
            Fault::SecondProgram { ahead, .. } => Some(*ahead),
            _ => None,
        });
        let plan = ProgramPlan {
            number,
            life: self.lives,
            seed: self.setting.seed,
            dir: self.dir.path().join(format!("program-{number}")),
            config: self.setting.config.clone(),
            ahead: ahead.filter(|_| number == 1).unwrap_or_default(),
            reads_apart: false,
        };
        self.tell(format_args!("program {number} starts"));
        self.shared.check(|checker| checker.begins(number));
        let (world, seen) = (self.cloud.clone(), self.shared.clone());
        let watch = move |report: &PassReport<'_>| seen.pass(world.now(), number, durable_records(report));
        let program = Program::start(plan, &self.cloud, watch)?;
        let (notices, world) = (program.pool.notices(), self.cloud.clone());
        tokio::spawn(tell_notices(notices, number, world, self.shared.clone()));
        if number == 1 {
            let jobs = (0..3).map(|_| JobRequest::new(["another program's"])).collect();
            // It may have been superseded in this moment.
            drop(program.handle.submit(Submission { request_id: None, jobs }).await);
        }
        Ok(program)
    }

    /// Does what the faults say for a moment.
    fn happen(&mut self, item: Item, now: Duration) {
        match item {
            Item::Faults if now < self.setting.quiet_from => {
                self.cloud.set_faults(faults_at(self.faults.iter().copied(), now));
            }
            Item::Strike(place) => {
                let Some(Fault::Storm { strike, share, .. }) = self.faults.get(place).copied() else {
                    return;
                };
                for machine in self.cloud.machines() {
                    if self.strikes.happens(*share) {
                        self.cloud.strike(&machine.id, strike.clone());
                    }
                }
            }
            Item::Jump(place) => {
                if let Some(Fault::ClockJump { seconds, .. }) = self.faults.get(place) {
                    self.cloud.jump_wall_clock(*seconds);
                }
            }
            _ => {}
        }
    }

    /// True when all is done.
    async fn look(&mut self, program: &Program, now: Duration) -> bool {
        let machines = self.shared.check(|checker| checker.machines_left());
        self.most_machines = self.most_machines.max(machines);
        if let Some((job, worker)) = self.look_for_idle(program, now) {
            let why = match program.handle.explain(JobKey::Id(job.clone())).await {
                Ok(explanation) => explanation.text,
                Err(error) => error.message,
            };
            let what = format!("{job} waits while {worker} has nothing to do: {why}");
            self.shared.check(|checker| checker.broken("invariant_no_idle_waiting", what));
        }
        if now < self.setting.quiet_from || !self.people.are_content() {
            return false;
        }
        let jobs = self.people.jobs();
        let unfinished = self.shared.check(|checker| checker.unfinished(jobs.iter().map(|(_, id)| id)));
        unfinished == 0 && machines <= self.kept_idle()
    }

    /// How many instances stay, for they are kept without a job on purpose.
    fn kept_idle(&self) -> usize {
        self.setting.config.pool.min_idle.values().map(|count| *count as usize).sum()
    }

    /// A job that has waited for too long, and a worker that fits.
    fn look_for_idle(&mut self, program: &Program, now: Duration) -> Option<(JobId, InstanceId)> {
        let view = program.pool.view();
        let free: BTreeSet<_> = view
            .workers
            .iter()
            .filter(|worker| !worker.busy && !worker.filled)
            .map(|worker| &worker.id)
            .collect();
        // What has output that is not stored yet cannot go, even if it is to make room for another type.
        let running = program.pool.running();
        let ended: BTreeSet<&InstanceId> = running
            .values()
            .filter_map(|status| match status {
                JobStatus::Ended { instance, .. } => Some(instance),
                _ => None,
            })
            .collect();
        let types = &self.setting.config.pool.instance_types;
        let instances = program.pool.instances();
        let idle =
            instances.iter().filter(|view| view.phase == Some(Phase::Idle) && view.running_jobs.is_empty());
        let idle = idle.filter_map(|view| {
            let id = view.id.clone().filter(|id| free.contains(id) && !ended.contains(id))?;
            Some((id, types.iter().find(|of| of.name == view.instance_type)?))
        });
        let idle: Vec<_> = idle.collect();
        let jobs = self.people.jobs();
        let most_losses = self.setting.config.scheduler.max_preemptions;
        let set_back = &mut self.set_back;
        let waiting: Vec<WaitingJob> = self.shared.check(|checker| {
            let waiting = jobs.iter().filter_map(|(place, id)| {
                let record = checker.record(id)?;
                // Each time that it is taken back, it has had one run more.
                let (before, mut since) = set_back.get(id).copied().unwrap_or_default();
                if before != record.runs {
                    since = now;
                    set_back.insert(id.clone(), (record.runs, now));
                }
                let waits =
                    record.state == JobState::Queued && record.priority > 0 && record.cancel.is_none();
                let deferred = record.runs > 0 && since + DEFERRED_FOR > now;
                let request = &self.setting.jobs[*place].request;
                (waits && !deferred).then(|| WaitingJob {
                    id: id.clone(),
                    types: self.types_of_jobs[*place].clone(),
                    preemptible: request.preemptible && record.preemptions < most_losses,
                })
            });
            waiting.collect()
        });
        self.shared.check(|checker| checker.look(now, &IdleLook { waiting, idle }))
    }

    fn check_patience(&self, now: Duration) {
        if now < self.setting.quiet_from + self.setting.patience {
            return;
        }
        let jobs = self.people.jobs();
        self.shared.check(|checker| {
            let waiting: Vec<String> = jobs
                .iter()
                .filter_map(|(_, id)| Some((id, checker.record(id)?)))
                .filter(|(_, record)| !record.state.is_final())
                .map(|(id, record)| format!("{id} is {}", record.state))
                .collect();
            let machines = checker.machines_left();
            let what = format!(
                "{:?} after the last fault: {machines} machines, {} jobs of {} are not final: {:?}; all answers had: {}",
                self.setting.patience,
                waiting.len(),
                self.setting.jobs.len(),
                waiting.iter().take(5).collect::<Vec<_>>(),
                self.people.are_content()
            );
            checker.broken("invariant_liveness", what);
        });
    }

    fn conclude(self, real: Duration) -> io::Result<Outcome> {
        if self.shared.check(|checker| checker.violation().is_none()) {
            ending::check(
                self.setting,
                &self.people.jobs(),
                &self.dir.path().join("program-0"),
                &self.shared,
            );
        }
        let story = self.shared.story(str::to_owned);
        self.shared.check(|checker| checker.check_secrets(&story));
        let counters = self.cloud.counters();
        let (runs, jobs_again) = self.shared.check(|checker| checker.runs());
        let figures = Figures {
            events: self.shared.events(),
            simulated: self.cloud.now(),
            real,
            passes: self.shared.check(|checker| checker.passes()),
            lives: self.lives,
            runs,
            jobs_again,
            jobs: self.setting.jobs.len(),
            most_machines: self.most_machines,
            calls: counters.calls(),
            frames: counters.frames_to_runners + counters.frames_from_runners,
        };
        Ok(Outcome { violation: self.shared.check(|checker| checker.violation().cloned()), story, figures })
    }
}

/// The records that have become durable in a pass, and what is said of them.
fn durable_records<'a>(
    report: &'a PassReport<'_>,
) -> impl Iterator<Item = (JobId, Record, Option<String>)> + 'a {
    report.changes.iter().flat_map(|change| match change {
        Change::Submit { jobs, .. } => {
            let record = |job: &crate::queue::NewJob| Record::new(job.request.priority);
            jobs.iter().map(|job| (report.tag.job_id(job.number), record(job), None)).collect()
        }
        Change::Update { number, record, history } => {
            let detail = history.as_ref().map(|entry| entry.detail.clone());
            vec![(report.tag.job_id(*number), (**record).clone(), detail)]
        }
        Change::Prune { .. } => Vec::new(),
    })
}

async fn tell_notices(
    mut notices: broadcast::Receiver<Notice>,
    number: u32,
    cloud: SimCloud,
    shared: Shared,
) {
    loop {
        match notices.recv().await {
            Ok(notice) => shared.notice(cloud.now(), number, &notice),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                shared.tell(cloud.now(), format_args!("program {number}: {missed} notices were missed"));
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// When a program ends by itself, and why; never for none.
async fn ended(program: Option<&mut Program>) -> String {
    match program {
        Some(program) => program.ended().await,
        None => std::future::pending().await,
    }
}

fn coming(faults: &[&Fault], quiet_from: Duration) -> Vec<(Duration, Item)> {
    let mut coming = vec![(quiet_from, Item::Quiet)];
    for (place, fault) in faults.iter().enumerate() {
        if let Some(window) = fault.window() {
            coming.extend([(window.from, Item::Faults), (window.until, Item::Faults)]);
        }
        match fault {
            Fault::Storm { at, .. } => coming.push((*at, Item::Strike(place))),
            Fault::Crash { at, .. } => coming.push((*at, Item::Crash(place))),
            Fault::SecondProgram { window, .. } => coming
                .extend([(window.from, Item::SecondBegins(place)), (window.until, Item::SecondEnds(place))]),
            Fault::ClockJump { at, .. } => coming.push((*at, Item::Jump(place))),
            _ => {}
        }
    }
    coming
}

fn limits(setting: &Setting) -> Limits {
    let pool = &setting.config.pool;
    Limits {
        max_instances: pool.max_instances as usize,
        max_creates: pool.max_concurrent_instance_create_ops as usize,
        calls_per_second: pool.max_cloud_ops_per_second as usize,
        max_price: pool.max_price_per_hour,
        prices: pool.instance_types.iter().map(|of| (of.name.clone(), of.price)).collect(),
        settle_time: setting.cloud.list_settle_time,
        call_timeout: pool.cloud_call_timeout,
        sync_interval: pool.sync_interval,
        probe_interval: pool.probe_interval,
        idle_tag: format!("{}IdleBehavior", pool.tag_prefix),
    }
}
