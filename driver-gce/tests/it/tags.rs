//! Tags in the metadata.

use super::cloud::{Cloud, error, is_to};
use pool_api::{Effect, ErrorKind, Tags};
use pool_conformance::{Action, Rule};
use serde_json::json;

fn tag(name: &str, value: &str) -> Tags {
    [(name, value)].into_iter().collect()
}

#[tokio::test]
async fn what_another_has_written_meanwhile_is_not_lost() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    // Another writes between the driver's read and its write.
    let others = cloud.again(json!({})).await;
    let other = others.list().await.remove(0);
    let refused =
        error(412, "conditionNotMet", "Supplied fingerprint does not match current metadata fingerprint.");
    let is_write = |r: &pool_conformance::Request| is_to(r, "/setMetadata");
    cloud.proxy.add(Rule::new(is_write, Action::Answer(refused)).times(Some(1)));
    other.set_tags(&tag("theirs", "1")).await.unwrap();
    let error = instance.set_tags(&tag("ours", "1")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::NotDone), "{error}");
    // The pool asks again.
    instance.set_tags(&tag("ours", "1")).await.unwrap();
    let listed = cloud.list().await.remove(0);
    assert!(listed.tags().matches(&tag("ours", "1")) && listed.tags().matches(&tag("theirs", "1")));
}

#[tokio::test]
async fn a_stale_fingerprint_is_refused_by_the_stand_in_too() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let stale = |request: &mut pool_conformance::Request| {
        let mut body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        body["fingerprint"] = json!("c3RhbGU=");
        request.body = body.to_string().into();
    };
    let is_write = |r: &pool_conformance::Request| is_to(r, "/setMetadata");
    cloud.proxy.add(Rule::new(is_write, Action::Change(std::sync::Arc::new(stale))).times(Some(1)));
    let error = instance.set_tags(&tag("a", "1")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::NotDone), "{error}");
}

#[tokio::test]
async fn other_metadata_stays_and_what_is_saved_already_is_not_written_again() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let metadata = || cloud.fake.instance(instance.id().as_str()).unwrap()["metadata"]["items"].clone();
    let others = |items: serde_json::Value| {
        let mut items = items.as_array().unwrap().clone();
        items.retain(|item| item["key"] != json!("pool-tags"));
        items
    };
    let before = others(metadata());
    instance.set_tags(&tag("a", "1")).await.unwrap();
    instance.set_tags(&tag("a", "1")).await.unwrap();
    assert_eq!(cloud.sent("/setMetadata").len(), 1);
    assert_eq!(others(metadata()), before);
    assert!(before.len() >= 3);
}

#[tokio::test]
async fn too_long_a_tag_is_refused_before_it_is_written() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let error = instance.set_tags(&tag("a", &"x".repeat(257))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    assert!(cloud.sent("/setMetadata").is_empty());
}
