//! What the plan promises.

use super::fixtures::*;
use crate::{
    NoFit, Plan, PlanOptions, PoolView, QueuedJob, QuotaScope, Time, TypeView, WaitReason, WaitingJobs,
    WorkerView, plan,
};
use pool_api::{Cpus, InstanceTypeName, QuotaGroup, Reach, Resources};
use std::collections::BTreeMap;

pub(super) fn queued(text: &str, cpus: u32) -> QueuedJob {
    let resources = Resources { cpus: Cpus::whole(cpus), ..Resources::default() };
    QueuedJob { id: job(text), number: 0, priority: 1, resources, preemptible: false, group: None }
}

/// Small (2 CPUs), big (8) and preemptible small, without any instance.
pub(super) fn instance_view() -> PoolView {
    let types = [(SMALL_SPOT, 2, 40, true), (SMALL, 2, 100, false), (BIG, 8, 400, false)];
    let types = types.map(|(text, cpus, price, spot)| TypeView {
        instance_type: instance_type(text, text, cpus, price * 1000, spot),
        unallocated: 0,
        creating: 0,
        at_capacity: false,
        boots_fail: false,
        at_quota: false,
        quota_group: QuotaGroup::new("cpu").unwrap(),
        quota_scope: None,
        min_idle: 0,
        ending: 0,
        instances: 0,
    });
    PoolView { loaded: true, types: types.into(), ..PoolView::default() }
}

pub(super) fn worker(text: &str, type_name: &str, free: u32, busy: bool, last_busy: u64) -> WorkerView {
    WorkerView {
        id: id(text),
        instance_type: name(type_name),
        busy,
        filled: false,
        last_busy: Time::from_start(secs(last_busy)),
        free: Resources { cpus: Cpus::whole(free), ..full() },
        has: full(),
        jobs_left: None,
        may_be_held: false,
        has_output: false,
    }
}

pub(super) fn with_workers(workers: Vec<WorkerView>) -> PoolView {
    let mut pool = instance_view();
    for worker in workers.iter().filter(|worker| !worker.busy) {
        let of_type = pool.types.iter_mut().find(|t| t.instance_type.name == worker.instance_type);
        of_type.unwrap().unallocated += 1;
    }
    pool.workers = workers;
    pool
}

/// The jobs wait in this order.
fn waiting(jobs: &[QueuedJob]) -> WaitingJobs {
    (1..).zip(jobs).map(|(number, job)| QueuedJob { number, ..job.clone() }).collect()
}

/// A plan and the jobs that it was made from.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) waiting: WaitingJobs,
}

impl Planned {
    pub(super) fn with(jobs: &[QueuedJob], pool: &PoolView, options: &PlanOptions) -> Self {
        let waiting = waiting(jobs);
        Self { plan: plan(&waiting, &BTreeMap::new(), pool, options), waiting }
    }

    pub(super) fn starts(&self) -> Vec<(&str, &str)> {
        self.plan.starts.iter().map(|(job, id)| (job.as_str(), id.as_str())).collect()
    }

    pub(super) fn creates(&self) -> Vec<&str> {
        self.plan.creates.iter().map(InstanceTypeName::as_str).collect()
    }

    pub(super) fn shutdowns(&self) -> Vec<&str> {
        self.plan.shutdowns.iter().map(pool_api::InstanceId::as_str).collect()
    }

    pub(super) fn why(&self, text: &str) -> WaitReason {
        self.plan.why(&self.waiting, &job(text)).expect(text)
    }
}

pub(super) fn planned(jobs: &[QueuedJob], pool: &PoolView) -> Planned {
    Planned::with(jobs, pool, &PlanOptions::default())
}

#[test]
fn nothing_is_planned_before_the_instances_are_known() {
    let pool = PoolView { loaded: false, ..instance_view() };
    let plan = planned(&[queued("a", 1)], &pool);
    assert_eq!(plan.why("a"), WaitReason::NotLoaded);
    assert!(plan.creates().is_empty() && plan.starts().is_empty());
}

#[test]
fn p51_jobs_go_by_priority_then_by_their_place_in_the_queue() {
    let mut queue = [queued("first", 2), queued("second", 2), queued("urgent", 2)];
    queue[2].priority = 5;
    let pool = with_workers(vec![worker("i-1", SMALL, 2, false, 1), worker("i-2", SMALL, 2, false, 2)]);
    let plan = planned(&queue, &pool);
    assert_eq!(plan.starts(), [("urgent", "i-2"), ("first", "i-1")], "the most recently busy first");
    assert_eq!(plan.why("second"), WaitReason::Creating(name(SMALL)));
}

