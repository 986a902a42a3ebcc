//! A pool with many workers, all in service, and by hand the cloud and the runners.

use super::types::{instance_set, instance_types, placements, setup, tag_names};
use pool_api::{
    ByteSize, Cpus, InstanceId, InstanceType, JobId, Lifecycle, Placement, ProviderType, Resources, RunId,
};
use pool_protocol::{Outcome, RunEnd, RunReport, RunStatus, StreamSize};
use pool_state::{
    Effect, Event, JobStart, ListedInstance, OpId, PoolState, ProbeId, ProbeResult, RunList, SecretHash,
    StartAnswer, Time,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// What the workers have to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Load {
    /// Nothing.
    Idle,
    /// Every other one has a job, which leaves room for more.
    Half,
    /// All have a job that leaves them no CPU.
    Full,
}

/// One instance.
pub(crate) struct Member {
    pub(crate) id: InstanceId,
    pub(crate) instance_type: Arc<InstanceType>,
    pub(crate) listed: ListedInstance,
    /// The job that it had from the start.
    pub(crate) job: Option<JobStart>,
}

/// A pool in the middle of its life.
pub(crate) struct Fleet {
    pub(crate) pool: PoolState,
    pub(crate) now: Time,
    pub(crate) members: Vec<Member>,
    lists: Vec<OpId>,
    probes: VecDeque<(InstanceId, ProbeId)>,
    saves: VecDeque<OpId>,
    /// Jobs that were made here.
    made: u64,
}

impl Fleet {
    pub(crate) fn new(workers: usize, load: Load) -> Self {
        let types = instance_types();
        let members: Vec<Member> = (0..workers).map(|number| member(number, &types, load)).collect();
        let now = Time::from_start(Duration::from_secs(1000));
        let mut fleet = Self {
            pool: PoolState::new(setup(), now),
            now,
            members,
            lists: Vec::new(),
            probes: VecDeque::new(),
            saves: VecDeque::new(),
            made: 0,
        };
        fleet.take_effects();
        let op = fleet.lists.pop().unwrap();
        fleet.event(Event::Listed { op, instances: fleet.list() });
        fleet.pool.handle_timeout(now);
        fleet.take_effects();
        let reports: BTreeMap<InstanceId, Vec<RunReport>> =
            fleet.members.iter().map(|member| (member.id.clone(), member.reports())).collect();
        while let Some((instance, probe)) = fleet.probes.pop_front() {
            fleet.event(Event::SessionOpened { instance: instance.clone() });
            let result = probe_result(reports[&instance].clone());
            fleet.event(Event::Probed { instance, probe, result });
        }
        fleet
    }

    /// All instances, as the cloud lists them.
    pub(crate) fn list(&self) -> Arc<[ListedInstance]> {
        self.members.iter().map(|member| member.listed.clone()).collect()
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.pool.handle(self.now, event);
        self.take_effects();
    }

    /// Takes the effects as the shell does, and keeps those that must be answered.
    pub(crate) fn take_effects(&mut self) {
        while let Some(effect) = self.pool.poll_effect() {
            match effect {
                Effect::List { op } => self.lists.push(op),
                Effect::Probe { instance, probe, .. } => self.probes.push_back((instance, probe)),
                Effect::SetTags { op, .. } => self.saves.push_back(op),
                _ => {}
            }
        }
    }

    /// A list that is asked for now, or whenever the next one is due.
    pub(crate) fn next_list(&mut self) -> OpId {
        self.await_effect(|fleet| fleet.lists.pop())
    }

    /// A probe that is due now, or when the next one is.
    pub(crate) fn next_probe(&mut self) -> (InstanceId, ProbeId) {
        self.await_effect(|fleet| fleet.probes.pop_front())
    }

    fn await_effect<T>(&mut self, take: impl Fn(&mut Self) -> Option<T>) -> T {
        loop {
            if let Some(found) = take(self) {
                return found;
            }
            self.now = self.pool.poll_timeout().unwrap().max(self.now);
            self.pool.handle_timeout(self.now);
            self.take_effects();
        }
    }

    /// The cloud has saved all tags that it was asked to save.
    pub(crate) fn save_tags(&mut self) {
        while let Some(op) = self.saves.pop_front() {
            self.event(Event::CallDone { op });
        }
    }

