//! What a create asks Azure for, and what it refuses to ask for.

use super::cloud::{Cloud, ED25519_KEY, IMAGE, error, instance_type, is_of_machine, of_size, of_type, tags};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pool_api::{
    ByteSize, CreateRequest, Effect, ErrorKind, ImageId, InitCommand, InstanceType, Lifecycle, Placement,
    PublicKey,
};
use pool_conformance::{Action, Rule};
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";

fn subnet(group: &str) -> String {
    format!(
        "{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/fake-network/subnets/default"
    )
}

#[tokio::test]
async fn the_smallest_configuration_asks_for_a_private_machine_without_rights() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let call = cloud.proxy.requests().into_iter().find(|request| is_of_machine(request, "PUT")).unwrap();
    let name = instance.id().as_str();
    let path = format!(
        "{SUBSCRIPTION}/resourceGroups/fake-group/providers/Microsoft.Compute/virtualMachines/{name}"
    );
    assert_eq!(super::cloud::path(&call), path);
    // A second one makes and changes nothing.
    assert_eq!(call.header("if-none-match"), Some("*"));
    // All of it: no identity, no public address, no password.
    let expected = json!({
        "location": "westeurope",
        "tags": { "InstanceSetID": "It.1", "pool-driver-azure-set": "It.1" },
        "zones": ["1"],
        "properties": {
            "hardwareProfile": { "vmSize": "Standard_D2s_v3" },
            "storageProfile": {
                "imageReference": {
                    "publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest",
                },
                "osDisk": {
                    "name": format!("{name}-os"),
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "managedDisk": { "storageAccountType": "StandardSSD_LRS" },
                },
            },
            "osProfile": {
                "computerName": name,
                "adminUsername": "pool",
                "customData": STANDARD.encode("#!/bin/sh\necho hello\n"),
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "ssh": { "publicKeys": [
                        { "path": "/home/pool/.ssh/authorized_keys", "keyData": ED25519_KEY },
                    ] },
                },
            },
            "networkProfile": {
                "networkApiVersion": "2020-11-01",
                "networkInterfaceConfigurations": [{
                    "name": format!("{name}-nic"),
                    "properties": {
                        "primary": true,
                        "deleteOption": "Delete",
                        "ipConfigurations": [{
                            "name": "primary",
                            "properties": { "primary": true, "subnet": { "id": subnet("fake-group") } },
                        }],
                    },
                }],
            },
        },
    });
    assert_eq!(cloud.puts(), [expected]);
    assert!(cloud.fake.public_addresses().is_empty());
    // With the machine everything goes.
    instance.destroy().await.unwrap();
    cloud.fake.settle();
    assert_eq!(
        (cloud.fake.machines().len(), cloud.fake.interfaces().len(), cloud.fake.disks().len()),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn every_option_is_asked_for() {
    let cloud = Cloud::new(json!({
        "network_resource_group": "fake-network-group",
        "admin_user": "worker",
        "admin_privilege": "own",
        "os_disk_type": "Premium_LRS",
        "os_disk_size": "64.5 GiB",
        "scratch_disk_type": "Standard_LRS",
        "tags": { "Team": "builds" },
        "quota_groups": { "Standard_D2": "small" },
    }))
    .await;
    let wanted = InstanceType { added_scratch: ByteSize::mib(12_500), ..instance_type() };
    assert_eq!(cloud.set.quota_group(&wanted).as_str(), "small");
    let request = CreateRequest { placement: Placement::new("3"), ..of_type(cloud.request(), wanted) };
    let instance = cloud.set.create(request).await.unwrap();
    let body = cloud.puts().pop().unwrap();
    assert_eq!(body["zones"], json!(["3"]));
    assert_eq!(
        body["tags"],
        json!({ "InstanceSetID": "It.1", "Team": "builds", "pool-driver-azure-set": "It.1" })
    );
    let storage = &body["properties"]["storageProfile"];
    assert_eq!(storage["osDisk"]["diskSizeGB"], json!(65));
    assert_eq!(storage["osDisk"]["managedDisk"], json!({ "storageAccountType": "Premium_LRS" }));
    assert_eq!(
        storage["dataDisks"],
        json!([{
            "lun": 0,
            "name": format!("{}-scratch", instance.id()),
            "createOption": "Empty",
            "deleteOption": "Delete",
            "diskSizeGB": 13,
            "managedDisk": { "storageAccountType": "Standard_LRS" },
        }])
    );
    let os = &body["properties"]["osProfile"];
    assert_eq!(os["adminUsername"], json!("worker"));
    assert_eq!(
        os["linuxConfiguration"]["ssh"]["publicKeys"][0]["path"],
        json!("/home/worker/.ssh/authorized_keys")
    );
    let interface = &body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0];
    assert_eq!(
        interface["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"],
        json!(subnet("fake-network-group"))
    );
    assert_eq!(instance.remote_user().name, "worker");
    assert_eq!(instance.remote_user().privilege, pool_api::Privilege::Own);
    assert_eq!(instance.placement(), &Placement::new("3"));
    assert_eq!(cloud.fake.disks().len(), 2);
    instance.destroy().await.unwrap();
    cloud.fake.settle();
    assert!(cloud.fake.disks().is_empty());
}

