//! Spot machines.

use crate::client::{Client, machine, machine_action, worker};
use serde_json::{Value, json};

fn spot(policy: &str) -> Value {
    let mut body = worker("worker");
    body["properties"]["priority"] = "Spot".into();
    body["properties"]["evictionPolicy"] = policy.into();
    body["properties"]["billingProfile"] = json!({ "maxPrice": -1 });
    body
}

#[test]
fn an_evicted_machine_is_deallocated_or_deleted() {
    for policy in ["Deallocate", "Delete"] {
        let client = Client::new();
        let made = client.made_of("worker", &spot(policy));
        assert_eq!(made["properties"]["priority"], "Spot");
        assert_eq!(made["properties"]["evictionPolicy"], policy);
        assert_eq!(made["properties"]["billingProfile"]["maxPrice"], -1.0);
        assert!(client.fake.evict("worker"));
        client.fake.settle();
        if policy == "Delete" {
            client.get(&machine("worker")).refused(404);
            assert!(client.fake.interfaces().is_empty() && client.fake.disks().is_empty());
        } else {
            assert_eq!(client.power("worker"), "deallocated");
        }
    }
}

#[test]
fn only_spot_machines_are_evicted() {
    let client = Client::new();
    client.made("worker");
    assert!(!client.fake.evict("worker") && !client.fake.evict("nobody"));
    let path = machine_action("worker", "simulateEviction");
    client.call("POST", &path, None).refused(409);
    let mut body = spot("Delete");
    body["properties"]["storageProfile"]["osDisk"]["name"] = Value::Null;
    body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["name"] = "other".into();
    client.made_of("spot", &body);
    client.call("POST", &machine_action("spot", "simulateEviction"), None).is(204);
    client.fake.settle();
    client.get(&machine("spot")).refused(404);
}

#[test]
fn spot_machines_have_a_quota_of_their_own() {
    let client = Client::new();
    client.fake.set_quota("standardDSv3Family", 0);
    client.fake.set_quota("lowPriorityCores", 2);
    client.made_of("worker", &spot("Delete"));
    let mut body = spot("Delete");
    body["properties"]["storageProfile"]["osDisk"]["name"] = Value::Null;
    let (code, message) = client.put_machine("other", &body).refused(409);
    assert_eq!(code, "OperationNotAllowed");
    assert!(message.contains("LowPriorityCores"), "{message}");
}

#[test]
fn prices_are_minus_one_or_more_than_nothing() {
    let client = Client::slow();
    for price in [json!(0), json!(-2), Value::Null] {
        let mut body = spot("Delete");
        body["properties"]["billingProfile"]["maxPrice"] = price;
        assert_eq!(client.put_machine("worker", &body).refused_for(400).1, "billingProfile.maxPrice");
    }
    let mut body = spot("Delete");
    body["properties"]["billingProfile"]["maxPrice"] = 0.05.into();
    client.put_machine("worker", &body).is(201);
}
