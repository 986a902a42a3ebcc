//! Being told, and waiting.

use crate::support::{
    PATIENCE, config, idle_instance, ready_instance,
    scripted::{Scripted, good},
    small, soon, until,
};
use pool_core::{IdleBehavior, InstanceId, Phase, Pool, Subscription};
use std::time::Duration;

/// Whether it is woken now. An hour of paused time passes for the other tasks if it is not.
async fn wakes(subscription: &mut Subscription) -> bool {
    tokio::time::timeout(Duration::from_millis(1), subscription.changed()).await.is_ok()
}

async fn changes_of(pool: &Pool, id: &InstanceId, count: usize) {
    for round in 0..count {
        let to = if round % 2 == 0 { IdleBehavior::Hold } else { IdleBehavior::Run };
        assert!(soon("the save", pool.set_idle_behavior(id, to).unwrap().saved()).await);
    }
}

#[tokio::test]
async fn p02_changes_while_woken_are_one_change_and_nobody_is_waited_for() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    let id = ready_instance(&pool).await;
    // Never read: the pool goes on all the same.
    let slow = pool.subscribe();
    let mut reader = pool.subscribe();
    changes_of(&pool, &id, 50).await;
    assert!(wakes(&mut reader).await);
    assert!(!wakes(&mut reader).await, "the other 49 were dropped");
    changes_of(&pool, &id, 1).await;
    assert!(wakes(&mut reader).await);
    drop((slow, reader));
    changes_of(&pool, &id, 2).await;
    let mut late = pool.subscribe();
    assert!(!wakes(&mut late).await, "what was before is no news");
    pool.stop().await;
}

#[tokio::test]
async fn p02_a_new_worker_and_a_new_state_wake() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    pool.count_workers().await;
    let mut changes = pool.subscribe();
    pool.create(&small()).unwrap();
    while !pool.instances().iter().any(|view| view.phase == Some(Phase::Idle)) {
        soon("a change", changes.changed()).await;
    }
    pool.stop().await;
}

#[tokio::test]
async fn p12_counting_waits_for_the_first_list() {
    let scripted = Scripted::new(good());
    let first = Scripted::new(good());
    let pool = first.pool(config());
    let id = ready_instance(&pool).await;
    pool.stop().await;
    scripted.cloud.put("i-1", first.cloud.tags(&id).unwrap());

    scripted.cloud.lists.forget_permits(usize::MAX);
    let pool = scripted.pool(config());
    let counting = pool.count_workers();
    tokio::pin!(counting);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut counting).await.is_err());
    assert_eq!(pool.create(&small()), Err(pool_core::CreateRefusal::NotLoaded));
    scripted.cloud.lists.add_permits(1);
    let counts = soon("the count", counting).await;
    assert_eq!(counts.values().sum::<usize>(), 1);
    assert_eq!(counts[&Phase::Unknown] + counts[&Phase::Idle], 1, "{counts:?}");
    pool.stop().await;
}

#[tokio::test]
async fn p10_hold_answers_only_after_its_tag_is_saved() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    let id = ready_instance(&pool).await;
    // So that the host key's tag is not what is waited for.
    until(&pool, "the pinned key", |_| scripted.cloud.tags(&id)?.get("pool-InstanceHostKey").map(drop)).await;
    scripted.cloud.saves.forget_permits(usize::MAX);
    let saved = pool.set_idle_behavior(&id, IdleBehavior::Hold).unwrap().saved();
    tokio::pin!(saved);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut saved).await.is_err());
    assert_eq!(scripted.cloud.tags(&id).unwrap().get("pool-IdleBehavior"), Some("run"));
    scripted.cloud.saves.add_permits(1000);
    assert!(soon("the save", saved).await);
    assert_eq!(scripted.cloud.tags(&id).unwrap().get("pool-IdleBehavior"), Some("hold"));
    pool.stop().await;
}

#[tokio::test]
async fn p10_what_is_gone_is_not_saved() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    let id = ready_instance(&pool).await;
    scripted.cloud.saves.forget_permits(usize::MAX);
    let saved = pool.set_idle_behavior(&id, IdleBehavior::Hold).unwrap();
    scripted.cloud.remove(&id);
    scripted.host.vanish();
    assert!(!soon("the answer", saved.saved()).await);
    assert!(pool.set_idle_behavior(&id, IdleBehavior::Run).is_err());
    pool.stop().await;
}

#[tokio::test]
async fn p18_a_worker_that_is_killed_is_destroyed_at_once() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    let id = idle_instance(&pool).await;
    pool.kill_instance(&id, "not wanted").unwrap();
    until(&pool, "its end", |pool| pool.instances().is_empty().then_some(())).await;
    assert_eq!(scripted.cloud.destroyed(), std::slice::from_ref(&id));
    assert!(pool.kill_instance(&id, "again").is_err());
    soon("the end", tokio::time::timeout(PATIENCE, pool.stop())).await.unwrap();
}
