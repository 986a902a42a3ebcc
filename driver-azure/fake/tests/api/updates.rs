//! Changes of machines.

use crate::client::{Client, disk, machine, worker};
use serde_json::{Value, json};

#[test]
fn a_patch_replaces_the_tags_as_a_whole() {
    let client = Client::new();
    client.made("worker");
    let changed = client.call("PATCH", &machine("worker"), Some(&json!({ "tags": { "owner": "me" } })));
    assert_eq!(client.end_of(&changed)["status"], "Succeeded");
    let changed = changed.ok();
    assert_eq!(changed["tags"], json!({ "owner": "me" }));
    assert_eq!(changed["properties"]["provisioningState"], "Updating");
    let machine_now = client.machine("worker");
    assert_eq!(machine_now["tags"], json!({ "owner": "me" }));
    assert_eq!(machine_now["properties"]["provisioningState"], "Succeeded");
    // The disk keeps those that it was made with.
    assert_eq!(client.get(&disk("worker-disk")).ok()["tags"], json!({ "pool": "blue" }));
    client.call("PATCH", &machine("worker"), Some(&json!({ "properties": {} }))).ok();
    assert_eq!(client.machine("worker")["tags"], json!({ "owner": "me" }));
    client.call("PATCH", &machine("nobody"), Some(&json!({ "tags": {} }))).refused(404);
}

#[test]
fn the_same_put_again_is_an_update() {
    let client = Client::slow();
    let made = client.put_machine("worker", &worker("worker")).is(201);
    let mut again = worker("worker");
    again["tags"] = Value::Null;
    let changed = client.put_machine("WORKER", &again).is(200);
    assert_eq!(changed["id"], made["id"]);
    assert!(changed["tags"].is_null());
    // It is still on its way.
    assert_eq!(changed["properties"]["provisioningState"], "Creating");
    assert_ne!(changed["etag"], made["etag"]);
}

#[test]
fn what_is_shown_can_be_put_back() {
    let client = Client::new();
    let machine = client.made("worker");
    client.put_machine("worker", &machine).is(200);
    client.fake.settle();
    assert_eq!(client.machine("worker")["properties"], machine["properties"]);
}

#[test]
fn what_is_made_cannot_be_changed() {
    let client = Client::new();
    client.made("worker");
    for (at, value, target) in [
        ("/properties/osProfile/customData", json!("b3RoZXI="), "customData"),
        ("/properties/osProfile/adminUsername", json!("other"), "osProfile.adminUsername"),
        ("/properties/osProfile/computerName", json!("other"), "osProfile.computerName"),
        (
            "/properties/osProfile/linuxConfiguration/ssh/publicKeys",
            json!([]),
            "linuxConfiguration.ssh.publicKeys",
        ),
        ("/properties/storageProfile/imageReference/sku", json!("13-gen2"), "imageReference"),
        ("/properties/storageProfile/osDisk/name", json!("other"), "osDisk.name"),
        ("/properties/storageProfile/dataDisks", json!([{ "lun": 0, "createOption": "Empty" }]), "dataDisks"),
        (
            "/properties/networkProfile/networkInterfaceConfigurations/0/name",
            json!("other"),
            "networkProfile.networkInterfaces",
        ),
        ("/properties/priority", json!("Spot"), "priority"),
        ("/zones", json!(["1"]), "zones"),
    ] {
        let mut body = worker("worker");
        let (parent, name) = at.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        let refused = client.put_machine("worker", &body).refused_for(409);
        assert_eq!(refused, ("PropertyChangeNotAllowed".to_owned(), target.to_owned()), "{at}");
    }
    let mut body = worker("worker");
    body["location"] = "eastus".into();
    assert_eq!(client.put_machine("worker", &body).refused(409).0, "InvalidResourceLocation");
}

#[test]
fn preconditions_are_kept() {
    let client = Client::new();
    let put = |headers: &[(&str, &str)]| {
        client.call_with("PUT", &machine("worker"), headers, Some(&worker("worker")))
    };
    assert_eq!(put(&[("If-Match", "\"1\"")]).refused(412).0, "PreconditionFailed");
    put(&[("If-None-Match", "*")]).is(201);
    put(&[("If-None-Match", "*")]).refused(412);
    client.fake.settle();
    let etag = client.machine("worker")["etag"].as_str().unwrap().to_owned();
    put(&[("If-Match", &etag)]).is(200);
    put(&[("If-Match", &etag)]).refused(412);
}

#[test]
fn what_goes_with_a_machine_can_be_changed() {
    let client = Client::new();
    client.made("worker");
    let keep = json!({ "properties": { "storageProfile": { "osDisk": { "deleteOption": "Detach" } } } });
    let changed = client.call("PATCH", &machine("worker"), Some(&keep)).ok();
    assert_eq!(changed["properties"]["storageProfile"]["osDisk"]["deleteOption"], "Detach");
    client.delete_machine("worker").is(202);
    client.fake.settle();
    client.get(&disk("worker-disk")).ok();
    assert!(client.fake.interfaces().is_empty());
}

#[test]
fn a_size_can_be_changed_within_the_quota() {
    let client = Client::new();
    client.made("worker");
    client.fake.set_quota("standardDSv3Family", 4);
    let size = |size: &str| json!({ "properties": { "hardwareProfile": { "vmSize": size } } });
    client.call("PATCH", &machine("worker"), Some(&size("Standard_D8s_v3"))).refused(409);
    let changed = client.call("PATCH", &machine("worker"), Some(&size("Standard_D4s_v3"))).ok();
    assert_eq!(changed["properties"]["hardwareProfile"]["vmSize"], "Standard_D4s_v3");
    client.put_machine("other", &worker("other")).refused(409);
}

#[test]
fn a_test_can_change_a_machine() {
    let client = Client::new();
    client.made("worker");
    assert!(client.fake.change_machine("worker", |machine| machine["tags"]["pool"] = "red".into()));
    assert_eq!(client.machine("worker")["tags"]["pool"], "red");
    assert!(!client.fake.change_machine("nobody", |_| {}));
    assert_eq!(client.fake.machines().len(), 1);
}
