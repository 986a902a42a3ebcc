//! Lists, filters and pages.

use crate::client::{Client, FAR_ZONE, OTHER_ZONE, ZONE, worker};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const ZONES: [&str; 3] = [ZONE, OTHER_ZONE, FAR_ZONE];

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|one| one["name"].as_str().unwrap()).collect()
}

/// Inserts so many in each zone, every second one of them blue.
fn fill(client: &Client, each: usize) {
    for zone in ZONES {
        for number in 0..each {
            let mut body = worker(zone, &format!("worker-{number:04}"));
            body["labels"]["pool"] = if number % 2 == 0 { "blue" } else { "red" }.into();
            client.insert(zone, &body).ok();
        }
    }
}

/// All pages of a list over all zones, each as its zones' names of instances.
fn pages(client: &Client, query: &str) -> Vec<Vec<(String, String)>> {
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let page = client.get(&format!("aggregated/instances?{query}&pageToken={token}")).ok();
        let mut found = Vec::new();
        let items = page["items"].as_object().unwrap();
        assert_eq!(items.len(), 3, "every zone is in every page");
        for (scope, entry) in items {
            let names = names(&entry["instances"]);
            if names.is_empty() {
                assert_eq!(entry["warning"]["code"], "NO_RESULTS_ON_PAGE");
                assert_eq!(entry["warning"]["data"], json!([{ "key": "scope", "value": scope }]));
            } else {
                assert!(entry["warning"].is_null());
            }
            found.extend(names.into_iter().map(|name| (scope.clone(), name.to_owned())));
        }
        pages.push(found);
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return pages,
        }
    }
}

#[test]
fn twelve_hundred_instances_come_in_pages_of_five_hundred() {
    let client = Client::slow();
    fill(&client, 400);
    let started = Instant::now();
    let all = pages(&client, "");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 200]);
    let unique: BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!(unique.len(), 1200);
    let blue = pages(&client, "filter=labels.pool%3Dblue&maxResults=250&returnPartialSuccess=true");
    assert_eq!(blue.iter().map(Vec::len).collect::<Vec<_>>(), [250, 250, 100]);
    let none = pages(&client, "filter=labels.pool%3Dgreen&includeAllScopes=true");
    assert_eq!(none, [vec![]]);
    let newest = pages(&client, "orderBy=creationTimestamp%20desc");
    let unique: BTreeSet<_> = newest.iter().flatten().collect();
    assert_eq!(unique.len(), 1200);
    assert!(newest[0].iter().all(|(zone, _)| zone != "zones/europe-west1-b"), "those are the oldest");
}

#[test]
fn a_page_that_is_just_full_is_the_last_one() {
    let client = Client::slow();
    fill(&client, 2);
    assert_eq!(pages(&client, "maxResults=3").len(), 2);
    assert_eq!(pages(&client, "maxResults=6").len(), 1);
}

#[test]
fn what_comes_between_two_pages_neither_doubles_nor_hides_another() {
    let client = Client::slow();
    fill(&client, 4);
    let path = format!("zones/{ZONE}/instances?maxResults=2");
    let first = client.get(&path).ok();
    assert_eq!(names(&first["items"]), ["worker-0000", "worker-0001"]);
    client.insert(ZONE, &worker(ZONE, "worker-0000-a")).ok();
    client.fake.set_operation_time(Duration::ZERO);
    client.done(&client.call("DELETE", &format!("zones/{ZONE}/instances/worker-0001"), None).ok());
    let token = first["nextPageToken"].as_str().unwrap();
    let second = client.get(&format!("{path}&pageToken={token}")).ok();
    assert_eq!(names(&second["items"]), ["worker-0002", "worker-0003"]);
    assert!(second["nextPageToken"].is_null());
}

#[test]
fn lists_of_a_zone() {
    let client = Client::new();
    let empty = client.get(&format!("zones/{ZONE}/instances")).ok();
    assert_eq!(empty["kind"], "compute#instanceList");
    assert!(empty["items"].is_null());
    client.made(ZONE, "b");
    client.made(ZONE, "a");
    client.made(OTHER_ZONE, "c");
    let listed = |query: &str| client.get(&format!("zones/{ZONE}/instances?{query}")).ok()["items"].clone();
    assert_eq!(names(&listed("")), ["a", "b"]);
    assert_eq!(names(&listed("orderBy=creationTimestamp+desc")), ["a", "b"]);
    client.made(ZONE, "d");
    assert_eq!(names(&listed("orderBy=creationTimestamp+desc")), ["d", "a", "b"]);
    assert_eq!(names(&listed("maxResults=0")), ["a", "b", "d"]);
    let operations = client.get(&format!("zones/{ZONE}/operations?filter=status%3DDONE")).ok();
    assert_eq!(operations["kind"], "compute#operationList");
    assert_eq!(names(&operations["items"]).len(), 3);
}

