//! What the plan promises.

use super::fixtures::*;
use crate::{Plan, PlanOptions, PoolView, QueuedJob, Time, TypeView, WaitReason, WorkerView, plan};
use pool_api::{Cpus, Resources};

fn queued(text: &str, cpus: u32) -> QueuedJob {
    let resources = Resources { cpus: Cpus::whole(cpus), ..Resources::default() };
    QueuedJob { id: job(text), priority: 0, resources, preemptible: false }
}

/// Small (2 CPUs), big (8) and preemptible small, without any instance.
fn view() -> PoolView {
    let types = [(SMALL_SPOT, 2, 40, true), (SMALL, 2, 100, false), (BIG, 8, 400, false)];
    let types = types.map(|(text, cpus, price, spot)| TypeView {
        instance_type: instance_type(text, text, cpus, price * 1000, spot),
        unallocated: 0,
        at_capacity: false,
        at_quota: false,
    });
    PoolView { loaded: true, types: types.into(), workers: Vec::new(), at_quota: false }
}

fn worker(text: &str, type_name: &str, free: u32, busy: bool, last_busy: u64) -> WorkerView {
    WorkerView {
        id: id(text),
        instance_type: name(type_name),
        busy,
        filled: false,
        last_busy: Time::from_start(secs(last_busy)),
        free: Resources { cpus: Cpus::whole(free), ..full() },
    }
}

fn with_workers(workers: Vec<WorkerView>) -> PoolView {
    let mut pool = view();
    for worker in workers.iter().filter(|worker| !worker.busy) {
        let of_type = pool.types.iter_mut().find(|t| t.instance_type.name == worker.instance_type);
        of_type.unwrap().unallocated += 1;
    }
    pool.workers = workers;
    pool
}

fn planned(queue: &[QueuedJob], pool: &PoolView) -> Plan {
    plan(queue, pool, &PlanOptions::default())
}

fn starts(plan: &Plan) -> Vec<(&str, &str)> {
    plan.starts.iter().map(|(job, id)| (job.as_str(), id.as_str())).collect()
}

#[test]
fn nothing_is_planned_before_the_instances_are_known() {
    let pool = PoolView { loaded: false, ..view() };
    let plan = planned(&[queued("a", 1)], &pool);
    assert_eq!(plan.waiting[&job("a")], WaitReason::NotLoaded);
    assert!(plan.creates.is_empty() && plan.starts.is_empty());
}

#[test]
fn jobs_go_by_priority_then_by_their_place_in_the_queue() {
    let mut queue = [queued("first", 2), queued("second", 2), queued("urgent", 2)];
    queue[2].priority = 5;
    let pool = with_workers(vec![worker("i-1", SMALL, 2, false, 1), worker("i-2", SMALL, 2, false, 2)]);
    let plan = planned(&queue, &pool);
    assert_eq!(starts(&plan), [("urgent", "i-2"), ("first", "i-1")], "the most recently busy first");
    assert_eq!(plan.waiting[&job("second")], WaitReason::Creating(name(SMALL)));
}

#[test]
fn the_cheapest_type_that_fits_is_asked_for_and_preemptible_only_if_allowed() {
    let willing = QueuedJob { preemptible: true, ..queued("willing", 1) };
    let plan = planned(&[willing, queued("careful", 1), queued("large", 8), queued("huge", 9)], &view());
    assert_eq!(plan.creates, [name(SMALL_SPOT), name(SMALL), name(BIG)]);
    assert_eq!(plan.waiting[&job("huge")], WaitReason::NoTypeFits);
}

#[test]
fn a_dearer_type_is_used_only_within_the_price_factor() {
    let pool = with_workers(vec![worker("i-1", BIG, 8, false, 1)]);
    let plan = planned(&[queued("a", 1)], &pool);
    assert_eq!((starts(&plan), plan.creates.clone()), (vec![], vec![name(SMALL)]));
    let options = PlanOptions { price_factor: 4.0 };
    assert_eq!(starts(&crate::plan(&[queued("a", 1)], &pool, &options)), [("a", "i-1")]);
}

#[test]
fn a_busy_worker_with_room_comes_before_an_idle_one_and_the_fullest_first() {
    let pool = with_workers(vec![
        worker("idle", SMALL, 2, false, 9),
        worker("roomy", SMALL, 2, true, 1),
        worker("tight", SMALL, 1, true, 1),
    ]);
    let plan = planned(&[queued("a", 1), queued("b", 1), queued("c", 1), queued("d", 2)], &pool);
    assert_eq!(starts(&plan), [("a", "tight"), ("b", "roomy"), ("c", "roomy"), ("d", "idle")]);
}

#[test]
fn a_job_that_says_nothing_of_its_size_has_a_worker_to_itself() {
    let pool = with_workers(vec![worker("busy", SMALL, 1, true, 1), worker("idle", SMALL, 2, false, 1)]);
    let plan = planned(&[queued("whole", 0), queued("small", 1), queued("next", 1)], &pool);
    assert_eq!(starts(&plan), [("whole", "idle"), ("small", "busy")]);
    assert_eq!(plan.creates, [name(SMALL)]);
}

#[test]
fn an_instance_that_is_coming_is_shared_by_those_who_wait_for_it() {
    let mut pool = view();
    pool.types[1].unallocated = 1;
    let plan = planned(&[queued("a", 1), queued("b", 1), queued("c", 1), queued("d", 1)], &pool);
    let why = |text: &str| plan.waiting[&job(text)].clone();
    assert_eq!([why("a"), why("b")], [WaitReason::Booting(name(SMALL)), WaitReason::Booting(name(SMALL))]);
    assert_eq!(plan.creates, [name(SMALL)], "one more for the other two");
    assert_eq!([why("c"), why("d")], [WaitReason::Creating(name(SMALL)), WaitReason::Booting(name(SMALL))]);
}

#[test]
fn no_capacity_is_told_apart_from_quota() {
    let mut pool = view();
    pool.types[1].at_capacity = true;
    let plan = planned(&[queued("a", 1)], &pool);
    assert_eq!(plan.waiting[&job("a")], WaitReason::NoCapacity(name(SMALL)));
    pool.types[1].at_capacity = false;
    pool.types[1].at_quota = true;
    assert_eq!(planned(&[queued("a", 1)], &pool).waiting[&job("a")], WaitReason::AtQuota);
}

#[test]
fn at_quota_one_idle_worker_that_no_waiting_job_takes_makes_way() {
    let mut pool = with_workers(vec![
        worker("taken", SMALL, 2, false, 9),
        worker("spare", SMALL, 2, false, 1),
        worker("other", SMALL, 2, false, 1),
        worker("busy", SMALL, 0, true, 1),
    ]);
    pool.at_quota = true;
    pool.types.iter_mut().for_each(|t| t.at_quota = true);
    let plan = planned(&[queued("large", 8), queued("larger", 8), queued("small", 2)], &pool);
    assert_eq!(starts(&plan), [("small", "taken")]);
    assert_eq!(plan.shutdowns, [id("spare")], "one, and not the one that a later job takes");
    assert_eq!(plan.waiting[&job("large")], WaitReason::AtQuota);
}
