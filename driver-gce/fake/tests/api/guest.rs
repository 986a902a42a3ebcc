//! Guest attributes.

use crate::client::{Client, ZONE, worker};
use serde_json::json;

const ATTRIBUTES: &str = "zones/europe-west1-b/instances/worker/getGuestAttributes";

#[test]
fn what_the_guest_has_written_can_be_read() {
    let client = Client::new();
    let mut body = worker(ZONE, "worker");
    body["metadata"] = json!({ "items": [{ "key": "enable-guest-attributes", "value": "TRUE" }] });
    client.done(&client.insert(ZONE, &body).ok());
    let (reason, message) = client.get(&format!("{ATTRIBUTES}?queryPath=hostkeys/")).refused(404);
    assert_eq!(reason, "notFound");
    assert_eq!(message, "The resource 'hostkeys/' of type 'Guest Attribute' was not found.");
    client.fake.set_guest_attribute("worker", "hostkeys", "ssh-ed25519", "AAAA");
    client.fake.set_guest_attribute("worker", "hostkeys", "ssh-rsa", "BBBB");
    client.fake.set_guest_attribute("worker", "other", "key", "value");
    let item = |namespace: &str, key: &str, value: &str| json!({ "namespace": namespace, "key": key, "value": value });
    let (ed25519, rsa) = (item("hostkeys", "ssh-ed25519", "AAAA"), item("hostkeys", "ssh-rsa", "BBBB"));
    let all = client.get(&format!("{ATTRIBUTES}?queryPath=hostkeys%2F")).ok();
    assert_eq!(all["kind"], "compute#guestAttributes");
    assert_eq!(all["queryPath"], "hostkeys/");
    assert_eq!(all["queryValue"]["items"], json!([ed25519, rsa]));
    let one = client.get(&format!("{ATTRIBUTES}?queryPath=hostkeys/ssh-rsa")).ok();
    assert_eq!(one["queryValue"]["items"], json!([rsa]));
    let one = client.get(&format!("{ATTRIBUTES}?variableKey=hostkeys/ssh-rsa")).ok();
    assert_eq!(one["variableValue"], "BBBB");
    client.get(&format!("{ATTRIBUTES}?queryPath=hostkeys/ssh-dsa")).refused(404);
}

#[test]
fn an_instance_without_the_metadata_for_it_has_none() {
    let client = Client::new();
    client.made(ZONE, "worker");
    client.fake.set_guest_attribute("worker", "hostkeys", "ssh-rsa", "BBBB");
    client.get(&format!("{ATTRIBUTES}?queryPath=hostkeys/")).refused(404);
    client.get("zones/europe-west1-b/instances/nobody/getGuestAttributes").refused(404);
}
