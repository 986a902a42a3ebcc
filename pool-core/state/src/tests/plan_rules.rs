//! What holds for every plan, whatever the queue and the pool are.

use super::{fixtures::*, plan::instance_view};
use crate::{
    Plan, PlanOptions, PoolView, QueuedJob, Time, TypeView, WaitReason, WaitingJobs, WorkerView, plan,
};
use pool_api::{Cpus, HourlyPrice, InstanceId, InstanceTypeName, JobGroup, QuotaGroup, Reach, Resources};
use proptest::prelude::*;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

fn group() -> JobGroup {
    JobGroup::new("g").unwrap()
}

fn cpus_and_gpus(cpus: u32, gpus: u32) -> Resources {
    Resources { cpus: Cpus::whole(cpus), gpus, ..Resources::default() }
}

/// Preemptible small, small, big and one with a GPU.
fn types() -> Vec<TypeView> {
    let mut types = instance_view().types;
    let gpu = TypeView {
        instance_type: instance_type(GPU, GPU, 8, 900_000, false),
        quota_group: QuotaGroup::new("gpu").unwrap(),
        ..types[2].clone()
    };
    types.push(gpu);
    types
}

prop_compose! {
    fn a_type()(
        coming in 0..3_usize, at_capacity in prop::bool::weighted(0.2), scope in prop::option::weighted(0.2, reach()),
        min_idle in 0..2_u32, ending in 0..2_usize,
    ) -> (usize, bool, Option<Reach>, u32, usize) {
        (coming, at_capacity, scope, min_idle, ending)
    }
}

fn reach() -> impl Strategy<Value = Reach> {
    prop::sample::select(vec![Reach::InstanceType, Reach::QuotaGroup, Reach::All])
}

prop_compose! {
    fn a_worker()(at in 0..4_usize, used in 0..9_u32, busy in any::<bool>(), filled in any::<bool>(), last in 0..3_u64,
        jobs_left in prop::option::weighted(0.2, 0..3_u32))
    -> (usize, u32, bool, bool, u64, Option<u32>) {
        (at, used, busy, busy && filled && used < 3, last, jobs_left)
    }
}

prop_compose! {
    fn a_pool()(
        kinds in prop::collection::vec(a_type(), 4),
        workers in prop::collection::vec(a_worker(), 0..8),
        instances_left in prop::option::of(0..4_u32),
        creates_left in prop::option::of(0..4_u32),
        price_left in prop::option::of(0..12_u64),
    ) -> PoolView {
        let mut types = types();
        for (view, (coming, at_capacity, scope, min_idle, ending)) in types.iter_mut().zip(kinds) {
            view.unallocated = coming;
            view.creating = coming / 2;
            view.at_capacity = at_capacity;
            view.quota_scope = scope;
            view.at_quota = scope.is_some();
            view.min_idle = min_idle;
            view.ending = ending;
            view.instances = coming + ending;
        }
        let workers = workers.into_iter().enumerate().map(|(number, (at, used, busy, filled, last, jobs_left))| {
            let has = types[at].instance_type.resources();
            types[at].unallocated += usize::from(!busy);
            types[at].instances += 1;
            let used = if busy && !filled { cpus_and_gpus(used, used % 2) } else { Resources::default() };
            WorkerView {
                id: id(&format!("i-{number}")),
                instance_type: types[at].instance_type.name.clone(),
                busy,
                filled,
                last_busy: Time::from_start(secs(last)),
                free: has.saturating_sub(&used),
                has,
                jobs_left: jobs_left.map(|left| left.max(u32::from(!busy))),
                may_be_held: false,
                has_output: false,
            }
        });
        let workers = workers.collect();
        let at_quota = instances_left == Some(0);
        let price_left = price_left.map(|price| HourlyPrice::from_micros(price * 100_000));
        PoolView { loaded: true, types, workers, at_quota, instances_left, creates_left, price_left, ..PoolView::default() }
    }
}

prop_compose! {
    fn a_job()(
        number in 0..6_u64, priority in 0..4_u32, cpus in 0..10_u32, gpu in prop::bool::weighted(0.2),
        preemptible in any::<bool>(), grouped in prop::bool::weighted(0.3),
    ) -> QueuedJob {
        QueuedJob {
            id: job("unnamed"),
            number,
            priority,
            resources: cpus_and_gpus(cpus, u32::from(gpu)),
            preemptible,
            group: grouped.then(group),
        }
    }
}

fn named(jobs: Vec<QueuedJob>) -> Vec<QueuedJob> {
    let name = |(at, queued): (usize, QueuedJob)| QueuedJob { id: job(&format!("j-{at}")), ..queued };
    jobs.into_iter().enumerate().map(name).collect()
}

