//! What the provider refuses and loses.

use super::common::{Cloud, config, context, instance_type, tags};
use driver_loopback::LoopbackInstanceSet;
use pool_api::{
    BoxCloudError, Effect, ErrorKind, FailureScope, InstanceSet, Placement, PlacementReach, Reach, Tags,
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

fn class(error: &BoxCloudError) -> (ErrorKind, Effect) {
    (error.kind(), error.effect())
}

#[tokio::test]
async fn each_operation_fails_as_configured_and_only_that() {
    let all = [
        ("error_rate", (ErrorKind::Transient, Effect::NotDone), false),
        ("lost_request_rate", (ErrorKind::Transient, Effect::Unknown), false),
        ("lost_response_rate", (ErrorKind::Transient, Effect::Unknown), true),
    ];
    for (fault, expected, is_done) in all {
        let faulty = |operation: &str| json!({ "faults": { operation: { fault: 1.0 } } });
        let cloud = Cloud::new(faulty("create")).await;
        let error = cloud.set.create(cloud.request("")).await.unwrap_err();
        assert_eq!(class(&error), expected, "create {fault}");
        assert_eq!(cloud.list().await.len(), usize::from(is_done), "create {fault}");

        let cloud = Cloud::new(faulty("list")).await;
        let error = cloud.set.instances(&Tags::new()).await.unwrap_err();
        assert_eq!(class(&error), expected, "list {fault}");

        let cloud = Cloud::new(faulty("set_tags")).await;
        let instance = cloud.running("").await;
        let error = instance.set_tags(&tags(&[("a", "b")])).await.unwrap_err();
        assert_eq!(class(&error), expected, "set_tags {fault}");
        assert_eq!(cloud.list().await[0].tags().get("a").is_some(), is_done, "set_tags {fault}");

        let cloud = Cloud::new(faulty("destroy")).await;
        let instance = cloud.running("").await;
        let error = instance.destroy().await.unwrap_err();
        assert_eq!(class(&error), expected, "destroy {fault}");
        assert_eq!(cloud.list().await.is_empty(), is_done, "destroy {fault}");
    }
}

#[tokio::test]
async fn a_create_whose_response_was_lost_is_found_by_its_token() {
    let lossy = json!({ "faults": { "create": { "lost_response_rate": 1.0 } } });
    let cloud = Cloud::new(lossy).await;
    let request = cloud.request("");
    cloud.set.create(request.clone()).await.unwrap_err();
    let cloud = cloud.reopen(json!({})).await;
    let listed = cloud.list().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(cloud.set.create(request).await.unwrap().id(), listed[0].id());
}

#[tokio::test]
async fn the_rate_of_calls_is_limited_by_operation() {
    let limit = json!({ "calls_per_second": 1.0, "says_retry_after": true });
    let cloud =
        Cloud::new(json!({ "faults": { "list": limit, "create": { "calls_per_second": 0.01 } } })).await;
    cloud.list().await;
    let error = cloud.set.instances(&Tags::new()).await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::RateLimit, Effect::NotDone));
    let wait = error.rate_limit().unwrap().retry_after.unwrap();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    tokio::time::sleep(wait).await;
    cloud.list().await;

    cloud.set.create(cloud.request("")).await.unwrap();
    let error = cloud.set.create(cloud.request("")).await.unwrap_err();
    assert_eq!(error.rate_limit().unwrap().retry_after, None);
    assert_eq!((error.quota(), error.capacity()), (None, None));
}

#[tokio::test]
async fn quotas_are_of_the_account_and_of_groups() {
    let cloud = Cloud::new(json!({
        "quota_groups": { "gpu.large": "gpu" },
        "faults": { "quota": { "instances": 3, "groups": { "gpu": 1 } } },
    }))
    .await;
    let create = async |provider_type: &str| {
        let mut request = cloud.request("");
        request.instance_type = instance_type(provider_type);
        cloud.set.create(request).await
    };
    let first = create("gpu.large").await.unwrap();
    let error = create("gpu.large").await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::Quota, Effect::NotDone));
    assert_eq!(error.quota(), Some(FailureScope::new(Reach::QuotaGroup, PlacementReach::Every)));
    create("small").await.unwrap();
    create("small").await.unwrap();
    let error = create("small").await.unwrap_err();
    assert_eq!(error.quota(), Some(FailureScope::new(Reach::All, PlacementReach::Every)));
    first.destroy().await.unwrap();
    create("gpu.large").await.unwrap();
    assert_eq!(cloud.set.quota_group(&instance_type("gpu.large")).as_str(), "gpu");
    assert_eq!(cloud.set.quota_group(&instance_type("small")).as_str(), "loopback");
}

