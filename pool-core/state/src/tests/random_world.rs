//! A cloud and runners that do what chance says, and the rules that must hold whatever it says.

mod rules;

use super::fixtures::*;
use crate::{
    Effect, Event, Failure, FailureClass, FreshInstance, IdleBehavior, JobCursor, JobEnd, JobStart,
    JobStatus, ListedInstance, Notice, OpId, PoolState, ProbeResult, RunList, StartAnswer, Time,
};
use pool_api::{HourlyPrice, IdempotencyToken, InstanceId, JobId, Lifecycle, PlacementReach, Reach, RunId};
use pool_protocol::{RunEnd, RunReport, RunStatus};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub(super) const MAX_INSTANCES: u32 = 6;
pub(super) const MAX_CREATES: u32 = 2;
pub(super) const CALLS_PER_SECOND: u32 = 3;
/// Of `small`.
pub(super) const MIN_IDLE: usize = 1;
pub(super) const MAX_JOBS: u32 = 3;
/// Of six instances not all can be of the dearest types.
pub(super) const MAX_PRICE: HourlyPrice = HourlyPrice::from_micros(1_500_000);

/// One thing that chance does: what, and to whom.
pub(super) type Step = (u8, u8);

/// A machine as it really is, whatever the pool thinks.
struct Machine {
    listed: ListedInstance,
    /// What its runner has: none where a run goes on.
    runs: BTreeMap<RunId, Option<Box<RunEnd>>>,
    answers: bool,
}

/// The pool and what is around it.
pub(super) struct RandomWorld {
    pub(super) pool: PoolState,
    now: Time,
    machines: BTreeMap<InstanceId, Machine>,
    /// What the pool has asked for and nobody has done yet.
    pending: Vec<Effect>,
    attempts: BTreeMap<JobId, u32>,
    /// How many jobs each instance was given.
    given: BTreeMap<InstanceId, u32>,
    /// When calls to the cloud went out, the latest last.
    calls: VecDeque<Time>,
    answered: Vec<OpId>,
    made: u64,
    /// What somebody knows of jobs who has followed their changes alone.
    followed: BTreeMap<JobId, JobStatus>,
    cursor: JobCursor,
    /// Everything that the pool has asked for, in order.
    pub(super) log: Vec<String>,
}

impl RandomWorld {
    pub(super) fn new() -> Self {
        let mut setup = setup();
        setup.settings.max_instances = MAX_INSTANCES;
        setup.settings.max_concurrent_instance_create_ops = MAX_CREATES;
        setup.settings.max_cloud_ops_per_second = CALLS_PER_SECOND;
        setup.settings.max_probes_per_second = 10;
        setup.settings.timeout_booting = secs(15);
        setup.settings.timeout_probe = secs(15);
        setup.settings.timeout_idle = secs(10);
        setup.settings.min_idle = [(name(SMALL), 1)].into();
        setup.settings.max_jobs_per_instance = MAX_JOBS;
        setup.settings.max_lifetime = Some(secs(60));
        setup.settings.max_price_per_hour = Some(MAX_PRICE);
        let now = Time::from_start(secs(100));
        let mut world = Self {
            pool: PoolState::new(setup, now),
            now,
            machines: BTreeMap::new(),
            pending: Vec::new(),
            attempts: BTreeMap::new(),
            given: BTreeMap::new(),
            calls: VecDeque::new(),
            answered: Vec::new(),
            made: 0,
            followed: BTreeMap::new(),
            cursor: JobCursor::default(),
            log: Vec::new(),
        };
        world.collect();
        world
    }

    pub(super) fn step(&mut self, (what, who): Step) {
        match what % 16 {
            0 | 1 => self.create(who),
            2..=4 => self.answer(who, Fate::Done),
            5 => self.answer(who, Fate::Refused),
            6 => self.answer(who, Fate::Lost { done: who.is_multiple_of(2) }),
            7 | 8 => self.advance(millis(u64::from(who) * 97)),
            9 => self.start(who),
            10 => self.end_a_run(who),
            11 => self.operate(who),
            12 => self.change_a_machine(who),
            13 => self.forget_a_job(who),
            14 => self.kill_a_job(who),
            _ => self.answer_again(who),
        }
        self.collect();
        self.invariant_indexes_hold();
        self.invariant_a_job_has_one_place();
        self.invariant_spend_cap();
        self.invariant_changes_are_complete();
    }

