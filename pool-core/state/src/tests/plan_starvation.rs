//! A large job gets its turn, however many small ones come after it.

use super::{fixtures::*, plan::instance_view};
use crate::{PlanOptions, PoolView, QueuedJob, Time, TypeView, WaitingJobs, WorkerView, plan};
use pool_api::{Cpus, HourlyPrice, InstanceId, Reach, Resources};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// In steps of the world: the longest job, a boot, a destroy.
const LONGEST_JOB: u64 = 20;
const BOOT: u64 = 3;
const DESTROY: u64 = 3;
/// Until the cloud answers a create; how long none is asked for after it had no capacity.
const ANSWER: u64 = 2;
const HOLD_OFF: u64 = 7;

/// So many small jobs wait at any time.
const QUEUE: usize = 4;

struct Worker {
    id: InstanceId,
    at: usize,
    asked: u64,
    ready: u64,
    gone: Option<u64>,
    jobs: Vec<(Resources, u64)>,
}

/// What the world has little of.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Short {
    Instances(usize),
    /// Of the quota group that all types but GPUs are in.
    Quota(usize),
    /// In prices of a small one.
    Money(u64),
    /// Of the quota of small ones alone.
    SmallOnes(usize),
}

/// A world in which small jobs arrive for ever.
struct World {
    now: u64,
    types: PoolView,
    workers: Vec<Worker>,
    waiting: WaitingJobs,
    short: Short,
    chance: u32,
    next: u64,
    factor: f64,
    /// The cloud has no more large ones, and says so each time it is asked.
    no_capacity: bool,
    held_off: u64,
}

impl World {
    fn new(short: Short, seed: u32) -> Self {
        Self {
            now: 0,
            types: instance_view(),
            workers: Vec::new(),
            waiting: WaitingJobs::new(),
            short,
            chance: seed,
            next: 1,
            factor: 1.5,
            no_capacity: false,
            held_off: 0,
        }
    }

    /// Small jobs may use the largest type too, and there is one such worker from the beginning.
    fn share_the_large(&mut self, share: bool) {
        if share {
            self.factor = 10.0;
            let at =
                self.types.types.iter().position(|view| view.instance_type.name.as_str() == BIG).unwrap();
            self.workers.push(Worker {
                id: id("i-large"),
                at,
                asked: 0,
                ready: 0,
                gone: None,
                jobs: Vec::new(),
            });
        }
    }

    fn draw(&mut self, below: u32) -> u32 {
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.chance >> 16) % below
    }

    fn view(&self) -> PoolView {
        let mut view = self.types.clone();
        let price = |worker: &Worker| view.types[worker.at].instance_type.price.as_micros();
        let spent: u64 = self.workers.iter().map(price).sum();
        let of_group =
            self.workers.iter().filter(|worker| view.types[worker.at].quota_group.as_str() == "cpu");
        match self.short {
            Short::Instances(most) => {
                let left = most - self.workers.len();
                view.instances_left = Some(u32::try_from(left).unwrap());
                view.at_quota = left == 0;
            }
            Short::Quota(most) if of_group.count() >= most => {
                for view in view.types.iter_mut().filter(|view| view.quota_group.as_str() == "cpu") {
                    view.quota_scope = Some(Reach::QuotaGroup);
                    view.at_quota = true;
                }
            }
            Short::SmallOnes(most) => {
                let is_small = |view: &TypeView| view.instance_type.name.as_str() == SMALL;
                let count =
                    self.workers.iter().filter(|worker| is_small(&self.types.types[worker.at])).count();
                let small = view.types.iter_mut().find(|view| is_small(view)).unwrap();
                small.at_quota = count >= most;
                small.quota_scope = (count >= most).then_some(Reach::InstanceType);
            }
            Short::Quota(_) => {}
            Short::Money(most) => {
                view.price_left =
                    Some(HourlyPrice::from_micros((most * 100_000).checked_sub(spent).unwrap()));
            }
        }
        view.types.last_mut().unwrap().at_capacity = self.held_off > self.now;
        for worker in &self.workers {
            let of_type = &mut view.types[worker.at];
            of_type.instances += 1;
            if worker.gone.is_some() {
                of_type.ending += 1;
                continue;
            }
            of_type.unallocated += usize::from(worker.jobs.is_empty());
            of_type.creating += usize::from(worker.asked + ANSWER > self.now && worker.asked > 0);
            if worker.ready > self.now {
                continue;
            }
            let has = of_type.instance_type.resources();
            view.workers.push(WorkerView {
                id: worker.id.clone(),
                instance_type: of_type.instance_type.name.clone(),
                busy: !worker.jobs.is_empty(),
                filled: worker.jobs.iter().any(|(size, _)| *size == Resources::default()),
                last_busy: Time::ZERO,
                free: worker.jobs.iter().fold(has, |free, (size, _)| free.saturating_sub(size)),
                has,
                jobs_left: None,
                may_be_held: false,
                has_output: false,
            });
        }
        view
    }

    fn submit(&mut self, text: &str, cpus: u32) {
        let resources = Resources { cpus: Cpus::whole(cpus), ..Resources::default() };
        let number = self.next;
        self.next += 1;
        let (priority, group) = (1, None);
        self.waiting.insert(QueuedJob {
            id: job(text),
            number,
            priority,
            resources,
            preemptible: false,
            group,
        });
    }

    /// One step: jobs end, small ones arrive, and what is planned is done. Returns the jobs that were started.
    fn step(&mut self) -> Vec<String> {
        self.now += 1;
        let now = self.now;
        for worker in &mut self.workers {
            worker.jobs.retain(|(_, ends)| *ends > now);
        }
        self.workers.retain(|worker| worker.gone.is_none_or(|gone| gone > now));
        let large = self.types.types.len() - 1;
        let fails = |worker: &Worker| {
            self.no_capacity && worker.at == large && worker.asked > 0 && worker.asked + ANSWER == now
        };
        if self.workers.iter().any(fails) {
            self.held_off = now + HOLD_OFF;
        }
        self.workers.retain(|worker| !fails(worker));
        while self.waiting.iter().filter(|job| job.id.as_str().starts_with("small")).count() < QUEUE {
            let cpus = 1 + self.draw(2);
            self.submit(&format!("small-{}", self.next), cpus);
        }
        let options = PlanOptions { price_factor: self.factor, ..PlanOptions::default() };
        let plan = plan(&self.waiting, &BTreeMap::new(), &self.view(), &options);
        for name in &plan.creates {
            let at = self.types.types.iter().position(|view| view.instance_type.name == *name).unwrap();
            let id = id(&format!("i-{}-{}", self.now, self.workers.len()));
            self.workers.push(Worker { id, at, asked: now, ready: now + BOOT, gone: None, jobs: Vec::new() });
        }
        for id in &plan.shutdowns {
            let worker = self.workers.iter_mut().find(|worker| worker.id == *id).unwrap();
            assert!(worker.jobs.is_empty());
            worker.gone = Some(now + DESTROY);
        }
        let mut started = Vec::new();
        for (job, id) in &plan.starts {
            let size = self.waiting.remove(job).unwrap().resources;
            let ends = now + 1 + u64::from(self.draw(u32::try_from(LONGEST_JOB).unwrap()));
            let worker = self.workers.iter_mut().find(|worker| worker.id == *id).unwrap();
            worker.jobs.push((size, ends));
            started.push(job.to_string());
        }
        // Panics where a limit is broken.
        self.view();
        started
    }

    /// How many steps it takes until the job starts.
    fn steps_until_start_of(&mut self, text: &str) -> u64 {
        let submitted = self.now;
        while !self.step().iter().any(|started| started == text) {
            assert!(self.now < submitted + 20 * LONGEST_JOB, "{text} was not started");
        }
        self.now - submitted
    }
}

