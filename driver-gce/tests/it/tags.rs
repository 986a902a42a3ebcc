//! Tags in the metadata.

use super::cloud::{Cloud, is_to};
use pool_api::{Effect, ErrorKind, Tags};
use pool_conformance::{Action, Request, Rule};
use serde_json::json;
use std::sync::{Arc, Mutex, mpsc};

fn tag(name: &str, value: &str) -> Tags {
    [(name, value)].into_iter().collect()
}

#[tokio::test]
async fn what_another_has_written_meanwhile_is_not_lost() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let others = cloud.again(json!({})).await;
    let other = others.list().await.remove(0);
    // Our write is on its way, made of what we have read, until the other's has arrived.
    let (theirs_is_there, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let hold = move |_: &mut Request| wait.lock().unwrap().recv().unwrap();
    let is_write = |request: &Request| is_to(request, "/setMetadata");
    cloud.proxy.add(Rule::new(is_write, Action::Change(Arc::new(hold))).times(Some(1)));
    let wanted = tag("ours", "1");
    let (ours, theirs) = tokio::join!(instance.set_tags(&wanted), async {
        while cloud.sent("/setMetadata").is_empty() {
            tokio::task::yield_now().await;
        }
        let saved = other.set_tags(&tag("theirs", "1")).await;
        theirs_is_there.send(()).unwrap();
        saved
    });
    theirs.unwrap();
    let error = ours.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::NotDone), "{error}");
    // The pool asks again.
    instance.set_tags(&tag("ours", "1")).await.unwrap();
    let listed = cloud.list().await.remove(0);
    assert!(listed.tags().matches(&tag("ours", "1")) && listed.tags().matches(&tag("theirs", "1")));
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

#[tokio::test]
async fn tags_that_were_overwritten_are_not_written_in_part() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    cloud.fake.change_instance(instance.id().as_str(), |shown| shown["metadata"]["items"] = json!([]));
    let error = instance.set_tags(&tag("a", "1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    assert!(cloud.sent("/setMetadata").is_empty());
}