    fn create(&mut self, who: u8) {
        let types = [SMALL, SMALL_SPOT, BIG, GPU];
        self.made += 1;
        let bits = u128::from(self.made);
        let fresh = FreshInstance { secret: secret(self.made), token: IdempotencyToken::from_bits(bits) };
        let answer = self.pool.create(self.now, &name(types[usize::from(who) % types.len()]), fresh);
        if let Err(refusal) = &answer {
            self.log.push(format!("{:?} {refusal:?}", self.now));
        }
        if answer.is_ok() {
            let all = self.pool.instances_and_creates();
            assert!(all <= MAX_INSTANCES as usize, "invariant_caps: {all} instances and creates");
            assert!(self.pool.creates.len() <= MAX_CREATES as usize, "invariant_caps: creates at once");
            let price = self.pool.price_in_use();
            assert!(price <= MAX_PRICE, "invariant_caps: {price:?} an hour");
        }
    }

    fn start(&mut self, who: u8) {
        let ids: Vec<InstanceId> = self.pool.workers.keys().cloned().collect();
        let Some(id) = pick(&ids, who) else { return };
        let name = job(&format!("job-{}", who % 5));
        let attempt = self.attempts.entry(name.clone()).or_default();
        let run = RunId::new(name, *attempt + 1);
        if self
            .pool
            .start_job(self.now, id, JobStart { run, resources: half(), waited: Some(secs(1)) })
            .is_ok()
        {
            *attempt += 1;
        }
    }

    fn end_a_run(&mut self, who: u8) {
        let running: Vec<(InstanceId, RunId)> = self
            .machines
            .iter()
            .flat_map(|(id, m)| {
                m.runs.iter().filter(|(_, end)| end.is_none()).map(|(run, _)| (id.clone(), run.clone()))
            })
            .collect();
        if let Some((id, run)) = pick(&running, who).cloned() {
            self.end_run(&id, &run);
        }
    }

    fn end_run(&mut self, id: &InstanceId, run: &RunId) {
        let Some(machine) = self.machines.get_mut(id) else { return };
        if let Some(end @ None) = machine.runs.get_mut(run) {
            *end = Some(exit(0));
            if machine.answers {
                self.event(Event::RunEnded { instance: id.clone(), run: run.clone(), end: exit(0) });
            }
        }
    }

    fn operate(&mut self, who: u8) {
        let ids: Vec<InstanceId> = self.pool.workers.keys().cloned().collect();
        let Some(id) = pick(&ids, who / 8).cloned() else { return };
        match who % 8 {
            0 => drop(self.pool.kill_instance(self.now, &id, "chance")),
            1 => drop(self.pool.shutdown_instance(self.now, &id)),
            2 => drop(self.pool.shutdown_type(self.now, &name(SMALL))),
            3 => drop(self.pool.set_idle_behavior(self.now, &id, IdleBehavior::Hold)),
            4 => drop(self.pool.set_idle_behavior(self.now, &id, IdleBehavior::Drain)),
            _ => drop(self.pool.set_idle_behavior(self.now, &id, IdleBehavior::Run)),
        }
    }

    fn change_a_machine(&mut self, who: u8) {
        let ids: Vec<InstanceId> = self.machines.keys().cloned().collect();
        let Some(id) = pick(&ids, who / 8).cloned() else { return };
        let Some(machine) = self.machines.get_mut(&id) else { return };
        match who % 8 {
            0 => drop(self.machines.remove(&id)),
            1 => machine.listed.lifecycle = Lifecycle::Stopping,
            2 => machine.listed.lifecycle = Lifecycle::Stopped,
            3 | 4 => {
                machine.answers = false;
                self.event(Event::SessionClosed { instance: id, reason: "chance".into() });
            }
            5 => machine.answers = true,
            6 if machine.answers => self.event(Event::Broken { instance: id, reason: "chance".into() }),
            // Seldom: most stories are to be told to their end.
            7 if who < 24 => {
                self.event(Event::SessionClosed { instance: id.clone(), reason: "chance".into() });
                self.event(Event::Superseded { instance: id, highest: 7 });
            }
            _ => {}
        }
    }

    fn forget_a_job(&mut self, who: u8) {
        let jobs: Vec<JobId> = self.pool.running().into_keys().collect();
        if let Some(job) = pick(&jobs, who) {
            self.pool.forget_job(self.now, job);
        }
    }

    fn kill_a_job(&mut self, who: u8) {
        let jobs: Vec<JobId> = self.pool.running().into_keys().collect();
        if let Some(job) = pick(&jobs, who) {
            self.pool.kill_job(self.now, job, "chance");
        }
    }

    /// An answer that came before comes again.
    fn answer_again(&mut self, who: u8) {
        if let Some(op) = pick(&self.answered, who).copied() {
            self.event(Event::CallFailed { op, failure: refused(other()) });
            self.event(Event::CallDone { op });
            self.event(Event::Listed { op, instances: [].into() });
        }
    }

