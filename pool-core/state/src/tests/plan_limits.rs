//! What the plan does where something is short, and what it says of it.

use super::{fixtures::*, plan::*};
use crate::{NoFit, PlanOptions, PoolView, QueuedJob, QuotaScope, TypeView, WaitReason, WorkerView, fits};
use pool_api::{ByteSize, Cpus, HourlyPrice, InstanceType, JobGroup, QuotaGroup, Reach, Resources};
use std::sync::Arc;

/// With a type that has a GPU and a quota of its own.
fn with_gpu(mut pool: PoolView) -> PoolView {
    let gpu = TypeView {
        instance_type: instance_type(GPU, GPU, 8, 900_000, false),
        quota_group: QuotaGroup::new("gpu").unwrap(),
        unallocated: 0,
        ..pool.types[2].clone()
    };
    pool.types.push(gpu);
    pool
}

fn of_type<'a>(pool: &'a mut PoolView, type_name: &str) -> &'a mut TypeView {
    pool.types.iter_mut().find(|view| view.instance_type.name.as_str() == type_name).unwrap()
}

fn on_gpu(text: &str) -> QueuedJob {
    let mut job = queued(text, 1);
    job.resources.gpus = 1;
    job
}

/// A big one: all of it is free, or a part.
fn big(text: &str, free: u32) -> WorkerView {
    let has = Resources { cpus: Cpus::whole(8), memory: ByteSize::gib(16), ..Resources::default() };
    let free = Resources { cpus: Cpus::whole(free), ..has };
    WorkerView { free, has, ..worker(text, BIG, 0, free.cpus < has.cpus, 1) }
}

fn price(small_ones: u64) -> Option<HourlyPrice> {
    Some(HourlyPrice::from_micros(small_ones * 100_000))
}

#[test]
fn p51_no_more_is_asked_for_than_max_instances_and_creates_in_flight_allow() {
    let jobs = [queued("a", 2), queued("b", 2), queued("c", 2)];
    let pool = PoolView { instances_left: Some(2), ..instance_view() };
    let plan = planned(&jobs, &pool);
    assert_eq!((plan.creates(), plan.why("c")), (vec![SMALL, SMALL], WaitReason::MaxInstances));

    let pool = PoolView { creates_left: Some(1), ..instance_view() };
    let plan = planned(&jobs, &pool);
    assert_eq!((plan.creates(), plan.why("b")), (vec![SMALL], WaitReason::CreateSlots(name(SMALL))));
}

#[test]
fn p51_what_the_spend_cap_leaves_is_kept_for_the_first_that_it_does_not_suffice_for() {
    let mut pool = with_workers(vec![worker("i-1", SMALL, 0, true, 1)]);
    of_type(&mut pool, SMALL).instances = 1;
    pool.price_left = price(3);
    let plan = planned(&[queued("large", 8), queued("small", 2)], &pool);
    assert!(plan.creates().is_empty(), "a small one would take what the large one needs");
    assert_eq!(plan.why("small"), WaitReason::PriceKept { job: job("large") });
    let because = Box::new(WaitReason::PriceCap(name(BIG)));
    assert_eq!(plan.why("large"), WaitReason::MakingRoom { worker: id("i-1"), because });
}

#[test]
fn a_job_whose_type_costs_more_than_the_spend_cap_keeps_nothing_from_others() {
    let pool = PoolView { price_left: price(3), ..instance_view() };
    let plan = planned(&[queued("large", 8), queued("small", 2)], &pool);
    assert_eq!(plan.creates(), [SMALL]);
    assert_eq!(plan.why("large"), WaitReason::PriceCap(name(BIG)));
}

#[test]
fn the_cheapest_idle_worker_that_frees_enough_money_goes() {
    let mut pool = with_gpu(with_workers(vec![worker("cheap", SMALL_SPOT, 2, false, 1), big("dear", 8)]));
    pool.price_left = price(6);
    for text in [SMALL_SPOT, BIG] {
        of_type(&mut pool, text).instances = 1;
    }
    assert_eq!(planned(&[on_gpu("a")], &pool).shutdowns(), ["dear"], "3 are missing, and 0.4 would not do");
}

#[test]
fn p51_a_gpu_quota_does_not_stop_cpu_work() {
    let mut pool = with_gpu(with_workers(vec![worker("i-1", SMALL, 2, false, 1)]));
    of_type(&mut pool, GPU).quota_scope = Some(Reach::QuotaGroup);
    let plan = planned(&[on_gpu("gpu"), queued("here", 2), queued("new", 2)], &pool);
    assert_eq!((plan.starts(), plan.creates()), (vec![("here", "i-1")], vec![SMALL]));
    assert!(plan.shutdowns().is_empty());
    let scope = QuotaScope::Group(QuotaGroup::new("gpu").unwrap());
    assert_eq!(plan.why("gpu"), WaitReason::Quota { scope });
}