#[tokio::test]
async fn spot_machines_are_deleted_when_evicted_and_cost_at_most_what_is_configured() {
    for (limit, price) in [("on_demand", json!(-1.0)), ("price", json!(0.097_11))] {
        let cloud = Cloud::new(json!({ "spot_price_limit": limit })).await;
        let spot = InstanceType { preemptible: true, ..instance_type() };
        let instance = cloud.set.create(of_type(cloud.request(), spot)).await.unwrap();
        let properties = &cloud.puts().pop().unwrap()["properties"];
        assert_eq!(properties["priority"], json!("Spot"));
        assert_eq!(properties["evictionPolicy"], json!("Delete"));
        assert_eq!(properties["billingProfile"], json!({ "maxPrice": price }));
        assert!(cloud.fake.evict(instance.id().as_str()));
        cloud.fake.settle();
        assert!(cloud.list().await.is_empty() && cloud.fake.disks().is_empty());
    }
}

#[tokio::test]
async fn images_are_named_in_three_ways() {
    let cloud = Cloud::new(json!({})).await;
    let of_group = format!("{SUBSCRIPTION}/resourceGroups/fake-group/providers/Microsoft.Compute");
    let gallery = format!("{of_group}/galleries/fake_gallery/images/fake-image/versions/1.0.0");
    let cases = [
        (
            "Canonical:ubuntu-24_04-lts:server:24.04.202609110",
            json!({
                "publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server",
                "version": "24.04.202609110",
            }),
        ),
        (gallery.as_str(), json!({ "id": gallery })),
        ("fake-image", json!({ "id": format!("{of_group}/images/fake-image") })),
    ];
    for (image, expected) in cases {
        let image = Some(ImageId::new(image).unwrap());
        cloud.set.create(CreateRequest { image, ..cloud.request() }).await.unwrap();
        let body = cloud.puts().pop().unwrap();
        assert_eq!(body["properties"]["storageProfile"]["imageReference"], expected);
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_any_call() {
    let cloud = Cloud::new(json!({})).await;
    let request = || cloud.request();
    let too_large = InstanceType { added_scratch: ByteSize::gib(40_000), ..instance_type() };
    let image = |name: &str| CreateRequest { image: Some(ImageId::new(name).unwrap()), ..request() };
    let key = |text: &str| CreateRequest { public_key: PublicKey(text.into()), ..request() };
    let (mut long_tag, mut many_tags) = (request(), request());
    long_tag.tags.set("x", "y".repeat(257));
    many_tags.tags = (0..50).map(|n| (format!("t{n:02}"), "")).collect();
    let script = |length: usize| InitCommand::new("x".repeat(length - "#!/bin/sh\n".len()));
    let cases = [
        (CreateRequest { placement: Placement::new("4"), ..request() }, "placement"),
        (CreateRequest { placement: Placement::unnamed(), ..request() }, "placement"),
        (CreateRequest { image: None, ..request() }, "image"),
        (image("Debian:debian-12:12-gen2"), "image"),
        (image("Debian:debian-12::latest"), "image"),
        (image("group/image"), "image"),
        (of_type(request(), too_large), "added_scratch"),
        (CreateRequest { init_command: script(65_536), ..request() }, "init_command"),
        (key("ssh-ed25519 AAAA\nroot:x"), "public_key"),
        (key("nothing"), "public_key"),
        (long_tag, "tags.x"),
        (many_tags, "tags."),
    ];
    for (request, field) in cases {
        let error = cloud.set.create(request).await.err().unwrap();
        assert!(error.to_string().starts_with(field), "{field}: {error}");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidRequest, Effect::NotDone));
    }
    assert!(cloud.proxy.requests().is_empty());
    // As long as may be.
    cloud.set.create(CreateRequest { init_command: script(65_535), ..request() }).await.unwrap();
}

