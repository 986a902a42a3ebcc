//! What a pool demands before it starts, and what it leaves behind when it stops.

use crate::support::{
    PATIENCE, config, config_with, job, runner_program,
    scripted::{Scripted, Trouble, good},
    shell, small, soon, until,
};
use pool_core::{
    Architecture, CallKind, ConfigError, Notice, PoolConfig, RunnerError, RunnerSource, StartError,
};
use std::{collections::BTreeMap, time::Duration};

/// Nothing was asked of the cloud, nothing runs, nothing is registered.
async fn is_refused(scripted: &Scripted, config: PoolConfig, runner: RunnerSource) -> StartError {
    let registry = prometheus::Registry::new();
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let error = scripted.builder(config).runner(runner).registry(&registry).start().unwrap_err();
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks);
    assert!(registry.gather().is_empty());
    assert!(scripted.cloud.filters().is_empty());
    error
}

#[tokio::test]
async fn p01_a_bad_configuration_starts_nothing() {
    let scripted = Scripted::new(good());
    let mut bad = config();
    bad.sync_interval = Duration::ZERO;
    bad.instance_types.clear();
    let error = is_refused(&scripted, bad, RunnerSource::Installed("/opt/runner".into())).await;
    let StartError::Config(ConfigError::Invalid(problems)) = &error else { panic!("{error}") };
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["instance_types", "sync_interval"]);

    let mut long = config();
    long.tag_prefix = "x".repeat(64);
    let limits = scripted.set();
    assert!(pool_core::InstanceSet::capabilities(&*limits).tags.name_length > 64, "it fits this provider");
    scripted.builder(long).start().unwrap().stop().await;

    let missing = RunnerSource::file("/nowhere/pool-runner");
    let error = is_refused(&Scripted::new(good()), config(), missing).await;
    assert!(matches!(error, StartError::Runner(RunnerError::Unreadable { .. })), "{error}");
    let mut other = config();
    other.instance_types[0].architecture = Architecture::Aarch64;
    let error = is_refused(&Scripted::new(good()), other, RunnerSource::file(runner_program())).await;
    assert!(matches!(error, StartError::Runner(RunnerError::NoneFor(Architecture::Aarch64))), "{error}");
    let nothing = RunnerSource::Files(BTreeMap::new());
    let error = is_refused(&Scripted::new(good()), config(), nothing).await;
    assert!(matches!(error, StartError::Runner(RunnerError::NoneFor(Architecture::X86_64))), "{error}");
}

/// That the defaults are those of the table is tested beside the configuration; here, that an other value counts.
#[tokio::test]
async fn p01_a_default_that_is_overridden_counts() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config_with("max_instances = 1\nmax_concurrent_instance_create_ops = 0"));
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    let refusal = pool.create(&small()).unwrap_err();
    assert_eq!(refusal, pool_core::CreateRefusal::MaxInstances(1));
    assert!(pool.at_quota());
    pool.stop().await;
}

#[tokio::test]
async fn p20_stop_ends_all_tasks_and_the_driver_and_destroys_nothing() {
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    let id = crate::support::idle_instance(&pool).await;
    tokio::join!(pool.stop(), pool.stop());
    assert_eq!(*scripted.cloud.stops.borrow(), 1);
    assert!(scripted.cloud.tags(&id).is_some() && scripted.cloud.destroyed().is_empty());
    // The scripted runner's own task waits for more, and is not the pool's.
    soon("the end of the tasks", async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > before + 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn p20_whoever_waits_when_the_pool_stops_is_told() {
    let scripted = Scripted::new(good());
    scripted.cloud.lists.forget_permits(usize::MAX);
    let pool = scripted.pool(config());
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.count_workers().await }
    });
    tokio::task::yield_now().await;
    soon("the end, with a list under way", pool.stop()).await;
    assert!(soon("the answer", waiting).await.unwrap().is_empty());

    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    let id = crate::support::ready_instance(&pool).await;
    pool.start_job(&id, shell("a", "sleep 1000")).unwrap();
    crate::support::running(&pool, "a").await;
    scripted.cloud.saves.forget_permits(usize::MAX);
    let saved = pool.set_idle_behavior(&id, pool_core::IdleBehavior::Hold).unwrap();
    let name = job("a");
    let waits = async { tokio::join!(saved.saved(), pool.wait_for_job(&name)) };
    let ((saved, status), ()) = soon("the answers", async { tokio::join!(waits, pool.stop()) }).await;
    assert!(!saved);
    assert!(matches!(status, Some(pool_core::JobStatus::Running { .. })), "{status:?}");
    let read = pool.read_output(&job("a"), pool_core::OutputStream::Stdout, 0, false).await;
    assert!(matches!(read, Err(pool_core::ReadError::Stopped)), "{read:?}");
}

#[tokio::test]
async fn a_pool_whose_last_clone_is_dropped_stops() {
    let scripted = Scripted::new(good());
    let mut stops = scripted.cloud.stops.subscribe();
    let pool = scripted.pool(config());
    let clone = pool.clone();
    pool.count_workers().await;
    drop(pool);
    soon("a change", async { clone.count_workers().await }).await;
    assert_eq!(*stops.borrow(), 0);
    drop(clone);
    soon("the end", stops.wait_for(|stops| *stops == 1)).await.unwrap();
}

#[tokio::test]
async fn a_driver_that_panics_is_a_lost_call_and_not_a_call_for_ever() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    pool.count_workers().await;
    scripted.cloud.trouble_creates(Trouble::Panic);
    let mut notices = pool.notices();
    pool.create(&small()).unwrap();
    let failure = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Notice::CallFailed { kind: CallKind::Create, failure } = notices.recv().await.unwrap() {
                return failure;
            }
        }
    })
    .await
    .unwrap();
    assert!(failure.message.contains("panicked"), "{failure:?}");
    assert_eq!(failure.effect, pool_core::Effect::Unknown);
    // Asked again with the same token, as after any lost response.
    scripted.cloud.trouble_creates(Trouble::None);
    until(&pool, "the instance", |pool| pool.instances().iter().any(|view| view.id.is_some()).then_some(()))
        .await;
    let creates = scripted.cloud.creates();
    assert!(creates.len() >= 2 && creates.iter().all(|create| create.token == creates[0].token));
    pool.stop().await;
}
