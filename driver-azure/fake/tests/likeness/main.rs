//! The stand-in is like Azure: the provider's own client takes it for that, and what it answers is as the provider has published
//! it. It needs Python with venv, and installs what the two need from PyPI; without them the tests fail.

mod calls;
mod exchanges;
mod mistakes;
mod small;

use azure_fake::{
    CreateFailure, Exchange, Fake, Refusal, Settings,
    likeness::{self, Comparison},
};
use calls::Caller;
use mistakes::Mistake;
use serde_json::json;
use std::{net::TcpListener, path::Path, time::SystemTime};

/// What was asked for, or the words about what is missing, in lines.
fn told<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// That each mistake is found, and nothing else.
fn are_found(good: &[Exchange], mistakes: &[Mistake], compare: impl Fn(&[Exchange]) -> Comparison) {
    // In one run: the start of Python takes longer than the check.
    let exchanges = good.iter().chain(mistakes.iter().map(|mistake| &mistake.exchange));
    let problems = compare(&exchanges.cloned().collect::<Vec<_>>()).problems;
    // Several sources may find the same, each in its own words.
    let mut all = 0;
    for (index, mistake) in mistakes.iter().enumerate() {
        let place = format!("exchange {}: ", good.len() + index + 1);
        let found: Vec<_> = problems.iter().filter(|problem| problem.contains(&place)).collect();
        assert!(
            found.iter().any(|problem| problem.contains(mistake.told)),
            "{found:?} is not: {}",
            mistake.told
        );
        all += found.len();
    }
    assert_eq!(problems.len(), all, "in what is right too: {problems:#?}");
    assert!(!problems.concat().contains(exchanges::SECRET), "{problems:#?}");
}

fn compared(exchanges: &[Exchange]) -> Comparison {
    let comparison = told(likeness::compare(exchanges));
    println!("held against {}", comparison.against.join(", "));
    comparison
}

fn without_files(exchanges: &[Exchange]) -> Comparison {
    let comparison = told(likeness::compare_with(exchanges, None));
    assert_eq!(comparison.against, ["the models of the provider's client"]);
    comparison
}

fn with_the_small_description(exchanges: &[Exchange]) -> Comparison {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/likeness/specs");
    let comparison = told(likeness::compare_with(exchanges, Some(&folder)));
    assert_eq!(
        comparison.against,
        ["the models of the provider's client", "the types of Bicep", "the schemas of templates"]
    );
    comparison
}

