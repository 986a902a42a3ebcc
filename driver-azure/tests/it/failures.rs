//! Refusals of the stand-in itself, and what comes in place of an answer where the suite's faults do not reach.

use super::cloud::{
    Cloud, error, instance_type, is_look, is_of_machine, is_token, of_size, of_type, tags, whole,
};
use azure_fake::{CreateFailure, Refusal, Settings};
use pool_api::{
    CreateRequest, Effect, ErrorKind, FailureScope, InstanceType, Lifecycle, Placement, PlacementReach, Reach,
};
use pool_conformance::{Action, Answer, Request, Rule};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const OF_GROUP: FailureScope = FailureScope::new(Reach::QuotaGroup, PlacementReach::Every);
const TYPE_HERE: FailureScope = FailureScope::new(Reach::InstanceType, PlacementReach::This);
const TYPE_EVERYWHERE: FailureScope = FailureScope::new(Reach::InstanceType, PlacementReach::Every);

async fn create_error(cloud: &Cloud, request: CreateRequest) -> pool_api::BoxCloudError {
    cloud.set.create(request).await.err().unwrap()
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_that_of_the_group() {
    let cloud = Cloud::new(json!({})).await;
    cloud.fake.set_quota("standardDSv3Family", 2);
    let first = cloud.create().await;
    let error = create_error(&cloud, cloud.request()).await;
    assert_eq!((error.quota(), error.effect()), (Some(OF_GROUP), Effect::NotDone), "{error}");
    assert!(error.to_string().contains("exceeding approved standardDSv3Family Cores quota"), "{error}");
    // What was refused is not there, and another group has a quota of its own.
    assert_eq!(cloud.list().await.iter().map(|i| i.id()).collect::<Vec<_>>(), [first.id()]);
    cloud.set.create(of_size(cloud.request(), "Standard_B2s")).await.unwrap();
    let spot = InstanceType { preemptible: true, ..instance_type() };
    cloud.set.create(of_type(cloud.request(), spot.clone())).await.unwrap();
    cloud.fake.set_quota("lowPriorityCores", 2);
    let error = create_error(&cloud, of_type(cloud.request(), spot)).await;
    assert_eq!((error.quota(), error.effect()), (Some(OF_GROUP), Effect::NotDone), "{error}");
    // Room is there again when the machine is gone.
    first.destroy().await.unwrap();
    cloud.fake.settle();
    cloud.create().await;
}

#[tokio::test]
async fn a_subnet_that_is_full_is_full_for_everything() {
    let mut settings = Settings::default();
    settings.subnets.iter_mut().for_each(|subnet| subnet.addresses = 6);
    let cloud = Cloud::with(json!({}), settings).await;
    cloud.create().await;
    let error = create_error(&cloud, cloud.request()).await;
    let scope = FailureScope::new(Reach::All, PlacementReach::Every);
    assert_eq!((error.quota(), error.effect()), (Some(scope), Effect::NotDone), "{error}");
}

#[tokio::test]
async fn a_size_that_is_not_available_is_sought_in_another_zone() {
    let mut settings = Settings::default();
    settings.sizes.iter_mut().for_each(|size| size.zones = vec!["2".into()]);
    let cloud = Cloud::with(json!({}), settings).await;
    let error = create_error(&cloud, cloud.request()).await;
    assert_eq!((error.capacity(), error.effect()), (Some(TYPE_HERE), Effect::NotDone), "{error}");
    assert_eq!(error.provider_code(), Some("SkuNotAvailable"));
    let elsewhere = || CreateRequest { placement: Placement::new("2"), ..cloud.request() };
    cloud.set.create(elsewhere()).await.unwrap();
    let failure = CreateFailure::sku_not_available("Standard_D2s_v3", "westeurope").times(1);
    cloud.fake.fail_creates(Some(failure));
    let error = create_error(&cloud, elsewhere()).await;
    assert_eq!((error.capacity(), error.effect()), (Some(TYPE_HERE), Effect::NotDone), "{error}");
    assert_eq!(cloud.list().await.len(), 1);
}

#[tokio::test]
async fn an_operation_that_fails_leaves_a_machine_that_is_listed_as_failed() {
    let cases = [
        (CreateFailure::allocation_failed(), None, Some(TYPE_EVERYWHERE)),
        (CreateFailure::overconstrained(), None, Some(TYPE_EVERYWHERE)),
        (CreateFailure::zonal_allocation_failed(), None, Some(TYPE_HERE)),
        (CreateFailure::overconstrained_zonal(), None, Some(TYPE_HERE)),
        (CreateFailure::spot_quota("westeurope"), Some(OF_GROUP), None),
    ];
    for (failure, quota, capacity) in cases {
        let cloud = Cloud::new(json!({})).await;
        cloud.fake.fail_creates(Some(failure.clone().times(1)));
        let error = create_error(&cloud, cloud.request()).await;
        assert_eq!((error.quota(), error.capacity()), (quota, capacity), "{error}");
        assert_eq!((error.effect(), error.provider_code()), (Effect::NotDone, Some(&failure.code[..])));
        assert!(error.to_string().contains(failure.message.lines().next().unwrap()), "{error}");
        let listed = cloud.list().await;
        assert_eq!(listed.iter().map(|i| i.lifecycle()).collect::<Vec<_>>(), [Lifecycle::Failed]);
        listed[0].destroy().await.unwrap();
        cloud.fake.settle();
        assert!(cloud.list().await.is_empty());
        assert!(cloud.fake.interfaces().is_empty() && cloud.fake.disks().is_empty());
    }
}

#[tokio::test]
async fn an_operation_that_fails_by_itself_may_have_made_a_machine() {
    let cloud = Cloud::new(json!({})).await;
    let failure =
        CreateFailure::in_operation("OSProvisioningTimedOut", "did not finish in the allotted time");
    cloud.fake.fail_creates(Some(failure.times(1)));
    let error = create_error(&cloud, cloud.request()).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
    assert_eq!(cloud.list().await.len(), 1);
}

#[tokio::test]
async fn an_operation_that_cannot_be_followed_is_of_unknown_effect_and_found_again() {
    let cases = [
        (
            Action::Answer(error(429, "TooManyRequests", "slow down").header("retry-after", "7")),
            ErrorKind::RateLimit,
        ),
        (Action::Answer(error(403, "AuthorizationFailed", "no such permission")), ErrorKind::Auth),
        (Action::Answer(error(404, "NotFound", "The entity was not found.")), ErrorKind::Transient),
        (Action::Answer(error(409, "SkuNotAvailable", "of something else")), ErrorKind::Transient),
        (Action::Answer(error(409, "QuotaExceeded", "of something else")), ErrorKind::Transient),
        (Action::LoseAnswer, ErrorKind::Transient),
        (Action::LoseRequest, ErrorKind::Transient),
        (Action::CutAnswer, ErrorKind::Transient),
        (Action::GarbleAnswer("<html>".into()), ErrorKind::Transient),
    ];
    for (action, kind) in cases {
        let cloud = Cloud::new(json!({})).await;
        let case = format!("{action:?}");
        cloud.proxy.add(Rule::new(is_look, action).times(Some(1)));
        let request = cloud.request();
        let error = create_error(&cloud, request.clone()).await;
        assert_eq!((error.kind(), error.effect()), (kind, Effect::Unknown), "{case}: {error}");
        assert_eq!((error.quota(), error.capacity()), (None, None));
        let wait = error.rate_limit().and_then(|limit| limit.retry_after);
        assert_eq!(wait, (kind == ErrorKind::RateLimit).then_some(Duration::from_secs(7)));
        let instance = cloud.set.create(request).await.unwrap();
        let listed = cloud.list().await;
        assert_eq!(listed.iter().map(|i| i.id()).collect::<Vec<_>>(), [instance.id()]);
    }
}

/// Azure tells of some operations by `Location` alone: how they have ended is an HTTP status.
#[tokio::test]
async fn an_operation_is_followed_by_its_location_alone() {
    let cloud = Cloud::new(json!({})).await;
    let by_location = |_: &Request, answer: &mut Answer| {
        for (name, value) in &mut answer.headers {
            if name == "azure-asyncoperation" {
                (*name, *value) = ("location".into(), format!("{value}&monitor=true"));
            }
        }
    };
    let action = Action::ChangeAnswer(Arc::new(by_location));
    cloud.proxy.add(Rule::new(|request| is_of_machine(request, "PUT"), action));
    cloud.create().await;
    assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Running);
    cloud.fake.fail_creates(Some(CreateFailure::zonal_allocation_failed().times(1)));
    let error = create_error(&cloud, cloud.request()).await;
    assert_eq!((error.capacity(), error.effect()), (Some(TYPE_HERE), Effect::NotDone), "{error}");
    assert!(cloud.count(|request| is_look(request) && request.path.contains("monitor=true")) >= 2);
}

