//! What an insert may ask for.

use crate::client::{Client, OTHER_ZONE, ZONE, last, worker};
use serde_json::{Value, json};

/// The worker's body with one place changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = worker(ZONE, "worker");
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[field] = value;
    body
}

fn without(field: &str) -> Value {
    let mut body = worker(ZONE, "worker");
    body.as_object_mut().unwrap().remove(field);
    body
}

#[test]
fn a_name_is_taken_once_in_a_zone() {
    let client = Client::new();
    client.made(ZONE, "worker");
    let (reason, message) = client.insert(ZONE, &worker(ZONE, "worker")).refused(409);
    assert_eq!(reason, "alreadyExists");
    let resource = "projects/fake-project/zones/europe-west1-b/instances/worker";
    assert_eq!(message, format!("The resource '{resource}' already exists"));
    client.made(OTHER_ZONE, "worker");
}

#[test]
fn what_is_refused_at_once() {
    let client = Client::new();
    let many_labels: Value =
        (0..65).map(|n| (format!("l{n}"), json!(""))).collect::<serde_json::Map<_, _>>().into();
    let many_tags: Value = (0..65).map(|n| format!("t{n}")).collect();
    let item = |key: &str, value: &str| json!({ "key": key, "value": value });
    let large = |size: usize| "x".repeat(size);
    let cases = [
        (with("/name", json!("Worker")), "invalid", "resource.name"),
        (with("/name", json!("w".repeat(64))), "invalid", "resource.name"),
        (with("/name", json!("worker-")), "invalid", "resource.name"),
        (without("name"), "required", "resource.name"),
        (without("machineType"), "required", "resource.machineType"),
        (with("/machineType", json!("n2-standard-2")), "invalid", "The URL is malformed"),
        (
            with("/machineType", json!("zones/europe-west1-b/machineTypes/n9-huge")),
            "invalid",
            "Machine type with name 'n9-huge'",
        ),
        (
            with("/machineType", json!("zones/europe-west1-c/machineTypes/n2-standard-2")),
            "invalid",
            "instance's zone",
        ),
        (
            with("/machineType", json!("projects/other/zones/europe-west1-b/machineTypes/e2-small")),
            "invalid",
            "Cross project",
        ),
        (without("disks"), "invalid", "No disks"),
        (with("/disks/0/boot", json!(false)), "invalid", "Boot disk must be the first"),
        (with("/disks/0/initializeParams", json!({})), "invalid", "must have a source"),
        (
            with("/disks/0/initializeParams/sourceImage", json!("family/debian-12")),
            "invalid",
            "The URL is malformed",
        ),
        (
            with("/disks/0/initializeParams/diskSizeGb", json!("9")),
            "invalid",
            "smaller than the image size (10 GB)",
        ),
        (with("/disks/0/initializeParams/diskSizeGb", json!("many")), "badRequest", "diskSizeGb"),
        (with("/disks/0/initializeParams/diskType", json!("pd-ssd")), "invalid", "The URL is malformed"),
        (with("/disks/0/initializeParams/diskName", json!("-")), "invalid", "diskName"),
        (without("networkInterfaces"), "invalid", "At least one network interface is required."),
        (with("/networkInterfaces/0/network", json!("default")), "invalid", "The URL is malformed"),
        (
            with("/networkInterfaces/0/accessConfigs/0/type", json!("OTHER")),
            "invalid",
            "accessConfigs[0].type",
        ),
        (with("/labels", json!({ "Upper": "a" })), "invalid", "Label key 'Upper'"),
        (with("/labels", json!({ "a": "Upper" })), "invalid", "Label value 'Upper'"),
        (with("/labels", many_labels), "invalid", "maximum of 64"),
        (with("/metadata/items", json!([item("a.b", "")])), "invalid", "[a-zA-Z0-9-_]{1,128}"),
        (with("/metadata/items", json!([item("a", ""), item("a", "")])), "invalid", "duplicate key"),
        (with("/metadata/items", json!([item("a", &large(262_145))])), "invalid", "262144"),
        (
            with("/metadata/items", json!([item("a", &large(262_144)), item("b", &large(262_144))])),
            "invalid",
            "524288",
        ),
        (with("/tags", json!({ "items": ["Tag"] })), "invalid", "resource.tags.items[0]"),
        (with("/tags", json!({ "items": ["a", "a"] })), "invalid", "Duplicate"),
        (with("/tags", json!({ "items": many_tags })), "invalid", "maximum of 64"),
        (
            with("/scheduling", json!({ "provisioningModel": "SPOT", "automaticRestart": true })),
            "invalid",
            "when AutomaticRestart is true",
        ),
        (
            with("/scheduling", json!({ "provisioningModel": "SPOT", "onHostMaintenance": "MIGRATE" })),
            "invalid",
            "isn't TERMINATE",
        ),
        (with("/scheduling", json!({ "provisioningModel": "CHEAP" })), "invalid", "provisioningModel"),
        (with("/serviceAccounts", json!([{ "email": "default" }])), "required", "scopes"),
        (
            with("/serviceAccounts", json!([{ "email": "default", "scopes": ["compute"] }])),
            "invalid",
            "scopes[0]",
        ),
        (with("/nonsense", json!(1)), "badRequest", "Unknown name \"nonsense\""),
        (with("/name", json!(1)), "badRequest", "resource.name"),
        (json!([]), "badRequest", "message"),
    ];
    for (body, reason, words) in cases {
        let (found, message) = client.insert(ZONE, &body).refused(400);
        assert_eq!(found, reason, "{message}");
        assert!(message.contains(words), "{message} is not about {words}");
    }
    assert!(client.fake.instances().is_empty() && client.fake.disks().is_empty());
}

