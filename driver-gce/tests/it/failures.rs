//! Refusals of the stand-in itself, and what comes in place of an answer where the suite's faults do not reach.

use super::cloud::{Cloud, error, instance_type, is_to, tags};
use driver_gce::GceDriver;
use gce_fake::{OutOfStock, OverQuota, Settings};
use pool_api::{
    CreateRequest, Driver as _, DriverContext, Effect, ErrorKind, FailureScope, InstanceType, Placement,
    PlacementReach, ProviderType, Reach,
};
use pool_conformance::{Action, Answer, Proxy, Request, Rule};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

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
        let answer = Answer::new(status, "text/html", "<html>").header("retry-after", "7");
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

/// Opens a set in a process of its own, for only such a one has an environment of its own, and lists twice. What it has
/// printed.
fn in_another_process(config: &Value, environment: &[(&str, &OsStr)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "failures::in_its_own_environment", "--ignored", "--nocapture"]);
    command.env("GCE_TEST_CONFIG", config.to_string()).envs(environment.iter().copied());
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

#[tokio::test]
#[ignore = "run by other tests, in a process of its own"]
async fn in_its_own_environment() {
    let config = serde_json::from_str(&std::env::var("GCE_TEST_CONFIG").unwrap()).unwrap();
    let context = DriverContext { instance_set: super::cloud::set_id(), state_dir: "/nowhere".into() };
    match GceDriver.open(config, context).await {
        Err(error) => println!("{error}"),
        Ok(set) => {
            for _ in 0..2 {
                let error = set.instances(&tags()).await.err().unwrap();
                println!("{:?}: {error}", error.kind());
            }
        }
    }
}

/// A configuration whose credentials come from the environment: what `gcloud auth application-default login` writes, with
/// a token server of ours.
fn with_token_server(dir: &Path, url: &str) -> (Value, PathBuf) {
    let file = dir.join("user.json");
    let user = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r", "token_uri": url,
    });
    std::fs::write(&file, user.to_string()).unwrap();
    // Nothing listens there.
    let config = json!({
        "project": "p1",
        "zones": ["europe-west1-b"],
        "admin_user": "admin",
        "endpoint": "https://127.0.0.1:1",
        "call_timeout": "2s",
    });
    (config, file)
}

#[test]
fn a_call_ends_in_time_also_when_no_token_comes() {
    // It accepts connections, and never says anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (config, file) = with_token_server(dir.path(), &format!("http://{}", silent.local_addr().unwrap()));
    let said = in_another_process(&config, &[("GOOGLE_APPLICATION_CREDENTIALS", file.as_os_str())]);
    assert_eq!(said.matches("Transient: instances.aggregatedList: no answer within 2s").count(), 2, "{said}");
}

#[test]
fn a_token_that_was_refused_once_is_asked_for_again() {
    let refused = Answer::new(400, "application/json", r#"{"error":"invalid_grant"}"#);
    let token = r#"{"access_token":"t","expires_in":3600,"token_type":"Bearer","id_token":"i","scope":"s"}"#;
    let token = Answer::new(200, "application/json", token);
    let rules = vec![
        Rule::new(|_| true, Action::Answer(refused)).times(Some(1)),
        Rule::new(|_| true, Action::Answer(token)),
    ];
    let server = Proxy::start(None, rules).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (config, file) = with_token_server(dir.path(), &server.url());
    let said = in_another_process(&config, &[("GOOGLE_APPLICATION_CREDENTIALS", file.as_os_str())]);
    assert!(said.contains("Auth: instances.aggregatedList: no usable credentials"), "{said}");
    assert!(said.contains("Transient: instances.aggregatedList: no connection to Compute Engine"), "{said}");
}

#[test]
fn the_library_s_log_of_secrets_is_refused() {
    let config = json!({
        "project": "p1", "zones": ["europe-west1-b"], "admin_user": "admin",
        "endpoint": "http://127.0.0.1:1", "credentials": "anonymous",
    });
    let said = in_another_process(&config, &[("GOOGLE_CLOUD_RUST_LOGGING", OsStr::new("true"))]);
    assert!(said.contains("GOOGLE_CLOUD_RUST_LOGGING: with it"), "{said}");
}
