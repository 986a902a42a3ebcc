//! p50: what is around every driver.

use crate::support::{
    config, config_with, idle_instance,
    scripted::{Scripted, Trouble, good},
    small, soon, until,
};
use pool_core::{CallKind, CallOutcome, Effect, Notice, Tags};
use prometheus::Registry;
use std::time::Duration;

fn operations(registry: &Registry, operation: &str, outcome: &str) -> u64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == "pool_cloud_calls_total").unwrap();
    let has = |metric: &prometheus::proto::Metric, name: &str, value: &str| {
        metric.get_label().iter().any(|label| label.name() == name && label.value() == value)
    };
    let metric =
        family.get_metric().iter().find(|m| has(m, "operation", operation) && has(m, "outcome", outcome));
    metric.unwrap().get_counter().get_value() as u64
}

#[tokio::test]
async fn p50_every_create_carries_the_default_tags_and_every_list_asks_for_them() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config_with("tag_prefix = 'my:'"));
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    idle_instance(&pool).await;
    let creates = scripted.cloud.creates();
    let [create] = creates.as_slice() else { panic!("{creates:?}") };
    assert_eq!(create.tags.get("my:InstanceSetID"), Some("test"));
    assert_eq!(create.tags.get("my:InstanceType"), Some("small"));
    assert_eq!(create.tags.get("my:IdleBehavior"), Some("run"));
    // Its SHA-256: the secret itself is in the init command alone.
    let hash = create.tags.get("my:InstanceSecret").unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    let words = create.init_command.expose().split_whitespace();
    let secret = words.clone().find(|word| word.len() == 40).unwrap();
    assert!(!create.tags.iter().any(|(_, value)| value.contains(secret)));
    let filter: Tags = [("my:InstanceSetID", "test")].into_iter().collect();
    assert!(scripted.cloud.filters().iter().all(|asked| *asked == filter));
    pool.stop().await;
}

#[tokio::test(start_paused = true)]
async fn p50_leftovers_are_swept_now_and_then_until_the_pool_is_stopped() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    let mut sweeps = scripted.cloud.sweeps.subscribe();
    // One that fails does not end them.
    sweeps.wait_for(|count| *count == 3).await.unwrap();
    pool.stop().await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(*sweeps.borrow(), 3);
}

#[tokio::test]
async fn p50_what_a_driver_lists_of_others_is_neither_seen_nor_touched() {
    let scripted = Scripted::new(good());
    let mut tags: Tags = [
        ("pool-InstanceSetID", "other"),
        ("pool-InstanceType", "small"),
        ("pool-InstanceSecret", &"0".repeat(64)),
    ]
    .into_iter()
    .collect();
    let theirs = scripted.cloud.put("i-theirs", tags.clone());
    let nobodys = scripted.cloud.put("i-nobodys", Tags::new());
    tags.set("pool-InstanceSetID", "test");
    let ours = scripted.cloud.put("i-ours", tags);
    let pool = scripted.pool(config());
    pool.count_workers().await;
    let seen: Vec<_> = pool.instances().into_iter().filter_map(|view| view.id).collect();
    assert_eq!(seen, [ours]);
    for id in [theirs, nobodys] {
        assert!(pool.kill_instance(&id, "by mistake").is_err());
        assert!(pool.set_idle_behavior(&id, pool_core::IdleBehavior::Hold).is_err());
    }
    pool.stop().await;
    assert!(scripted.cloud.destroyed().is_empty());
}

#[tokio::test]
async fn p50_calls_are_counted_by_operation_and_outcome() {
    let scripted = Scripted::new(good());
    let registry = Registry::new();
    let pool = scripted.builder(config()).registry(&registry).start().unwrap();
    pool.count_workers().await;
    assert!(operations(&registry, "list", "ok") >= 1);
    scripted.cloud.trouble_creates(Trouble::Error);
    pool.create(&small()).unwrap();
    until(&pool, "the failure", |pool| pool.instances().is_empty().then_some(())).await;
    scripted.cloud.trouble_creates(Trouble::None);
    pool.create(&small()).unwrap();
    let id = idle_instance(&pool).await;
    assert!(
        soon(
            "the pinned key's tag",
            pool.set_idle_behavior(&id, pool_core::IdleBehavior::Run).unwrap().saved()
        )
        .await
    );
    pool.kill_instance(&id, "enough").unwrap();
    until(&pool, "its end", |pool| pool.instances().is_empty().then_some(())).await;
    let count = |operation, outcome| operations(&registry, operation, outcome);
    let failed = |operation| {
        let failures = CallOutcome::ALL.iter().filter(|outcome| **outcome != CallOutcome::Ok);
        failures.map(|outcome| count(operation, outcome.as_str())).sum::<u64>()
    };
    assert_eq!((count("create", "ok"), failed("create")), (1, 1));
    assert_eq!((count("destroy", "ok"), failed("destroy")), (1, 0));
    assert_eq!((count("set_tags", "ok"), failed("set_tags")), (1, 0));
    assert_eq!(failed("list"), 0);
    pool.stop().await;
}

#[tokio::test]
async fn p50_a_call_without_an_answer_is_lost_and_not_refused() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config_with("cloud_call_timeout = '300ms'"));
    pool.count_workers().await;
    scripted.cloud.trouble_creates(Trouble::Silence);
    let mut notices = pool.notices();
    pool.create(&small()).unwrap();
    let failure = soon("the failure", async {
        loop {
            if let Notice::CallFailed { kind: CallKind::Create, failure } = notices.recv().await.unwrap() {
                return failure;
            }
        }
    })
    .await;
    assert_eq!(failure.effect, Effect::Unknown);
    assert!(failure.message.contains("no answer within 300ms"), "{failure:?}");
    pool.stop().await;
}
