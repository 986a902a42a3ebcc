//! Changes of labels, metadata and tags.

use crate::client::{Client, ZONE};
use serde_json::{Value, json};
use std::time::Duration;

const WORKER: &str = "zones/europe-west1-b/instances/worker";

/// A change: the method, the current fingerprint's place, the request's field for it, and the body without
/// it.
fn changes() -> [(&'static str, &'static str, &'static str, Value); 3] {
    [
        ("setLabels", "/labelFingerprint", "labelFingerprint", json!({ "labels": { "new": "1" } })),
        (
            "setMetadata",
            "/metadata/fingerprint",
            "fingerprint",
            json!({ "items": [{ "key": "new", "value": "1" }] }),
        ),
        ("setTags", "/tags/fingerprint", "fingerprint", json!({ "items": ["new"] })),
    ]
}

fn with_fingerprint(body: &Value, field: &str, fingerprint: &Value) -> Value {
    let mut body = body.clone();
    body[field] = fingerprint.clone();
    body
}

#[test]
fn a_change_needs_the_current_fingerprint() {
    for (method, place, field, body) in changes() {
        let client = Client::new();
        let before = client.made(ZONE, "worker");
        let path = format!("{WORKER}/{method}");
        let old = before.pointer(place).unwrap();
        assert_eq!(
            client.post(&path, &body).refused(412).0,
            "conditionNotMet",
            "{method} without a fingerprint"
        );
        let wrong = with_fingerprint(&body, field, &"AAAAAAAAAAA=".into());
        assert_eq!(client.post(&path, &wrong).refused(412).0, "conditionNotMet", "{method} with a wrong one");
        assert_eq!(client.get(WORKER).ok(), before);

        let operation = client.post(&path, &with_fingerprint(&body, field, old)).ok();
        assert_eq!(operation["operationType"], method);
        client.done(&operation);
        let after = client.get(WORKER).ok();
        assert_ne!(after.pointer(place).unwrap(), old);
        assert_ne!(after["fingerprint"], before["fingerprint"]);
        client.post(&path, &with_fingerprint(&body, field, old)).refused(412);
    }
}

#[test]
fn a_change_replaces_all_that_there_was() {
    let client = Client::new();
    for (method, place, field, body) in changes() {
        let before = client.fake.instance("worker").unwrap_or_else(|| client.made(ZONE, "worker"));
        let body = with_fingerprint(&body, field, before.pointer(place).unwrap());
        client.done(&client.post(&format!("{WORKER}/{method}"), &body).ok());
    }
    let after = client.get(WORKER).ok();
    assert_eq!(after["labels"], json!({ "new": "1" }));
    assert_eq!(after["metadata"]["items"], json!([{ "key": "new", "value": "1" }]));
    assert_eq!(after["tags"]["items"], json!(["new"]));
    let body = json!({ "labels": {}, "labelFingerprint": after["labelFingerprint"] });
    client.done(&client.post(&format!("{WORKER}/setLabels"), &body).ok());
    assert!(client.get(WORKER).ok()["labels"].is_null());
}

#[test]
fn of_two_changes_at_once_the_second_fails() {
    for (method, place, field, body) in changes() {
        let client = Client::new();
        let before = client.made(ZONE, "worker");
        client.fake.set_operation_time(Duration::from_millis(100));
        let body = with_fingerprint(&body, field, before.pointer(place).unwrap());
        let path = format!("{WORKER}/{method}");
        let (first, second) = (client.post(&path, &body).ok(), client.post(&path, &body).ok());
        client.done(&first);
        let (error, operation) = client.failed(&second);
        assert_eq!(error["code"], "CONDITION_NOT_MET");
        assert_eq!(operation["httpErrorStatusCode"], 412);
    }
}

#[test]
fn a_change_that_cannot_be_is_refused() {
    let client = Client::new();
    let instance = client.made(ZONE, "worker");
    let refused = |method: &str, body: Value| client.post(&format!("{WORKER}/{method}"), &body).refused(400);
    let body = json!({ "labels": { "Bad": "" }, "labelFingerprint": instance["labelFingerprint"] });
    refused("setLabels", body);
    let items = json!([{ "key": "a b", "value": "" }]);
    refused("setMetadata", json!({ "items": items, "fingerprint": instance["metadata"]["fingerprint"] }));
    refused("setTags", json!({ "items": ["Bad"], "fingerprint": instance["tags"]["fingerprint"] }));
    client.post("zones/europe-west1-b/instances/nobody/setTags", &json!({})).refused(404);
}
