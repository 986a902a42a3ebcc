//! Refusals of the stand-in itself, and what comes in place of an answer where the suite's faults do not reach.

use super::cloud::{Cloud, error, instance_type, is_to, tags};
use gce_fake::{OutOfStock, OverQuota, Settings};
use pool_api::{
    CreateRequest, Effect, ErrorKind, FailureScope, InstanceType, Placement, PlacementReach, ProviderType,
    Reach,
};
use pool_conformance::{Action, Request, Rule};
use serde_json::json;
use std::{sync::Arc, time::Duration};

const ONE_REGION: [&str; 2] = ["europe-west1-b", "europe-west1-c"];

#[tokio::test]
async fn a_quota_that_is_used_up_is_told_apart_wherever_it_is_said() {
    for over_quota in [OverQuota::FailsOperation, OverQuota::RefusesCall] {
        let settings = Settings { over_quota, ..Settings::default() };
        let cloud = Cloud::with(json!({ "zones": ONE_REGION }), settings).await;
        cloud.fake.set_quota("europe-west1", "N2_CPUS", 2.0);
        let first = cloud.create().await;
        let error = cloud.set.create(cloud.request()).await.err().unwrap();
        let scope = FailureScope::new(Reach::QuotaGroup, PlacementReach::Every);
        assert_eq!(
            (error.quota(), error.effect()),
            (Some(scope), Effect::NotDone),
            "{over_quota:?}: {error}"
        );
        assert!(error.to_string().contains("Quota 'N2_CPUS' exceeded"), "{error}");
        // What was refused is not there.
        let listed = cloud.list().await;
        assert_eq!(listed.iter().map(|i| i.id()).collect::<Vec<_>>(), [first.id()]);
        // With zones in two regions, a quota of one of them says nothing about the other.
        let wider = cloud.again(json!({})).await;
        let error = wider.set.create(wider.request()).await.err().unwrap();
        let scope = FailureScope::new(Reach::QuotaGroup, PlacementReach::This);
        assert_eq!(error.quota(), Some(scope), "{error}");
        let elsewhere = CreateRequest { placement: Placement::new("us-central1-a"), ..wider.request() };
        wider.set.create(elsewhere).await.unwrap();
    }
}

#[tokio::test]
async fn a_zone_that_is_full_is_full_for_that_type_alone() {
    for out_of_stock in [OutOfStock::Plain, OutOfStock::WithDetails] {
        let settings = Settings { out_of_stock, ..Settings::default() };
        let cloud = Cloud::with(json!({}), settings).await;
        cloud.fake.set_full("europe-west1-b", Some("n2-standard-2"), true);
        let error = cloud.set.create(cloud.request()).await.err().unwrap();
        let scope = FailureScope::new(Reach::InstanceType, PlacementReach::This);
        assert_eq!((error.capacity(), error.effect()), (Some(scope), Effect::NotDone), "{error}");
        let other = InstanceType { provider_type: ProviderType::new("e2-small").unwrap(), ..instance_type() };
        cloud.set.create(CreateRequest { instance_type: Arc::new(other), ..cloud.request() }).await.unwrap();
        let elsewhere = CreateRequest { placement: Placement::new("europe-west1-c"), ..cloud.request() };
        cloud.set.create(elsewhere).await.unwrap();
        assert_eq!(cloud.list().await.len(), 2);
    }
}

#[tokio::test]
async fn a_type_that_a_zone_does_not_have_is_sought_in_another() {
    let cloud = Cloud::new(json!({})).await;
    let odd = InstanceType { provider_type: ProviderType::new("z9-standard-2").unwrap(), ..instance_type() };
    let request = CreateRequest { instance_type: Arc::new(odd), ..cloud.request() };
    let error = cloud.set.create(request).await.err().unwrap();
    let scope = FailureScope::new(Reach::InstanceType, PlacementReach::This);
    assert_eq!(error.capacity(), Some(scope), "{error}");
}

fn is_wait(request: &Request) -> bool {
    is_to(request, "/wait")
}

#[tokio::test]
async fn an_operation_that_cannot_be_followed_is_of_unknown_effect_and_found_again() {
    let cases = [
        (Action::Answer(error(403, "rateLimitExceeded", "slow down")), ErrorKind::RateLimit),
        (Action::Answer(error(403, "quotaExceeded", "Quota 'CPUS' exceeded.")), ErrorKind::Transient),
        (Action::Answer(error(404, "notFound", "no such operation")), ErrorKind::Transient),
        (Action::LoseAnswer, ErrorKind::Transient),
        (Action::GarbleAnswer("<html>".into()), ErrorKind::Transient),
    ];
    for (action, kind) in cases {
        let cloud = Cloud::new(json!({})).await;
        cloud.proxy.add(Rule::new(is_wait, action).times(Some(1)));
        let request = cloud.request();
        let error = cloud.set.create(request.clone()).await.err().unwrap();
        assert_eq!((error.kind(), error.effect()), (kind, Effect::Unknown), "{error}");
        assert_eq!((error.quota(), error.capacity()), (None, None));
        // The same token follows the same operation.
        let instance = cloud.set.create(request).await.unwrap();
        let listed = cloud.list().await;
        assert_eq!(listed.iter().map(|i| i.id()).collect::<Vec<_>>(), [instance.id()]);
    }
}

#[tokio::test]
async fn an_operation_is_followed_for_a_limited_time() {
    let settings = Settings { operation_time: Duration::from_secs(60), ..Settings::default() };
    let cloud = Cloud::with(json!({ "operation_timeout": "200ms" }), settings).await;
    let error = cloud.set.create(cloud.request()).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
    assert!(error.to_string().contains("is not done after 200ms"), "{error}");
    // It can be listed before its operation has ended.
    assert_eq!(cloud.list().await[0].lifecycle(), pool_api::Lifecycle::Pending);
}

#[tokio::test]
async fn an_operation_that_is_not_done_after_a_wait_is_waited_for_again() {
    let settings = Settings {
        operation_time: Duration::from_millis(300),
        longest_wait: Duration::from_millis(100),
        ..Settings::default()
    };
    let cloud = Cloud::with(json!({}), settings).await;
    cloud.create().await;
    assert!(cloud.proxy.requests().iter().filter(|request| is_wait(request)).count() > 1);
}

#[tokio::test]
async fn an_http_error_without_a_reason_is_judged_by_its_status() {
    let cases = [
        (502, ErrorKind::Transient, Effect::Unknown),
        (403, ErrorKind::Auth, Effect::NotDone),
        (429, ErrorKind::RateLimit, Effect::NotDone),
        (404, ErrorKind::Unknown, Effect::NotDone),
    ];
    for (status, kind, effect) in cases {
        let cloud = Cloud::new(json!({})).await;
        let answer = pool_conformance::Answer::new(status, "text/html", "<html>").header("retry-after", "7");
        cloud.proxy.add(Rule::new(|_| true, Action::Answer(answer)));
        let error = cloud.set.create(cloud.request()).await.err().unwrap();
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{status}: {error}");
        let wait = error.rate_limit().and_then(|limit| limit.retry_after);
        assert_eq!(wait, (kind == ErrorKind::RateLimit).then_some(Duration::from_secs(7)));
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn without_a_server_nothing_was_sent() {
    let cloud = Cloud::new(json!({ "endpoint": "http://127.0.0.1:1" })).await;
    let error = cloud.set.create(cloud.request()).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::NotDone), "{error}");
    let error = cloud.set.instances(&tags()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Transient);
}
