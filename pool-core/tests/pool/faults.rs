//! A loopback cloud on which things go wrong.

use crate::support::{
    PATIENCE, World, config, config_with, ended, idle_instance, ready_instance, running, shell, small, soon,
    until,
};
use pool_core::{JobEnd, Notice, Phase, Pool, ShutdownReason, Tags};
use serde_json::json;

async fn shutdown_notice(notices: &mut tokio::sync::broadcast::Receiver<Notice>) -> ShutdownReason {
    let waiting = async {
        loop {
            if let Notice::Shutdown { reason, .. } = notices.recv().await.unwrap() {
                return reason;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("nothing is shut down")
}

async fn all_gone(pool: &Pool) {
    until(pool, "the end of all", |pool| pool.instances().is_empty().then_some(())).await;
}

#[tokio::test]
async fn p39_a_worker_that_says_it_is_broken_is_drained_and_not_replaced() {
    let world = World::new(json!({ "faults": { "machines": [{ "nth": 1, "break_after": "2s" }] } })).await;
    let pool = world.pool(config());
    let mut notices = pool.notices();
    let id = ready_instance(&pool).await;
    let mut changes = pool.notices();
    soon("the word", async {
        while !matches!(changes.recv().await.unwrap(), Notice::Broken { instance, .. } if instance == id) {}
    })
    .await;
    shutdown_notice(&mut notices).await;
    all_gone(&pool).await;
    assert!(world.cloud().instances(&Tags::new()).await.unwrap().is_empty());
    pool.stop().await;
}

#[tokio::test]
async fn a_lost_response_to_a_create_makes_one_instance() {
    let world = World::new(json!({
        "seed": 3, "faults": { "create": { "lost_response_rate": 0.6 } }
    }))
    .await;
    let pool = world.pool(config());
    let mut notices = pool.notices();
    soon("the first list", pool.count_workers()).await;
    let mut lost = 0;
    for count in 1..=4 {
        pool.create(&small()).unwrap();
        until(&pool, "the instances", |pool| {
            let views = pool.instances();
            (views.len() == count && views.iter().all(|view| view.phase == Some(Phase::Idle))).then_some(())
        })
        .await;
    }
    while let Ok(notice) = notices.try_recv() {
        lost += usize::from(matches!(notice, Notice::CallFailed { kind: pool_core::CallKind::Create, .. }));
    }
    assert!(lost > 0, "the seed loses none: choose another");
    assert_eq!(world.cloud().instances(&Tags::new()).await.unwrap().len(), 4);
    pool.stop().await;
}

#[tokio::test]
async fn p24_a_wrong_host_is_never_used_and_shut_down_when_it_should_have_booted() {
    let world = World::new(json!({ "faults": { "boots": { "wrong_host_rate": 1.0 } } })).await;
    let pool = world.pool(config_with("timeout_booting = '2s'"));
    let mut notices = pool.notices();
    soon("the first list", pool.count_workers()).await;
    pool.create(&small()).unwrap();
    let (mut reasons, mut ready) = (Vec::new(), false);
    let reason = soon("its end", async {
        loop {
            match notices.recv().await.unwrap() {
                Notice::ProbeFailed { reason, .. } => reasons.push(reason),
                Notice::Ready { .. } => ready = true,
                Notice::Shutdown { reason, .. } => return reason,
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(reason, ShutdownReason::BootTimeout);
    assert!(!ready);
    assert!(
        reasons.iter().any(|reason| reason.contains("does not know the instance's secret")),
        "{reasons:?}"
    );
    all_gone(&pool).await;
    pool.stop().await;
}

#[tokio::test]
async fn p30_the_jobs_of_a_machine_that_vanishes_are_lost() {
    let world = World::new(json!({ "faults": { "machines": [{ "nth": 1, "vanish_after": "3s" }] } })).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    pool.start_job(&id, shell("a", "sleep 1000")).unwrap();
    assert_eq!(ended(&pool, "a").await, JobEnd::WorkerGone);
    all_gone(&pool).await;
    pool.stop().await;
}

#[tokio::test]
async fn an_idle_machine_that_vanishes_is_noticed_long_before_the_next_regular_list() {
    let world = World::new(json!({ "faults": { "machines": [{ "nth": 1, "vanish_after": "3s" }] } })).await;
    let mut config = config();
    // Neither a list nor a probe would find out in time.
    config.sync_interval = PATIENCE * 60;
    config.probe_interval = PATIENCE * 60;
    let pool = world.pool(config);
    ready_instance(&pool).await;
    all_gone(&pool).await;
    pool.stop().await;
}

#[tokio::test]
async fn p25_a_machine_that_hangs_is_shut_down_after_timeout_probe() {
    let world = World::new(json!({ "faults": { "machines": [{ "nth": 1, "hang_after": "3s" }] } })).await;
    let pool = world.pool(config_with("timeout_probe = '2s'"));
    let mut notices = pool.notices();
    let id = ready_instance(&pool).await;
    pool.start_job(&id, shell("a", "sleep 1000")).unwrap();
    running(&pool, "a").await;
    let waiting = async {
        loop {
            if let Notice::Shutdown { reason, .. } = notices.recv().await.unwrap() {
                return reason;
            }
        }
    };
    // An answer to a probe that is under way is waited for half a minute.
    let reason = tokio::time::timeout(PATIENCE * 2, waiting).await.expect("it is not shut down");
    assert_eq!(reason, ShutdownReason::ProbeTimeout);
    assert_eq!(ended(&pool, "a").await, JobEnd::WorkerGone);
    all_gone(&pool).await;
    pool.stop().await;
}

#[tokio::test]
async fn a_dropped_connection_loses_neither_job_nor_output() {
    let world =
        World::new(json!({ "faults": { "machines": [{ "nth": 1, "drop_connections_after": "4s" }] } })).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    let go = world.path().join("go");
    let line = format!("echo before; until test -e {}; do sleep 0.02; done; echo after", go.display());
    pool.start_job(&id, shell("a", &line)).unwrap();
    running(&pool, "a").await;
    let a = crate::support::job("a");
    // A read that waits is told that the connection is lost, and may ask again.
    let follow = soon("the loss", pool.read_output(&a, pool_core::OutputStream::Stdout, 7, true));
    assert!(matches!(follow.await, Err(pool_core::ReadError::Unreachable(_))));
    std::fs::write(&go, "").unwrap();
    let output = pool.read_all(&a, pool_core::OutputStream::Stdout, 100);
    assert_eq!(soon("the output", output).await.unwrap(), b"before\nafter\n");
    assert_eq!(crate::support::finished(&pool, "a").await.outcome, crate::support::EXIT_0);
    assert_eq!(idle_instance(&pool).await, id);
    pool.stop().await;
}