#[tokio::test]
async fn capacity_is_limited_by_type_group_and_placement() {
    use {PlacementReach::*, Reach::*};
    let cases = [
        (json!({ "instances": 0 }), Some((All, Every))),
        (json!({ "provider_type": "small", "instances": 0 }), Some((InstanceType, Every))),
        (json!({ "provider_type": "large", "instances": 0 }), None),
        (json!({ "quota_group": "loopback", "instances": 0 }), Some((QuotaGroup, Every))),
        (json!({ "quota_group": "gpu", "instances": 0 }), None),
        (json!({ "placement": "a", "instances": 0 }), Some((All, This))),
        (json!({ "placement": "b", "instances": 0 }), None),
        (json!({ "placement": "a", "provider_type": "small", "instances": 0 }), Some((InstanceType, This))),
        (json!({ "instances": 1 }), None),
    ];
    for (limit, expected) in cases {
        let faults = json!({ "capacity": [limit] });
        let groups = json!({ "gpu.large": "gpu" });
        let config = json!({ "placements": ["a", "b"], "quota_groups": groups, "faults": faults });
        let cloud = Cloud::new(config).await;
        let mut request = cloud.request("");
        request.placement = Placement::new("a");
        let scope = match cloud.set.create(request.clone()).await {
            Ok(_) => None,
            Err(error) => {
                assert_eq!(class(&error), (ErrorKind::Capacity, Effect::NotDone), "{limit}");
                error.capacity()
            }
        };
        assert_eq!(
            scope,
            expected.map(|(reach, placements)| FailureScope::new(reach, placements)),
            "{limit}"
        );
        if limit["instances"] == 1 {
            request.token = pool_api::IdempotencyToken::from_bits(1);
            assert!(cloud.set.create(request).await.unwrap_err().capacity().is_some());
        }
    }
}

#[tokio::test]
async fn what_cannot_be_is_an_invalid_request() {
    let cloud = Cloud::new(json!({ "placements": ["a", "b"] })).await;
    assert_eq!(cloud.set.placements(), [Placement::new("a"), Placement::new("b")]);
    let mut good = cloud.request("");
    good.placement = Placement::new("b");
    let mut elsewhere = good.clone();
    elsewhere.placement = Placement::new("c");
    let mut unnamed_tag = good.clone();
    unnamed_tag.tags = tags(&[("", "x")]);
    let mut long_tag = good.clone();
    long_tag.tags = tags(&[("x", &"x".repeat(70_000))]);
    let mut no_key = good.clone();
    no_key.public_key.0 = "ssh-ed25519 nonsense".into();
    for bad in [elsewhere, unnamed_tag, long_tag, no_key] {
        let error = cloud.set.create(bad).await.unwrap_err();
        assert_eq!(class(&error), (ErrorKind::InvalidRequest, Effect::NotDone), "{error}");
    }
    assert!(cloud.list().await.is_empty());
    assert_eq!(cloud.set.create(good).await.unwrap().placement().as_str(), "b");
}

#[tokio::test]
async fn calls_take_as_long_as_configured() {
    let cloud = Cloud::new(json!({ "faults": { "list": { "delay": "200ms" } } })).await;
    let began = Instant::now();
    cloud.list().await;
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn lists_lag_as_configured() {
    let config = json!({ "list_settle_time": "1s", "faults": { "stale_list": "1s" } });
    let cloud = Cloud::new(config).await;
    assert_eq!(cloud.set.capabilities().list_settle_time, Duration::from_secs(1));
    let began = Instant::now();
    let created = cloud.set.create(cloud.request("")).await.unwrap();
    assert!(cloud.list().await.is_empty());
    let listed = cloud.until(created.id().as_str(), |_| true).await;
    assert!(began.elapsed() >= Duration::from_secs(1));

    let began = Instant::now();
    listed.set_tags(&tags(&[("set", "new")])).await.unwrap();
    assert_eq!(cloud.list().await[0].tags().get("set"), Some("test"));
    cloud.until(created.id().as_str(), |instance| instance.tags().get("set") == Some("new")).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn the_seed_decides_which_calls_fail() {
    let outcomes = async |seed: u64| {
        let dir = tempfile::tempdir().unwrap();
        let config = config(json!({ "seed": seed, "faults": { "list": { "error_rate": 0.5 } } }));
        let set = LoopbackInstanceSet::open(config, context(dir.path())).await.unwrap();
        let mut outcomes = Vec::new();
        for _ in 0..64 {
            outcomes.push(set.instances(&Tags::new()).await.is_ok());
        }
        outcomes
    };
    let first = outcomes(1).await;
    assert_eq!(first, outcomes(1).await);
    assert_ne!(first, outcomes(2).await);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2, "half of 64 calls fail");
}