prop_compose! {
    fn options()(limit in prop::option::of(0..4_u32), price_factor in prop::sample::select(vec![0.0, 1.5, 5.0, 30.0]))
    -> PlanOptions {
        PlanOptions { price_factor, group_limits: limit.into_iter().map(|limit| (group(), limit)).collect() }
    }
}

#[derive(Clone, Debug)]
struct Case {
    jobs: Vec<QueuedJob>,
    pool: PoolView,
    options: PlanOptions,
    running: BTreeMap<JobGroup, u32>,
}

impl Case {
    fn waiting(&self) -> WaitingJobs {
        self.jobs.iter().cloned().collect()
    }

    fn plan(&self) -> Plan {
        plan(&self.waiting(), &self.running, &self.pool, &self.options)
    }

    fn job(&self, id: &pool_api::JobId) -> &QueuedJob {
        self.jobs.iter().find(|job| job.id == *id).unwrap()
    }

    /// Written anew here, so that it does not err with the plan.
    fn may_use(&self, job: &QueuedJob, view: &TypeView) -> bool {
        let fitting = |view: &&TypeView| {
            job.resources.fits_in(&view.instance_type.resources())
                && (job.preemptible || !view.instance_type.preemptible)
        };
        let prices = self.pool.types.iter().filter(fitting).map(|view| view.instance_type.price.as_f64());
        let limit = prices.fold(f64::INFINITY, f64::min) * self.options.price_factor.max(1.0);
        fitting(&view) && view.instance_type.price.as_f64() <= limit
    }

    fn type_of(&self, worker: &InstanceId) -> &TypeView {
        let worker = self.pool.workers.iter().find(|view| view.id == *worker).unwrap();
        self.pool.types.iter().find(|view| view.instance_type.name == worker.instance_type).unwrap()
    }
}

fn rank(job: &QueuedJob) -> impl Ord + use<> {
    (Reverse(job.priority), job.number, job.id.clone())
}

/// What is free on a worker while the starts of a plan are done one by one.
struct Free(BTreeMap<InstanceId, WorkerView>);

impl Free {
    fn of(pool: &PoolView) -> Self {
        Self(pool.workers.iter().map(|worker| (worker.id.clone(), worker.clone())).collect())
    }

    fn has_room(&self, worker: &InstanceId, job: &QueuedJob) -> bool {
        let worker = &self.0[worker];
        let whole = job.resources == Resources::default();
        job.resources.fits_in(&worker.free)
            && !worker.filled
            && worker.jobs_left != Some(0)
            && !(whole && worker.busy)
    }

    fn start(&mut self, worker: &InstanceId, job: &QueuedJob) {
        let worker = self.0.get_mut(worker).unwrap();
        worker.free = worker.free.saturating_sub(&job.resources);
        worker.filled |= job.resources == Resources::default();
        worker.busy = true;
        worker.jobs_left = worker.jobs_left.map(|left| left - 1);
    }
}

