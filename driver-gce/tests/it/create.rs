//! What a create asks Compute Engine for, and what it refuses to ask for.

use super::cloud::{Cloud, error, instance_type, is_to, tags};
use pool_api::{
    ByteSize, CreateRequest, Effect, ErrorKind, ImageId, InitCommand, InstanceType, Placement, ProviderType,
    PublicKey,
};
use pool_conformance::{Action, Rule};
use serde_json::{Value, json};
use std::sync::Arc;

fn of_type(request: CreateRequest, instance_type: InstanceType) -> CreateRequest {
    CreateRequest { instance_type: Arc::new(instance_type), ..request }
}

fn item<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    let items = body["metadata"]["items"].as_array().unwrap();
    items.iter().find(|item| item["key"] == json!(key)).map(|item| item["value"].as_str().unwrap())
}

#[tokio::test]
async fn the_smallest_configuration_asks_for_a_private_machine_without_rights() {
    let cloud = Cloud::new(json!({})).await;
    let request = cloud.request();
    cloud.set.create(request.clone()).await.unwrap();
    let body = cloud.sent("/zones/europe-west1-b/instances").pop().unwrap();
    assert_eq!(body["name"], json!(format!("pool-{}", request.token)));
    assert_eq!(body["machineType"], json!("zones/europe-west1-b/machineTypes/n2-standard-2"));
    assert_eq!(body["networkInterfaces"], json!([{ "network": "global/networks/default" }]));
    assert_eq!(body["scheduling"], json!({ "provisioningModel": "STANDARD" }));
    for absent in ["serviceAccounts", "tags", "guestAccelerators"] {
        assert!(body.get(absent).is_none(), "{absent} in {body}");
    }
    assert_eq!(item(&body, "enable-oslogin"), Some("FALSE"));
    assert_eq!(item(&body, "block-project-ssh-keys"), Some("TRUE"));
    assert_eq!(item(&body, "enable-guest-attributes"), None);
    assert!(item(&body, "ssh-keys").unwrap().starts_with("admin:ssh-ed25519 AAAA"));
    let disks = body["disks"].as_array().unwrap();
    assert_eq!(disks.len(), 1);
    assert_eq!((&disks[0]["boot"], &disks[0]["autoDelete"]), (&json!(true), &json!(true)));
    assert_eq!(disks[0]["initializeParams"]["diskType"], json!("zones/europe-west1-b/diskTypes/pd-balanced"));
    assert!(disks[0]["initializeParams"].get("diskSizeGb").is_none());
    let call = cloud.proxy.requests().into_iter().find(|r| is_to(r, "/instances") && r.method == "POST");
    assert!(call.unwrap().path.contains(&format!("requestId={}", request.token.to_uuid())));
}

#[tokio::test]
async fn every_option_is_asked_for() {
    let cloud = Cloud::new(json!({
        "subnetwork": "default",
        "network_tags": ["worker"],
        "external_address": true,
        "address": "public",
        "service_account": "worker@fake-project.iam.gserviceaccount.com",
        "boot_disk_size": "20.5 GiB",
        "boot_disk_type": "pd-ssd",
        "scratch_disk_type": "pd-standard",
        "labels": { "owner": "me" },
        "host_keys": true,
    }))
    .await;
    assert!(cloud.set.capabilities().host_keys);
    let spot = InstanceType { added_scratch: ByteSize::gib(100), preemptible: true, ..instance_type() };
    let request = of_type(cloud.request(), spot);
    let instance = cloud.set.create(request).await.unwrap();
    let body = cloud.sent("/zones/europe-west1-b/instances").pop().unwrap();
    assert_eq!(body["tags"], json!({ "items": ["worker"] }));
    let account = &body["serviceAccounts"][0];
    assert_eq!(account["email"], json!("worker@fake-project.iam.gserviceaccount.com"));
    assert_eq!(account["scopes"], json!(["https://www.googleapis.com/auth/cloud-platform"]));
    let interface = &body["networkInterfaces"][0];
    assert_eq!(interface["subnetwork"], json!("regions/europe-west1/subnetworks/default"));
    assert!(interface.get("network").is_none());
    assert_eq!(interface["accessConfigs"][0]["type"], json!("ONE_TO_ONE_NAT"));
    let [boot, scratch] = &body["disks"].as_array().unwrap()[..] else { panic!("{body}") };
    assert_eq!(boot["initializeParams"]["diskSizeGb"], json!("21"));
    assert_eq!(boot["initializeParams"]["diskType"], json!("zones/europe-west1-b/diskTypes/pd-ssd"));
    assert_eq!(scratch["initializeParams"]["diskSizeGb"], json!("100"));
    assert_eq!(scratch["initializeParams"]["diskType"], json!("zones/europe-west1-b/diskTypes/pd-standard"));
    assert_eq!((&scratch["autoDelete"], &scratch["deviceName"]), (&json!(true), &json!("scratch")));
    for labels in
        [&body["labels"], &boot["initializeParams"]["labels"], &scratch["initializeParams"]["labels"]]
    {
        assert_eq!(labels, &json!({ "owner": "me", "pool-driver-gce-set": "_it_11" }));
    }
    assert_eq!(
        body["scheduling"],
        json!({
            "provisioningModel": "SPOT",
            "instanceTerminationAction": "DELETE",
            "automaticRestart": false,
            "onHostMaintenance": "TERMINATE",
        })
    );
    assert_eq!(item(&body, "enable-guest-attributes"), Some("TRUE"));
    // The external address is the one that it is reached at.
    let shown = cloud.fake.instance(instance.id().as_str()).unwrap();
    let external = &shown["networkInterfaces"][0]["accessConfigs"][0]["natIP"];
    assert_eq!(instance.address(), external.as_str());
    assert!(instance.address().is_some());
}

