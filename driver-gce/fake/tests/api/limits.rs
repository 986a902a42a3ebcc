//! Quotas, capacity, and a cloud that does not answer.

use crate::client::{Client, FAR_ZONE, OTHER_ZONE, ZONE, worker};
use gce_fake::{OutOfStock, OverQuota, Refusal, Settings};
use serde_json::json;
use std::time::Duration;

const REGION: &str = "europe-west1";

#[test]
fn an_insert_beyond_a_quota_fails_and_vanishes() {
    let client = Client::new();
    client.fake.set_quota(REGION, "N2_CPUS", 4.0);
    client.made(ZONE, "a");
    client.made(OTHER_ZONE, "b");
    client.fake.set_operation_time(Duration::from_millis(200));
    let operation = client.insert(ZONE, &worker(ZONE, "c")).ok();
    assert_eq!(client.fake.instance("c").unwrap()["status"], "PROVISIONING");
    let (error, operation) = client.failed(&operation);
    assert_eq!(error["code"], "QUOTA_EXCEEDED");
    assert_eq!(error["message"], "Quota 'N2_CPUS' exceeded.  Limit: 4.0 in region europe-west1.");
    let info = json!({
        "metricName": "compute.googleapis.com/n2_cpus", "limitName": "N2-CPUS-per-project-region",
        "limit": 4.0, "dimensions": { "region": REGION },
    });
    assert_eq!(error["errorDetails"][0]["quotaInfo"], info);
    assert_eq!(
        (&operation["httpErrorStatusCode"], &operation["httpErrorMessage"]),
        (&json!(403), &json!("FORBIDDEN"))
    );
    client.get(&format!("zones/{ZONE}/instances/c")).refused(404);
    assert_eq!(client.fake.disks().len(), 2);
    // Another region has a quota of its own.
    client.made(FAR_ZONE, "c");
    // What is deleted is free again.
    client.done(&client.call("DELETE", &format!("zones/{ZONE}/instances/a"), None).ok());
    client.made(ZONE, "c");
}

#[test]
fn a_stopped_instance_uses_no_cpus_and_is_still_one() {
    let client = Client::new();
    client.fake.set_quota(REGION, "N2_CPUS", 2.0);
    client.made(ZONE, "a");
    client.done(&client.call("POST", &format!("zones/{ZONE}/instances/a/stop"), None).ok());
    client.made(ZONE, "b");
    client.fake.set_quota(REGION, "N2_CPUS", 100.0);
    client.fake.set_quota(REGION, "INSTANCES", 2.0);
    let (error, _) = client.failed(&client.insert(ZONE, &worker(ZONE, "c")).ok());
    assert_eq!(error["message"], "Quota 'INSTANCES' exceeded.  Limit: 2.0 in region europe-west1.");
}

#[test]
fn spot_instances_have_a_quota_of_their_own_if_there_is_one() {
    let client = Client::new();
    client.fake.set_quota(REGION, "N2_CPUS", 2.0);
    client.made(ZONE, "a");
    let mut spot = worker(ZONE, "spot");
    spot["scheduling"] = json!({ "provisioningModel": "SPOT" });
    let (error, _) = client.failed(&client.insert(ZONE, &spot).ok());
    assert!(error["message"].as_str().unwrap().starts_with("Quota 'N2_CPUS' exceeded."));
    client.fake.set_quota(REGION, "PREEMPTIBLE_CPUS", 2.0);
    client.done(&client.insert(ZONE, &spot).ok());
    spot["name"] = "more".into();
    let (error, _) = client.failed(&client.insert(ZONE, &spot).ok());
    assert!(error["message"].as_str().unwrap().starts_with("Quota 'PREEMPTIBLE_CPUS' exceeded."));
}

#[test]
fn a_call_beyond_a_quota_is_refused_if_the_settings_say_so() {
    let client = Client::of(Settings { over_quota: OverQuota::RefusesCall, ..Settings::default() });
    client.fake.set_quota("global", "CPUS_ALL_REGIONS", 3.0);
    client.made(ZONE, "a");
    let (reason, message) = client.insert(FAR_ZONE, &worker(FAR_ZONE, "b")).refused(403);
    assert_eq!(reason, "quotaExceeded");
    assert_eq!(message, "Quota 'CPUS_ALL_REGIONS' exceeded.  Limit: 3.0 globally.");
    assert_eq!(client.fake.instances().len(), 1);
}