#[tokio::test]
async fn the_same_token_twice_is_one_machine() {
    let cloud = Cloud::new(json!({})).await;
    let request = cloud.request();
    let (first, second) = tokio::join!(cloud.set.create(request.clone()), cloud.set.create(request.clone()));
    let third = cloud.again(json!({})).await.set.create(request.clone()).await.unwrap();
    assert_eq!((first.unwrap().id(), second.unwrap().id()), (third.id(), third.id()));
    assert_eq!(cloud.list().await.len(), 1);
    assert_eq!(
        (cloud.fake.machines().len(), cloud.fake.interfaces().len(), cloud.fake.disks().len()),
        (1, 1, 1)
    );
    // Another set's with the token is another.
    let other = cloud.other_set("It.2").await;
    let theirs = other.set.create(request).await.unwrap();
    assert_ne!(theirs.id(), third.id());
    assert_eq!(cloud.fake.machines().len(), 2);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_not_found() {
    let cloud = Cloud::new(json!({})).await;
    let image = ImageId::new("Debian:debian-7:7:latest").unwrap();
    let error =
        cloud.set.create(CreateRequest { image: Some(image), ..cloud.request() }).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NotFound, Effect::NotDone), "{error}");
    assert!(cloud.list().await.is_empty());
}

#[tokio::test]
async fn a_size_that_there_is_not_is_sought_elsewhere() {
    let cloud = Cloud::new(json!({})).await;
    let error = cloud.set.create(of_size(cloud.request(), "Standard_Z9")).await.err().unwrap();
    let scope = pool_api::FailureScope::new(pool_api::Reach::InstanceType, pool_api::PlacementReach::Every);
    assert_eq!((error.capacity(), error.effect()), (Some(scope), Effect::NotDone), "{error}");
}

#[tokio::test]
async fn a_create_whose_machine_cannot_be_read_may_have_made_one() {
    let refusals = [
        Action::Answer(error(503, "ServiceUnavailable", "later")),
        Action::Answer(error(404, "ResourceNotFound", "The Resource was not found.")),
        Action::LoseAnswer,
        Action::GarbleAnswer("{}".into()),
    ];
    for refusal in refusals {
        let cloud = Cloud::new(json!({})).await;
        cloud.proxy.add(Rule::new(|request| is_of_machine(request, "GET"), refusal).times(Some(1)));
        let request = cloud.request();
        let error = cloud.set.create(request.clone()).await.err().unwrap();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
        // It is found, and asked again, it is the same.
        let listed = cloud.list().await;
        let instance = cloud.set.create(request).await.unwrap();
        assert_eq!(listed.iter().map(|i| i.id()).collect::<Vec<_>>(), [instance.id()]);
        assert_eq!(cloud.set.instances(&tags()).await.unwrap().len(), 1);
        assert!(instance.created().unwrap().elapsed().unwrap_or_default().as_secs() < 600);
    }
}

#[tokio::test]
async fn without_zones_there_is_one_placement_without_a_name() {
    let cloud = Cloud::new(json!({ "zones": [] })).await;
    assert_eq!(cloud.set.placements(), [Placement::unnamed()]);
    let created = cloud.create().await;
    assert_eq!(created.placement(), &Placement::unnamed());
    assert_eq!(cloud.puts().pop().unwrap().get("zones"), None::<&Value>);
    let listed = cloud.list().await;
    assert_eq!((listed[0].placement(), listed[0].lifecycle()), (&Placement::unnamed(), Lifecycle::Running));
    let request = CreateRequest { placement: Placement::new("1"), ..cloud.request() };
    assert!(cloud.set.create(request).await.err().unwrap().to_string().starts_with("placement"));
    // The image of the other tests is one that there is.
    assert_eq!(cloud.request().image, ImageId::new(IMAGE).ok());
}