fn short() -> impl Strategy<Value = Short> {
    prop_oneof![
        (1..6_usize).prop_map(Short::Instances),
        (1..6_usize).prop_map(Short::Quota),
        (4..12_u64).prop_map(Short::Money),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p51_a_large_job_is_not_overtaken_for_ever(
        short in short(), seed in any::<u32>(), cpus in prop::sample::select(vec![0, 2, 8]), share in any::<bool>(),
    ) {
        let mut world = World::new(short, seed);
        world.share_the_large(share);
        // The small ones have taken all there is.
        (0..2 * LONGEST_JOB).for_each(|_| drop(world.step()));
        world.submit("large", cpus);
        let steps = world.steps_until_start_of("large");
        // Those that were before it, one after the other if there is one worker; then a worker is drained, or with money
        // as many as it costs; then its own is created.
        let drains = if matches!(short, Short::Money(_)) { 4 } else { 1 };
        let bound = (QUEUE as u64 + drains) * LONGEST_JOB + drains * DESTROY + BOOT;
        prop_assert!(steps <= bound, "{steps} steps");
    }

    #[test]
    fn p51_large_jobs_of_several_kinds_have_their_turns(
        short in short(), seed in any::<u32>(), share in any::<bool>(),
    ) {
        let mut world = World::new(short, seed);
        world.share_the_large(share);
        (0..2 * LONGEST_JOB).for_each(|_| drop(world.step()));
        for (text, cpus) in [("whole", 0), ("large", 8), ("full", 2), ("larger", 8)] {
            world.submit(text, cpus);
        }
        let mut left = vec!["whole", "large", "full", "larger"];
        for _ in 0..20 * LONGEST_JOB {
            let started = world.step();
            left.retain(|text| !started.iter().any(|job| job == text));
        }
        prop_assert!(left.is_empty(), "{left:?} were not started");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p51_a_large_job_gets_a_worker_that_is_there_while_the_cloud_has_no_other(
        most in 2..6_usize, seed in any::<u32>(),
    ) {
        let mut world = World::new(Short::SmallOnes(most), seed);
        world.share_the_large(true);
        world.no_capacity = true;
        (0..2 * LONGEST_JOB).for_each(|_| drop(world.step()));
        world.submit("large", 8);
        let steps = world.steps_until_start_of("large");
        prop_assert!(steps <= (QUEUE as u64 + 1) * LONGEST_JOB, "{steps} steps");
    }
}

#[test]
fn p51_others_go_on_while_a_large_job_waits() {
    let mut world = World::new(Short::Instances(6), 1);
    (0..2 * LONGEST_JOB).for_each(|_| drop(world.step()));
    world.submit("large", 8);
    let mut small = 0;
    loop {
        let started = world.step();
        if started.iter().any(|job| job == "large") {
            break;
        }
        small += started.len();
    }
    assert!(small > 4, "{small} small jobs were started meanwhile");
}
