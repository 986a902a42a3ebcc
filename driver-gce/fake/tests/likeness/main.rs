//! The stand-in is like Compute Engine: the provider's own client takes it for that, and what it answers is as the provider
//! has published it. It needs Python with venv, and installs what the two need from PyPI; without them the tests fail.

mod calls;
mod mistakes;

use calls::{Caller, ZONE, instance};
use gce_fake::{Fake, OutOfStock, OverQuota, Refusal, Settings, likeness};
use serde_json::json;

/// What was asked for, or the words about what is missing, in lines.
fn told<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// That all which was asked and answered is as published.
fn as_published(fake: &Fake) {
    let exchanges = fake.exchanges();
    // Its responses would not be looked at.
    assert!(!exchanges.is_empty() && exchanges.iter().all(|exchange| exchange.status != 0));
    let problems = told(likeness::check(&exchanges));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_providers_own_client_walks_through() {
    let settings = Settings::default();
    let (project, zones) = (settings.project.clone(), settings.zones.clone());
    let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
    let (full, zones) = zones.split_last().unwrap();
    let fake = Fake::start(settings).unwrap();
    fake.set_full(full, None, true);
    let steps = told(likeness::walk(&fake.url(), &project, zones, Some(full)));
    println!("{steps}");
    assert!(fake.instances().is_empty() && fake.disks().is_empty(), "the client has left something behind");
    as_published(&fake);
}

#[test]
fn the_walk_fails_at_a_step_that_goes_otherwise() {
    let settings = Settings::default();
    let (project, zones) = (settings.project.clone(), settings.zones.clone());
    let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
    let fake = Fake::start(settings).unwrap();
    // It is not full.
    let error = likeness::walk(&fake.url(), &project, &zones, Some(zones[0])).unwrap_err();
    assert!(error.contains("failed operations say why: AssertionError: its errors are []"), "{error}");
}

#[test]
fn what_the_client_does_not_ask_for_is_as_published() {
    let caller = Caller::new(Settings::default());
    assert_eq!(caller.insert(&instance("a")), 200);
    assert_eq!(caller.get("instances/a"), 200);
    caller.fake.set_guest_attribute("a", "hostkeys", "ssh-ed25519", "AAAA");
    assert_eq!(caller.get("instances/a/getGuestAttributes?queryPath=hostkeys/"), 200);
    assert_eq!(caller.get("instances/a/getGuestAttributes?queryPath=nothing/"), 404);
    let shown = caller.fake.instance("a").unwrap();
    let tags = json!({ "items": ["worker"], "fingerprint": shown["tags"]["fingerprint"] });
    assert_eq!(caller.post("instances/a/setTags", &tags), 200);
    caller.wait();
    assert!(caller.fake.preempt("a"));
    assert_eq!(caller.get("instances/a"), 200);
    assert_eq!(caller.insert(&instance("b")), 200);
    assert_eq!(caller.call("POST", &format!("zones/{ZONE}/instances/b/stop"), None), 200);
    caller.wait();
    assert_eq!(caller.get("instances"), 200);
    assert_eq!(caller.get("operations?maxResults=2"), 200);
    assert_eq!(caller.call("GET", &format!("zones/{ZONE}"), None), 200);
    assert_eq!(caller.call("GET", "aggregated/instances?includeAllScopes=true", None), 200);
    caller.fake.set_unreachable(ZONE, true);
    caller.call("GET", "aggregated/instances", None);
    caller.get("instances/a");
    caller.get("instances");
    as_published(&caller.fake);
}

#[test]
fn errors_are_as_published() {
    let more = Settings { out_of_stock: OutOfStock::WithDetails, ..Settings::default() };
    let refusing = Settings { over_quota: OverQuota::RefusesCall, ..Settings::default() };
    for settings in [Settings::default(), more, refusing] {
        let caller = Caller::new(settings);
        caller.fake.set_full(ZONE, None, true);
        assert_eq!(caller.insert(&instance("a")), 200);
        caller.fake.set_full(ZONE, None, false);
        caller.fake.set_quota("europe-west1", "INSTANCES", 0.0);
        caller.insert(&instance("b"));
        assert!(caller.fake.instances().is_empty());
        as_published(&caller.fake);
    }
    let caller = Caller::new(Settings::default());
    for refusal in [Refusal::RateLimit, Refusal::TooManyRequests, Refusal::Unavailable] {
        caller.fake.refuse_calls(refusal, 1);
        assert!(caller.get("instances") >= 400);
    }
    let change = |place: &str, value: &str| {
        let mut instance = instance("a");
        *instance.pointer_mut(place).unwrap() = value.into();
        instance
    };
    let machine_type = change("/machineType", &format!("zones/{ZONE}/machineTypes/of-nowhere"));
    let image =
        change("/disks/0/initializeParams/sourceImage", "projects/debian-cloud/global/images/of-nowhere");
    for wrong in [machine_type, image, change("/labels/pool", "UPPER CASE")] {
        assert!(caller.insert(&wrong) >= 400);
    }
    assert_eq!(caller.get("instances?filter=%28"), 400);
    assert_eq!(caller.get("instances?pageToken=nonsense"), 400);
    assert_eq!(caller.call("GET", "zones/of-nowhere", None), 404);
    assert_eq!(caller.call("GET", "zones/of-nowhere/instances", None), 400);
    as_published(&caller.fake);
    let closed = Caller::new(Settings { token: Some("t".into()), ..Settings::default() });
    assert_eq!(closed.get("instances"), 401);
    as_published(&closed.fake);
}

#[test]
fn mistakes_are_found() {
    let good = mistakes::good();
    let mistakes = mistakes::mistakes();
    // In one run: the start of Python takes longer than the check.
    let exchanges = good.iter().chain(mistakes.iter().map(|mistake| &mistake.exchange));
    let problems = likeness::check(&exchanges.cloned().collect::<Vec<_>>());
    let problems = told(problems);
    for (index, mistake) in mistakes.iter().enumerate() {
        let place = format!("exchange {}: ", good.len() + index + 1);
        let found: Vec<_> = problems.iter().filter(|problem| problem.contains(&place)).collect();
        assert_eq!(found.len(), 1, "{}: {found:#?} in {problems:#?}", mistake.told);
        assert!(found[0].contains(mistake.told), "{found:?} is not about: {}", mistake.told);
    }
    assert_eq!(problems.len(), mistakes.len(), "in what is right too: {problems:#?}");
    assert!(!problems.concat().contains(mistakes::SECRET), "{problems:#?}");
}

#[test]
fn a_mistake_is_told_once_with_how_often_it_was_seen() {
    let mistake = mistakes::mistakes().swap_remove(0);
    let exchanges = [mistake.exchange.clone(), mistake.exchange.clone(), mistake.exchange];
    let problems = told(likeness::check(&exchanges));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("(3 times, exchange 1: GET /compute/v1/"), "{problems:?}");
}

#[test]
fn the_walk_fails_where_there_is_no_server() {
    // It was free a moment ago, and nobody listens on it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = likeness::walk(&format!("http://{address}"), "p", &["a-b-c", "a-b-d"], None).unwrap_err();
    assert!(error.contains("zones are listed: "), "{error}");
}