#[test]
fn disks_that_a_machine_type_does_not_take_are_refused() {
    let client = Client::new();
    let mut body = with("/machineType", json!("zones/europe-west1-b/machineTypes/c3-standard-4"));
    body["disks"][0]["initializeParams"]["diskType"] = "zones/europe-west1-b/diskTypes/pd-standard".into();
    assert_eq!(client.insert(ZONE, &body).refused(400).0, "invalidResourceUsage");
    body["disks"][0]["initializeParams"].as_object_mut().unwrap().remove("diskType");
    client.done(&client.insert(ZONE, &body).ok());
    assert_eq!(last(&client.fake.disks()[0]["type"]), "pd-balanced");
}

#[test]
fn what_is_not_found() {
    let client = Client::new();
    for (pointer, url, resource) in [
        (
            "/disks/0/initializeParams/sourceImage",
            "projects/debian-cloud/global/images/family/debian-8",
            "projects/debian-cloud/global/images/family/debian-8",
        ),
        (
            "/disks/0/initializeParams/sourceImage",
            "global/images/mine",
            "projects/fake-project/global/images/mine",
        ),
        (
            "/disks/0/initializeParams/diskType",
            "zones/europe-west1-b/diskTypes/pd-wood",
            "projects/fake-project/zones/europe-west1-b/diskTypes/pd-wood",
        ),
        ("/networkInterfaces/0/network", "global/networks/n", "projects/fake-project/global/networks/n"),
    ] {
        let (reason, message) = client.insert(ZONE, &with(pointer, json!(url))).refused(404);
        assert_eq!(reason, "notFound");
        assert_eq!(message, format!("The resource '{resource}' was not found"));
    }
    let (reason, message) = client.insert("europe-west9-z", &worker(ZONE, "worker")).refused(400);
    assert_eq!(
        (reason.as_str(), message.as_str()),
        ("invalid", "Invalid value for field 'zone': 'europe-west9-z'. Unknown zone.")
    );
    let elsewhere = "/compute/v1/projects/other/zones/europe-west1-b/instances";
    assert_eq!(client.call_url("GET", elsewhere, None).refused(404).0, "notFound");
    assert_eq!(client.call_url("GET", "/compute/v1/nonsense", None).refused(404).0, "notFound");
    assert_eq!(
        client.call("PATCH", "zones/europe-west1-b/instances/worker", None).refused(404).0,
        "notFound"
    );
}

#[test]
fn urls_may_be_full_or_partial() {
    let client = Client::new();
    let type_path = "zones/europe-west1-b/machineTypes/e2-custom-4-8192";
    for (index, url) in [
        type_path.to_owned(),
        format!("projects/fake-project/{type_path}"),
        format!("https://www.googleapis.com/compute/v1/projects/fake-project/{type_path}"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = with("/machineType", url.into());
        body["name"] = format!("worker-{index}").into();
        let image = "projects/debian-cloud/global/images/debian-12-bookworm-v20260817";
        body["disks"][0]["initializeParams"]["sourceImage"] =
            format!("https://www.googleapis.com/compute/v1/{image}").into();
        client.done(&client.insert(ZONE, &body).ok());
    }
    let disks = client.fake.disks();
    assert_eq!(last(&disks[2]["sourceImage"]), "debian-12-bookworm-v20260817");
}

#[test]
fn what_is_not_said_has_a_default() {
    let client = Client::new();
    let mut body = with("/scheduling", json!({ "provisioningModel": "SPOT" }));
    body["serviceAccounts"] =
        json!([{ "email": "default", "scopes": ["https://www.googleapis.com/auth/cloud-platform"] }]);
    body["disks"][0]["initializeParams"].as_object_mut().unwrap().remove("diskSizeGb");
    body["networkInterfaces"] = json!([{}]);
    client.done(&client.insert(ZONE, &body).ok());
    let instance = client.fake.instance("worker").unwrap();
    let scheduling = json!({
        "provisioningModel": "SPOT", "preemptible": true, "automaticRestart": false,
        "onHostMaintenance": "TERMINATE", "instanceTerminationAction": "STOP",
    });
    assert_eq!(instance["scheduling"], scheduling);
    assert_eq!(instance["serviceAccounts"][0]["email"], "123456789012-compute@developer.gserviceaccount.com");
    assert_eq!(instance["disks"][0]["diskSizeGb"], "10");
    let interface = &instance["networkInterfaces"][0];
    assert_eq!(last(&interface["network"]), "default");
    assert!(interface["subnetwork"].as_str().unwrap().ends_with("regions/europe-west1/subnetworks/default"));
    assert!(interface["accessConfigs"].is_null());
}