#[test]
fn filters() {
    let client = Client::new();
    let mut red = worker(ZONE, "red-1");
    red["labels"] = json!({ "pool": "red", "owner": "me" });
    red["scheduling"] = json!({ "provisioningModel": "SPOT" });
    client.done(&client.insert(ZONE, &red).ok());
    client.made(ZONE, "blue-1");
    client.made(ZONE, "blue-2");
    client.fake.change_instance("blue-2", |instance| instance["status"] = "STOPPING".into());
    for (filter, expected) in [
        ("labels.pool=blue", vec!["blue-1", "blue-2"]),
        ("labels.owner:*", vec!["red-1"]),
        ("NOT labels.owner:*", vec!["blue-1", "blue-2"]),
        ("labels.pool=blue AND status=RUNNING", vec!["blue-1"]),
        ("(labels.pool=blue) (status=RUNNING)", vec!["blue-1"]),
        ("labels.pool=red OR status=STOPPING", vec!["blue-2", "red-1"]),
        ("name != red-1", vec!["blue-1", "blue-2"]),
        ("name eq blue-.*", vec!["blue-1", "blue-2"]),
        ("name ne .*-1", vec!["blue-2"]),
        ("scheduling.automaticRestart = false", vec!["red-1"]),
        ("scheduling.provisioningModel=\"SPOT\"", vec!["red-1"]),
        ("name=nobody", vec![]),
    ] {
        let query = format!("filter={}", encoded(filter));
        let listed = client.get(&format!("zones/{ZONE}/instances?{query}")).ok();
        assert_eq!(names(&listed["items"]), expected, "{filter}");
        let all: Vec<_> = pages(&client, &query).concat().into_iter().map(|(_, name)| name).collect();
        assert_eq!(all, expected, "{filter}");
    }
}

#[test]
fn what_cannot_be_listed() {
    let client = Client::slow();
    fill(&client, 2);
    for query in [
        "filter=nonsense",
        "filter=metadata.items.key%3Dstartup-script",
        "filter=%28name%3Dx",
        "maxResults=501",
        "maxResults=-1",
        "orderBy=status",
        "pageToken=nonsense",
        "returnPartialSuccess=perhaps",
    ] {
        let (reason, message) = client.get(&format!("aggregated/instances?{query}")).refused(400);
        assert_eq!(reason, "invalid");
        assert!(message.contains(query.split('=').next().unwrap()), "{message}");
    }
    let token = client.get("aggregated/instances?maxResults=1").ok()["nextPageToken"].clone();
    let token = token.as_str().unwrap();
    client.get(&format!("aggregated/instances?maxResults=5&pageToken={token}")).ok();
    client.get(&format!("aggregated/instances?filter=name%3Da&pageToken={token}")).refused(400);
    client.get(&format!("zones/{ZONE}/instances?pageToken={token}")).refused(400);
}

#[test]
fn system_parameters_are_ignored() {
    let client = Client::new();
    client.made(ZONE, "worker");
    let query = "%24alt=json%3Benum-encoding%3Dint&alt=json&prettyPrint=false&key=k&fields=items";
    let listed = client.get(&format!("zones/{ZONE}/instances?{query}")).ok();
    assert_eq!(names(&listed["items"]), ["worker"]);
}

#[test]
fn zones_and_machine_types() {
    let client = Client::new();
    let zones = client.get("zones").ok();
    assert_eq!(names(&zones["items"]), ZONES);
    let zone = client.get(&format!("zones/{FAR_ZONE}")).ok();
    assert!(zone["region"].as_str().unwrap().ends_with("/regions/us-central1"));
    client.get("zones/nowhere").refused(404);
    let filter = encoded("name=n2-standard-*");
    let first = client.get(&format!("zones/{ZONE}/machineTypes?maxResults=2&filter={filter}")).ok();
    assert_eq!(names(&first["items"]), ["n2-standard-2", "n2-standard-4"]);
    let token = first["nextPageToken"].as_str().unwrap();
    let second = client.get(&format!("zones/{ZONE}/machineTypes?filter={filter}&pageToken={token}")).ok();
    assert_eq!(names(&second["items"]), ["n2-standard-8"]);
    let kind = client.get(&format!("zones/{ZONE}/machineTypes/n2-standard-4")).ok();
    assert_eq!((kind["guestCpus"].as_u64(), kind["memoryMb"].as_u64()), (Some(4), Some(16384)));
    assert_eq!(kind["zone"], ZONE);
    client.get(&format!("zones/{ZONE}/machineTypes/nothing")).refused(404);
}
