//! What a create asks EC2 for, and what it refuses to ask for.

use super::cloud::{Cloud, instance_type, placement};
use pool_api::{
    BoxCloudError, ByteSize, CreateRequest, Effect, ErrorKind, HourlyPrice, InitCommand, InstanceType,
    PublicKey,
};
use serde_json::json;
use std::sync::Arc;

fn of_type(request: CreateRequest, instance_type: InstanceType) -> CreateRequest {
    CreateRequest { instance_type: Arc::new(instance_type), ..request }
}

#[tokio::test]
async fn an_instance_ends_with_its_shutdown_and_speaks_imdsv2_alone() {
    let cloud = Cloud::moto(json!({ "tags": { "owner": "me" } })).await;
    let request = cloud.request();
    cloud.set.create(request.clone()).await.unwrap();
    let sent = cloud.sent("RunInstances").pop().unwrap();
    let expected = [
        ("ClientToken", request.token.as_str()),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("InstanceInitiatedShutdownBehavior", "terminate"),
        ("MetadataOptions.HttpTokens", "required"),
        ("MetadataOptions.HttpEndpoint", "enabled"),
        ("SubnetId", request.placement.as_str()),
    ];
    for (name, value) in expected {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
    let absent = ["BlockDeviceMapping", "InstanceMarketOptions", "IamInstanceProfile", "SecurityGroupId"];
    for start in absent {
        assert!(!sent.keys().any(|name| name.starts_with(start)), "{start} in {sent:?}");
    }
    // The pool's tags and the operator's, on the instance and on its volumes.
    for resource in ["1", "2"] {
        let tags: Vec<&String> = sent
            .iter()
            .filter(|(name, _)| name.starts_with(&format!("TagSpecification.{resource}.Tag.")))
            .map(|(_, value)| value)
            .collect();
        for expected in ["InstanceSetID", cloud.id().as_str(), "owner", "me"] {
            assert!(tags.iter().any(|tag| *tag == expected), "{expected} in {tags:?}");
        }
    }
    assert_eq!(sent["TagSpecification.1.ResourceType"], "instance");
    assert_eq!(sent["TagSpecification.2.ResourceType"], "volume");
}

#[tokio::test]
async fn scratch_is_a_volume_of_whole_gib_that_goes_with_its_instance() {
    let cloud = Cloud::moto(json!({ "ebs_type": "st1" })).await;
    let cases =
        [(ByteSize(1), "125"), (ByteSize::gib(200), "200"), (ByteSize(ByteSize::gib(200).0 + 1), "201")];
    for (added_scratch, size) in cases {
        let request = of_type(cloud.request(), InstanceType { added_scratch, ..instance_type() });
        cloud.set.create(request).await.unwrap();
        let sent = cloud.sent("RunInstances").pop().unwrap();
        assert_eq!(sent["BlockDeviceMapping.1.Ebs.VolumeSize"], size);
        assert_eq!(sent["BlockDeviceMapping.1.Ebs.VolumeType"], "st1");
        assert_eq!(sent["BlockDeviceMapping.1.Ebs.DeleteOnTermination"], "true");
        assert_eq!(sent["BlockDeviceMapping.1.DeviceName"], "/dev/sdf");
    }
}

#[tokio::test]
async fn a_preemptible_type_is_asked_for_once_and_at_its_price_at_most() {
    let cloud = Cloud::moto(json!({ "iam_instance_profile": null })).await;
    let preemptible =
        InstanceType { preemptible: true, price: HourlyPrice::from_micros(1_023_450), ..instance_type() };
    cloud.set.create(of_type(cloud.request(), preemptible)).await.unwrap();
    let sent = cloud.sent("RunInstances").pop().unwrap();
    let options = |name: &str| sent[&format!("InstanceMarketOptions.{name}")].as_str();
    assert_eq!(options("MarketType"), "spot");
    assert_eq!(options("SpotOptions.MaxPrice"), "1.023450");
    assert_eq!(options("SpotOptions.SpotInstanceType"), "one-time");
    assert_eq!(options("SpotOptions.InstanceInterruptionBehavior"), "terminate");
    assert_eq!(sent["TagSpecification.3.ResourceType"], "spot-instances-request");
}

#[tokio::test]
async fn an_instance_profile_is_given_by_its_name_or_its_arn() {
    let arn = "arn:aws:iam::123456789012:instance-profile/worker";
    for (profile, field) in [("worker", "IamInstanceProfile.Name"), (arn, "IamInstanceProfile.Arn")] {
        let cloud = Cloud::moto(json!({ "iam_instance_profile": profile })).await;
        // moto's account has no such profile.
        let error = cloud.set.create(cloud.request()).await.unwrap_err();
        assert_eq!(cloud.sent("RunInstances")[0][field], profile);
        assert_eq!(error.effect(), Effect::NotDone);
    }
}

#[tokio::test]
async fn what_ec2_would_refuse_is_refused_before_any_call() {
    let cloud = Cloud::scripted(Vec::new()).await;
    let base = || cloud.request();
    let script = |bytes: usize| InitCommand::new("#".repeat(bytes));
    let scratch = |gib| InstanceType { added_scratch: ByteSize::gib(gib), ..instance_type() };
    let mut long_tag = base();
    long_tag.tags.set("long", "x".repeat(257));
    let mut reserved_tag = base();
    reserved_tag.tags.set("aws:x", "y");
    let mut many_tags = base();
    (0..60).for_each(|n| many_tags.tags.set(format!("tag{n:02}"), "x"));
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAJp";
    let cases = [
        (CreateRequest { placement: placement("subnet-2"), ..base() }, "placement: subnet-2 is none of"),
        (CreateRequest { image: None, ..base() }, "image: EC2 has no default"),
        (
            CreateRequest { public_key: PublicKey(ecdsa.into()), ..base() },
            "public_key: EC2 takes ssh-ed25519",
        ),
        // With the line `#!/bin/sh`.
        (
            CreateRequest { init_command: script(16 * 1024 - 9), ..base() },
            "init_command: with its first line it has 16385",
        ),
        (of_type(base(), scratch(70_000)), "added_scratch: 70000 GiB"),
        (long_tag, "tags.long: the value is longer than 256"),
        (reserved_tag, "tags.aws:x: names that begin with aws:"),
        (many_tags, "tags.tag49: is one tag too many"),
    ];
    for (request, expected) in cases {
        let error: BoxCloudError = cloud.set.create(request).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidRequest, Effect::NotDone));
    }
    assert_eq!(cloud.proxy.requests(), []);

    // One byte less is sent.
    let request = CreateRequest { init_command: script(16 * 1024 - 10), ..base() };
    cloud.set.create(request).await.unwrap_err();
    assert!(!cloud.proxy.requests().is_empty());
}