#[test]
fn p51_only_the_end_of_a_worker_of_the_same_quota_makes_room() {
    let mut pool = with_gpu(with_workers(vec![worker("i-1", SMALL, 2, false, 1)]));
    of_type(&mut pool, GPU).quota_scope = Some(Reach::QuotaGroup);
    assert!(planned(&[on_gpu("gpu")], &pool).shutdowns().is_empty());
    of_type(&mut pool, GPU).quota_scope = None;
    of_type(&mut pool, BIG).quota_scope = Some(Reach::QuotaGroup);
    assert_eq!(planned(&[queued("large", 8)], &pool).shutdowns(), ["i-1"]);
    of_type(&mut pool, BIG).quota_scope = Some(Reach::InstanceType);
    assert!(planned(&[queued("large", 8)], &pool).shutdowns().is_empty());
    of_type(&mut pool, BIG).quota_scope = Some(Reach::All);
    let plan = planned(&[queued("large", 8)], &pool);
    assert_eq!(plan.shutdowns(), ["i-1"]);
    let because = Box::new(WaitReason::Quota { scope: QuotaScope::All });
    assert_eq!(plan.why("large"), WaitReason::MakingRoom { worker: id("i-1"), because });
}

/// Who asks for its end is refused, and would ask again and again, with the worker kept from others meanwhile.
#[test]
fn p51_no_worker_makes_room_of_which_it_is_not_known_whether_it_is_held() {
    let mut pool = with_workers(vec![worker("i-1", SMALL, 2, false, 1), worker("i-2", SMALL, 2, false, 2)]);
    pool.instances_left = Some(0);
    pool.workers[0].may_be_held = true;
    assert_eq!(planned(&[queued("large", 8)], &pool).shutdowns(), ["i-2"], "the other has idled longer");
    pool.workers[1].may_be_held = true;
    let plan = planned(&[queued("large", 8), queued("small", 2)], &pool);
    assert!(plan.shutdowns().is_empty());
    assert_eq!(plan.starts().len(), 1, "nor is it kept");
}

/// Its end would be refused, again and again, while another could go at once.
#[test]
fn p51_a_worker_whose_output_is_not_fetched_makes_no_room_yet_and_another_does() {
    let mut pool = with_workers(vec![worker("i-1", SMALL, 2, false, 1), worker("i-2", SMALL, 2, false, 2)]);
    pool.instances_left = Some(0);
    pool.workers[0].has_output = true;
    assert_eq!(planned(&[queued("large", 8)], &pool).shutdowns(), ["i-2"], "the other has idled longer");
    pool.workers[1].has_output = true;
    assert!(planned(&[queued("large", 8)], &pool).shutdowns().is_empty());
}

#[test]
fn p51_no_second_worker_goes_while_one_is_going() {
    let mut pool = with_workers(vec![worker("i-1", SMALL, 2, false, 1)]);
    pool.instances_left = Some(0);
    of_type(&mut pool, SMALL).ending = 1;
    let plan = planned(&[queued("large", 8), queued("small", 2)], &pool);
    assert!(plan.shutdowns().is_empty());
    assert_eq!(plan.starts(), [("small", "i-1")], "nor is it kept");
}

#[test]
fn p51_a_worker_of_its_type_is_kept_for_the_first_that_is_blocked_and_the_others_go_on() {
    let mut pool = with_workers(vec![big("full", 1), big("emptier", 4), worker("other", SMALL, 1, true, 1)]);
    pool.instances_left = Some(0);
    let options = PlanOptions { price_factor: 10.0, ..PlanOptions::default() };
    let jobs = [queued("large", 8), queued("a", 1), queued("b", 1), queued("c", 1), queued("d", 1)];
    let plan = Planned::with(&jobs, &pool, &options);
    assert_eq!(plan.starts(), [("a", "other"), ("b", "full")]);
    let because = Box::new(WaitReason::MaxInstances);
    assert_eq!(plan.why("large"), WaitReason::Reserved { worker: id("emptier"), because });
    let because = Box::new(WaitReason::MaxInstances);
    assert_eq!(
        plan.why("c"),
        WaitReason::Reserved { worker: id("full"), because },
        "it is first of its types"
    );
    assert_eq!(plan.why("d"), WaitReason::KeptForAnother { worker: id("emptier"), job: job("large") });
}

#[test]
fn p51_nothing_is_kept_for_a_job_whose_instance_boots_but_while_it_is_only_asked_for() {
    let mut pool = with_workers(vec![big("i-1", 4)]);
    of_type(&mut pool, BIG).unallocated = 1;
    let options = PlanOptions { price_factor: 10.0, ..PlanOptions::default() };
    let jobs = [queued("large", 8), queued("small", 1)];
    let plan = Planned::with(&jobs, &pool, &options);
    assert_eq!(plan.starts(), [("small", "i-1")]);
    assert_eq!(plan.why("large"), WaitReason::Booting(name(BIG)));

    of_type(&mut pool, BIG).creating = 1;
    assert!(Planned::with(&jobs, &pool, &options).starts().is_empty());
    of_type(&mut pool, BIG).unallocated = 0;
    of_type(&mut pool, BIG).creating = 0;
    pool.creates_left = Some(0);
    let plan = Planned::with(&jobs, &pool, &options);
    assert!(plan.starts().is_empty());
    let because = Box::new(WaitReason::CreateSlots(name(BIG)));
    assert_eq!(plan.why("large"), WaitReason::Reserved { worker: id("i-1"), because });
}

