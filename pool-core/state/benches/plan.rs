//! How long a plan takes with 100,000 jobs waiting. Run it with `cargo bench -p pool-state`.

#![expect(clippy::unwrap_used, reason = "fixed texts, known to be valid")]

use divan::Bencher;
use pool_api::{
    Architecture, ByteSize, Cpus, HourlyPrice, InstanceId, InstanceType, InstanceTypeName, JobId,
    ProviderType, QuotaGroup, Resources,
};
use pool_state::{PlanOptions, PoolView, QueuedJob, Time, TypeView, WaitingJobs, WorkerView, plan};
use std::{collections::BTreeMap, sync::Arc};

const JOBS: u64 = 100_000;

fn main() {
    divan::main();
}

/// Twelve types: 2 to 128 CPUs, each also with GPUs.
fn types() -> Vec<TypeView> {
    let mut types: Vec<TypeView> = [2, 4, 8, 16, 64, 128]
        .into_iter()
        .flat_map(|cpus| [(cpus, 0), (cpus, cpus / 2)])
        .map(|(cpus, gpus)| {
            let name = format!("c{cpus}g{gpus}");
            let instance_type = InstanceType {
                name: InstanceTypeName::new(&name).unwrap(),
                provider_type: ProviderType::new(&name).unwrap(),
                vcpus: Cpus::whole(cpus),
                memory: ByteSize::gib(u64::from(cpus) * 4),
                included_scratch: ByteSize::gib(100),
                added_scratch: ByteSize::gib(0),
                gpus,
                price: HourlyPrice::from_micros(u64::from(cpus) * 50_000 + u64::from(gpus) * 1_000_000),
                preemptible: false,
                architecture: Architecture::X86_64,
                image: None,
            };
            TypeView {
                instance_type: Arc::new(instance_type),
                unallocated: 0,
                creating: 0,
                at_capacity: false,
                at_quota: false,
                quota_group: QuotaGroup::new(if gpus > 0 { "gpu" } else { "cpu" }).unwrap(),
                quota_scope: None,
                min_idle: 0,
                ending: 0,
                instances: 0,
            }
        })
        .collect();
    types.sort_by_key(|view| view.instance_type.price);
    types
}

/// As many workers, of all types in turn, all full but the first `idle`; and no more allowed.
fn pool(workers: usize, idle: usize) -> PoolView {
    let mut types = types();
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

/// Jobs of 1 to 8 CPUs, every 16th with a GPU, in as many classes.
fn jobs(classes: u64) -> WaitingJobs {
    let job = |number: u64| {
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
    };
    (0..JOBS).map(job).collect()
}

fn measure(bencher: Bencher<'_, '_>, classes: u64, pool: &PoolView) {
    let jobs = jobs(classes);
    let options = PlanOptions { price_factor: 4.0, ..PlanOptions::default() };
    bencher.bench_local(|| plan(&jobs, &BTreeMap::new(), pool, &options));
}

/// The usual pass of a busy pool: a worker has got free.
#[divan::bench(args = [20, 1_000])]
fn one_of_1000_workers_is_free(bencher: Bencher<'_, '_>, classes: u64) {
    measure(bencher, classes, &pool(1_000, 1));
}

/// Nothing can be done.
#[divan::bench(args = [20, 100_000])]
fn all_of_10000_workers_are_full(bencher: Bencher<'_, '_>, classes: u64) {
    measure(bencher, classes, &pool(10_000, 0));
}

/// An idle worker that hardly any job may use: the pass looks at each class.
#[divan::bench(args = [1_000, 100_000])]
fn only_a_gpu_worker_is_idle(bencher: Bencher<'_, '_>, classes: u64) {
    let mut pool = pool(1_000, 0);
    let idle = &mut pool.workers[11];
    (idle.busy, idle.free) = (false, idle.has);
    measure(bencher, classes, &pool);
}

/// The first pass of a pool with as many idle workers: tens of thousands of starts.
#[divan::bench(args = [20, 1_000, 100_000])]
fn all_of_10000_workers_are_idle(bencher: Bencher<'_, '_>, classes: u64) {
    measure(bencher, classes, &pool(10_000, 10_000));
}

/// The first pass of an empty pool that creates as much as it wants.
#[divan::bench(args = [20, 1_000])]
fn all_of_10000_workers_are_asked_for(bencher: Bencher<'_, '_>, classes: u64) {
    measure(bencher, classes, &PoolView { instances_left: Some(10_000), ..pool(0, 0) });
}

/// A job comes and goes.
#[divan::bench]
fn insert_and_remove(bencher: Bencher<'_, '_>) {
    let mut jobs = jobs(1_000);
    let id = JobId::new("job-50000").unwrap();
    bencher.bench_local(|| {
        let job = jobs.remove(&id).unwrap();
        jobs.insert(job)
    });
}

/// Why the last job waits, and how many are before it.
#[divan::bench]
fn explain(bencher: Bencher<'_, '_>) {
    let jobs = jobs(1_000);
    let plan = plan(&jobs, &BTreeMap::new(), &pool(1_000, 1), &PlanOptions::default());
    let id = jobs.iter().last().unwrap().id.clone();
    bencher.bench_local(|| (plan.why(&jobs, &id), jobs.ahead_of(&id)));
}