#[tokio::test]
async fn an_operation_is_followed_for_a_limited_time() {
    // Whether Azure says that it is to be looked at again at once or in a minute.
    for retry_after in [0, 60] {
        let settings =
            Settings { operation_time: Duration::from_secs(60), retry_after, ..Settings::default() };
        let cloud = Cloud::with(json!({ "operation_timeout": "300ms" }), settings).await;
        let start = Instant::now();
        let error = create_error(&cloud, cloud.request()).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
        assert!(error.to_string().contains("is not done after 300ms"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(cloud.count(is_look) == 0, retry_after == 60);
        // It can be listed before its operation has ended.
        assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Pending);
    }
}

#[tokio::test]
async fn an_operation_is_looked_at_as_often_as_azure_says() {
    let settings =
        Settings { operation_time: Duration::from_millis(1500), retry_after: 1, ..Settings::default() };
    let cloud = Cloud::with(json!({}), settings).await;
    cloud.create().await;
    assert_eq!(cloud.count(is_look), 2);
    assert_eq!(cloud.count(|request| is_of_machine(request, "PUT")), 1);
}

#[tokio::test]
async fn an_http_error_without_a_code_is_judged_by_its_status() {
    let cases = [
        (500, ErrorKind::Transient, Effect::Unknown),
        (502, ErrorKind::Transient, Effect::Unknown),
        (504, ErrorKind::Transient, Effect::Unknown),
        (408, ErrorKind::Transient, Effect::Unknown),
        (401, ErrorKind::Auth, Effect::NotDone),
        (403, ErrorKind::Auth, Effect::NotDone),
        (429, ErrorKind::RateLimit, Effect::NotDone),
        (400, ErrorKind::Unknown, Effect::NotDone),
        (404, ErrorKind::Unknown, Effect::NotDone),
    ];
    for (status, kind, effect) in cases {
        let cloud = Cloud::new(json!({})).await;
        let answer = Answer::new(status, "text/html", "<html>").header("retry-after", "7");
        cloud.proxy.add(Rule::new(|request| !is_token(request), Action::Answer(answer)));
        let error = create_error(&cloud, cloud.request()).await;
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{status}: {error}");
        let wait = error.rate_limit().and_then(|limit| limit.retry_after);
        assert_eq!(wait, (kind == ErrorKind::RateLimit).then_some(Duration::from_secs(7)));
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        // 404 of whatever stands there is not the answer that a machine is gone.
        assert!(cloud.set.instances(&tags()).await.is_err());
    }
}

#[tokio::test]
async fn an_error_is_of_one_request_for_the_pool_to_repeat() {
    let refusals = [
        (Refusal::TooManyRequests, ErrorKind::RateLimit, Effect::NotDone),
        (Refusal::SubscriptionThrottled, ErrorKind::RateLimit, Effect::NotDone),
        (Refusal::InternalError, ErrorKind::Transient, Effect::Unknown),
        (Refusal::Unavailable, ErrorKind::Transient, Effect::Unknown),
        (Refusal::Forbidden, ErrorKind::Auth, Effect::NotDone),
    ];
    for (refusal, kind, effect) in refusals {
        let cloud = Cloud::new(json!({})).await;
        cloud.fake.refuse_calls(refusal, 1);
        let error = create_error(&cloud, cloud.request()).await;
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{error}");
        let wait = error.rate_limit().and_then(|limit| limit.retry_after);
        assert_eq!(wait, (kind == ErrorKind::RateLimit).then_some(Duration::from_secs(1)), "{error}");
        assert_eq!(cloud.count(|request| is_of_machine(request, "PUT")), 1, "the SDK has repeated it");
        cloud.create().await;
    }
}

#[tokio::test]
async fn without_a_server_nothing_was_sent() {
    // Without the Resource Manager, and without the server of tokens.
    for field in ["endpoint", "authority"] {
        let cloud = Cloud::new(json!({ field: "http://127.0.0.1:1" })).await;
        let error = create_error(&cloud, cloud.request()).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::NotDone), "{error}");
        let error = cloud.set.instances(&tags()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Transient);
        assert_eq!(cloud.count(|request| !is_token(request)), 0);
    }
}

