//! The life of an instance.

use crate::client::{Client, ZONE, last, worker};
use gce_fake::Settings;
use serde_json::json;
use std::time::{Duration, Instant};

const WORKER: &str = "zones/europe-west1-b/instances/worker";

#[test]
fn an_accepted_instance_is_there_before_its_operation_ends() {
    let client = Client::slow();
    let operation = client.insert(ZONE, &worker(ZONE, "worker")).ok();
    assert_eq!(operation["kind"], "compute#operation");
    assert_eq!(operation["status"], "RUNNING");
    assert_eq!(operation["operationType"], "insert");
    assert_eq!(last(&operation["targetLink"]), "worker");
    let instance = client.get(WORKER).ok();
    assert_eq!(instance["status"], "PROVISIONING");
    assert_eq!(instance["id"], operation["targetId"]);
    assert!(instance["networkInterfaces"][0]["networkIP"].is_null());
    let listed = client.get("zones/europe-west1-b/instances").ok();
    assert_eq!(listed["items"][0], instance);
    let again = client.get(&format!("zones/{ZONE}/operations/{}", operation["name"].as_str().unwrap())).ok();
    assert_eq!(again, operation);
    client.get(&format!("zones/{ZONE}/operations/nothing")).refused(404);
}

#[test]
fn a_running_instance_has_what_was_asked_for() {
    let client = Client::new();
    let instance = client.made(ZONE, "worker");
    assert_eq!(instance["status"], "RUNNING");
    assert_eq!(last(&instance["machineType"]), "n2-standard-2");
    assert_eq!(last(&instance["zone"]), ZONE);
    assert_eq!(instance["labels"], json!({ "pool": "blue" }));
    assert_eq!(instance["scheduling"]["provisioningModel"], "STANDARD");
    assert_eq!(instance["disks"][0]["diskSizeGb"], "20");
    let interface = &instance["networkInterfaces"][0];
    assert!(interface["networkIP"].as_str().unwrap().starts_with("10."));
    assert!(interface["accessConfigs"][0]["natIP"].is_string());
    for field in ["creationTimestamp", "lastStartTimestamp", "fingerprint", "labelFingerprint", "selfLink"] {
        assert!(instance[field].is_string(), "{field}");
    }
    let disk = &client.fake.disks()[0];
    assert_eq!(last(&disk["sourceImage"]), "debian-12-bookworm-v20260914");
    assert_eq!(last(&disk["type"]), "pd-balanced");
    assert_eq!(last(&disk["users"][0]), "worker");
    // An instance may be named by its ID.
    assert_eq!(
        client.get(&format!("zones/{ZONE}/instances/{}", instance["id"].as_str().unwrap())).ok(),
        instance
    );
}

#[test]
fn a_deleted_instance_stops_and_then_is_gone() {
    let client = Client::new();
    client.made(ZONE, "worker");
    client.fake.set_operation_time(Duration::from_millis(300));
    let operation = client.call("DELETE", WORKER, None).ok();
    assert_eq!(operation["operationType"], "delete");
    assert_eq!(client.get(WORKER).ok()["status"], "STOPPING");
    client.insert(ZONE, &worker(ZONE, "worker")).refused(409);
    client.done(&operation);
    assert_eq!(client.get(WORKER).refused(404).0, "notFound");
    assert_eq!(client.call("DELETE", WORKER, None).refused(404).0, "notFound");
    assert!(client.fake.instances().is_empty());
    assert!(client.fake.disks().is_empty());
}

#[test]
fn a_disk_that_is_not_deleted_with_its_instance_stays() {
    let client = Client::new();
    let mut body = worker(ZONE, "worker");
    body["disks"][0]["autoDelete"] = false.into();
    client.done(&client.insert(ZONE, &body).ok());
    client.done(&client.call("DELETE", WORKER, None).ok());
    let disks = client.fake.disks();
    assert_eq!(disks[0]["name"], "worker");
    assert!(disks[0]["users"].is_null());
    // Its name is taken.
    let (reason, message) = client.insert(ZONE, &worker(ZONE, "worker")).refused(409);
    assert_eq!(reason, "alreadyExists");
    assert!(message.contains("/disks/worker"), "{message}");
}

#[test]
fn a_stopped_instance_stays() {
    let client = Client::new();
    client.made(ZONE, "worker");
    client.fake.set_operation_time(Duration::from_millis(300));
    let operation = client.call("POST", &format!("{WORKER}/stop"), None).ok();
    assert_eq!(client.get(WORKER).ok()["status"], "STOPPING");
    client.done(&operation);
    let instance = client.get(WORKER).ok();
    assert_eq!(instance["status"], "TERMINATED");
    assert!(instance["networkInterfaces"][0]["accessConfigs"][0]["natIP"].is_null());
    assert!(instance["networkInterfaces"][0]["networkIP"].is_string());
}