    /// One of the things that the pool has asked for comes to its end.
    fn answer(&mut self, who: u8, fate: Fate) {
        if self.pending.is_empty() {
            return;
        }
        let effect = self.pending.remove(usize::from(who) % self.pending.len());
        self.carry_out(effect, fate, who);
    }

    fn carry_out(&mut self, effect: Effect, fate: Fate, who: u8) {
        let failure = |class| Failure { message: "chance".into(), ..refused(class) };
        let classes = [
            other(),
            FailureClass::RateLimit(Some(secs(3))),
            FailureClass::RateLimit(None),
            quota(Reach::InstanceType),
            capacity(Reach::QuotaGroup, PlacementReach::Every),
            quota(Reach::All),
        ];
        let class = classes[usize::from(who) % classes.len()];
        match effect {
            Effect::List { op } => {
                self.answered.push(op);
                let before: Vec<InstanceId> = self.pool.workers.keys().cloned().collect();
                if fate == Fate::Done {
                    let instances = self.machines.values().map(|m| m.listed.clone()).collect();
                    self.event(Event::Listed { op, instances });
                } else {
                    self.event(Event::CallFailed { op, failure: failure(classes[usize::from(who) % 3]) });
                    let after: Vec<InstanceId> = self.pool.workers.keys().cloned().collect();
                    assert_eq!(before, after, "invariant_whole_lists: a failed list removed somebody");
                }
            }
            Effect::Create { op, create } => {
                self.answered.push(op);
                let id = id(&format!("i-{}", create.token));
                let made = || {
                    let listed = listed(id.as_str(), create.instance_type.name.as_str(), create.tags.clone());
                    Machine { listed, runs: BTreeMap::new(), answers: true }
                };
                match fate {
                    Fate::Done => {
                        let instance = self.machines.entry(id.clone()).or_insert_with(made).listed.clone();
                        self.event(Event::Created { op, instance });
                    }
                    Fate::Refused => self.event(Event::CallFailed { op, failure: failure(class) }),
                    Fate::Lost { done } => {
                        if done {
                            self.machines.entry(id.clone()).or_insert_with(made);
                        }
                        self.event(Event::CallFailed { op, failure: Failure::lost("chance") });
                    }
                }
            }
            Effect::Destroy { op, instance } => {
                self.answered.push(op);
                if fate != Fate::Refused && fate != (Fate::Lost { done: false }) {
                    self.machines.remove(&instance);
                    self.event(Event::SessionClosed { instance, reason: "destroyed".into() });
                }
                self.end_call(op, fate);
            }
            Effect::SetTags { op, instance, tags } => {
                self.answered.push(op);
                if fate == Fate::Done
                    && let Some(machine) = self.machines.get_mut(&instance)
                {
                    machine.listed.tags.extend(&tags);
                }
                self.end_call(op, fate);
            }
            Effect::Probe { instance, probe, .. } => {
                let machine = self.machines.get(&instance).filter(|m| m.answers && fate == Fate::Done);
                let result = match machine {
                    Some(machine) => {
                        let runs = machine.runs.iter().map(|(run, end)| describe(run, end.clone())).collect();
                        ProbeResult { boot: Ok(()), runs: Ok(RunList { runs, broken: None }) }
                    }
                    None => ProbeResult { boot: Err("chance".into()), runs: Err("chance".into()) },
                };
                if result.runs.is_ok() {
                    self.event(Event::SessionOpened { instance: instance.clone() });
                }
                self.event(Event::Probed { instance, probe, result });
            }
            Effect::Start { instance, run } => {
                let machine = self.machines.get_mut(&instance).filter(|m| m.answers);
                let answer = match (machine, fate) {
                    (Some(machine), Fate::Done) => {
                        machine.runs.entry(run.clone()).or_insert(None);
                        StartAnswer::Started
                    }
                    (Some(machine), Fate::Lost { done: true }) => {
                        machine.runs.entry(run.clone()).or_insert(None);
                        StartAnswer::Lost("chance".into())
                    }
                    (None, _) | (_, Fate::Lost { .. }) => StartAnswer::Lost("chance".into()),
                    (_, Fate::Refused) => StartAnswer::Refused("chance".into()),
                };
                self.event(Event::StartAnswered { instance, run, answer });
            }
            Effect::Kill { instance, run, .. }
                if fate == Fate::Done && self.machines.get(&instance).is_some_and(|m| m.answers) =>
            {
                self.end_run(&instance, &run);
            }
            Effect::Forget { instance, run } => {
                if let Some(machine) =
                    self.machines.get_mut(&instance).filter(|m| m.answers && fate == Fate::Done)
                {
                    machine.runs.remove(&run);
                    self.event(Event::Forgotten { instance, run });
                }
            }
            _ => {}
        }
    }

