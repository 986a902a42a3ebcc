//! What the operator allows, with real machines.

use crate::support::{
    World, config, finished, idle_instance, job, ready_instance, running, shell, small, soon, until,
};
use pool_core::{CreateRefusal, Outcome, Phase, Pool};
use serde_json::json;
use std::{fs, time::Duration};

async fn gone(pool: &Pool) {
    until(pool, "the end of all instances", |pool| pool.instances().is_empty().then_some(())).await;
}

#[tokio::test]
async fn each_job_has_a_fresh_machine_also_when_the_program_is_another_one_at_its_end() {
    let mut world = World::new(json!({})).await;
    let mut config = config();
    config.max_jobs_per_instance = 1;
    let lock = world.lock();
    let pool = world.builder(config.clone()).lock(&lock).start().unwrap();
    let id = ready_instance(&pool).await;
    let go = world.path().join("go");
    let line = format!("until test -e {}; do sleep 0.01; done; exit 4", go.display());
    let mut first = shell("a", &line);
    // There would be room for the next.
    first.spec.resources.cpus = pool_core::Cpus::whole(1);
    let mut second = shell("b", "true");
    second.spec.resources = first.spec.resources;
    pool.start_job(&id, first).unwrap();
    assert!(pool.start_job(&id, second).is_err());
    running(&pool, "a").await;
    pool.stop().await;
    drop(lock);

    world.open(json!({})).await;
    let lock = world.lock();
    let pool = world.builder(config).lock(&lock).start().unwrap();
    running(&pool, "a").await;
    fs::write(&go, "").unwrap();
    assert_eq!(finished(&pool, "a").await.outcome, Outcome::Exited { code: 4 });
    assert!(pool.start_job(&id, shell("b", "true")).is_err());
    assert!(pool.forget_job(&job("a")));
    gone(&pool).await;
    assert_ne!(ready_instance(&pool).await, id);
    pool.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_too_old_goes_also_when_an_earlier_program_created_it() {
    let mut world = World::new(json!({})).await;
    let lock = world.lock();
    let pool = world.builder(config()).lock(&lock).start().unwrap();
    ready_instance(&pool).await;
    pool.stop().await;
    drop(lock);
    world.open(json!({})).await;
    let lock = world.lock();
    let mut config = config();
    config.max_lifetime = Some(Duration::from_millis(1));
    let pool = world.builder(config).lock(&lock).start().unwrap();
    soon("the first list", pool.count_workers()).await;
    gone(&pool).await;
    pool.stop().await;
}

#[tokio::test]
async fn as_many_stay_idle_as_the_operator_wants_and_no_more_are_created_than_may_be_paid_for() {
    let world = World::new(json!({})).await;
    let mut config = config();
    config.timeout_idle = Duration::ZERO;
    config.min_idle = [(small(), 1)].into();
    config.max_price_per_hour = Some(pool_core::HourlyPrice::from_micros(20_000));
    config.max_concurrent_instance_create_ops = 0;
    let pool = world.pool(config);
    soon("the first list", pool.count_workers()).await;
    pool.create(&small()).unwrap();
    pool.create(&small()).unwrap();
    assert!(matches!(pool.create(&small()), Err(CreateRefusal::SpendCap { .. })));
    until(&pool, "one goes", |pool| (pool.instances().len() == 1).then_some(())).await;
    idle_instance(&pool).await;
    pool.create(&small()).unwrap();
    until(&pool, "one takes the other's place", |pool| {
        let views = pool.instances();
        let phases: Vec<_> = views.iter().map(|view| view.phase).collect();
        (phases == [Some(Phase::Idle)]).then_some(())
    })
    .await;
    pool.stop().await;
}