#[test]
fn a_preempted_instance_stops_or_is_deleted_as_it_says() {
    let client = Client::new();
    let mut body = worker(ZONE, "worker");
    body["scheduling"] = json!({ "provisioningModel": "SPOT", "instanceTerminationAction": "DELETE" });
    client.done(&client.insert(ZONE, &body).ok());
    body["name"] = "stops".into();
    body["scheduling"]["instanceTerminationAction"] = "STOP".into();
    client.done(&client.insert(ZONE, &body).ok());
    assert!(client.fake.preempt("worker") && client.fake.preempt("stops"));
    assert!(!client.fake.preempt("nobody"));
    let filter = "operationType%20%3D%20%22compute.instances.preempted%22";
    let operations = client.get(&format!("zones/{ZONE}/operations?filter={filter}")).ok();
    let operations = operations["items"].as_array().unwrap();
    assert_eq!(operations.len(), 2);
    operations.iter().for_each(|operation| {
        client.done(operation);
    });
    client.get(WORKER).refused(404);
    assert_eq!(client.get(&format!("zones/{ZONE}/instances/stops")).ok()["status"], "TERMINATED");
}

#[test]
fn waiting_ends_when_it_has_been_too_long() {
    let settings = Settings {
        operation_time: Duration::from_secs(3600),
        longest_wait: Duration::from_millis(50),
        ..Settings::default()
    };
    let client = Client::of(settings);
    let operation = client.insert(ZONE, &worker(ZONE, "worker")).ok();
    let started = Instant::now();
    let path = format!("zones/{ZONE}/operations/{}/wait", operation["name"].as_str().unwrap());
    assert_eq!(client.call("POST", &path, None).ok()["status"], "RUNNING");
    assert!((Duration::from_millis(50)..Duration::from_secs(8)).contains(&started.elapsed()));
}

#[test]
fn an_instance_that_is_being_made_can_be_deleted_and_not_changed() {
    let client = Client::slow();
    client.insert(ZONE, &worker(ZONE, "worker")).ok();
    let fingerprint = client.get(WORKER).ok()["labelFingerprint"].clone();
    let body = json!({ "labels": {}, "labelFingerprint": fingerprint });
    assert_eq!(client.post(&format!("{WORKER}/setLabels"), &body).refused(400).0, "resourceNotReady");
    client.fake.set_operation_time(Duration::ZERO);
    client.done(&client.call("DELETE", WORKER, None).ok());
    client.get(WORKER).refused(404);
}

#[test]
fn a_name_may_be_used_again_and_is_another_instance() {
    let client = Client::new();
    let first = client.made(ZONE, "worker");
    client.done(&client.call("DELETE", WORKER, None).ok());
    let second = client.made(ZONE, "worker");
    assert_ne!(first["id"], second["id"]);
}

#[test]
fn a_test_can_change_an_instance_and_the_exchanges_tell_what_was_asked() {
    let client = Client::new();
    let before = client.made(ZONE, "worker");
    assert!(client.fake.change_instance("worker", |instance| {
        instance["status"] = "REPAIRING".into();
        instance["labels"]["more"] = "1".into();
    }));
    assert!(!client.fake.change_instance("nobody", |_| {}));
    let after = client.get(WORKER).ok();
    assert_eq!(after["status"], "REPAIRING");
    assert_ne!(after["labelFingerprint"], before["labelFingerprint"]);
    assert_eq!(client.fake.instance("worker"), Some(after.clone()));
    let exchanges = client.fake.exchanges();
    let insert = &exchanges[0];
    assert_eq!((insert.method.as_str(), insert.status), ("POST", 200));
    assert_eq!(insert.path, "/compute/v1/projects/fake-project/zones/europe-west1-b/instances");
    assert_eq!(insert.request, Some(worker(ZONE, "worker")));
    assert_eq!(exchanges.last().unwrap().response, Some(after));
    assert!(!format!("{exchanges:?} {:?}", client.fake).contains("echo hello"));
}

#[test]
fn a_disk_larger_than_its_image_is_warned_about() {
    let client = Client::new();
    let mut body = worker(ZONE, "worker");
    let done = client.done(&client.insert(ZONE, &body).ok());
    assert_eq!(done["warnings"][0]["code"], "DISK_SIZE_LARGER_THAN_IMAGE_SIZE");
    body["name"] = "small".into();
    body["disks"][0]["initializeParams"]["diskSizeGb"] = "10".into();
    assert!(client.done(&client.insert(ZONE, &body).ok())["warnings"].is_null());
}

#[test]
fn a_change_of_an_instance_that_is_gone_fails() {
    let client = Client::new();
    let instance = client.made(ZONE, "worker");
    client.fake.set_operation_time(Duration::from_millis(300));
    let body = json!({ "items": ["tag"], "fingerprint": instance["tags"]["fingerprint"] });
    let change = client.post(&format!("{WORKER}/setTags"), &body).ok();
    client.fake.set_operation_time(Duration::ZERO);
    client.done(&client.call("DELETE", WORKER, None).ok());
    let (error, _) = client.failed(&change);
    assert_eq!(error["code"], "RESOURCE_NOT_FOUND");
    assert!(error["message"].as_str().unwrap().contains("/instances/worker'"), "{error}");
}
