//! The list.

use super::cloud::{Cloud, ask, is};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pool_api::Lifecycle;
use pool_conformance::{Action, Answer, Rule};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};

#[tokio::test]
async fn eleven_hundred_instances_are_listed_each_once_through_small_pages() {
    const COUNT: usize = 1100;
    const PAGE: usize = 50;
    let cloud = Cloud::moto(json!({ "page_size": PAGE })).await;
    let creates = stream::iter(0..COUNT).map(|_| cloud.set.create(cloud.request())).buffer_unordered(8);
    let created: Vec<_> = creates.try_collect().await.unwrap();
    let created: BTreeSet<_> = created.iter().map(|instance| instance.id().clone()).collect();
    assert_eq!(created.len(), COUNT);
    let listed = cloud.list().await;
    assert_eq!(listed.len(), COUNT);
    assert_eq!(listed.iter().map(|instance| instance.id().clone()).collect::<BTreeSet<_>>(), created);
    assert_eq!(cloud.sent("DescribeInstances").len(), COUNT / PAGE);
}

#[tokio::test]
async fn states_are_told_apart_and_only_what_is_terminated_is_left_out() {
    let cloud = Cloud::moto(json!({})).await;
    cloud.create().await;
    let cases = [
        ("pending", Some(Lifecycle::Pending)),
        ("running", Some(Lifecycle::Running)),
        ("shutting-down", Some(Lifecycle::Stopping)),
        ("stopping", Some(Lifecycle::Stopping)),
        ("stopped", Some(Lifecycle::Stopped)),
        ("terminated", None),
    ];
    for (state, expected) in cases {
        let say = move |_: &_, answer: &mut Answer| {
            let text = answer.text();
            let said = text.replace("<name>running</name>", &format!("<name>{state}</name>"));
            assert!(state == "running" || said != text, "{text}");
            answer.body = said.into();
        };
        let rule = Rule::new(is("DescribeInstances"), Action::ChangeAnswer(Arc::new(say)));
        cloud.proxy.add(rule.times(Some(1)));
        let listed = cloud.list().await;
        assert_eq!(listed.first().map(|instance| instance.lifecycle()), expected, "{state}");
    }
    let say =
        |_: &_, answer: &mut Answer| answer.body = answer.text().replace(">running<", ">dreaming<").into();
    cloud.proxy.add(Rule::new(is("DescribeInstances"), Action::ChangeAnswer(Arc::new(say))));
    let error = cloud.set.instances(&cloud.tags()).await.unwrap_err();
    assert_eq!(error.to_string(), "DescribeInstances: the answer cannot be read");
}

#[tokio::test]
async fn an_instance_that_was_terminated_is_not_listed_and_may_be_destroyed_again() {
    let cloud = Cloud::moto(json!({})).await;
    let instance = cloud.create().await;
    ask("TerminateInstances", &[("InstanceId.1", instance.id().as_str())]).await;
    assert_eq!(cloud.list().await.len(), 0);
    // EC2 remembers it for about an hour.
    assert!(
        ask("DescribeInstances", &[("InstanceId.1", instance.id().as_str())]).await.contains("terminated")
    );
    instance.destroy().await.unwrap();
}

#[tokio::test]
async fn an_instance_shows_where_it_is_and_whom_to_log_in_as() {
    let cloud = Cloud::moto(json!({ "admin_user": "debian", "admin_privilege": "own" })).await;
    let created = cloud.create().await;
    let listed = cloud.list().await;
    let [instance] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((instance.id(), instance.tags()), (created.id(), created.tags()));
    assert!(instance.address().is_some_and(|address| address.parse::<std::net::Ipv4Addr>().is_ok()));
    assert_eq!(instance.remote_user().name, "debian");
    assert_eq!(instance.root(), pool_api::DEFAULT_ROOT);
    let age = instance.created().unwrap().elapsed().unwrap_or_default();
    assert!(age.as_secs() < 600, "{age:?}");
    let public = cloud.again(json!({ "address": "public" })).await.list().await;
    assert_ne!(public[0].address(), instance.address());
}

#[tokio::test]
async fn a_filter_s_wildcards_stand_for_themselves() {
    let cloud = Cloud::moto(json!({})).await;
    let tagged = |value: &str| {
        let mut request = cloud.request();
        request.tags.set("odd", value);
        cloud.set.create(request)
    };
    let wild = tagged("a*b?").await.unwrap();
    tagged("axxb!").await.unwrap();
    let mut filter = cloud.tags();
    filter.set("odd", "a*b?");
    let listed = cloud.set.instances(&filter).await.unwrap();
    assert_eq!(listed.iter().map(|instance| instance.id()).collect::<Vec<_>>(), [wild.id()]);
    let sent = cloud.sent("DescribeInstances").pop().unwrap();
    assert!(sent.values().any(|value| value == r"a\*b\?"), "{sent:?}");
}