#[tokio::test]
async fn a_gpu_machine_is_not_to_be_moved() {
    let cloud = Cloud::new(json!({})).await;
    let request = of_type(cloud.request(), InstanceType { gpus: 1, ..instance_type() });
    cloud.set.create(request).await.unwrap();
    let body = cloud.sent("/zones/europe-west1-b/instances").pop().unwrap();
    assert_eq!(body["scheduling"]["onHostMaintenance"], json!("TERMINATE"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_any_call() {
    let cloud = Cloud::new(json!({})).await;
    let request = || cloud.request();
    let too_large = InstanceType { added_scratch: ByteSize::gib(70_000), ..instance_type() };
    let odd = InstanceType { provider_type: ProviderType::new("../x").unwrap(), ..instance_type() };
    let mut long_tag = request();
    long_tag.tags.set("x", "y".repeat(300));
    let cases = [
        (CreateRequest { placement: Placement::new("asia-east1-a"), ..request() }, "placement"),
        (CreateRequest { image: None, ..request() }, "image"),
        (of_type(request(), too_large), "added_scratch"),
        (of_type(request(), odd), "provider_type"),
        (
            CreateRequest { init_command: InitCommand::new("x".repeat(256 * 1024)), ..request() },
            "init_command",
        ),
        (
            CreateRequest { public_key: PublicKey("ssh-ed25519 AAAA\nroot:x".into()), ..request() },
            "public_key",
        ),
        (CreateRequest { public_key: PublicKey("nothing".into()), ..request() }, "public_key"),
        (long_tag, "tags.x"),
    ];
    for (request, field) in cases {
        let error = cloud.set.create(request).await.err().unwrap();
        assert!(error.to_string().starts_with(field), "{field}: {error}");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidRequest, Effect::NotDone));
    }
    assert!(cloud.proxy.requests().is_empty());
}

#[tokio::test]
async fn after_the_request_id_is_forgotten_the_name_still_makes_one_instance() {
    let settings = gce_fake::Settings { request_id_window: std::time::Duration::ZERO, ..Default::default() };
    let cloud = Cloud::with(json!({}), settings).await;
    let request = cloud.request();
    let first = cloud.set.create(request.clone()).await.unwrap();
    let second = cloud.set.create(request).await.unwrap();
    assert_eq!(first.id(), second.id());
    assert_eq!(cloud.list().await.len(), 1);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_not_found() {
    let cloud = Cloud::new(json!({})).await;
    let image = ImageId::new("no-such-image").unwrap();
    let error =
        cloud.set.create(CreateRequest { image: Some(image), ..cloud.request() }).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(cloud.list().await.is_empty());
}

#[tokio::test]
async fn a_create_whose_instance_cannot_be_read_may_have_made_one() {
    let cloud = Cloud::new(json!({})).await;
    let refused = error(503, "backendError", "later");
    let is_get = |r: &pool_conformance::Request| r.method == "GET" && r.path.contains("/instances/pool-");
    cloud.proxy.add(Rule::new(is_get, Action::Answer(refused)).times(Some(1)));
    let request = cloud.request();
    let error = cloud.set.create(request.clone()).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
    // Asked again, it is the same.
    let instance = cloud.set.create(request).await.unwrap();
    assert_eq!(cloud.set.instances(&tags()).await.unwrap().len(), 1);
    assert!(instance.created().unwrap().elapsed().unwrap_or_default().as_secs() < 600);
}
