//! Requests that are sent again.

use crate::client::{Client, OTHER_ZONE, ZONE, worker};
use gce_fake::Settings;
use serde_json::json;
use std::time::Duration;

const ID: &str = "4e6a630b-6738-4f81-947b-c985fe328aa9";

fn inserts(zone: &str, id: &str) -> String {
    format!("zones/{zone}/instances?requestId={id}")
}

#[test]
fn a_request_that_is_sent_again_does_nothing_again() {
    let client = Client::new();
    let path = inserts(ZONE, ID);
    let first = client.post(&path, &worker(ZONE, "worker")).ok();
    let done = client.done(&first);
    let again = client.post(&inserts(ZONE, &ID.to_uppercase()), &worker(ZONE, "worker")).ok();
    assert_eq!(again, done, "the operation as it is now");
    // Even if what it made is gone, and whatever it asks for now.
    client.done(&client.call("DELETE", "zones/europe-west1-b/instances/worker", None).ok());
    assert_eq!(client.post(&path, &worker(ZONE, "another")).ok(), done);
    assert!(client.fake.instances().is_empty());
    let other = path.replace("4e6a", "5e6a");
    assert_ne!(client.post(&other, &worker(ZONE, "another")).ok()["name"], done["name"]);
}

#[test]
fn every_change_can_be_sent_again() {
    let client = Client::new();
    let instance = client.made(ZONE, "worker");
    let path = "zones/europe-west1-b/instances/worker";
    let set = json!({ "labels": { "a": "b" }, "labelFingerprint": instance["labelFingerprint"] });
    let labels = format!("{path}/setLabels?requestId=00000000-0000-0000-0000-000000000001");
    let first = client.done(&client.post(&labels, &set).ok());
    assert_eq!(client.post(&labels, &set).ok(), first, "although the fingerprint is an old one");
    let delete = format!("{path}?requestId=00000000-0000-0000-0000-000000000002");
    let first = client.done(&client.call("DELETE", &delete, None).ok());
    assert_eq!(client.call("DELETE", &delete, None).ok(), first, "although the instance is gone");
}

#[test]
fn a_refused_request_leaves_nothing_behind() {
    let client = Client::new();
    client.post(&inserts(ZONE, ID), &worker(OTHER_ZONE, "worker")).refused(400);
    client.post(&inserts(ZONE, ID), &worker(ZONE, "worker")).ok();
}

#[test]
fn a_request_is_forgotten_after_a_while() {
    let settings = Settings { request_id_window: Duration::ZERO, ..Settings::default() };
    let client = Client::of(settings);
    client.done(&client.post(&inserts(ZONE, ID), &worker(ZONE, "worker")).ok());
    client.post(&inserts(ZONE, ID), &worker(ZONE, "worker")).refused(409);
}

#[test]
fn a_request_id_is_a_uuid() {
    let client = Client::new();
    for id in ["worker-1", "00000000-0000-0000-0000-000000000000", "4e6a630b67384f81947bc985fe328aa9"] {
        let (reason, message) = client.post(&inserts(ZONE, id), &worker(ZONE, "worker")).refused(400);
        assert_eq!(reason, "invalid");
        assert!(message.contains("requestId"), "{message}");
    }
    assert!(client.fake.instances().is_empty());
}
