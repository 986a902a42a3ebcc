//! Plans, with the making of the view that each is made from.

use super::{
    case::{Case, Make},
    fleet::{Fleet, Load, filling_job, run_end},
};
use pool_api::{ByteSize, Cpus, InstanceId, JobId, Resources};
use pool_state::{Event, JobStart, Plan, PlanOptions, QueuedJob, WaitingJobs, plan};
use std::{collections::BTreeMap, hint::black_box};

/// The workers of each of these, but for those whose names say otherwise.
pub(crate) const WORKERS: usize = 1_000;

/// By the names of what is measured, each made with a number of jobs.
pub(crate) const ALL: [(&str, Make); 5] = [
    ("cold", |count| {
        Box::new(Cold {
            fleet: Fleet::new(WORKERS, Load::Idle),
            jobs: jobs(count as u64, 1_000),
            copy: Vec::new(),
        })
    }),
    ("one_worker_freed", |count| Box::new(Freed::new(WORKERS, count))),
    ("one_of_10000_workers_freed", |count| Box::new(Freed::new(10 * WORKERS, count))),
    ("one_job_queued", |count| {
        Box::new(Queued { fleet: full(WORKERS), waiting: waiting(count), turn: 0, next: None })
    }),
    ("nothing_changed", |count| Box::new(Same { fleet: full(WORKERS), waiting: waiting(count) })),
];

fn full(workers: usize) -> Fleet {
    Fleet::new(workers, Load::Full)
}

fn waiting(count: usize) -> WaitingJobs {
    jobs(count as u64, 1_000).into_iter().collect()
}

/// Jobs of 1 to 8 CPUs, every 16th with a GPU, in as many classes.
pub(crate) fn jobs(count: u64, classes: u64) -> Vec<QueuedJob> {
    (0..count).map(|number| job(number, classes)).collect()
}

fn job(number: u64, classes: u64) -> QueuedJob {
    let class = number % classes;
    QueuedJob {
        id: JobId::new(format!("job-{number}")).unwrap(),
        number,
        priority: 1 + u32::try_from(number % 3).unwrap(),
        resources: Resources {
            cpus: Cpus::from_millis(1000 + class * 7919 % 7001),
            memory: ByteSize::mib(1024 + class),
            scratch: ByteSize(0),
            gpus: u32::from(class % 16 == 15),
        },
        preemptible: false,
        group: None,
    }
}

pub(crate) fn options() -> PlanOptions {
    PlanOptions { price_factor: 4.0, ..PlanOptions::default() }
}

fn make_plan(fleet: &Fleet, waiting: &WaitingJobs) -> Plan {
    plan(waiting, &BTreeMap::new(), &fleet.pool.pool_view(fleet.now), &options())
}

/// The first plan of a program that was just started: no worker has a job, and the queue is read from its file.
struct Cold {
    fleet: Fleet,
    jobs: Vec<QueuedJob>,
    copy: Vec<QueuedJob>,
}

impl Case for Cold {
    fn prepare(&mut self) {
        self.copy = self.jobs.clone();
    }

    fn run(&mut self) {
        let waiting: WaitingJobs = std::mem::take(&mut self.copy).into_iter().collect();
        black_box(make_plan(&self.fleet, &waiting));
    }
}

/// All workers are full. The job of one ends, and others are started in its place.
struct Freed {
    fleet: Fleet,
    waiting: WaitingJobs,
    turn: usize,
    event: Option<Event>,
    freed: Option<(InstanceId, JobStart)>,
}

impl Freed {
    fn new(workers: usize, count: usize) -> Self {
        Self { fleet: full(workers), waiting: waiting(count), turn: 0, event: None, freed: None }
    }
}

impl Case for Freed {
    fn prepare(&mut self) {
        if let Some((id, start)) = self.freed.take() {
            self.fleet.forget(&id, &start.run);
            let resources = start.resources;
            let again = self.fleet.make_job(resources);
            self.fleet.start(&id, again.clone());
            let member = self.fleet.members.iter_mut().find(|member| member.id == id).unwrap();
            member.job = Some(again);
        }
        // One of two CPUs: a job or two are started.
        loop {
            self.turn = (self.turn + 487) % self.fleet.members.len();
            let member = &self.fleet.members[self.turn];
            if filling_job(&member.instance_type).cpus == Cpus::whole(2) {
                let start = member.job.clone().unwrap();
                let (instance, run) = (member.id.clone(), start.run.clone());
                self.freed = Some((instance.clone(), start));
                self.event = Some(Event::RunEnded { instance, run, end: run_end() });
                break;
            }
        }
    }

    fn run(&mut self) {
        let event = self.event.take().unwrap();
        self.fleet.event(event);
        let plan = black_box(make_plan(&self.fleet, &self.waiting));
        assert!(!plan.starts.is_empty(), "nothing is started on a worker that is free");
    }
}

/// All workers are full, and one more job is queued.
struct Queued {
    fleet: Fleet,
    waiting: WaitingJobs,
    turn: u64,
    next: Option<QueuedJob>,
}

impl Case for Queued {
    fn prepare(&mut self) {
        let before = JobId::new(format!("job-{}", 1_000_000 + self.turn)).unwrap();
        self.waiting.remove(&before);
        self.turn += 1;
        self.next = Some(job(1_000_000 + self.turn, 1_000));
    }

    fn run(&mut self) {
        self.waiting.extend(self.next.take());
        black_box(make_plan(&self.fleet, &self.waiting));
    }
}

/// All workers are full, as they were before.
struct Same {
    fleet: Fleet,
    waiting: WaitingJobs,
}

impl Case for Same {
    fn prepare(&mut self) {}

    fn run(&mut self) {
        black_box(make_plan(&self.fleet, &self.waiting));
    }
}