prop_compose! {
    fn cases()(
        jobs in prop::collection::vec(a_job(), 0..24), pool in a_pool(), options in options(), running in 0..3_u32,
    ) -> Case {
        Case { jobs: named(jobs), pool, options, running: [(group(), running)].into() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_start_is_of_another_job_by_rank_on_a_worker_with_room_and_of_a_type_it_may_use(case in cases()) {
        let plan = case.plan();
        let mut free = Free::of(&case.pool);
        let mut started = BTreeSet::new();
        for (id, worker) in &plan.starts {
            let job = case.job(id);
            prop_assert!(started.insert(rank(job)), "twice");
            prop_assert!(started.last() == Some(&rank(job)), "not by rank");
            prop_assert!(job.priority > 0);
            prop_assert!(free.has_room(worker, job));
            prop_assert!(case.may_use(job, case.type_of(worker)));
            free.start(worker, job);
        }
    }

    #[test]
    fn nobody_is_started_where_one_that_comes_before_and_waits_would_fit(case in cases()) {
        let (plan, waiting) = (case.plan(), case.waiting());
        let started: BTreeSet<_> = plan.starts.iter().map(|(job, _)| job).collect();
        let mut free = Free::of(&case.pool);
        for (id, worker) in &plan.starts {
            let job = case.job(id);
            for other in case.jobs.iter().filter(|other| rank(other) < rank(job) && !started.contains(&other.id)) {
                let limited = matches!(plan.why(&waiting, &other.id), Some(WaitReason::GroupLimit { .. }));
                prop_assert!(
                    limited || !case.may_use(other, case.type_of(worker)) || !free.has_room(worker, other),
                    "{} would fit", other.id
                );
            }
            free.start(worker, job);
        }
    }

    #[test]
    fn no_limit_is_passed(case in cases()) {
        let plan = case.plan();
        let asked = |left: Option<u32>| left.is_none_or(|left| plan.creates.len() <= left as usize);
        prop_assert!(asked(case.pool.instances_left));
        prop_assert!(asked(case.pool.creates_left));
        let view = |name: &InstanceTypeName| case.pool.types.iter().find(|view| view.instance_type.name == *name).unwrap();
        let price: HourlyPrice = plan.creates.iter().map(|name| view(name).instance_type.price).sum();
        prop_assert!(case.pool.price_left.is_none_or(|left| price <= left));
        for name in &plan.creates {
            prop_assert!(!view(name).at_capacity && !view(name).at_quota && !case.pool.at_quota);
        }
        let grouped = plan.starts.iter().filter(|(id, _)| case.job(id).group.is_some()).count();
        if let Some(limit) = case.options.group_limits.get(&group()) {
            prop_assert!(grouped <= limit.saturating_sub(case.running[&group()]) as usize);
        }
    }

    #[test]
    fn every_job_that_is_not_started_has_a_reason_and_no_other_job_has(case in cases()) {
        let (plan, waiting) = (case.plan(), case.waiting());
        let started: BTreeSet<_> = plan.starts.iter().map(|(job, _)| job).collect();
        for job in &case.jobs {
            let why = plan.why(&waiting, &job.id);
            prop_assert_eq!(why.is_some(), !started.contains(&job.id), "{:?}: {:?}", job, why);
            if let Some(why) = why {
                prop_assert!(!why.to_string().is_empty() && !why.kind().is_empty());
            }
        }
    }

    #[test]
    fn the_plan_does_not_depend_on_the_order_in_which_jobs_came_into_the_index(case in cases()) {
        let plan = case.plan();
        let mut other = WaitingJobs::new();
        other.extend(case.jobs.iter().rev().cloned());
        // Some go and come back.
        for job in case.jobs.iter().step_by(3) {
            let gone = other.remove(&job.id).unwrap();
            prop_assert!(other.insert(gone).is_none());
        }
        let again = crate::plan(&other, &case.running, &case.pool, &case.options);
        prop_assert_eq!((&plan.starts, &plan.creates, &plan.shutdowns), (&again.starts, &again.creates, &again.shutdowns));
        for job in &case.jobs {
            prop_assert_eq!(plan.why(&case.waiting(), &job.id), again.why(&other, &job.id));
        }
    }

    #[test]
    fn only_an_idle_worker_that_gets_no_job_is_shut_down_and_only_one(case in cases()) {
        let plan = case.plan();
        prop_assert!(plan.shutdowns.len() <= 1);
        for id in &plan.shutdowns {
            let worker = case.pool.workers.iter().find(|worker| worker.id == *id).unwrap();
            prop_assert!(!worker.busy && plan.starts.iter().all(|(_, used)| used != id));
        }
    }

    #[test]
    fn p51_what_is_to_be_idle_is_or_a_limit_forbids_it(case in cases()) {
        // Without jobs, for they come first.
        let case = Case { jobs: Vec::new(), ..case };
        let plan = case.plan();
        prop_assert!(plan.starts.is_empty() && plan.shutdowns.is_empty());
        let created = |view: &TypeView| plan.creates.iter().filter(|name| **name == view.instance_type.name).count();
        let spent: HourlyPrice = case.pool.types.iter()
            .flat_map(|view| std::iter::repeat_n(view.instance_type.price, created(view)))
            .sum();
        for view in &case.pool.types {
            let idle = view.unallocated + created(view);
            let limited = view.at_capacity || view.at_quota || case.pool.at_quota
                || [case.pool.instances_left, case.pool.creates_left].into_iter().flatten()
                    .any(|left| plan.creates.len() >= left as usize)
                || case.pool.price_left.is_some_and(|left| spent + view.instance_type.price > left);
            prop_assert!(idle >= view.min_idle as usize || limited);
            prop_assert!(created(view) == 0 || idle == view.min_idle as usize);
        }
    }

    #[test]
    fn the_index_gives_back_what_was_put_in_by_rank(jobs in prop::collection::vec(a_job(), 0..24)) {
        let mut jobs = named(jobs);
        let mut waiting: WaitingJobs = jobs.iter().cloned().collect();
        jobs.sort_by_key(rank);
        prop_assert_eq!(waiting.iter().cloned().collect::<Vec<_>>(), jobs.clone());
        for (ahead, job) in jobs.iter().enumerate() {
            prop_assert_eq!(waiting.ahead_of(&job.id, usize::MAX), Some(ahead));
            prop_assert_eq!(waiting.ahead_of(&job.id, 3), Some(ahead.min(3)));
            prop_assert_eq!(waiting.get(&job.id), Some(job));
        }
        for job in &jobs {
            prop_assert_eq!(waiting.remove(&job.id), Some(job.clone()));
        }
        prop_assert!(waiting.is_empty() && waiting.iter().next().is_none());
    }
}