    fn end_call(&mut self, op: OpId, fate: Fate) {
        match fate {
            Fate::Done => self.event(Event::CallDone { op }),
            Fate::Refused => self.event(Event::CallFailed { op, failure: refused(other()) }),
            Fate::Lost { .. } => self.event(Event::CallFailed { op, failure: Failure::lost("chance") }),
        }
    }

    fn event(&mut self, event: Event) {
        self.pool.handle(self.now, event);
        self.collect();
    }

    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.pool.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.pool.handle_timeout(self.now);
            self.collect();
            let next = self.pool.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.now),
                "invariant_timers_rest: {next:?} at {:?}",
                self.now
            );
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(effect) = self.pool.poll_effect() {
            self.log.push(format!("{:?} {effect:?}", self.now));
            self.invariant_superseded_pools_do_nothing(&effect);
            match &effect {
                Effect::List { .. }
                | Effect::Create { .. }
                | Effect::Destroy { .. }
                | Effect::SetTags { .. } => {
                    self.invariant_calls_per_second();
                }
                Effect::Start { instance, run } => {
                    self.invariant_started_once(instance, run);
                    self.invariant_a_life_is_bounded(&instance.clone());
                }
                Effect::Report(Notice::Shutdown { instance, reason }) => {
                    self.invariant_held_means_held(&instance.clone(), reason);
                    self.invariant_min_idle_stay(instance, reason);
                }
                _ => {}
            }
            let is_asked_for = !matches!(
                effect,
                Effect::Notify
                    | Effect::Observe(_)
                    | Effect::Report(_)
                    | Effect::SetHeld { .. }
                    | Effect::Close { .. }
                    | Effect::SetAddress { .. }
            );
            if is_asked_for {
                self.pending.push(effect);
            }
        }
    }

    /// Nothing goes wrong any more: every job ends, every instance goes.
    pub(super) fn liveness(&mut self) {
        for _ in 0..400 {
            if self.pool.superseded().is_some() {
                assert_eq!(self.pool.poll_timeout(), None, "invariant_superseded");
                return;
            }
            let taken: Vec<InstanceId> =
                self.pool.workers.values().filter(|w| w.taken_by.is_some()).map(|w| w.id.clone()).collect();
            for id in taken {
                drop(self.pool.kill_instance(self.now, &id, "it lies"));
            }
            for machine in self.machines.values_mut() {
                machine.answers = true;
            }
            for effect in std::mem::take(&mut self.pending) {
                self.carry_out(effect, Fate::Done, 0);
            }
            let running: Vec<(InstanceId, RunId)> = self
                .machines
                .iter()
                .flat_map(|(id, m)| m.runs.keys().map(|run| (id.clone(), run.clone())))
                .collect();
            for (id, run) in running {
                self.end_run(&id, &run);
            }
            for (job, status) in self.pool.running() {
                if let JobStatus::Ended { end, .. } = status {
                    assert!(!matches!(end, JobEnd::Denied), "a runner that kept all its runs denies {job}");
                    self.pool.forget_job(self.now, &job);
                }
            }
            let held: Vec<InstanceId> =
                self.pool.workers.values().filter(|w| w.is_held()).map(|w| w.id.clone()).collect();
            for id in held {
                drop(self.pool.set_idle_behavior(self.now, &id, IdleBehavior::Run));
            }
            self.collect();
            self.invariant_indexes_hold();
            self.invariant_a_job_has_one_place();
            let kept = self.pool.workers.values().all(|w| self.pool.is_kept_idle(&w.id));
            let left = self.pool.workers.len();
            if kept && left <= MIN_IDLE && self.machines.len() == left && self.pool.running().is_empty() {
                if left > 0 {
                    self.log.push("Kept".into());
                }
                return;
            }
            self.advance(secs(5));
        }
        panic!(
            "liveness: {} machines, {:#?}, {:#?} are left",
            self.machines.len(),
            self.pool.instances(),
            self.pool.running()
        );
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Done,
    Refused,
    Lost { done: bool },
}

fn pick<T>(from: &[T], who: u8) -> Option<&T> {
    from.get(usize::from(who) % from.len().max(1))
}

fn describe(run: &RunId, end: Option<Box<RunEnd>>) -> RunReport {
    report(
        run.clone(),
        match end {
            Some(end) => RunStatus::Ended { end },
            None => RunStatus::Running { started_ms: 1 },
        },
    )
}
