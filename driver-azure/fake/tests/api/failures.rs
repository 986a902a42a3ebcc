//! Quotas, capacity, and calls that are refused.

use crate::client::{Client, disk, interface, machine, machines, worker};
use azure_fake::{CreateFailure, Refusal};
use serde_json::json;

#[test]
fn quotas_end() {
    let client = Client::new();
    client.fake.set_quota("standardDSv3Family", 4);
    client.made("a");
    client.made("b");
    let (code, message) = client.put_machine("c", &worker("c")).refused(409);
    assert_eq!(code, "OperationNotAllowed");
    for part in [
        "approved standardDSv3Family Cores quota",
        "Current Limit: 4, Current Usage: 4, Additional Required: 2",
    ] {
        assert!(message.contains(part), "{message}");
    }
    client.get(&machine("c")).refused(404);
    // A machine that is deallocated keeps its cores, and one that is deleted does not.
    client.fake.deallocate("a");
    client.fake.settle();
    client.put_machine("c", &worker("c")).refused(409);
    client.delete_machine("a").is(202);
    client.fake.settle();
    client.made("c");
    client.fake.set_quota("all", 5);
    let mut body = worker("d");
    body["properties"]["hardwareProfile"]["vmSize"] = "Standard_B2s".into();
    let (code, message) = client.put_machine("d", &body).refused(409);
    assert_eq!(code, "OperationNotAllowed");
    assert!(message.contains("approved Total Regional Cores quota"), "{message}");
}

#[test]
fn a_create_that_fails_in_its_call_leaves_nothing() {
    let client = Client::new();
    let failure = CreateFailure::sku_not_available("Standard_D2s_v3", "westeurope").times(1);
    client.fake.fail_creates(Some(failure));
    assert_eq!(client.put_machine("worker", &worker("worker")).refused(409).0, "SkuNotAvailable");
    client.fake.fail_creates(Some(CreateFailure::quota_exceeded("westeurope").times(1)));
    assert_eq!(client.put_machine("worker", &worker("worker")).refused(409).0, "QuotaExceeded");
    client.get(&machine("worker")).refused(404);
    assert!(client.fake.disks().is_empty() && client.fake.interfaces().is_empty());
    client.made("worker");
}

#[test]
fn a_create_that_fails_in_its_operation_leaves_a_failed_machine_with_its_parts() {
    for failure in [
        CreateFailure::allocation_failed(),
        CreateFailure::zonal_allocation_failed(),
        CreateFailure::overconstrained(),
        CreateFailure::overconstrained_zonal(),
        CreateFailure::spot_quota("westeurope"),
    ] {
        let client = Client::new();
        client.fake.fail_creates(Some(failure.clone()));
        let made = client.put_machine("worker", &worker("worker"));
        assert_eq!(made.status, 201);
        let end = client.end_of(&made);
        assert_eq!(end["status"], "Failed");
        assert_eq!(end["error"], json!({ "code": failure.code, "message": failure.message }));
        let link = made.header("azure-asyncoperation").unwrap();
        assert_eq!(client.get(&format!("{link}&monitor=true")).refused(409).0, failure.code);
        assert_eq!(client.machine("worker")["properties"]["provisioningState"], "Failed");
        let view = client.get(&crate::client::machine_action("worker", "instanceView")).ok();
        assert_eq!(view["statuses"][0]["code"], format!("ProvisioningState/failed/{}", failure.code));
        assert!(view["statuses"][1].is_null());
        client.get(&disk("worker-disk")).ok();
        client.get(&interface("worker-interface")).ok();
        // New tags do not make it a good one.
        client.call("PATCH", &machine("worker"), Some(&json!({ "tags": { "a": "b" } }))).ok();
        client.fake.settle();
        assert_eq!(client.machine("worker")["properties"]["provisioningState"], "Failed");
        // The same call tries again.
        client.fake.fail_creates(None);
        assert_eq!(
            client.put_machine("worker", &worker("worker")).ok()["properties"]["provisioningState"],
            "Creating"
        );
        client.fake.settle();
        assert_eq!(client.power("worker"), "running");
        client.delete_machine("worker").is(202);
        client.fake.settle();
        assert!(client.fake.disks().is_empty() && client.fake.interfaces().is_empty());
    }
}

#[test]
fn calls_are_refused_as_often_as_said() {
    let client = Client::new();
    for (refusal, status, code) in [
        (Refusal::TooManyRequests, 429, "TooManyRequests"),
        (Refusal::SubscriptionThrottled, 429, "SubscriptionRequestsThrottled"),
        (Refusal::InternalError, 500, "InternalServerError"),
        (Refusal::Unavailable, 503, "ServiceUnavailable"),
        (Refusal::ExpiredToken, 401, "ExpiredAuthenticationToken"),
        (Refusal::Forbidden, 403, "AuthorizationFailed"),
    ] {
        client.fake.refuse_calls(refusal, 2);
        for _ in 0..2 {
            let answer = client.get(&machines());
            if status == 429 {
                assert_eq!(answer.header("retry-after"), Some("1"));
                let remaining =
                    answer.headers.keys().any(|name| name.as_str().starts_with("x-ms-ratelimit-remaining-"));
                assert!(remaining);
            }
            assert_eq!(answer.refused(status).0, code);
        }
        client.get(&machines()).ok();
    }
}