    /// A new job.
    pub(crate) fn make_job(&mut self, resources: Resources) -> JobStart {
        self.made += 1;
        let job = JobId::new(format!("zkq3v7-{}", self.made)).unwrap();
        JobStart { run: RunId::new(job, 1), resources, waited: Some(Duration::from_secs(1)) }
    }

    /// Gives a job to a worker, which confirms it.
    pub(crate) fn start(&mut self, id: &InstanceId, start: JobStart) {
        let run = start.run.clone();
        self.pool.start_job(self.now, id, start).unwrap();
        self.take_effects();
        self.event(Event::StartAnswered { instance: id.clone(), run, answer: StartAnswer::Started });
    }

    /// A run ends, and nothing is left of it.
    pub(crate) fn end(&mut self, id: &InstanceId, run: &RunId) {
        self.event(Event::RunEnded { instance: id.clone(), run: run.clone(), end: run_end() });
        self.forget(id, run);
    }

    /// Nothing is left of a run that has ended.
    pub(crate) fn forget(&mut self, id: &InstanceId, run: &RunId) {
        assert!(self.pool.forget_job(self.now, &run.job));
        self.take_effects();
        self.event(Event::Forgotten { instance: id.clone(), run: run.clone() });
    }
}

fn member(number: usize, types: &[Arc<InstanceType>], load: Load) -> Member {
    let placements = placements();
    let instance_type = types[number % types.len()].clone();
    // As EC2's are: of one length, and without order.
    let id = InstanceId::new(format!("i-{:017x}", (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .unwrap();
    let secret = SecretHash::new(&format!("{number:064x}")).unwrap();
    let names = tag_names();
    let mut tags = names.for_create(&instance_set(), &instance_type.name, &secret);
    tags.set("Name", "a worker of the pool");
    let listed = ListedInstance {
        id: id.clone(),
        // Each with its own copy of the text, as it comes from the cloud.
        provider_type: ProviderType::new(&instance_type.provider_type).unwrap(),
        placement: Placement::new(placements[number % placements.len()].as_str()),
        address: Some(format!("10.0.{}.{}:22", number / 250, number % 250)),
        tags,
        lifecycle: Lifecycle::Running,
        created: None,
        age: Some(Duration::from_secs(60)),
    };
    let busy = load == Load::Full || (load == Load::Half && number % 24 < 12);
    let job = busy.then(|| JobStart {
        run: RunId::new(JobId::new(format!("zkq3v6-{number}")).unwrap(), 1),
        resources: if load == Load::Full { filling_job(&instance_type) } else { small_job() },
        waited: None,
    });
    Member { id, instance_type, listed, job }
}

impl Member {
    /// What its runner has from the start.
    pub(crate) fn reports(&self) -> Vec<RunReport> {
        let report = |job: &JobStart| RunReport {
            instance_set: instance_set(),
            run: job.run.clone(),
            resources: job.resources,
            status: RunStatus::Running { started_ms: 1 },
        };
        self.job.iter().map(report).collect()
    }
}

/// It fits on every worker, twice.
pub(crate) fn small_job() -> Resources {
    Resources { cpus: Cpus::from_millis(500), memory: ByteSize::mib(512), ..Resources::default() }
}

/// It leaves memory that no other job can use, for want of CPUs.
pub(crate) fn filling_job(instance_type: &InstanceType) -> Resources {
    Resources { cpus: instance_type.vcpus, memory: ByteSize::gib(4), ..Resources::default() }
}

/// A probe that went well, and found these runs.
pub(crate) fn probe_result(runs: Vec<RunReport>) -> ProbeResult {
    ProbeResult { boot: Ok(()), runs: Ok(RunList { runs, broken: None }) }
}

pub(crate) fn run_end() -> Box<RunEnd> {
    Box::new(RunEnd {
        outcome: Outcome::Exited { code: 0 },
        killed: None,
        started_ms: Some(1),
        ended_ms: 2,
        peak_memory: Some(100_000_000),
        cpu_time_ms: Some(1000),
        stdout: StreamSize::default(),
        stderr: StreamSize::default(),
    })
}
