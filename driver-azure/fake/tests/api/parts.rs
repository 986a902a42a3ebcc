//! Disks, interfaces and addresses by themselves.

use crate::client::{Client, SUBNET, address, disk, interface, public_worker};
use serde_json::json;
use std::time::{Duration, SystemTime};

#[test]
fn parts_in_use_cannot_be_deleted() {
    let client = Client::new();
    client.made_of("worker", &public_worker("worker"));
    let refused = |path: &str, status| client.call("DELETE", path, None).refused(status);
    let (code, message) = refused(&disk("worker-disk"), 409);
    assert_eq!(code, "OperationNotAllowed");
    assert!(message.contains("Disk worker-disk is attached to VM /subscriptions/"), "{message}");
    let (code, message) = refused(&interface("worker-interface"), 400);
    assert_eq!(code, "NicInUse");
    assert!(message.contains("is used by existing resource"), "{message}");
    assert_eq!(refused(&address("worker-address"), 400).0, "PublicIPAddressCannotBeDeleted");
}

#[test]
fn leftovers_are_seen_and_deleted() {
    let client = Client::new();
    client.fake.add_interface("fake-group", "left", [("pool", "blue")]);
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    client.fake.add_disk("fake-group", "left", [("pool", "blue")], created);
    let seen = client.get(&disk("left")).ok();
    assert_eq!(seen["properties"]["timeCreated"], "2023-11-14T22:13:20.0000000+00:00");
    assert_eq!(seen["properties"]["diskState"], "Unattached");
    assert_eq!(seen["tags"]["pool"], "blue");
    let seen = client.get(&interface("left")).ok();
    assert_eq!(seen["tags"]["pool"], "blue");
    assert!(seen["properties"]["virtualMachine"].is_null());
    for path in [disk("left"), interface("left")] {
        let deleted = client.call("DELETE", &path, None);
        assert_eq!(deleted.status, 202);
        assert_eq!(client.end_of(&deleted)["status"], "Succeeded");
        assert_eq!(client.get(deleted.header("location").unwrap()).status, 204);
        client.get(&path).refused(404);
    }
}

#[test]
fn parts_are_made_by_themselves() {
    let client = Client::new();
    let body = json!({
        "location": "westeurope",
        "properties": { "ipConfigurations": [{ "name": "a", "properties": { "subnet": { "id": SUBNET } } }] },
    });
    client.call("PUT", &interface("own"), Some(&body)).is(201);
    client.call("PUT", &interface("own"), Some(&body)).is(200);
    let tagged = client.call("PATCH", &interface("own"), Some(&json!({ "tags": { "a": "b" } }))).ok();
    assert_eq!(tagged["tags"], json!({ "a": "b" }));
    let body = json!({
        "location": "westeurope",
        "sku": { "name": "Standard_LRS" },
        "properties": { "creationData": { "createOption": "Empty" }, "diskSizeGB": 4 },
    });
    let made = client.call("PUT", &disk("own"), Some(&body));
    assert_eq!(made.status, 202);
    client.fake.settle();
    assert_eq!(client.get(made.header("location").unwrap()).ok(), client.get(&disk("own")).ok());
    assert_eq!(client.call("PUT", &disk("own"), Some(&json!({}))).refused(400).0, "LocationRequired");
}

#[test]
fn a_subnet_ends() {
    let mut settings = azure_fake::Settings::default();
    settings.subnets[0].addresses = 6;
    let client = Client::of(settings);
    client.made("a");
    let (code, _) = client.put_machine("b", &crate::client::worker("b")).refused(400);
    assert_eq!(code, "SubnetIsFull");
}
