//! Host keys that the guest agent has published.

use super::cloud::Cloud;
use pool_api::{HostKey, HostKeyVerdict};
use serde_json::json;

fn key(text: &str) -> HostKey {
    HostKey { openssh: format!("ssh-ed25519 {text}"), fingerprint: "SHA256:x".into() }
}

#[tokio::test]
async fn they_are_believed_when_that_is_switched_on() {
    let cloud = Cloud::new(json!({ "host_keys": true })).await;
    let instance = cloud.create().await;
    // The guest agent has not run yet.
    assert_eq!(instance.verify_host_key(&key("AAAA")).await.unwrap(), HostKeyVerdict::Unsupported);
    cloud.fake.set_guest_attribute(instance.id().as_str(), "hostkeys", "ssh-ed25519", "AAAA");
    cloud.fake.set_guest_attribute(instance.id().as_str(), "other", "ssh-ed25519", "BBBB");
    assert_eq!(instance.verify_host_key(&key("AAAA")).await.unwrap(), HostKeyVerdict::Genuine);
    assert_eq!(instance.verify_host_key(&key("BBBB")).await.unwrap(), HostKeyVerdict::Forged);
}

#[tokio::test]
async fn else_nothing_is_asked() {
    let cloud = Cloud::new(json!({})).await;
    let instance = cloud.create().await;
    cloud.fake.set_guest_attribute(instance.id().as_str(), "hostkeys", "ssh-ed25519", "AAAA");
    assert_eq!(instance.verify_host_key(&key("AAAA")).await.unwrap(), HostKeyVerdict::Unsupported);
    assert!(cloud.sent("/getGuestAttributes").is_empty());
    assert!(!cloud.set.capabilities().host_keys);
}
