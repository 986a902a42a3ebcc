//! What lists show, and when they fail.

use super::cloud::{Cloud, GROUP, error, is_interfaces, is_machines, is_states, is_token, tags};
use azure_fake::Settings;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pool_api::{CreateRequest, Effect, ErrorKind, Lifecycle, Placement};
use pool_conformance::{Action, Request, Rule};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// The three lists that one list is made of.
const LISTS: [fn(&Request) -> bool; 3] = [is_machines, is_states, is_interfaces];

#[tokio::test]
async fn a_thousand_machines_are_listed_each_once_in_two_pages_of_each_list() {
    let settings = Settings { page_size: 500, operation_time: Duration::ZERO, ..Settings::default() };
    let cloud = Cloud::with(json!({}), settings).await;
    let zones = cloud.set.placements();
    let set = &cloud.set;
    let make = async |count: usize| -> BTreeSet<String> {
        let requests =
            (0..count).map(|n| CreateRequest { placement: zones[n % 3].clone(), ..cloud.request() });
        stream::iter(requests)
            .map(|request| async move { Ok(set.create(request).await?.id().to_string()) })
            .buffer_unordered(64)
            .try_collect::<BTreeSet<String>>()
            .await
            .map_err(|error: pool_api::BoxCloudError| error.to_string())
            .unwrap()
    };
    // Of one list, by kind, and all together: nothing is asked for by machine.
    let requests = async || {
        let before = cloud.proxy.requests().len();
        let listed = cloud.list().await;
        let sent = cloud.proxy.requests().split_off(before);
        let counts = LISTS.map(|is_of| sent.iter().filter(|request| is_of(request)).count());
        (listed, counts, sent.len())
    };
    let mut made = make(3).await;
    let (listed, counts, all) = requests().await;
    assert_eq!((listed.len(), counts, all), (3, [1, 1, 1], 3));
    made.extend(make(497).await);
    let (listed, counts, all) = requests().await;
    assert_eq!((listed.len(), counts, all), (500, [1, 1, 1], 3));
    made.extend(make(500).await);
    let (listed, counts, all) = requests().await;
    assert_eq!((listed.len(), counts, all), (1000, [2, 2, 2], 6));
    assert_eq!(listed.iter().map(|instance| instance.id().to_string()).collect::<BTreeSet<_>>(), made);
    let addresses: BTreeSet<&str> = listed.iter().filter_map(|instance| instance.address()).collect();
    assert_eq!(addresses.len(), 1000);
    assert!(listed.iter().all(|instance| instance.lifecycle() == Lifecycle::Running));
    let of_zones: Vec<usize> = zones
        .iter()
        .map(|zone| listed.iter().filter(|instance| instance.placement() == zone).count())
        .collect();
    assert_eq!(of_zones, [334, 334, 332]);
    assert_eq!(cloud.count(is_token), 1);
}

#[tokio::test]
async fn pages_of_one_are_read_to_their_end() {
    let cloud = Cloud::with(json!({}), Settings { page_size: 1, ..Settings::default() }).await;
    let mut made = BTreeSet::new();
    for _ in 0..3 {
        made.insert(cloud.create().await.id().clone());
    }
    let listed = cloud.list().await;
    assert_eq!(listed.iter().map(|instance| instance.id().clone()).collect::<BTreeSet<_>>(), made);
    assert_eq!(LISTS.map(|is_of| cloud.count(is_of)), [3, 3, 3]);
}

#[tokio::test]
async fn provisioning_states_are_told_apart() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let cases = [
        ("Creating", Lifecycle::Pending),
        ("Succeeded", Lifecycle::Running),
        ("Updating", Lifecycle::Running),
        // It runs nevertheless.
        ("Failed", Lifecycle::Running),
        ("Canceled", Lifecycle::Running),
        ("Deleting", Lifecycle::Stopping),
        // A state that nobody knows must not make a worker disappear, nor stop the pool.
        ("Dreaming", Lifecycle::Running),
    ];
    for (state, expected) in cases {
        assert!(cloud.fake.change_machine(instance.id().as_str(), |shown| {
            shown["properties"]["provisioningState"] = json!(state);
        }));
        assert_eq!(cloud.list().await[0].lifecycle(), expected, "{state}");
    }
}

