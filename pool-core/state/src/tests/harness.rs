//! A world around [`PoolState`]: its clock, and by hand the cloud and the runners.

use super::fixtures::*;
use crate::{
    Effect, Event, Failure, FailureClass, FreshInstance, IdleBehavior, JobEnd, JobStart, JobStatus,
    ListedInstance, Notice, Observation, OpId, Phase, PoolSetup, PoolState, ProbeId, ProbeResult, RunList,
    StartAnswer, StartRefusal, TagNames, Time, timers::Timer,
};
use pool_api::{IdempotencyToken, InstanceId, Resources, RunId, Tags};
use pool_protocol::RunReport;
use std::time::Duration;

/// The pool, its clock, and the effects that nobody has carried out yet.
pub(super) struct World {
    pub(super) pool: PoolState,
    pub(super) now: Time,
    pub(super) effects: Vec<Effect>,
    chance: u64,
}

impl World {
    /// A pool whose first list has come back empty.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with another set-up.
    pub(super) fn with(change: impl FnOnce(&mut PoolSetup)) -> Self {
        let mut world = Self::not_loaded(change);
        world.list(&[]);
        world.forget_effects();
        world
    }

    /// A pool whose first list is in flight.
    pub(super) fn not_loaded(change: impl FnOnce(&mut PoolSetup)) -> Self {
        let mut setup = setup();
        change(&mut setup);
        let now = Time::from_start(secs(1000));
        Self { pool: PoolState::new(setup, now), now, effects: Vec::new(), chance: 0 }
    }

    // The clock.

