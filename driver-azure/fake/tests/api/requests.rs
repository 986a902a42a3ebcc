//! What every request must have.

use crate::client::{Client, machine, machines};

#[test]
fn versions_are_checked() {
    let client = Client::new();
    let bare = |path: &str| path.split_once('?').unwrap().0.to_owned();
    assert_eq!(client.get(&bare(&machines())).refused(400).0, "MissingApiVersionParameter");
    let old = format!("{}?api-version=1999-01-01", bare(&machines()));
    let (code, message) = client.get(&old).refused(400);
    assert_eq!(code, "NoRegisteredProviderFound");
    for part in ["API version '1999-01-01' for type 'virtualMachines'", "2024-07-01", "'westeurope'"] {
        assert!(message.contains(part), "{message}");
    }
    // Each type has versions of its own.
    let disks = "resourceGroups/fake-group/providers/Microsoft.Compute/disks";
    client.get(&format!("{disks}?api-version=2024-03-02")).ok();
    client.get(&format!("{disks}?api-version=2024-07-01")).refused(400);
    client.get(&format!("{}?api-version=2024-03-02", bare(&machines()))).refused(400);
}

#[test]
fn what_there_is_not() {
    let client = Client::new();
    for (path, code) in [
        (machines().replace("fake-group", "nobody"), "ResourceGroupNotFound"),
        (machine("nobody"), "ResourceNotFound"),
        (machines().replace("virtualMachines", "virtualThings"), "InvalidResourceType"),
        (machines().replace("Microsoft.Compute", "Microsoft.Nothing"), "InvalidResourceNamespace"),
        (
            "providers/Microsoft.Compute/locations/westeurope/operations/x?api-version=2024-07-01".into(),
            "NotFound",
        ),
    ] {
        assert_eq!(client.get(&path).refused(404).0, code, "{path}");
    }
    let elsewhere = "/subscriptions/00000000-0000-0000-0000-00000000000f/resourceGroups/fake-group/providers/\
                     Microsoft.Compute/virtualMachines?api-version=2024-07-01";
    assert_eq!(client.send("GET", elsewhere, &[], String::new()).refused(404).0, "SubscriptionNotFound");
    assert_eq!(client.call("POST", &machine("a"), None).refused(405).0, "MethodNotAllowed");
}

#[test]
fn bodies_are_json() {
    let client = Client::new();
    let path = format!("/subscriptions/00000000-0000-0000-0000-000000000001/{}", machine("a"));
    assert_eq!(client.send("PUT", &path, &[], "{".into()).refused(400).0, "InvalidRequestContent");
    assert_eq!(client.send("PUT", &path, &[], "[]".into()).refused(400).0, "InvalidRequestContent");
}

#[test]
fn exchanges_are_kept_in_order() {
    let client = Client::new();
    client.get(&machines()).ok();
    client.get(&machine("nobody")).refused(404);
    let exchanges = client.fake.exchanges();
    assert_eq!(exchanges.iter().map(|exchange| exchange.status).collect::<Vec<_>>(), [200, 404]);
    assert!(exchanges[0].path.contains("?api-version=2024-07-01"));
    assert_eq!(exchanges[0].method, "GET");
}
