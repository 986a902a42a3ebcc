//! The forms of names, labels and IDs.

/// `(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)`, RFC 1035:
/// <https://cloud.google.com/compute/docs/naming-resources>.
pub(crate) const NAME_REGEX: &str = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)";

/// Whether this is the name of a resource, or a network tag.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-')
}

/// Whether this is a label's key: <https://cloud.google.com/compute/docs/labeling-resources#requirements>.
/// Letters of other scripts have no case, and are allowed.
pub(crate) fn is_label_key(key: &str) -> bool {
    let letter = |c: char| c.is_alphabetic() && !c.is_uppercase();
    key.starts_with(letter) && is_label_value(key)
}

/// Whether this is a label's value, see [`is_label_key`].
pub(crate) fn is_label_value(value: &str) -> bool {
    let good = |c: char| (c.is_alphanumeric() && !c.is_uppercase()) || c == '_' || c == '-';
    value.chars().count() <= 63 && value.chars().all(good)
}

/// `[a-zA-Z0-9-_]{1,128}`: <https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert>,
/// `metadata.items[].key`.
pub(crate) fn is_metadata_key(key: &str) -> bool {
    (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// "The request ID must be a valid UUID with the exception that zero UUID is not supported":
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert>, `requestId`.
pub(crate) fn is_request_id(id: &str) -> bool {
    let groups: Vec<_> = id.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
        && id.bytes().any(|b| b != b'0' && b != b'-')
}

#[cfg(test)]
mod tests {
    use super::{is_label_key, is_label_value, is_metadata_key, is_name, is_request_id};

    #[test]
    fn names() {
        let longest = "a".repeat(63);
        for good in ["a", "a-b", "worker-1", longest.as_str()] {
            assert!(is_name(good), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "1a", "-a", "a-", "A", "a_b", "a.b", too_long.as_str()] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn labels() {
        for good in ["a", "a_b-1", "ключ", &"a".repeat(63)] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "1a", "_a", "-a", "Key", "a.b", "a b", &"a".repeat(64)] {
            assert!(!is_label_key(bad), "{bad}");
        }
        for good in ["", "1", "_", "-x-"] {
            assert!(is_label_value(good), "{good}");
        }
        for bad in ["A", "a/b", "a:b", "a.b"] {
            assert!(!is_label_value(bad), "{bad}");
        }
    }

    #[test]
    fn metadata_keys() {
        assert!(is_metadata_key("startup-script") && is_metadata_key("A_1"));
        assert!(!is_metadata_key("") && !is_metadata_key("a.b") && !is_metadata_key(&"a".repeat(129)));
    }

    #[test]
    fn request_ids() {
        assert!(is_request_id("4e6a630b-6738-4f81-947b-c985fe328aa9"));
        assert!(is_request_id("4E6A630B-6738-4F81-947B-C985FE328AA9"));
        for bad in [
            "",
            "4e6a630b67384f81947bc985fe328aa9",
            "00000000-0000-0000-0000-000000000000",
            "4e6a630b-6738-4f81-947b-c985fe328aag",
        ] {
            assert!(!is_request_id(bad), "{bad}");
        }
    }
}
