//! p20: another pool takes over.

use crate::support::{
    World, config, finished, idle_instance, job, ready_instance, running, shell, small, soon, until,
};
use pool_core::{CreateRefusal, IdleBehavior, InstanceRefusal, JobStatus, Outcome, OutputStream, Pool, Tags};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn p20_a_stopped_pool_destroys_nothing_and_the_next_one_takes_over() {
    let mut world = World::new(json!({})).await;
    let lock = world.lock();
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    let id = ready_instance(&pool).await;
    let go = world.path().join("go");
    let line = format!("echo begun; until test -e {}; do sleep 0.01; done; echo done; exit 7", go.display());
    pool.start_job(&id, shell("a", &line)).unwrap();
    running(&pool, "a").await;
    pool.stop().await;
    drop(lock);

    world.open(json!({})).await;
    let listed = world.cloud().instances(&Tags::new()).await.unwrap();
    assert_eq!(
        listed.iter().map(|instance| instance.id().clone()).collect::<Vec<_>>(),
        std::slice::from_ref(&id)
    );
    let lock = world.lock();
    assert_eq!(lock.epoch(), 2);
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    running(&pool, "a").await;
    assert_eq!(pool.instances()[0].running_jobs, [job("a")]);
    let begun = soon("its output", pool.read_output(&job("a"), OutputStream::Stdout, 0, true)).await.unwrap();
    assert_eq!(begun.data, b"begun\n");
    fs::write(&go, "").unwrap();
    assert_eq!(finished(&pool, "a").await.outcome, Outcome::Exited { code: 7 });
    let output = soon("its output", pool.read_all(&job("a"), OutputStream::Stdout, 100)).await.unwrap();
    assert_eq!(output, b"begun\ndone\n");
    pool.stop().await;
}

#[tokio::test]
async fn p41_an_adopted_job_can_be_killed_and_one_that_ended_meanwhile_is_told() {
    let mut world = World::new(json!({})).await;
    let lock = world.lock();
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    let id = ready_instance(&pool).await;
    let part = |name, line: &str| {
        let mut start = shell(name, line);
        start.spec.resources.cpus = pool_core::Cpus::whole(1);
        start
    };
    let go = world.path().join("go");
    pool.start_job(&id, part("long", "exec sleep 1000")).unwrap();
    let line = format!("until test -e {}; do sleep 0.01; done; exit 5", go.display());
    pool.start_job(&id, part("short", &line)).unwrap();
    running(&pool, "long").await;
    running(&pool, "short").await;
    pool.stop().await;
    drop(lock);
    // Nobody watches but the runner.
    fs::write(&go, "").unwrap();

    world.open(json!({})).await;
    let lock = world.lock();
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    running(&pool, "long").await;
    until(&pool, "the end of the other", |pool| {
        matches!(pool.job(&job("short")), Some(JobStatus::Ended { .. })).then_some(())
    })
    .await;
    assert_eq!(finished(&pool, "short").await.outcome, Outcome::Exited { code: 5 });
    assert!(pool.kill_job(&job("long"), "found and not wanted"));
    let end = finished(&pool, "long").await;
    assert_eq!(end.outcome, Outcome::Signaled { signal: "TERM".into() });
    assert_eq!(idle_instance(&pool).await, id);
    pool.stop().await;
}

#[tokio::test]
async fn p10_hold_survives_a_restart() {
    let mut world = World::new(json!({})).await;
    let lock = world.lock();
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    let id = ready_instance(&pool).await;
    assert!(soon("the save", pool.set_idle_behavior(&id, IdleBehavior::Hold).unwrap().saved()).await);
    pool.stop().await;
    drop(lock);
    world.open(json!({})).await;
    let lock = world.lock();
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    soon("the first list", pool.count_workers()).await;
    assert_eq!(pool.instances()[0].idle_behavior, IdleBehavior::Hold);
    pool.stop().await;
}

/// The workers know which of two programs came last.
#[tokio::test]
async fn p54_a_program_with_an_older_epoch_is_refused_by_the_workers_and_does_nothing_any_more() {
    let mut world = World::new(json!({})).await;
    drop(world.lock());
    let lock = world.lock();
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    let id = ready_instance(&pool).await;
    pool.stop().await;
    drop(lock);
    world.open(json!({})).await;
    // Without a lock: epoch 0.
    let pool = world.pool(config());
    let highest = until(&pool, "the pool sees that it is superseded", Pool::superseded).await;
    assert_eq!(highest, 2);
    assert_eq!(pool.create(&small()), Err(CreateRefusal::Superseded(2)));
    assert_eq!(pool.kill_instance(&id, "no"), Err(InstanceRefusal::Superseded(2)));
    pool.stop().await;
}

#[tokio::test]
async fn p54_the_earlier_of_two_programs_that_run_at_once_stops_deciding() {
    let world = World::new(json!({})).await;
    let lock = world.lock();
    let earlier = world.builder(config()).lock(&lock).start().unwrap();
    let id = ready_instance(&earlier).await;
    // As on another machine, where the lock does not reach.
    drop(lock);
    let lock = world.lock();
    let later = world.builder(config()).lock(&lock).start().unwrap();
    assert_eq!(idle_instance(&later).await, id);
    assert_eq!(until(&earlier, "the earlier sees it", Pool::superseded).await, 2);
    later.start_job(&id, shell("a", "exit 3")).unwrap();
    assert_eq!(finished(&later, "a").await.outcome, Outcome::Exited { code: 3 });
    assert_eq!(later.superseded(), None);
    earlier.stop().await;
    later.stop().await;
}
