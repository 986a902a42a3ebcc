//! Host keys that the guest agent publishes.

use crate::{GceError, set::Shared};
use pool_api::{HostKey, HostKeyVerdict, InstanceId, Placement};

const CALL: &str = "instances.getGuestAttributes";

/// Where the guest agent writes them, one attribute for each type of key:
/// <https://cloud.google.com/compute/docs/connect/ssh-best-practices/network-access#host-keys> and
/// <https://cloud.google.com/compute/docs/metadata/manage-guest-attributes>.
const NAMESPACE: &str = "hostkeys/";

/// Compares a key with those that were published. Until there are some, nothing is known.
///
/// # Errors
/// [`GceError`] when Compute Engine cannot be asked.
pub(crate) async fn verify(
    shared: &Shared,
    zone: &Placement,
    instance: &InstanceId,
    key: &HostKey,
) -> Result<HostKeyVerdict, GceError> {
    let attributes = shared.calls.make(CALL, |clients| {
        let call = clients.instances.get_guest_attributes().set_project(&shared.config.project);
        call.set_zone(zone.as_str()).set_instance(instance.as_str()).set_query_path(NAMESPACE).send()
    });
    let attributes = match attributes.await {
        Ok(attributes) => attributes,
        // Nothing was written there so far.
        Err(error) if error.is_not_found() => return Ok(HostKeyVerdict::Unsupported),
        Err(error) => return Err(error),
    };
    let published = attributes.query_value.map(|value| value.items).unwrap_or_default();
    let published: Vec<(&str, &str)> =
        published.iter().filter_map(|entry| Some((entry.key.as_deref()?, entry.value.as_deref()?))).collect();
    Ok(verdict(&published, &key.openssh))
}

/// `published`: types and keys in base64. `shown`: `ssh-ed25519 AAAA…`.
fn verdict(published: &[(&str, &str)], shown: &str) -> HostKeyVerdict {
    let mut words = shown.split_whitespace();
    let (Some(kind), Some(key)) = (words.next(), words.next()) else { return HostKeyVerdict::Forged };
    match published.iter().find(|(name, _)| *name == kind) {
        // Of this type there is none, or not yet: they are published one by one.
        None => HostKeyVerdict::Unsupported,
        Some((_, value)) if value.trim() == key => HostKeyVerdict::Genuine,
        Some(_) => HostKeyVerdict::Forged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_genuine_when_it_was_published_as_its_type() {
        let published = [("ssh-rsa", "AAAAB3"), ("ssh-ed25519", "AAAAC3\n")];
        assert_eq!(verdict(&published, "ssh-ed25519 AAAAC3 root@host"), HostKeyVerdict::Genuine);
        assert_eq!(verdict(&published, "ssh-ed25519 AAAAC4"), HostKeyVerdict::Forged);
        assert_eq!(verdict(&published, "ssh-ed25519 AAAAB3"), HostKeyVerdict::Forged);
        assert_eq!(verdict(&published, "ssh-ed25519"), HostKeyVerdict::Forged);
        assert_eq!(verdict(&[], "ssh-ed25519 AAAAC3"), HostKeyVerdict::Unsupported);
        assert_eq!(verdict(&published[..1], "ssh-ed25519 AAAAC3"), HostKeyVerdict::Unsupported);
    }
}