#[test]
fn p51_only_so_many_jobs_of_a_group_have_a_worker_at_once() {
    let group = JobGroup::new("supervisors").unwrap();
    let of_group = |text| QueuedJob { group: Some(group.clone()), ..queued(text, 1) };
    let options = PlanOptions { group_limits: [(group.clone(), 2)].into(), ..PlanOptions::default() };
    let jobs = [of_group("a"), of_group("b"), of_group("c"), queued("other", 1)];
    let plan = Planned::with(&jobs, &with_workers(vec![worker("i-1", SMALL, 2, false, 1)]), &options);
    assert_eq!(plan.starts(), [("a", "i-1"), ("b", "i-1")]);
    assert_eq!(plan.why("c"), WaitReason::GroupLimit { group: group.clone(), limit: 2 });
    assert_eq!(plan.why("other"), WaitReason::Creating(name(SMALL)));

    let none = PlanOptions { group_limits: [(group.clone(), 0)].into(), ..PlanOptions::default() };
    let plan = Planned::with(&jobs, &instance_view(), &none);
    assert_eq!(plan.why("a"), WaitReason::GroupLimit { group, limit: 0 });
}

#[test]
fn p51_instances_that_are_to_be_idle_come_after_all_jobs() {
    let mut pool = with_workers(vec![worker("i-1", SMALL, 2, false, 1)]);
    of_type(&mut pool, SMALL).min_idle = 1;
    assert!(planned(&[], &pool).creates().is_empty(), "there is one");
    assert_eq!(planned(&[queued("a", 1)], &pool).creates(), [SMALL], "a job takes it");
    let one = PoolView { creates_left: Some(1), ..pool.clone() };
    assert_eq!(planned(&[queued("a", 1), queued("large", 8)], &one).creates(), [BIG]);
    let none = PoolView { instances_left: Some(0), ..pool };
    assert!(planned(&[queued("a", 1)], &none).creates().is_empty());
}

#[test]
fn a_worker_that_may_get_one_more_job_gets_one() {
    let mut last = worker("i-1", SMALL, 2, false, 1);
    last.jobs_left = Some(1);
    let mut pool = with_workers(vec![last]);
    pool.max_jobs_per_instance = 1;
    let plan = planned(&[queued("a", 1), queued("b", 1), queued("c", 1)], &pool);
    assert_eq!((plan.starts(), plan.creates()), (vec![("a", "i-1")], vec![SMALL, SMALL]));
}

#[test]
fn a_job_that_came_after_the_plan_and_that_nothing_stands_against_has_no_reason_yet() {
    let mut planned = planned(&[queued("a", 1)], &instance_view());
    planned.waiting.insert(queued("later", 8));
    assert_eq!(planned.plan.why(&planned.waiting, &job("later")), None);
    assert_eq!(planned.plan.why(&planned.waiting, &job("unknown")), None);
}

#[test]
fn what_does_not_fit_is_told_with_the_nearest_type_and_what_it_lacks() {
    let types: Vec<Arc<InstanceType>> =
        with_gpu(instance_view()).types.into_iter().map(|view| view.instance_type).collect();
    let text = |cpus: u32, memory: u64, gpus: u32, preemptible: bool| {
        let resources = Resources {
            cpus: Cpus::whole(cpus),
            memory: ByteSize::gib(memory),
            gpus,
            ..Resources::default()
        };
        let answer = fits(types.iter().map(AsRef::as_ref), &resources, preemptible);
        answer.map_err(|no_fit| no_fit.to_string())
    };
    assert_eq!(text(8, 16, 1, false), Ok(()));
    assert_eq!(
        text(8, 64, 0, false).unwrap_err(),
        "no instance type is large enough; the nearest is big: memory: 64.0 GiB wanted, 16.0 GiB there"
    );
    assert_eq!(
        text(9, 20, 2, true).unwrap_err(),
        "no instance type is large enough; the nearest is gpu: CPUs: 9 wanted, 8 there, \
         memory: 20.0 GiB wanted, 16.0 GiB there, GPUs: 2 wanted, 1 there"
    );
    assert_eq!(fits([], &full(), true), Err(NoFit::NoTypes));
    let spot = &types[..1];
    assert_eq!(
        fits(spot.iter().map(AsRef::as_ref), &half(), false).unwrap_err().to_string(),
        "only preemptible types are large enough, such as small-spot: allow preemptible"
    );
}