/// That all which was asked and answered is as published.
fn as_published(fake: &Fake) {
    let exchanges = fake.exchanges();
    // Its responses would not be looked at.
    assert!(!exchanges.is_empty() && exchanges.iter().all(|exchange| exchange.status != 0));
    let problems = compared(&exchanges).problems;
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_providers_own_client_walks_through() {
    let settings = Settings { check_tokens: true, page_size: 2, ..Settings::default() };
    let fake = Fake::start(settings.clone()).unwrap();
    fake.fail_creates(Some(CreateFailure::allocation_failed().times(1)));
    let steps = told(likeness::walk(&fake.url(), &settings, Some("AllocationFailed")));
    println!("{steps}");
    assert!(steps.contains("lists are paged: 3 in 2 pages"), "{steps}");
    let left = [fake.machines(), fake.interfaces(), fake.disks(), fake.public_addresses()].concat();
    assert!(left.is_empty(), "the client has left something behind: {left:#?}");
    as_published(&fake);
}

#[test]
fn the_walk_fails_at_a_step_that_goes_otherwise() {
    let settings = Settings::default();
    let fake = Fake::start(settings.clone()).unwrap();
    // There is no failure.
    let error = likeness::walk(&fake.url(), &settings, Some("AllocationFailed")).unwrap_err();
    let wanted = "failed operations say why: AssertionError: the client takes it for a success";
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn the_walk_fails_where_there_is_no_server() {
    // It was free a moment ago, and nobody listens on it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = likeness::walk(&format!("http://{address}"), &Settings::default(), None).unwrap_err();
    assert!(error.contains("a token is given for the secret: "), "{error}");
}

#[test]
fn what_the_client_does_not_ask_for_is_as_published() {
    let caller = Caller::new(Settings { capital_groups_in_lists: true, ..Settings::default() });
    assert_eq!(caller.create("a", &caller.machine()), 201);
    for name in ["a", "a/instanceView", "a?$expand=instanceView", "a?$expand=userData"] {
        assert_eq!(caller.machines("GET", &format!("/{name}"), None), 200, "{name}");
    }
    assert_eq!(caller.machines("GET", "", None), 200);
    for machines in ["?api-version=2024-07-01", "?api-version=2024-07-01&statusOnly=true"] {
        assert_eq!(caller.everywhere(&format!("Compute/virtualMachines{machines}")), 200);
    }
    assert_eq!(caller.everywhere("Compute/locations/westeurope/virtualMachines?api-version=2024-07-01"), 200);
    assert_eq!(caller.everywhere("Compute/disks?api-version=2024-03-02"), 200);
    assert_eq!(caller.disks("GET", ""), 200);
    for kind in ["networkInterfaces", "publicIPAddresses"] {
        assert_eq!(caller.network("GET", kind), 200, "{kind}");
        assert_eq!(caller.everywhere(&format!("Network/{kind}?api-version=2024-05-01")), 200, "{kind}");
    }
    assert_eq!(caller.network("GET", "publicIPAddresses/address"), 200);
    for action in ["restart", "powerOff?skipShutdown=true", "start", "deallocate", "start"] {
        assert_eq!(caller.machines("POST", &format!("/a/{action}"), None), 202, "{action}");
        caller.fake.settle();
    }
    assert!(caller.machines("POST", "/a/simulateEviction", None) < 300);
    caller.fake.settle();
    assert_eq!(caller.machines("GET", "/a?$expand=instanceView", None), 200);
    assert_eq!(caller.machines("PATCH", "/a", Some(&json!({ "tags": { "a": "b" } }))), 200);
    caller.fake.add_interface("fake-group", "unused", [("a", "b")]);
    assert_eq!(caller.network("GET", "networkInterfaces/unused"), 200);
    assert_eq!(caller.network("DELETE", "networkInterfaces/unused"), 202);
    caller.fake.add_disk("fake-group", "unused", [("a", "b")], SystemTime::now());
    assert_eq!(caller.disks("GET", "/unused"), 200);
    assert_eq!(caller.disks("DELETE", "/unused"), 202);
    assert_eq!(caller.machines("DELETE", "/a?forceDeletion=true", None), 202);
    // It is on its way.
    caller.machines("GET", "/a?$expand=instanceView", None);
    caller.fake.settle();
    assert_eq!(caller.machines("DELETE", "/a", None), 204);
    let identity = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";
    assert_eq!(caller.call("GET", identity, None), 200);
    as_published(&caller.fake);
}

#[test]
fn what_the_stand_in_answers_is_looked_at() {
    let caller = Caller::new(Settings::default());
    assert_eq!(caller.create("a", &caller.machine()), 201);
    assert!(caller.fake.change_machine("a", |machine| machine["properties"]["color"] = "red".into()));
    assert_eq!(caller.machines("GET", "/a", None), 200);
    let problems = compared(&caller.fake.exchanges()).problems;
    let wanted = "virtual_machines_get: response.properties: unknown field 'color'";
    assert!(problems.len() == 1 && problems[0].starts_with(wanted), "{problems:#?}");
}

#[test]
fn errors_are_as_published() {
    let caller = Caller::new(Settings::default());
    let refused = [
        CreateFailure::sku_not_available("Standard_D2s_v5", "westeurope"),
        CreateFailure::in_call(400, "QuotaExceeded", "No."),
        CreateFailure::overconstrained_zonal(),
    ];
    for (number, failure) in refused.into_iter().enumerate() {
        caller.fake.fail_creates(Some(failure));
        let name = format!("failing-{number}");
        caller.create(&name, &caller.machine());
        caller.machines("GET", &format!("/{name}?$expand=instanceView"), None);
    }
    caller.fake.fail_creates(None);
    caller.fake.set_quota("lowPriorityCores", 0);
    assert_eq!(caller.create("over-quota", &caller.machine()), 409);
    for refusal in [
        Refusal::TooManyRequests,
        Refusal::SubscriptionThrottled,
        Refusal::InternalError,
        Refusal::Unavailable,
        Refusal::ExpiredToken,
        Refusal::Forbidden,
    ] {
        caller.fake.refuse_calls(refusal, 1);
        assert!(caller.machines("GET", "", None) >= 400, "{refusal:?}");
    }
    for place in ["/properties/hardwareProfile/vmSize", "/properties/storageProfile/imageReference/sku"] {
        let mut machine = caller.machine();
        *machine.pointer_mut(place).unwrap() = "of-nowhere".into();
        assert!(caller.create("wrong", &machine) >= 400, "{place}");
    }
    assert_eq!(caller.machines("GET", "/of-nowhere", None), 404);
    assert_eq!(caller.machines("POST", "/of-nowhere/start", None), 404);
    assert_eq!(caller.machines("PATCH", "/of-nowhere", Some(&json!({ "tags": {} }))), 404);
    assert_eq!(caller.network("GET", "networkInterfaces/of-nowhere"), 404);
    assert_eq!(
        caller.post_form("/00000000-0000-0000-0000-000000000002/oauth2/v2.0/token", "grant_type=x"),
        400
    );
    as_published(&caller.fake);
    let closed = Caller::new(Settings { check_tokens: true, ..Settings::default() });
    assert_eq!(closed.machines("GET", "", None), 401);
    as_published(&closed.fake);
}

#[test]
fn mistakes_are_found() {
    are_found(&mistakes::good(), &mistakes::mistakes(), without_files);
    // With what the provider publishes too, where that is.
    are_found(&mistakes::good(), &mistakes::mistakes(), compared);
}

#[test]
fn mistakes_are_found_by_files() {
    let good = small::good();
    let mistakes = small::mistakes();
    are_found(&good, &mistakes, with_the_small_description);
    let exchanges: Vec<_> = mistakes.into_iter().map(|mistake| mistake.exchange).collect();
    assert_eq!(
        without_files(&exchanges).problems,
        Vec::<String>::new(),
        "the models find them by themselves"
    );
}

#[test]
fn a_mistake_is_told_once_with_how_often_it_was_seen() {
    let mistake = mistakes::mistakes().swap_remove(0);
    let exchanges = [mistake.exchange.clone(), mistake.exchange.clone(), mistake.exchange];
    let problems = told(likeness::check(&exchanges));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("(3 times, exchange 1: PUT /subscriptions/"), "{problems:?}");
}

#[test]
fn a_folder_without_what_is_published_is_an_error() {
    for wrong in ["/of-nowhere", env!("CARGO_MANIFEST_DIR")] {
        let error = likeness::compare_with(&[], Some(Path::new(wrong))).unwrap_err();
        assert!(error.contains(&format!("{wrong} has no *.bicep-types.json")), "{error}");
    }
}
