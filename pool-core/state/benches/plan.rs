//! How long a plan takes: `cargo bench -p pool-state --bench plan`.

#![expect(clippy::unwrap_used, reason = "fixed texts, known to be valid")]

#[expect(dead_code, reason = "each bench has its part of it")]
mod world;

use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use pool_api::{Cpus, InstanceId, InstanceType, JobId, Resources};
use pool_state::{PlanOptions, PoolView, Time, TypeView, WaitingJobs, WorkerView, plan};
use std::{cell::RefCell, collections::BTreeMap, sync::Arc, time::Duration};
use world::{plans, types};

const JOBS: u64 = 100_000;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Of 10,000 jobs and a real pool.
fn of_a_pool(group: &mut Group<'_>) {
    for (name, make) in plans::ALL {
        group.bench_function(BenchmarkId::new(name, 10_000), |bencher| {
            let case = RefCell::new(make(10_000));
            let batch = BatchSize::PerIteration;
            bencher.iter_batched(|| case.borrow_mut().prepare(), |()| case.borrow_mut().run(), batch);
        });
    }
}

/// As many workers, of all types in turn, all full but the first `idle`; and no more allowed.
fn pool(workers: usize, idle: usize) -> PoolView {
    let view = |instance_type: Arc<InstanceType>| TypeView {
        quota_group: types::quota_group(&instance_type),
        instance_type,
        unallocated: 0,
        creating: 0,
        at_capacity: false,
        boots_fail: false,
        at_quota: false,
        quota_scope: None,
        min_idle: 0,
        ending: 0,
        instances: 0,
    };
    let mut types: Vec<TypeView> = types::instance_types().into_iter().map(view).collect();
    let count = types.len();
    let workers = (0..workers).map(|number| {
        let view = &mut types[number % count];
        let has = view.instance_type.resources();
        let busy = number >= idle;
        view.unallocated += usize::from(!busy);
        WorkerView {
            id: InstanceId::new(format!("i-{number:06}")).unwrap(),
            instance_type: view.instance_type.name.clone(),
            busy,
            filled: false,
            last_busy: Time::ZERO,
            // What cannot be used up by jobs that ask for CPUs and memory alike.
            free: if busy { Resources { cpus: Cpus::ZERO, ..has } } else { has },
            has,
            jobs_left: None,
            may_be_held: false,
            has_output: false,
        }
    });
    let workers = workers.collect();
    PoolView { loaded: true, types, workers, instances_left: Some(0), ..PoolView::default() }
}

fn jobs(classes: u64) -> WaitingJobs {
    plans::jobs(JOBS, classes).into_iter().collect()
}

fn measure(group: &mut Group<'_>, name: &str, classes: &[u64], pool: &PoolView) {
    for classes in classes {
        let jobs = jobs(*classes);
        group.bench_function(BenchmarkId::new(name, classes), |bencher| {
            bencher.iter_with_large_drop(|| plan(&jobs, &BTreeMap::new(), pool, &plans::options()));
        });
    }
}

/// Of 100,000 jobs, in as many classes as the parameter says, and a view that is there already.
fn of_a_view(group: &mut Group<'_>) {
    // The usual pass of a busy pool: a worker has got free.
    measure(group, "one_of_1000_workers_is_free", &[20, 1_000], &pool(1_000, 1));
    // Nothing can be done.
    measure(group, "all_of_10000_workers_are_full", &[20, 100_000], &pool(10_000, 0));
    // An idle worker that hardly any job may use: the pass looks at each class.
    let mut gpu = pool(1_000, 0);
    let idle = &mut gpu.workers[11];
    (idle.busy, idle.free) = (false, idle.has);
    measure(group, "only_a_gpu_worker_is_idle", &[1_000, 100_000], &gpu);
    // The first pass of a pool with as many idle workers: tens of thousands of starts.
    measure(group, "all_of_10000_workers_are_idle", &[20, 1_000, 100_000], &pool(10_000, 10_000));
    // The first pass of an empty pool that creates as much as it wants.
    let empty = PoolView { instances_left: Some(10_000), ..pool(0, 0) };
    measure(group, "all_of_10000_workers_are_asked_for", &[20, 1_000], &empty);
}

/// What is asked of the waiting jobs besides.
fn of_the_jobs(group: &mut Group<'_>) {
    // A job comes and goes.
    let mut waiting = jobs(1_000);
    let id = JobId::new("job-50000").unwrap();
    group.bench_function("insert_and_remove", |bencher| {
        bencher.iter(|| {
            let job = waiting.remove(&id).unwrap();
            waiting.insert(job)
        });
    });
    // Why the last job waits, and how many are before it.
    let plan = plan(&waiting, &BTreeMap::new(), &pool(1_000, 1), &PlanOptions::default());
    let id = waiting.iter().last().unwrap().id.clone();
    group.bench_function("explain", |bencher| {
        bencher.iter(|| (plan.why(&waiting, &id), waiting.ahead_of(&id, 10_001)));
    });
}

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    of_a_pool(&mut group);
    of_a_view(&mut group);
    of_the_jobs(&mut group);
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
