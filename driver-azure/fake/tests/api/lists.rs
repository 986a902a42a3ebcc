//! Lists and their pages.

use crate::client::{Client, machines, worker};
use azure_fake::Settings;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

fn names(page: &Value) -> Vec<String> {
    page["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// The names in each page.
fn pages(client: &Client, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = client.get(&next).ok();
        pages.push(names(&page));
        match page["nextLink"].as_str() {
            Some(link) => {
                assert!(link.starts_with(&client.fake.url()) && link.contains("$skiptoken="), "{link}");
                next = link.to_owned();
            }
            None => return pages,
        }
    }
}

fn fill(client: &Client, count: usize) {
    for number in 0..count {
        let name = format!("worker-{number:04}");
        client.put_machine(&name, &worker(&name)).is(201);
    }
}

#[test]
fn a_thousand_machines_come_in_pages() {
    let client = Client::slow();
    fill(&client, 1000);
    let started = Instant::now();
    let pages = pages(&client, &machines());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(pages.iter().all(|page| page.len() == 50));
    let unique: BTreeSet<_> = pages.iter().flatten().collect();
    assert_eq!(unique.len(), 1000);
}

#[test]
fn a_page_that_is_just_full_is_the_last_one() {
    let client = Client::of(Settings { page_size: 2, ..Settings::default() });
    assert_eq!(pages(&client, &machines()), [Vec::<String>::new()]);
    fill(&client, 4);
    let sizes: Vec<_> = pages(&client, &machines()).iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2]);
}

#[test]
fn what_goes_between_two_pages_hides_no_other() {
    let client = Client::of(Settings { page_size: 2, ..Settings::default() });
    fill(&client, 5);
    client.fake.settle();
    let first = client.get(&machines()).ok();
    client.delete_machine("worker-0000").is(202);
    client.delete_machine("worker-0001").is(202);
    client.fake.settle();
    let rest = pages(&client, first["nextLink"].as_str().unwrap()).concat();
    assert_eq!(rest, ["worker-0002", "worker-0003", "worker-0004"]);
}

#[test]
fn lists_are_of_a_group_or_of_the_subscription() {
    let client = Client::new();
    client.made("a");
    let other = machines().replace("fake-group", "FAKE-network-group");
    let mut body = worker("b");
    body["properties"]["osProfile"]["computerName"] = "b".into();
    client.call("PUT", &other.replace("virtualMachines?", "virtualMachines/b?"), Some(&body)).is(201);
    client.fake.settle();
    assert_eq!(pages(&client, &machines()).concat(), ["a"]);
    let listed = client.get(&other).ok();
    assert_eq!(names(&listed), ["b"]);
    // The group's name has the case in which the group was made.
    assert!(listed["value"][0]["id"].as_str().unwrap().contains("/resourceGroups/fake-network-group/"));
    let all = "providers/Microsoft.Compute/virtualMachines?api-version=2024-07-01";
    assert_eq!(pages(&client, all).concat(), ["a", "b"]);
    let status = client.get(&format!("{all}&statusOnly=true")).ok();
    let view = &status["value"][0]["properties"]["instanceView"];
    assert_eq!(view["statuses"][1]["code"], "PowerState/running");
    let here = "providers/Microsoft.Compute/locations/westeurope/virtualMachines?api-version=2024-07-01";
    assert_eq!(pages(&client, here).concat(), ["a", "b"]);
    let nowhere = here.replace("westeurope", "eastus");
    assert!(pages(&client, &nowhere).concat().is_empty());
    for parts in [
        "resourceGroups/fake-group/providers/Microsoft.Compute/disks?api-version=2024-03-02",
        "resourceGroups/fake-group/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01",
    ] {
        assert_eq!(pages(&client, parts).concat().len(), 1, "{parts}");
        assert_eq!(pages(&client, &parts.replace("resourceGroups/fake-group/", "")).concat().len(), 2);
    }
}

#[test]
fn views_are_in_lists_only_with_a_filter() {
    let client = Client::new();
    client.made("a");
    let list = machines();
    assert_eq!(client.get(&format!("{list}&$expand=instanceView")).refused_for(400).1, "$expand");
    let filter = "%27virtualMachineScaleSet%2Fid%27%20eq%20%27x%27";
    let listed = client.get(&format!("{list}&$filter={filter}&$expand=instanceView")).ok();
    assert!(names(&listed).is_empty());
    client.get(&format!("{list}&$skiptoken=nonsense")).refused(400);
}

#[test]
fn links_lead_to_where_the_caller_has_come_from() {
    let client = Client::of(Settings {
        page_size: 1,
        operation_time: Duration::from_secs(3600),
        ..Settings::default()
    });
    fill(&client, 2);
    let host = [("Host", "127.0.0.1:99")];
    let page = client.call_with("GET", &machines(), &host, None).ok();
    assert!(page["nextLink"].as_str().unwrap().starts_with("http://127.0.0.1:99/subscriptions/"));
    let deleted = client.call_with("DELETE", &crate::client::machine("worker-0000"), &host, None);
    assert!(
        deleted.header("azure-asyncoperation").unwrap().starts_with("http://127.0.0.1:99/subscriptions/")
    );
    assert!(deleted.header("location").unwrap().starts_with("http://127.0.0.1:99/subscriptions/"));
    let page = client.get(&machines()).ok();
    assert!(page["nextLink"].as_str().unwrap().starts_with(&client.fake.url()));
}

#[test]
fn lists_can_show_groups_in_capitals() {
    let client = Client::of(Settings { capital_groups_in_lists: true, ..Settings::default() });
    let made = client.made("a");
    let listed = client.get(&machines()).ok();
    let id = listed["value"][0]["id"].as_str().unwrap();
    assert!(id.contains("/FAKE-GROUP/"));
    assert!(id.eq_ignore_ascii_case(made["id"].as_str().unwrap()));
}