    /// Lets time pass, and does at its time what is due in between.
    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        let mut rounds = 0;
        while let Some(at) = self.pool.poll_timeout().filter(|at| *at <= end) {
            rounds += 1;
            assert!(rounds < 100_000, "a timer that never rests at {at:?}");
            self.now = self.now.max(at);
            self.pool.handle_timeout(self.now);
        }
        self.now = end;
        self.collect();
    }

    pub(super) fn event(&mut self, event: Event) {
        self.pool.handle(self.now, event);
        self.collect();
    }

    // Effects.

    pub(super) fn collect(&mut self) {
        while let Some(effect) = self.pool.poll_effect() {
            self.effects.push(effect);
        }
    }

    pub(super) fn forget_effects(&mut self) {
        self.collect();
        self.effects.clear();
    }

    /// Takes out the effects that `pick` knows, in order.
    pub(super) fn take<T>(&mut self, pick: impl Fn(&Effect) -> Option<T>) -> Vec<T> {
        self.collect();
        let mut taken = Vec::new();
        self.effects.retain(|effect| match pick(effect) {
            Some(value) => {
                taken.push(value);
                false
            }
            None => true,
        });
        taken
    }

    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        self.take(|effect| match effect {
            Effect::Report(notice) => Some(notice.clone()),
            _ => None,
        })
    }

    pub(super) fn take_observations(&mut self) -> Vec<Observation> {
        self.take(|effect| match effect {
            Effect::Observe(observation) => Some(observation.clone()),
            _ => None,
        })
    }

    pub(super) fn take_destroys(&mut self) -> Vec<(OpId, InstanceId)> {
        self.take(|effect| match effect {
            Effect::Destroy { op, instance } => Some((*op, instance.clone())),
            _ => None,
        })
    }

    /// Who is to be destroyed.
    pub(super) fn destroyed(&mut self) -> Vec<String> {
        self.take_destroys().into_iter().map(|(_, id)| id.to_string()).collect()
    }

    pub(super) fn take_creates(&mut self) -> Vec<(OpId, crate::CreateInstance)> {
        self.take(|effect| match effect {
            Effect::Create { op, create } => Some((*op, (**create).clone())),
            _ => None,
        })
    }

    pub(super) fn take_saves(&mut self) -> Vec<(OpId, InstanceId, Tags)> {
        self.take(|effect| match effect {
            Effect::SetTags { op, instance, tags } => Some((*op, instance.clone(), tags.clone())),
            _ => None,
        })
    }

    pub(super) fn take_lists(&mut self) -> Vec<OpId> {
        self.take(|effect| match effect {
            Effect::List { op } => Some(*op),
            _ => None,
        })
    }

    pub(super) fn take_kills(&mut self) -> Vec<RunId> {
        self.take(|effect| match effect {
            Effect::Kill { run, .. } => Some(run.clone()),
            _ => None,
        })
    }

    pub(super) fn take_starts(&mut self) -> Vec<(InstanceId, RunId)> {
        self.take(|effect| match effect {
            Effect::Start { instance, run } => Some((instance.clone(), run.clone())),
            _ => None,
        })
    }

    pub(super) fn take_forgets(&mut self) -> Vec<(InstanceId, RunId)> {
        self.take(|effect| match effect {
            Effect::Forget { instance, run } => Some((instance.clone(), run.clone())),
            _ => None,
        })
    }

    pub(super) fn take_probes(&mut self) -> Vec<(InstanceId, ProbeId, bool)> {
        self.take(|effect| match effect {
            Effect::Probe { instance, probe, boot } => Some((instance.clone(), *probe, *boot)),
            _ => None,
        })
    }

    pub(super) fn was_woken(&mut self) -> bool {
        !self.take(|effect| matches!(effect, Effect::Notify).then_some(())).is_empty()
    }

    // The cloud.

    /// Begins a list now, or takes the one that is in flight.
    pub(super) fn begin_list(&mut self) -> OpId {
        if let Some(op) = self.take_lists().pop() {
            return op;
        }
        self.pool.timers.set(Timer::Sync, self.now);
        self.pool.handle_timeout(self.now);
        self.take_lists().pop().expect("a list was asked for")
    }

    pub(super) fn answer_list(&mut self, op: OpId, instances: &[ListedInstance]) {
        self.event(Event::Listed { op, instances: instances.into() });
    }

    /// A list that begins and ends now. One that is in flight fails before.
    pub(super) fn list(&mut self, instances: &[ListedInstance]) {
        if let Some(op) = self.take_lists().pop() {
            self.call_failed(op, other());
        }
        let op = self.begin_list();
        self.answer_list(op, instances);
    }

    /// An instance of the set, with tags of its own.
    pub(super) fn instance(&mut self, instance: &str, type_name: &str) -> ListedInstance {
        self.chance += 1;
        let tags = TagNames::new("pool-").for_create(&set_id(), &name(type_name), &secret(self.chance));
        listed(instance, type_name, tags)
    }

    pub(super) fn fresh(&mut self) -> FreshInstance {
        self.chance += 1;
        FreshInstance {
            secret: secret(self.chance),
            token: IdempotencyToken::from_bits(u128::from(self.chance)),
        }
    }

    pub(super) fn try_create(&mut self, type_name: &str) -> Result<OpId, crate::CreateRefusal> {
        let fresh = self.fresh();
        let answer = self.pool.create(self.now, &name(type_name), fresh);
        self.collect();
        answer
    }

    /// Asks for an instance; the create is in flight then.
    pub(super) fn create(&mut self, type_name: &str) -> (OpId, crate::CreateInstance) {
        let op = self.try_create(type_name).expect("a create is possible");
        let made = self.take_creates().pop().expect("the create went out");
        assert_eq!(op, made.0);
        made
    }

    /// The create returns this instance.
    pub(super) fn created(
        &mut self,
        create: &(OpId, crate::CreateInstance),
        instance: &str,
    ) -> ListedInstance {
        let made = listed(instance, create.1.instance_type.name.as_str(), create.1.tags.clone());
        self.event(Event::Created { op: create.0, instance: made.clone() });
        made
    }

    pub(super) fn call_failed(&mut self, op: OpId, class: FailureClass) {
        self.event(Event::CallFailed { op, failure: refused(class) });
    }

    pub(super) fn call_lost(&mut self, op: OpId) {
        self.event(Event::CallFailed { op, failure: Failure::lost("timed out") });
    }

    /// Answers all destroys and tag saves that wait.
    pub(super) fn accept_calls(&mut self) {
        let saves = self.take_saves().into_iter().map(|(op, ..)| op);
        let destroys: Vec<OpId> = saves.chain(self.take_destroys().into_iter().map(|(op, _)| op)).collect();
        for op in destroys {
            self.event(Event::CallDone { op });
        }
    }

    // Runners.

    /// Begins a probe now, or takes the one that is in flight.
    pub(super) fn begin_probe(&mut self, instance: &str) -> ProbeId {
        self.collect();
        if !self
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Probe { instance: i, .. } if *i == id(instance)))
        {
            self.pool.timers.set(Timer::Probe(id(instance)), self.now);
        }
        self.pool.handle_timeout(self.now);
        let mine = |effect: &Effect| match effect {
            Effect::Probe { instance: i, probe, .. } if *i == id(instance) => Some(*probe),
            _ => None,
        };
        self.take(mine).pop().expect("a probe was begun")
    }

    pub(super) fn probed(
        &mut self,
        instance: &str,
        probe: ProbeId,
        boot: bool,
        runs: Result<RunList, String>,
    ) {
        let boot = if boot { Ok(()) } else { Err("not up yet".to_owned()) };
        let result = ProbeResult { boot, runs };
        self.event(Event::Probed { instance: id(instance), probe, result });
    }

    /// A probe that begins and succeeds now, and finds these runs.
    pub(super) fn probe(&mut self, instance: &str, runs: Vec<RunReport>) {
        let probe = self.begin_probe(instance);
        self.probed(instance, probe, true, Ok(RunList { runs, broken: None }));
    }

    /// A probe that begins and fails now.
    pub(super) fn probe_fails(&mut self, instance: &str) {
        let probe = self.begin_probe(instance);
        self.probed(instance, probe, false, Err("no route to host".to_owned()));
    }

    pub(super) fn session(&mut self, instance: &str, open: bool) {
        self.event(if open {
            Event::SessionOpened { instance: id(instance) }
        } else {
            Event::SessionClosed { instance: id(instance), reason: "lost".to_owned() }
        });
    }

    pub(super) fn run_ended(&mut self, instance: &str, run: RunId) {
        self.event(Event::RunEnded { instance: id(instance), run, end: exit(0) });
    }

    pub(super) fn start_answered(&mut self, instance: &str, run: RunId, answer: StartAnswer) {
        self.event(Event::StartAnswered { instance: id(instance), run, answer });
    }

    // Whole stories.

    /// A worker that was created here and booted.
    pub(super) fn idle_worker(&mut self, instance: &str, type_name: &str) -> ListedInstance {
        let listed = self.booting_worker(instance, type_name);
        self.probe(instance, Vec::new());
        assert_eq!(self.phase(instance), Some(Phase::Idle));
        listed
    }

    /// A worker that was created here and has not booted.
    pub(super) fn booting_worker(&mut self, instance: &str, type_name: &str) -> ListedInstance {
        let create = self.create(type_name);
        self.created(&create, instance)
    }

    pub(super) fn try_start(
        &mut self,
        instance: &str,
        run: RunId,
        resources: Resources,
    ) -> Result<(), StartRefusal> {
        let answer = self.pool.start_job(self.now, &id(instance), JobStart { run, resources, waited: None });
        self.collect();
        answer
    }

    /// A job that the runner has confirmed.
    pub(super) fn running_job(&mut self, instance: &str, text: &str) {
        self.try_start(instance, run(text), half()).unwrap();
        self.start_answered(instance, run(text), StartAnswer::Started);
    }

    pub(super) fn forget(&mut self, text: &str) -> bool {
        let answer = self.pool.forget_job(self.now, &job(text));
        self.collect();
        answer
    }

    pub(super) fn kill(&mut self, text: &str) -> bool {
        let answer = self.pool.kill_job(self.now, &job(text), "cancelled");
        self.collect();
        answer
    }

    pub(super) fn set_behavior(&mut self, instance: &str, to: IdleBehavior) {
        self.pool.set_idle_behavior(self.now, &id(instance), to).unwrap();
        self.collect();
    }

    // What can be seen.

    pub(super) fn view(&self, instance: &str) -> Option<crate::InstanceView> {
        self.pool.instances().into_iter().find(|view| view.id == Some(id(instance)))
    }

    pub(super) fn phase(&self, instance: &str) -> Option<Phase> {
        self.view(instance)?.phase
    }

    pub(super) fn behavior(&self, instance: &str) -> IdleBehavior {
        self.view(instance).unwrap().idle_behavior
    }

    pub(super) fn unallocated(&self, type_name: &str) -> usize {
        self.pool.unallocated().get(&name(type_name)).copied().unwrap_or(0)
    }

    pub(super) fn end_of(&self, text: &str) -> Option<JobEnd> {
        match self.pool.job(&job(text))? {
            JobStatus::Ended { end, .. } => Some(end),
            _ => None,
        }
    }

    pub(super) fn is_preparing(&self, text: &str) -> bool {
        matches!(self.pool.job(&job(text)), Some(JobStatus::Preparing { .. }))
    }

    pub(super) fn runs_on(&self, text: &str) -> Option<String> {
        match self.pool.job(&job(text))? {
            JobStatus::Running { instance, .. } => Some(instance.to_string()),
            _ => None,
        }
    }

    pub(super) fn count(&self, phase: Phase) -> usize {
        self.pool.count_workers().unwrap_or_default()[&phase]
    }
}
