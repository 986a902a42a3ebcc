//! What is deleted that creates have left behind.

use super::cloud::{Cloud, GROUP, error};
use pool_api::ErrorKind;
use pool_conformance::{Action, Rule};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

const NO_TAGS: [(&str, &str); 0] = [];
const OF_ANOTHER_SET: &str = "pool-000000000000-";

/// With what the names of the set begin: `pool-`, twelve digits and a `-`.
fn prefix(id: &pool_api::InstanceId) -> String {
    id.as_str()[..18].to_owned()
}

fn hours_ago(hours: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(3600 * hours)
}

fn names(things: &[Value]) -> BTreeSet<String> {
    things.iter().filter_map(|thing| thing["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn what_was_seen_loose_for_long_is_deleted_and_nothing_else() {
    let cloud = Cloud::new(json!({ "leftover_age": "1s" })).await;
    let instance = cloud.create().await;
    let prefix = prefix(instance.id());
    assert!(prefix.starts_with("pool-") && prefix.ends_with('-'), "{prefix}");
    let other = cloud.other_set("It.2").await.create().await;
    let add = |group: &str, name: &str| {
        // How old it is says nothing: a machine may have had it until now.
        cloud.fake.add_disk(group, &format!("{name}-os"), NO_TAGS, hours_ago(2));
        cloud.fake.add_interface(group, &format!("{name}-nic"), NO_TAGS);
    };
    add(GROUP, &format!("{prefix}old"));
    add(GROUP, &format!("{}OLDER", prefix.to_uppercase()));
    add(GROUP, &format!("{OF_ANOTHER_SET}old"));
    add(GROUP, "database");
    add("fake-network-group", &format!("{prefix}elsewhere"));
    assert_eq!(cloud.set.sweep().await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    add(GROUP, &format!("{prefix}young"));
    assert_eq!(cloud.set.sweep().await.unwrap(), 4);
    cloud.fake.settle();
    let left = [
        instance.id().to_string(),
        other.id().to_string(),
        format!("{prefix}young"),
        format!("{OF_ANOTHER_SET}old"),
        "database".to_owned(),
        format!("{prefix}elsewhere"),
    ];
    let (disks, interfaces) = (cloud.fake.disks(), cloud.fake.interfaces());
    assert_eq!(names(&disks), left.iter().map(|name| format!("{name}-os")).collect());
    assert_eq!(names(&interfaces), left.iter().map(|name| format!("{name}-nic")).collect());
    assert_eq!(cloud.count(|request| request.method == "DELETE"), 4);
    assert!(cloud.list().await[0].address().is_some());
    // The young one becomes old, and another process has seen nothing yet.
    let again = cloud.again(json!({ "leftover_age": "1s" })).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(again.set.sweep().await.unwrap(), 0);
    assert_eq!(cloud.set.sweep().await.unwrap(), 2);
    assert_eq!(cloud.set.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn what_belongs_to_a_machine_is_left_however_it_is() {
    let cloud = Cloud::new(json!({ "leftover_age": "0s" })).await;
    let (stopped, failed) = (cloud.create().await, cloud.request());
    cloud.fake.deallocate(stopped.id().as_str());
    cloud.fake.fail_creates(Some(azure_fake::CreateFailure::allocation_failed().times(1)));
    cloud.set.create(failed).await.err().unwrap();
    cloud.fake.settle();
    assert_eq!(cloud.set.sweep().await.unwrap(), 0);
    assert_eq!((cloud.fake.interfaces().len(), cloud.fake.disks().len()), (2, 2));
    assert_eq!(cloud.count(|request| request.method == "DELETE"), 0);
}

#[tokio::test]
async fn what_cannot_be_deleted_is_an_error_and_what_is_gone_is_not_counted() {
    let cloud = Cloud::new(json!({ "leftover_age": "0s" })).await;
    let prefix = prefix(cloud.create().await.id());
    cloud.fake.add_interface(GROUP, &format!("{prefix}a-nic"), NO_TAGS);
    for name in ["b", "c"] {
        cloud.fake.add_disk(GROUP, &format!("{prefix}{name}-os"), NO_TAGS, hours_ago(1));
    }
    let is_delete = |end: &'static str| {
        move |request: &pool_conformance::Request| {
            request.method == "DELETE" && super::cloud::path(request).ends_with(end)
        }
    };
    let reserved = error(400, "NicReservedForAnotherVm", "for 180 seconds");
    cloud.proxy.add(Rule::new(is_delete("a-nic"), Action::Answer(reserved)).times(Some(1)));
    // The others are deleted all the same.
    let gone = error(404, "ResourceNotFound", "The Resource 'Microsoft.Compute/disks/b-os' was not found.");
    cloud.proxy.add(Rule::new(is_delete("b-os"), Action::Answer(gone)).times(Some(2)));
    let refused = cloud.set.sweep().await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    assert_eq!((cloud.fake.interfaces().len(), cloud.fake.disks().len()), (2, 2));
    assert_eq!(cloud.set.sweep().await.unwrap(), 1);
    assert_eq!(cloud.set.sweep().await.unwrap(), 1);
    assert_eq!((cloud.fake.interfaces().len(), cloud.fake.disks().len()), (1, 1));
}

#[tokio::test]
async fn lists_that_fail_sweep_nothing() {
    let cloud = Cloud::new(json!({ "leftover_age": "0s" })).await;
    let prefix = prefix(cloud.create().await.id());
    cloud.fake.add_disk(GROUP, &format!("{prefix}a-os"), NO_TAGS, hours_ago(1));
    for end in ["/networkInterfaces", "/disks"] {
        let is_list = move |request: &pool_conformance::Request| super::cloud::path(request).ends_with(end);
        let later = error(503, "ServiceUnavailable", "later");
        cloud.proxy.add(Rule::new(is_list, Action::Answer(later)).times(Some(1)));
        assert_eq!(cloud.set.sweep().await.err().unwrap().kind(), ErrorKind::Transient, "{end}");
    }
    assert_eq!(cloud.fake.disks().len(), 2);
    assert_eq!(cloud.set.sweep().await.unwrap(), 1);
}
