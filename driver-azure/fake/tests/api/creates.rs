//! What may be asked for.

use crate::client::{Client, disk, interface, machine, worker};
use serde_json::{Value, json};

/// A worker with another value in one place.
fn with(at: &str, value: Value) -> Value {
    let mut body = worker("worker");
    let (parent, name) = at.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

const OS: &str = "/properties/osProfile";
const LINUX: &str = "/properties/osProfile/linuxConfiguration";
const DISK: &str = "/properties/storageProfile/osDisk";
const IMAGE: &str = "/properties/storageProfile/imageReference";
const CONFIGURATION: &str = "/properties/networkProfile/networkInterfaceConfigurations/0/properties";

#[test]
fn what_cannot_be_made() {
    let client = Client::slow();
    let keys = |path: &str, data: &str| json!([{ "path": path, "keyData": data }]);
    let home = "/home/worker/.ssh/authorized_keys";
    for (at, value, status, code, target) in [
        ("/location", Value::Null, 400, "LocationRequired", ""),
        ("/location", json!("marsnorth"), 400, "LocationNotAvailableForResourceType", ""),
        ("/surprise", json!(1), 400, "InvalidRequestContent", ""),
        ("/properties/surprise", json!(1), 400, "InvalidRequestContent", ""),
        ("/properties/hardwareProfile/vmSize", json!("Standard_X1"), 400, "InvalidParameter", "vmSize"),
        ("/zones", json!(["4"]), 400, "InvalidAvailabilityZone", ""),
        ("/zones", json!(["1", "2"]), 400, "InvalidZones", ""),
        ("/tags", json!({ "a/b": "x" }), 400, "InvalidTagNameCharacters", ""),
        ("/tags", json!({ "a": "x".repeat(257) }), 400, "TagValueTooLarge", ""),
        ("/tags", json!({ "a": 1 }), 400, "InvalidRequestContent", ""),
        ("/tags", json!({ "a": "1", "A": "2" }), 400, "DuplicateTagNames", ""),
        (&format!("{OS}/adminUsername"), json!("root"), 400, "InvalidParameter", "adminUsername"),
        (&format!("{OS}/adminUsername"), json!("Admin"), 400, "InvalidParameter", "adminUsername"),
        (&format!("{OS}/computerName"), json!("a_b"), 400, "InvalidParameter", "computerName"),
        (&format!("{OS}/customData"), json!("not base64!"), 400, "InvalidParameter", "customData"),
        (&format!("{OS}/customData"), json!("A".repeat(87384)), 400, "InvalidParameter", "customData"),
        (&format!("{OS}/adminPassword"), json!("Secret-1234"), 400, "InvalidParameter", "adminPassword"),
        (&format!("{LINUX}/ssh"), Value::Null, 400, "InvalidParameter", "linuxConfiguration"),
        (
            &format!("{LINUX}/ssh/publicKeys"),
            keys("/home/other/.ssh/authorized_keys", "ssh-rsa AAAA"),
            400,
            "InvalidParameter",
            "linuxConfiguration.ssh.publicKeys.path",
        ),
        (
            &format!("{LINUX}/ssh/publicKeys"),
            keys(home, "no key"),
            400,
            "InvalidParameter",
            "linuxConfiguration.ssh.publicKeys.keyData",
        ),
        (&format!("{IMAGE}/sku"), json!("99"), 404, "PlatformImageNotFound", "imageReference"),
        (&format!("{IMAGE}/version"), json!("1.2.3"), 404, "PlatformImageNotFound", "imageReference"),
        (IMAGE, json!({ "id": "/x/galleries/y" }), 404, "GalleryImageNotFound", "imageReference"),
        (&format!("{DISK}/diskSizeGB"), json!(10), 400, "ResizeDiskError", "osDisk.diskSizeGB"),
        (
            &format!("{DISK}/deleteOption"),
            json!("Forget"),
            400,
            "InvalidParameter",
            "storageProfile.osDisk.deleteOption",
        ),
        (
            "/properties/networkProfile/networkApiVersion",
            Value::Null,
            400,
            "InvalidParameter",
            "networkProfile.networkApiVersion",
        ),
        (
            &format!("{CONFIGURATION}/primary"),
            json!(false),
            400,
            "VirtualMachineMustHaveOneNetworkInterfaceSetAsPrimary",
            "",
        ),
        (
            &format!("{CONFIGURATION}/ipConfigurations/0/properties/subnet/id"),
            json!("/nowhere"),
            400,
            "InvalidResourceReference",
            "",
        ),
        ("/properties/evictionPolicy", json!("Delete"), 400, "InvalidParameter", "evictionPolicy"),
    ] {
        let refused = client.put_machine("worker", &with(at, value)).refused_for(status);
        assert_eq!(refused, (code.to_owned(), target.to_owned()), "{at}");
        client.get(&machine("worker")).refused(404);
    }
    for name in ["-worker", "worker-", "a%20b", &"a".repeat(65)] {
        let refused = client.put_machine(name, &worker("worker")).refused_for(400);
        assert_eq!(refused.0, "InvalidParameter", "{name}");
    }
    // Nothing of all that is left.
    assert!(client.fake.disks().is_empty() && client.fake.interfaces().is_empty());
}

#[test]
fn secrets_are_never_shown() {
    let client = Client::new();
    let mut body = worker("worker");
    body["properties"]["osProfile"]["adminPassword"] = "A-Secret-1234".into();
    body["properties"]["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"] = false.into();
    let data = body["properties"]["osProfile"]["customData"].clone();
    client.made_of("worker", &body);
    client.get(&format!("{}&$expand=instanceView", machine("worker"))).ok();
    client.get(&crate::client::machines()).ok();
    client.call("PATCH", &machine("worker"), Some(&json!({ "tags": { "a": "b" } }))).ok();
    assert_eq!(client.fake.machine("worker").unwrap()["fakeCustomData"], data);
    for exchange in client.fake.exchanges() {
        let text = exchange.response.unwrap_or_default().to_string();
        assert!(!text.contains(data.as_str().unwrap()) && !text.contains("A-Secret"), "{text}");
        assert!(!text.contains("customData") && !text.contains("adminPassword"), "{text}");
    }
    assert!(!format!("{:?}", client.fake.exchanges()).contains(data.as_str().unwrap()));
}

#[test]
fn zones_are_shown_and_only_where_the_size_has_them() {
    let mut settings = azure_fake::Settings::default();
    settings.sizes[2].zones = vec!["2".into()];
    let client = Client::of(settings);
    let made = client.made_of("worker", &with("/zones", json!(["2"])));
    assert_eq!(made["zones"], json!(["2"]));
    assert_eq!(client.get(&disk("worker-disk")).ok()["zones"], json!(["2"]));
    let refused = client.put_machine("other", &with("/zones", json!(["1"]))).refused(409);
    assert_eq!(refused.0, "SkuNotAvailable");
}

#[test]
fn images_are_known_by_name_or_id() {
    let client = Client::new();
    let made = client.made("worker");
    let image = &made["properties"]["storageProfile"]["imageReference"];
    assert_eq!(image["version"], "latest");
    assert_eq!(image["exactVersion"], "0.20260914.1");
    let id = azure_fake::Settings::default().image_ids[1].clone();
    let mut body = worker("other");
    body["properties"]["storageProfile"]["imageReference"] = json!({ "id": id });
    let made = client.made_of("other", &body);
    assert_eq!(made["properties"]["storageProfile"]["imageReference"]["id"], id);
}

#[test]
fn what_is_there_is_not_made_again() {
    let client = Client::new();
    client.made("worker");
    let mut other = worker("other");
    other["properties"]["storageProfile"]["osDisk"]["name"] = "WORKER-disk".into();
    let (code, message) = client.put_machine("other", &other).refused(409);
    assert_eq!(code, "ConflictingUserInput");
    assert!(message.contains("Only CreateOption.Attach is supported"), "{message}");
    let mut other = worker("other");
    other["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["name"] =
        "worker-interface".into();
    assert_eq!(client.put_machine("other", &other).refused(400).0, "NicInUse");
}

#[test]
fn an_interface_that_is_there_can_be_used_by_one_machine() {
    let client = Client::new();
    client.fake.add_interface("fake-group", "ready", [("a", "b")]);
    let id = client.get(&interface("ready")).ok()["id"].clone();
    let mut body = worker("worker");
    body["properties"]["networkProfile"] =
        json!({ "networkInterfaces": [{ "id": id, "properties": { "deleteOption": "Delete" } }] });
    let made = client.made_of("worker", &body);
    let used = client.get(&interface("ready")).ok();
    assert_eq!(used["properties"]["virtualMachine"]["id"], made["id"]);
    let mut other = worker("other");
    other["properties"]["networkProfile"] = body["properties"]["networkProfile"].clone();
    assert_eq!(client.put_machine("other", &other).refused(400).0, "NicInUse");
    other["properties"]["networkProfile"]["networkInterfaces"][0]["id"] =
        id.as_str().unwrap().replace("ready", "nobody").into();
    assert_eq!(client.put_machine("other", &other).refused(400).0, "InvalidResourceReference");
    client.delete_machine("worker").is(202);
    client.fake.settle();
    client.get(&interface("ready")).refused(404);
}

#[test]
fn names_that_are_not_given_are_made() {
    let client = Client::new();
    let made = client.made_of("worker", &with(&format!("{DISK}/name"), Value::Null));
    let name = made["properties"]["storageProfile"]["osDisk"]["name"].as_str().unwrap();
    assert!(name.starts_with("worker_OsDisk_1_"), "{name}");
    client.get(&disk(name)).ok();
}