#[tokio::test]
async fn what_never_answers_is_not_waited_for_longer_than_configured() {
    let cloud = Cloud::new(json!({ "call_timeout": "500ms" })).await;
    let (put, delete) =
        (Rule::new(|r| r.method == "PUT", Action::Hang), Rule::new(|r| r.method == "DELETE", Action::Hang));
    let start = Instant::now();
    cloud.proxy.add(put.times(Some(1)));
    let request = cloud.request();
    let error = create_error(&cloud, request.clone()).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
    let instance = cloud.set.create(request).await.unwrap();
    cloud.proxy.add(delete.times(Some(1)));
    let error = instance.destroy().await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
    instance.destroy().await.unwrap();
    cloud.fake.settle();
    instance.destroy().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn an_error_shows_neither_the_script_nor_the_token() {
    let cloud = Cloud::new(json!({})).await;
    let script = || pool_api::InitCommand::new("echo hunter2\n".into());
    let answers = [
        Action::Answer(error(400, "InvalidParameter", "customData")),
        Action::Answer(Answer::new(500, "text/html", "<html>")),
        Action::GarbleAnswer("<html>".into()),
        Action::LoseAnswer,
        Action::Reset,
    ];
    for action in answers {
        cloud.proxy.add(Rule::new(|request| is_of_machine(request, "PUT"), action).times(Some(1)));
        let request = CreateRequest { init_command: script(), ..cloud.request() };
        let text = whole(&create_error(&cloud, request).await);
        for secret in ["hunter2", "ZWNobyBodW50ZXIy", "fake-access-token", "fake-secret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
