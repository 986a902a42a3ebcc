//! What lists show, and when they fail.

use super::cloud::{Cloud, is_to, tags};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pool_api::{CreateRequest, ErrorKind, Lifecycle};
use pool_conformance::{Action, Answer, Rule};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

#[tokio::test]
async fn twelve_hundred_instances_over_three_zones_are_listed_each_once_in_pages_of_500() {
    let cloud = Cloud::new(json!({})).await;
    let zones = cloud.set.placements();
    let requests = (0..1200).map(|n| CreateRequest { placement: zones[n % 3].clone(), ..cloud.request() });
    let set = &cloud.set;
    let made: BTreeSet<String> = stream::iter(requests)
        .map(|request| async move { Ok(set.create(request).await?.id().to_string()) })
        .buffer_unordered(64)
        .try_collect::<BTreeSet<String>>()
        .await
        .map_err(|error: pool_api::BoxCloudError| error.to_string())
        .unwrap();
    let listed = cloud.list().await;
    assert_eq!(listed.len(), 1200);
    assert_eq!(listed.iter().map(|instance| instance.id().to_string()).collect::<BTreeSet<_>>(), made);
    for zone in &zones {
        assert_eq!(listed.iter().filter(|instance| instance.placement() == zone).count(), 400, "{zone}");
    }
    let pages = cloud.proxy.requests().iter().filter(|r| is_to(r, "/aggregated/instances")).count();
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn statuses_are_told_apart_and_only_what_is_gone_is_left_out() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let cases = [
        ("PROVISIONING", Lifecycle::Pending),
        ("STAGING", Lifecycle::Pending),
        ("RUNNING", Lifecycle::Running),
        ("REPAIRING", Lifecycle::Running),
        ("PENDING_STOP", Lifecycle::Stopping),
        ("STOPPING", Lifecycle::Stopping),
        ("SUSPENDING", Lifecycle::Stopping),
        ("DEPROVISIONING", Lifecycle::Stopping),
        ("SUSPENDED", Lifecycle::Stopped),
        ("TERMINATED", Lifecycle::Stopped),
        ("STOPPED", Lifecycle::Stopped),
    ];
    for (status, expected) in cases {
        assert!(cloud.fake.change_instance(instance.id().as_str(), |shown| shown["status"] = json!(status)));
        assert_eq!(cloud.list().await[0].lifecycle(), expected, "{status}");
    }
    // A status that nobody knows must not make a worker disappear, nor stop the pool.
    cloud.fake.change_instance(instance.id().as_str(), |shown| shown["status"] = json!("DREAMING"));
    assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Running);
}

#[tokio::test]
async fn a_zone_that_cannot_be_reached_fails_the_list() {
    let cloud = Cloud::new(json!({})).await;
    cloud.create().await;
    cloud.fake.set_unreachable("europe-west1-b", true);
    let error = cloud.set.instances(&tags()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    cloud.fake.set_unreachable("europe-west1-b", false);
    assert_eq!(cloud.list().await.len(), 1);
}

/// Changes each page of a list.
fn changed(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Rule {
    let change = move |_: &_, answer: &mut Answer| {
        let mut page: Value = serde_json::from_slice(&answer.body).unwrap();
        change(&mut page);
        answer.body = page.to_string().into();
    };
    Rule::new(|r| is_to(r, "/aggregated/instances"), Action::ChangeAnswer(Arc::new(change)))
}

#[tokio::test]
async fn a_partial_success_is_a_failure() {
    let warning = json!({ "code": "UNREACHABLE", "message": "not heard of" });
    let (in_zone, of_page) = (warning.clone(), warning);
    let rules = [
        changed(move |page| page["items"]["zones/europe-west1-b"] = json!({ "warning": in_zone.clone() })),
        changed(move |page| page["warning"] = of_page.clone()),
        changed(|page| page["unreachables"] = json!(["zones/europe-west1-b"])),
    ];
    for rule in rules {
        let cloud = Cloud::new(json!({})).await;
        cloud.create().await;
        cloud.proxy.add(rule);
        let error = cloud.set.instances(&tags()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    }
}

#[tokio::test]
async fn an_instance_without_its_tags_is_left_alone() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    cloud.fake.change_instance(instance.id().as_str(), |shown| {
        shown["metadata"]["items"] = json!([{ "key": "pool-tags", "value": "something else" }]);
    });
    assert!(cloud.list().await.is_empty());
}

#[tokio::test]
async fn instances_in_a_zone_that_is_configured_no_longer_are_found() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let elsewhere = cloud.again(json!({ "zones": ["us-central1-a"] })).await;
    let listed = elsewhere.list().await;
    assert_eq!(listed.iter().map(|i| i.id()).collect::<Vec<_>>(), [instance.id()]);
    listed[0].destroy().await.unwrap();
    let after = elsewhere.list().await;
    assert!(after.iter().all(|i| i.lifecycle() == Lifecycle::Stopping) && after.len() <= 1, "{after:?}");
}

#[tokio::test]
async fn an_instance_shows_where_it_is_and_whom_to_log_in_as() {
    let cloud = Cloud::new(json!({ "admin_user": "debian", "admin_privilege": "own" })).await;
    let created = cloud.create().await;
    let listed = cloud.list().await;
    let [instance] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((instance.id(), instance.tags()), (created.id(), created.tags()));
    assert!(instance.address().is_some_and(|address| address.parse::<std::net::Ipv4Addr>().is_ok()));
    assert_eq!(instance.remote_user().name, "debian");
    assert_eq!(instance.root(), pool_api::DEFAULT_ROOT);
    let group = cloud.set.quota_group(&super::cloud::instance_type());
    assert!(group.as_str().contains("n2"), "{group}");
}

#[tokio::test]
async fn compute_engine_does_the_filtering() {
    let cloud = Cloud::new(json!({})).await;
    cloud.create().await;
    cloud.list().await;
    let requests = cloud.proxy.requests();
    let list = requests.iter().find(|r| is_to(r, "/aggregated/instances")).unwrap();
    assert!(list.path.contains("labels.pool-driver-gce-set"), "{}", list.path);
}