#[test]
fn p51_priority_0_stops_a_job() {
    let stopped = QueuedJob { priority: 0, ..queued("stopped", 1) };
    let plan = planned(&[stopped, queued("other", 1)], &instance_view());
    assert_eq!(plan.creates(), [SMALL]);
    assert_eq!(plan.why("stopped"), WaitReason::Stopped);
}

#[test]
fn p51_the_cheapest_type_that_fits_is_asked_for_and_preemptible_only_if_allowed() {
    let willing = QueuedJob { preemptible: true, ..queued("willing", 1) };
    let plan =
        planned(&[willing, queued("careful", 1), queued("large", 8), queued("huge", 9)], &instance_view());
    assert_eq!(plan.creates(), [SMALL_SPOT, SMALL, BIG]);
    assert!(matches!(plan.why("huge"), WaitReason::NoTypeFits(NoFit::TooLarge(_))));
}

#[test]
fn p51_a_dearer_type_is_used_only_within_the_price_factor() {
    let pool = with_workers(vec![worker("i-1", BIG, 8, false, 1)]);
    let plan = planned(&[queued("a", 1)], &pool);
    assert_eq!((plan.starts(), plan.creates()), (vec![], vec![SMALL]));
    let options = PlanOptions { price_factor: 4.0, ..PlanOptions::default() };
    assert_eq!(Planned::with(&[queued("a", 1)], &pool, &options).starts(), [("a", "i-1")]);
}

#[test]
fn p51_a_busy_worker_with_room_comes_before_an_idle_one_and_the_fullest_first() {
    let pool = with_workers(vec![
        worker("idle", SMALL, 2, false, 9),
        worker("roomy", SMALL, 2, true, 1),
        worker("tight", SMALL, 1, true, 1),
    ]);
    let plan = planned(&[queued("a", 1), queued("b", 1), queued("c", 1), queued("d", 2)], &pool);
    assert_eq!(plan.starts(), [("a", "tight"), ("b", "roomy"), ("c", "roomy"), ("d", "idle")]);
}

#[test]
fn p51_a_job_that_says_nothing_of_its_size_has_a_worker_to_itself() {
    let pool = with_workers(vec![worker("busy", SMALL, 1, true, 1), worker("idle", SMALL, 2, false, 1)]);
    let plan = planned(&[queued("whole", 0), queued("small", 1), queued("next", 1)], &pool);
    assert_eq!(plan.starts(), [("whole", "idle"), ("small", "busy")]);
    assert_eq!(plan.creates(), [SMALL]);
}

#[test]
fn p51_an_instance_that_is_coming_is_shared_by_those_who_wait_for_it() {
    let mut pool = instance_view();
    pool.types[1].unallocated = 1;
    let plan = planned(&[queued("a", 1), queued("b", 1), queued("c", 1), queued("d", 1)], &pool);
    assert_eq!([plan.why("a"), plan.why("b")], [(); 2].map(|()| WaitReason::Booting(name(SMALL))));
    assert_eq!(plan.creates(), [SMALL], "one more for the other two");
    assert_eq!([plan.why("c"), plan.why("d")], [(); 2].map(|()| WaitReason::Creating(name(SMALL))));
}

#[test]
fn no_capacity_is_told_apart_from_quota() {
    let mut pool = instance_view();
    pool.types[1].at_capacity = true;
    let why = |pool: &PoolView| planned(&[queued("a", 1)], pool).why("a");
    assert_eq!(why(&pool), WaitReason::NoCapacity(name(SMALL)));
    pool.types[1].at_capacity = false;
    pool.types[1].at_quota = true;
    pool.types[1].quota_scope = Some(Reach::InstanceType);
    assert_eq!(why(&pool), WaitReason::Quota { scope: QuotaScope::Type(name(SMALL)) });
}

#[test]
fn p51_at_quota_one_idle_worker_that_no_waiting_job_takes_makes_way() {
    let mut pool = with_workers(vec![
        worker("taken", SMALL, 2, false, 9),
        worker("spare", SMALL, 2, false, 1),
        worker("other", SMALL, 2, false, 2),
        worker("busy", SMALL, 0, true, 1),
    ]);
    pool.instances_left = Some(0);
    let plan = planned(&[queued("large", 8), queued("larger", 8), queued("small", 2)], &pool);
    assert_eq!(plan.starts(), [("small", "taken")]);
    assert_eq!(plan.shutdowns(), ["spare"], "one, and not the one that a later job takes");
    assert_eq!(plan.why("larger"), WaitReason::MaxInstances);
    let because = Box::new(WaitReason::MaxInstances);
    assert_eq!(plan.why("large"), WaitReason::MakingRoom { worker: id("spare"), because });
}
