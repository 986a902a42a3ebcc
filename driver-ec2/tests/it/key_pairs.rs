//! The pool's key pair.

use super::cloud::{Cloud, ask, parameters};
use futures_util::future::try_join_all;
use pool_api::{CreateRequest, ErrorKind, PublicKey};
use serde_json::json;

/// No test shares a key with another: each is looked for in the whole account.
fn new_ed25519_key() -> PublicKey {
    executor_ssh::PrivateKey::generate().public_key()
}

const RSA_KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDTZgXoqht9DwN99sZ/i3SKk29AMKMPAd/K/EnTxjB7dGfBoo3oENfHzaSoV0\
     fkp6htpJRhSsdcCkcxwfYvGbHA4dLkbW5c73dA5XSoiULU3pxw11mUZEQwe/Pm69ALqCHJiG1aGVMXsiZk8pbkMvWa\
     wHEUvnbdo9w4+SdAkQQoxeAa8+GfRoyn9T694wPJ9GFFAApakQA3avQz5eWvx9kVcrxkeR60idV97ryeXEN7FPLRaz\
     i7RRHonbzCMh7zGFVt8XuQV8tTupWmlOCq4Tl4KLeSSm3fU8hTZn7fxnzKLm2ImW9GNw9iA886ohgLkQOcbeEapnmF\
     wglWzSxFmVcX";

#[tokio::test]
async fn of_many_creates_at_once_one_imports_the_key() {
    let cloud = Cloud::moto(json!({ "tags": { "owner": "me" } })).await;
    let public_key = new_ed25519_key();
    let request = || CreateRequest { public_key: public_key.clone(), ..cloud.request() };
    try_join_all((0..10).map(|_| cloud.set.create(request()))).await.unwrap();
    assert_eq!(cloud.sent("DescribeKeyPairs").len(), 1);
    let [import] = &cloud.sent("ImportKeyPair")[..] else { panic!("not once") };
    assert!(import["KeyName"].starts_with(&format!("pool-{}-", cloud.id())), "{import:?}");
    assert_eq!(import["TagSpecification.1.ResourceType"], "key-pair");
    let tags: Vec<&str> = import.values().map(String::as_str).collect();
    assert!(tags.contains(&"pool-driver-ec2:instance-set") && tags.contains(&"owner"), "{tags:?}");
    for run in cloud.sent("RunInstances") {
        assert_eq!(run["KeyName"], import["KeyName"]);
    }

    // Two more processes, at the same time.
    let (first, second) = (cloud.again(json!({})).await, cloud.again(json!({})).await);
    tokio::try_join!(first.set.create(request()), second.set.create(request())).unwrap();
    for again in [first, second] {
        assert_eq!(again.sent("RunInstances")[0]["KeyName"], import["KeyName"]);
    }
}

#[tokio::test]
async fn two_processes_that_import_a_key_at_once_both_go_on() {
    let cloud = Cloud::moto(json!({})).await;
    let public_key = new_ed25519_key();
    let others = [cloud.again(json!({})).await, cloud.again(json!({})).await, cloud.again(json!({})).await];
    let request = || CreateRequest { public_key: public_key.clone(), ..cloud.request() };
    try_join_all(others.iter().map(|other| other.set.create(request()))).await.unwrap();
}

#[tokio::test]
async fn a_key_pair_of_another_name_is_found_by_its_fingerprint() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let material = STANDARD.encode(RSA_KEY).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    ask("ImportKeyPair", &[("KeyName", "by-hand"), ("PublicKeyMaterial", &material)]).await;
    let cloud = Cloud::moto(json!({})).await;
    let request = CreateRequest { public_key: PublicKey(RSA_KEY.into()), ..cloud.request() };
    cloud.set.create(request).await.unwrap();
    assert_eq!(cloud.sent("RunInstances")[0]["KeyName"], "by-hand");
    assert_eq!(cloud.sent("ImportKeyPair").len(), 0);
}

#[tokio::test]
async fn a_key_pair_that_somebody_deletes_is_imported_again() {
    let cloud = Cloud::moto(json!({})).await;
    let public_key = new_ed25519_key();
    let request = || CreateRequest { public_key: public_key.clone(), ..cloud.request() };
    cloud.set.create(request()).await.unwrap();
    let name = cloud.sent("ImportKeyPair")[0]["KeyName"].clone();
    ask("DeleteKeyPair", &[("KeyName", &name)]).await;
    let error = cloud.set.create(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    cloud.set.create(request()).await.unwrap();
    assert_eq!(cloud.sent("ImportKeyPair").len(), 2);
    assert!(cloud.proxy.requests().iter().all(|request| parameters(request)["Version"] == "2016-11-15"));
}