#[tokio::test]
async fn power_states_are_told_apart() {
    let cloud = Cloud::new(json!({})).await;
    let stops: [fn(&azure_fake::Fake, &str) -> bool; 2] =
        [azure_fake::Fake::deallocate, azure_fake::Fake::shut_down];
    for stop in stops {
        let instance = cloud.create().await;
        cloud.fake.set_operation_time(Duration::from_millis(700));
        assert!(stop(&cloud.fake, instance.id().as_str()));
        assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Stopping);
        cloud.fake.settle();
        assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Stopped);
        instance.destroy().await.unwrap();
        assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Stopping);
        cloud.fake.settle();
        assert!(cloud.list().await.is_empty());
        cloud.fake.set_operation_time(Duration::from_millis(20));
    }
}

/// The list of states may lag: a change that has failed does not end a machine that runs.
#[tokio::test]
async fn a_failed_machine_that_has_no_state_in_the_list_is_asked_for_its_own() {
    let cloud = Cloud::new(json!({})).await;
    let (changed, plain) = (cloud.create().await, cloud.create().await);
    cloud.fake.change_machine(changed.id().as_str(), |shown| {
        shown["properties"]["provisioningState"] = json!("Failed");
    });
    cloud.fake.fail_creates(Some(azure_fake::CreateFailure::allocation_failed().times(1)));
    cloud.set.create(cloud.request()).await.err().unwrap();
    cloud.proxy.add(Rule::new(is_states, Action::GarbleAnswer(r#"{"value":[]}"#.into())));
    let listed = cloud.list().await;
    let failed = listed.iter().filter(|instance| instance.lifecycle() == Lifecycle::Failed);
    assert!(failed.clone().all(|instance| ![changed.id(), plain.id()].contains(&instance.id())));
    assert_eq!((listed.len(), failed.count()), (3, 1));
    let views = |request: &Request| super::cloud::path(request).ends_with("/instanceView");
    assert_eq!(cloud.count(views), 2);
    cloud.proxy.add(Rule::new(views, Action::Answer(error(500, "InternalServerError", "later"))));
    assert_eq!(cloud.set.instances(&tags()).await.err().unwrap().kind(), ErrorKind::Transient);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let cloud = Cloud::with(json!({}), Settings { page_size: 1, ..Settings::default() }).await;
    for _ in 0..3 {
        cloud.create().await;
    }
    for (index, is_of) in LISTS.into_iter().enumerate() {
        for page in 0..3 {
            let actions = [
                (Action::Answer(error(500, "InternalServerError", "later")), ErrorKind::Transient),
                (Action::Answer(error(404, "ResourceNotFound", "gone")), ErrorKind::NotFound),
                (Action::Answer(error(403, "AuthorizationFailed", "no")), ErrorKind::Auth),
                (Action::CutAnswer, ErrorKind::Transient),
                (Action::GarbleAnswer("<html>".into()), ErrorKind::Transient),
            ];
            for (action, kind) in actions {
                let case = format!("list {index}, page {page}, {action:?}");
                cloud.proxy.add(Rule::new(is_of, action).skip(page).times(Some(1)));
                let error = cloud.set.instances(&tags()).await.err();
                let error = error.unwrap_or_else(|| panic!("{case}"));
                assert_eq!(error.kind(), kind, "{case}: {error}");
            }
        }
    }
    assert_eq!(cloud.list().await.len(), 3);
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_no_empty_list() {
    for is_of in LISTS {
        let cloud = Cloud::new(json!({})).await;
        cloud.create().await;
        for body in ["", "{}", "null", "[]", "{\"value\":null}"] {
            cloud.proxy.add(Rule::new(is_of, Action::GarbleAnswer(body.into())).times(Some(1)));
            let answer = cloud.set.instances(&tags()).await;
            assert!(answer.is_err(), "{body:?}: {:?}", answer.unwrap());
        }
    }
}

#[tokio::test]
async fn addresses_come_from_the_interfaces() {
    for capital_groups_in_lists in [false, true] {
        let settings = Settings { capital_groups_in_lists, ..Settings::default() };
        let cloud = Cloud::with(json!({ "admin_user": "worker", "admin_privilege": "own" }), settings).await;
        let created = cloud.create().await;
        let listed = cloud.list().await;
        let [instance] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!((instance.id(), instance.tags()), (created.id(), created.tags()));
        let interface = cloud.fake.interfaces().pop().unwrap();
        let address = &interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
        assert_eq!(instance.address(), address.as_str(), "{capital_groups_in_lists}");
        assert!(instance.address().is_some_and(|address| address.parse::<std::net::Ipv4Addr>().is_ok()));
        assert_eq!(instance.lifecycle(), Lifecycle::Running);
        assert_eq!(instance.remote_user().name, "worker");
        assert_eq!(instance.root(), pool_api::DEFAULT_ROOT);
        assert_eq!(instance.provider_type().as_str(), "Standard_D2s_v3");
    }
}

#[tokio::test]
async fn power_states_are_found_whatever_the_case_of_the_ids() {
    let settings = Settings { capital_groups_in_lists: true, ..Settings::default() };
    let cloud = Cloud::with(json!({ "resource_group": "FAKE-Group" }), settings).await;
    let instance = cloud.create().await;
    cloud.fake.shut_down(instance.id().as_str());
    cloud.fake.settle();
    let listed = cloud.list().await;
    assert_eq!((listed.len(), listed[0].lifecycle()), (1, Lifecycle::Stopped));
    assert!(listed[0].address().is_some());
}

#[tokio::test]
async fn machines_of_others_are_left_alone() {
    let cloud = Cloud::new(json!({})).await;
    let ours = cloud.create().await;
    let plain = cloud.create().await;
    cloud.fake.change_machine(plain.id().as_str(), |shown| {
        shown.as_object_mut().unwrap().remove("tags");
    });
    let alike = cloud.create().await;
    // The pool's own tags alone do not make it ours.
    cloud.fake.change_machine(alike.id().as_str(), |shown| {
        shown["tags"] = json!({ "InstanceSetID": "It.1", "pool-driver-azure-set": "It.10" });
    });
    let other = cloud.other_set("It.2").await;
    other.create().await;
    let listed = cloud.list().await;
    assert_eq!(listed.iter().map(|instance| instance.id()).collect::<Vec<_>>(), [ours.id()]);
    assert_eq!(cloud.set.instances(&pool_api::Tags::new()).await.unwrap().len(), 1);
    assert_eq!(other.list().await.len(), 1);
    assert_eq!(cloud.fake.machines().len(), 4);
}

#[tokio::test]
async fn machines_of_another_group_are_left_alone() {
    let cloud = Cloud::new(json!({})).await;
    let ours = cloud.create().await;
    let elsewhere =
        cloud.again(json!({ "resource_group": "fake-network-group", "network_resource_group": GROUP })).await;
    elsewhere.create().await;
    let listed = cloud.list().await;
    assert_eq!(listed.iter().map(|instance| instance.id()).collect::<Vec<_>>(), [ours.id()]);
}

#[tokio::test]
async fn machines_in_a_zone_that_is_configured_no_longer_are_found() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    let elsewhere = cloud.again(json!({ "zones": ["3"] })).await;
    let listed = elsewhere.list().await;
    assert_eq!(listed.iter().map(|i| i.id()).collect::<Vec<_>>(), [instance.id()]);
    assert_eq!(listed[0].placement(), &Placement::new("1"));
    listed[0].destroy().await.unwrap();
    elsewhere.fake.settle();
    assert!(elsewhere.list().await.is_empty());
}

#[tokio::test]
async fn what_is_gone_is_not_there_to_be_tagged_and_is_destroyed_already() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    instance.destroy().await.unwrap();
    cloud.fake.settle();
    instance.destroy().await.unwrap();
    let error = instance.set_tags(&tags()).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NotFound, Effect::NotDone), "{error}");
}