#[test]
fn an_insert_without_capacity_fails_and_vanishes() {
    for (form, code) in [
        (OutOfStock::Plain, "ZONE_RESOURCE_POOL_EXHAUSTED"),
        (OutOfStock::WithDetails, "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"),
    ] {
        let client = Client::of(Settings { out_of_stock: form, ..Settings::default() });
        client.fake.set_full(ZONE, Some("n2-standard-2"), true);
        let (error, operation) = client.failed(&client.insert(ZONE, &worker(ZONE, "a")).ok());
        assert_eq!(error["code"], code);
        let start = "The zone 'projects/fake-project/zones/europe-west1-b' does not have enough resources";
        assert!(error["message"].as_str().unwrap().starts_with(start), "{error}");
        assert_eq!(operation["httpErrorStatusCode"], 503);
        assert!(client.fake.instances().is_empty() && client.fake.disks().is_empty());
        let mut other = worker(ZONE, "other");
        other["machineType"] = "zones/europe-west1-b/machineTypes/e2-small".into();
        client.done(&client.insert(ZONE, &other).ok());
        client.made(OTHER_ZONE, "a");
        client.fake.set_full(ZONE, None, true);
        other["name"] = "more".into();
        client.failed(&client.insert(ZONE, &other).ok());
        client.fake.set_full(ZONE, Some("n2-standard-2"), false);
        client.fake.set_full(ZONE, None, false);
        client.made(ZONE, "a");
    }
}

#[test]
fn an_insert_that_is_going_to_fail_takes_nothing_from_the_others() {
    let client = Client::slow();
    client.fake.set_quota(REGION, "N2_CPUS", 2.0);
    client.fake.set_full(ZONE, None, true);
    client.insert(ZONE, &worker(ZONE, "a")).ok();
    client.fake.set_operation_time(Duration::ZERO);
    client.made(OTHER_ZONE, "b");
}

#[test]
fn a_zone_that_cannot_be_reached() {
    let client = Client::new();
    client.made(ZONE, "a");
    client.made(FAR_ZONE, "b");
    client.fake.set_unreachable(ZONE, true);
    assert_eq!(client.get("aggregated/instances").refused(503).0, "backendError");
    assert_eq!(client.get(&format!("zones/{ZONE}/instances/a")).refused(503).0, "backendError");
    let list = client.get("aggregated/instances?returnPartialSuccess=true").ok();
    assert_eq!(client.get("aggregated/instances?$apiVersion=2026-09-01").ok(), list);
    client.get("aggregated/instances?$apiVersion=2026-08-01").refused(503);
    let gone = &list["items"]["zones/europe-west1-b"];
    assert_eq!(gone["warning"]["code"], "UNREACHABLE");
    assert!(gone["instances"].is_null());
    assert_eq!(list["unreachables"], json!(["zones/europe-west1-b"]));
    assert_eq!(list["items"]["zones/us-central1-a"]["instances"][0]["name"], "b");
    assert_eq!(list["items"]["zones/europe-west1-c"]["warning"]["code"], "NO_RESULTS_ON_PAGE");
    client.fake.set_unreachable(ZONE, false);
    let list = client.get("aggregated/instances").ok();
    assert_eq!(list["items"]["zones/europe-west1-b"]["instances"][0]["name"], "a");
    assert!(list["unreachables"].is_null());
}

#[test]
fn calls_are_refused_so_many_times() {
    let client = Client::new();
    for (refusal, status, reason) in [
        (Refusal::RateLimit, 403, "rateLimitExceeded"),
        (Refusal::TooManyRequests, 429, "rateLimitExceeded"),
        (Refusal::Unavailable, 503, "backendError"),
    ] {
        client.fake.refuse_calls(refusal, 2);
        assert_eq!(client.get("zones").refused(status).0, reason);
        assert_eq!(client.insert(ZONE, &worker(ZONE, "a")).refused(status).0, reason);
        client.get("zones").ok();
    }
    assert!(client.fake.instances().is_empty());
}

#[test]
fn calls_need_a_token_if_the_settings_name_one() {
    let mut client = Client::of(Settings { token: Some("secret".into()), ..Settings::default() });
    let answer = client.get("zones");
    assert_eq!(answer.body["error"]["status"], "UNAUTHENTICATED");
    assert_eq!(answer.refused(401).0, "required");
    client.authorization = Some("Bearer wrong".into());
    assert_eq!(client.get("zones").refused(401).0, "authError");
    client.authorization = Some("Bearer secret".into());
    client.get("zones").ok();
}
