//! The decisions of a pool of many workers: what each costs, with the effects that it makes.

use super::{
    case::{Case, Make},
    fleet::{Fleet, Load, probe_result, small_job},
};
use pool_api::{IdempotencyToken, InstanceId, JobId};
use pool_state::{
    Event, Failure, FailureClass, FreshInstance, IdleBehavior, JobStart, ListedInstance, OpId, SecretHash,
    StartAnswer,
};
use std::{collections::BTreeMap, hint::black_box, sync::Arc};

/// By the names of what is measured.
pub(crate) const ALL: [(&str, Make); 8] = [
    ("btreemap_lookup", |workers| Box::new(Lookup::new(workers))),
    ("start_job", |workers| Box::new(StartJob { fleet: half(workers), turn: 0, start: None, given: None })),
    ("kill_job", |workers| Box::new(KillJob { fleet: half(workers), turn: 0, job: None })),
    ("create", |workers| Box::new(Create { fleet: half(workers), turn: 0, asked: None, fresh: None })),
    ("set_idle_behavior", |workers| Box::new(Hold { fleet: half(workers), turn: 0, held: None })),
    ("probed", |workers| Box::new(Probed { fleet: half(workers), event: None })),
    ("listed", |workers| Box::new(Listed { fleet: half(workers), list: [].into(), event: None })),
    ("instances", |workers| Box::new(Instances { fleet: half(workers) })),
];

fn half(workers: usize) -> Fleet {
    Fleet::new(workers, Load::Half)
}

/// Another worker each time, far from the last, so that none is in the processor's cache for having been used just now.
fn next_turn(turn: &mut usize, of: usize) -> usize {
    *turn = (*turn + 4_801) % of;
    *turn
}

/// What to compare with: to find a worker by its id, as every decision must.
struct Lookup {
    workers: BTreeMap<InstanceId, usize>,
    ids: Vec<InstanceId>,
    turn: usize,
}

impl Lookup {
    fn new(workers: usize) -> Self {
        let ids: Vec<InstanceId> = half(workers).members.into_iter().map(|member| member.id).collect();
        Self { workers: ids.iter().cloned().zip(0..).collect(), ids, turn: 0 }
    }
}

impl Case for Lookup {
    fn prepare(&mut self) {
        next_turn(&mut self.turn, self.ids.len());
    }

    fn run(&mut self) {
        black_box(self.workers.get(&self.ids[self.turn]));
    }
}

struct StartJob {
    fleet: Fleet,
    turn: usize,
    start: Option<(InstanceId, JobStart)>,
    given: Option<(InstanceId, JobStart)>,
}

impl Case for StartJob {
    fn prepare(&mut self) {
        if let Some((instance, JobStart { run, .. })) = self.given.take() {
            let answer = StartAnswer::Started;
            self.fleet.event(Event::StartAnswered { instance: instance.clone(), run: run.clone(), answer });
            self.fleet.end(&instance, &run);
        }
        let worker = next_turn(&mut self.turn, self.fleet.members.len());
        let start = (self.fleet.members[worker].id.clone(), self.fleet.make_job(small_job()));
        self.given = Some(start.clone());
        self.start = Some(start);
    }

    fn run(&mut self) {
        let (id, start) = self.start.take().unwrap();
        self.fleet.pool.start_job(self.fleet.now, &id, start).unwrap();
        self.fleet.take_effects();
    }
}

struct KillJob {
    fleet: Fleet,
    turn: usize,
    job: Option<(InstanceId, JobStart)>,
}

impl Case for KillJob {
    fn prepare(&mut self) {
        if let Some((instance, start)) = self.job.take() {
            self.fleet.end(&instance, &start.run);
        }
        let worker = next_turn(&mut self.turn, self.fleet.members.len());
        let (id, start) = (self.fleet.members[worker].id.clone(), self.fleet.make_job(small_job()));
        self.fleet.start(&id, start.clone());
        self.job = Some((id, start));
    }

    fn run(&mut self) {
        let job: &JobId = &self.job.as_ref().unwrap().1.run.job;
        assert!(self.fleet.pool.kill_job(self.fleet.now, job, "cancelled"));
        self.fleet.take_effects();
    }
}

struct Create {
    fleet: Fleet,
    turn: usize,
    asked: Option<OpId>,
    fresh: Option<FreshInstance>,
}

impl Case for Create {
    fn prepare(&mut self) {
        if let Some(op) = self.asked.take() {
            let failure = Failure {
                class: FailureClass::Other(pool_api::ErrorKind::Transient),
                effect: pool_api::Effect::NotDone,
                message: "not now".to_owned(),
            };
            self.fleet.event(Event::CallFailed { op, failure });
        }
        let turn = next_turn(&mut self.turn, self.fleet.members.len());
        self.fresh = Some(FreshInstance {
            secret: SecretHash::new(&format!("f{turn:063x}")).unwrap(),
            token: IdempotencyToken::from_bits(turn as u128),
        });
    }

    fn run(&mut self) {
        let fresh = self.fresh.take().unwrap();
        let type_name = &self.fleet.members[self.turn].instance_type.name;
        self.asked = Some(self.fleet.pool.create(self.fleet.now, type_name, fresh).unwrap());
        self.fleet.take_effects();
    }
}

/// A worker is held.
struct Hold {
    fleet: Fleet,
    turn: usize,
    held: Option<InstanceId>,
}

impl Hold {
    fn set(&mut self, id: &InstanceId, to: IdleBehavior) {
        self.fleet.pool.set_idle_behavior(self.fleet.now, id, to).unwrap();
        self.fleet.take_effects();
    }
}

impl Case for Hold {
    fn prepare(&mut self) {
        self.fleet.save_tags();
        if let Some(id) = self.held.take() {
            self.set(&id, IdleBehavior::Run);
            self.fleet.save_tags();
        }
        let worker = next_turn(&mut self.turn, self.fleet.members.len());
        self.held = Some(self.fleet.members[worker].id.clone());
    }

    fn run(&mut self) {
        let id = self.held.clone().unwrap();
        self.set(&id, IdleBehavior::Hold);
    }
}

/// A worker that is well was asked, and has said so.
struct Probed {
    fleet: Fleet,
    event: Option<Event>,
}

impl Case for Probed {
    fn prepare(&mut self) {
        let (instance, probe) = self.fleet.next_probe();
        let member = self.fleet.members.iter().find(|member| member.id == instance).unwrap();
        self.event = Some(Event::Probed { result: probe_result(member.reports()), instance, probe });
    }

    fn run(&mut self) {
        let event = self.event.take().unwrap();
        self.fleet.event(event);
    }
}

/// A list of all instances, which says nothing new: the usual one.
struct Listed {
    fleet: Fleet,
    /// The shell frees it after it has let go of the pool's lock.
    list: Arc<[ListedInstance]>,
    event: Option<Event>,
}

impl Case for Listed {
    fn prepare(&mut self) {
        let op = self.fleet.next_list();
        self.list = self.fleet.list();
        self.event = Some(Event::Listed { op, instances: self.list.clone() });
    }

    fn run(&mut self) {
        let event = self.event.take().unwrap();
        self.fleet.event(event);
    }
}

/// What the API shows.
struct Instances {
    fleet: Fleet,
}

impl Case for Instances {
    fn prepare(&mut self) {}

    fn run(&mut self) {
        black_box(self.fleet.pool.instances());
    }
}
