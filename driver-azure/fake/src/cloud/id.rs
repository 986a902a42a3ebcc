//! IDs, which have no case and keep the one that they were given.

use super::state::Key;
use crate::http::Kind;

impl Key {
    pub(super) fn new(group: &str, name: &str) -> Self {
        Key { group: group.to_lowercase(), name: name.to_lowercase() }
    }

    /// The place of a resource of this kind with this ID.
    pub(super) fn of_id(id: &str, kind: Kind) -> Option<Self> {
        let parts: Vec<&str> = id.trim_matches('/').split('/').collect();
        let [subscriptions, _, groups, group, providers, namespace, plain, name] = parts.as_slice() else {
            return None;
        };
        let is = |text: &str, literal: &str| text.eq_ignore_ascii_case(literal);
        let fits = is(subscriptions, "subscriptions")
            && is(groups, "resourceGroups")
            && is(providers, "providers")
            && is(namespace, kind.namespace())
            && is(plain, kind.plain());
        fits.then(|| Key::new(group, name))
    }
}

/// The ID of a resource.
pub(super) fn id_of(subscription: &str, group: &str, kind: Kind, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{}/{name}", kind.full())
}

/// A number's UUID. The numbers count up, and the UUIDs do not: this is the finisher of SplitMix64, which no
/// two numbers share.
pub(super) fn uuid(number: u64) -> String {
    let mix = |seed: u64| {
        let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let (high, low) = (mix(number), mix(number ^ u64::MAX));
    let digits = format!("{high:016x}{low:016x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::{Key, id_of, uuid};
    use crate::http::Kind;

    #[test]
    fn ids_have_no_case() {
        let id = id_of("s", "Group", Kind::Disk, "Disk");
        assert_eq!(Key::of_id(&id.to_uppercase(), Kind::Disk), Some(Key::new("group", "disk")));
        assert_eq!(Key::of_id(&id, Kind::Interface), None);
        assert_eq!(Key::of_id("/subscriptions/s", Kind::Disk), None);
    }

    #[test]
    fn uuids() {
        assert_eq!(uuid(1).len(), 36);
        assert_ne!(uuid(1), uuid(2));
    }
}
