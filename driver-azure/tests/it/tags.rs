//! Tags, which are Azure's.

use super::cloud::{Cloud, error, is_of_machine};
use pool_api::{CreateRequest, Effect, ErrorKind, Instance, Tags};
use pool_conformance::{Action, Request, Rule};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, mpsc};

fn tag(name: &str, value: &str) -> Tags {
    [(name, value)].into_iter().collect()
}

fn shown(cloud: &Cloud, instance: &dyn Instance) -> Value {
    cloud.fake.machine(instance.id().as_str()).unwrap()["tags"].clone()
}

#[tokio::test]
async fn names_that_differ_in_case_alone_are_told_apart() {
    let cloud = Cloud::new(json!({})).await;
    let mut request = cloud.request();
    for (name, value) in [("Owner", "1"), ("owner", "2"), ("OWNER", "3"), ("a/b", "4"), ("owner~~2", "5")] {
        request.tags.set(name, value);
    }
    let tags = request.tags.clone();
    let created = cloud.set.create(request).await.unwrap();
    assert_eq!(created.tags(), &tags);
    let names: Vec<String> =
        shown(&cloud, &*created).as_object().unwrap().keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), tags.iter().count() + 1);
    let listed = cloud.list().await.remove(0);
    assert_eq!(listed.tags(), &tags);
    // One that sorts before the others takes none of them away.
    let mut more = tag("OWNEr", "6");
    more.set("owner", "7");
    listed.set_tags(&more).await.unwrap();
    let mut expected = tags;
    expected.extend(&more);
    assert_eq!(cloud.list().await.remove(0).tags(), &expected);
}

#[tokio::test]
async fn tags_of_others_and_the_operator_s_survive() {
    let cloud = Cloud::new(json!({ "tags": { "team": "builds" } })).await;
    let instance = cloud.create().await;
    let others = [("Azure-Backup", "weekly"), ("cost~center", "7"), (" spaced", "x"), ("Department", "y")];
    cloud.fake.change_machine(instance.id().as_str(), |machine| {
        for (name, value) in others {
            machine["tags"][name] = json!(value);
        }
    });
    instance.set_tags(&tag("a", "1")).await.unwrap();
    let after = shown(&cloud, &*instance);
    for (name, value) in others.into_iter().chain([
        ("a", "1"),
        ("team", "builds"),
        ("InstanceSetID", "It.1"),
        ("pool-driver-azure-set", "It.1"),
    ]) {
        assert_eq!(after[name], json!(value), "{name} in {after}");
    }
    assert_eq!(after.as_object().unwrap().len(), 8);
    // What the pool cannot have written it does not see.
    let listed = cloud.list().await.remove(0);
    assert_eq!(listed.tags().get("Department"), Some("y"));
    assert!(
        ["Azure-Backup", "cost~center", " spaced", "pool-driver-azure-set"]
            .iter()
            .all(|name| listed.tags().get(name).is_none())
    );
    // Nothing else of the machine was changed.
    let patch = cloud.patches().pop().unwrap();
    assert_eq!(patch.as_object().unwrap().keys().collect::<Vec<_>>(), ["tags"]);
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
    let is_write = |request: &Request| is_of_machine(request, "PATCH");
    cloud.proxy.add(Rule::new(is_write, Action::Change(Arc::new(hold))).times(Some(1)));
    let wanted = tag("ours", "1");
    let (ours, theirs) = tokio::join!(instance.set_tags(&wanted), async {
        while cloud.patches().is_empty() {
            tokio::task::yield_now().await;
        }
        let saved = other.set_tags(&tag("theirs", "1")).await;
        theirs_is_there.send(()).unwrap();
        saved
    });
    theirs.unwrap();
    let error = ours.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::NotDone), "{error}");
    assert_eq!(error.provider_code(), Some("PreconditionFailed"));
    let listed = cloud.list().await.remove(0);
    assert!(!listed.tags().matches(&tag("ours", "1")) && listed.tags().matches(&tag("theirs", "1")));
    // The pool asks again.
    instance.set_tags(&tag("ours", "1")).await.unwrap();
    let listed = cloud.list().await.remove(0);
    assert!(listed.tags().matches(&tag("ours", "1")) && listed.tags().matches(&tag("theirs", "1")));
}

#[tokio::test]
async fn what_is_saved_already_is_not_written_again() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    instance.set_tags(&tag("InstanceSetID", "It.1")).await.unwrap();
    assert_eq!(cloud.patches().len(), 0);
    instance.set_tags(&tag("a", "1")).await.unwrap();
    instance.set_tags(&tag("a", "1")).await.unwrap();
    assert_eq!(cloud.patches().len(), 1);
    instance.set_tags(&tag("a", "2")).await.unwrap();
    assert_eq!(cloud.patches().len(), 2);
}

#[tokio::test]
async fn too_much_is_refused_before_it_is_written() {
    let cloud = Cloud::new(json!({ "tags": { "team": "builds" } })).await;
    let instance = cloud.create().await;
    // With the pool's one that is there, the operator's and the driver's that makes 51.
    let many: Tags = (0..48).map(|n| (format!("t{n:02}"), "")).collect();
    for tags in [tag("a", &"x".repeat(257)), tag(&"n".repeat(129), "x"), many] {
        let error = instance.set_tags(&tags).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidRequest, Effect::NotDone), "{error}");
    }
    assert!(cloud.patches().is_empty());
    // Whereas as many as the capabilities promise fit, also with names that are longest when written.
    let limits = cloud.set.capabilities().tags;
    let name = |n: usize| format!("{n:03}{}", "/".repeat(limits.name_length - 3));
    let most: Tags = (1..limits.count).map(|n| (name(n), "v".repeat(limits.value_length))).collect();
    instance.set_tags(&most).await.unwrap();
    let listed = cloud.list().await.remove(0);
    assert!(listed.tags().matches(&most) && listed.tags().matches(&tag("InstanceSetID", "It.1")));
    assert_eq!(shown(&cloud, &*instance).as_object().unwrap().len(), 50);
    let request = CreateRequest { tags: most, ..cloud.request() };
    cloud.set.create(request).await.unwrap();
}

#[tokio::test]
async fn a_write_that_cannot_be_followed_may_have_been_done() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let refused = Action::Answer(error(404, "NotFound", "The entity was not found."));
    cloud.proxy.add(Rule::new(super::cloud::is_look, refused).times(Some(1)));
    let error = instance.set_tags(&tag("a", "1")).await.unwrap_err();
    // Not the answer that the machine is gone.
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
    assert!(cloud.list().await.remove(0).tags().matches(&tag("a", "1")));
}
