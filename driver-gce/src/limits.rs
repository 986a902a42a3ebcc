//! What Compute Engine accepts, so that what it would refuse is refused before any call.

use pool_api::TagLimits;
use std::ops::RangeInclusive;

/// Bytes of one metadata value, the startup script for example:
/// <https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations>, 256 KB. Keys are letters, digits,
/// `-` and `_`, fewer than 128 bytes: those that the driver writes are.
pub(crate) const METADATA_VALUE: usize = 256 * 1024;

/// Bytes of all of an instance's metadata, keys and values together; the same page, 512 KB.
pub(crate) const METADATA_TOTAL: usize = 512 * 1024;

/// Instances on one page of a list:
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList>, `maxResults`.
pub(crate) const LARGEST_PAGE: u32 = 500;

/// Network tags of one instance: <https://cloud.google.com/vpc/docs/add-remove-network-tags#restrictions>.
pub(crate) const NETWORK_TAGS: usize = 64;

/// Labels on one resource: <https://cloud.google.com/compute/docs/labeling-resources#restrictions>.
pub(crate) const LABELS: usize = 64;

/// How many of them the operator may set: the rest is for the driver.
pub(crate) const SHARED_LABELS: usize = 32;

const _: () = assert!(SHARED_LABELS < LABELS);

/// Types of disk that need no more than a size. `pd-extreme` and the other kinds of Hyperdisk are bought by their speed as
/// well, or cannot be booted from: <https://cloud.google.com/compute/docs/disks>.
pub(crate) const DISK_TYPES: [&str; 4] = ["hyperdisk-balanced", "pd-balanced", "pd-ssd", "pd-standard"];

/// The tags that the driver promises to keep on an instance. All of them are one metadata value in JSON, whose size is what
/// bounds them; Google has no limit of their number.
pub(crate) const TAGS: TagLimits = TagLimits { count: 64, name_length: 128, value_length: 256 };

/// The most bytes that tags within [`TAGS`] become as a JSON object.
///
/// A character is at most 6 bytes: a control character is written `\u0001`, and no other is longer than its 4 bytes of
/// UTF-8. With each tag come four quotation marks, a colon and a comma; with them all, two braces.
pub(crate) const TAGS_JSON: usize = TAGS.count * ((TAGS.name_length + TAGS.value_length) * 6 + 6) + 2;

// Also beside a startup script of the largest size, with 64 KiB left for the keys and for the pool's public key.
const _: () = assert!(TAGS_JSON <= METADATA_VALUE);
const _: () = assert!(TAGS_JSON + METADATA_VALUE + 64 * 1024 <= METADATA_TOTAL);

/// The smallest and the largest disk of a type, in GiB; none for a type that is not one of [`DISK_TYPES`].
///
/// <https://cloud.google.com/compute/docs/disks/persistent-disks>, and for those that are made with an instance
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances>, `initializeParams.diskSizeGb`: "at least 10 GB".
/// Hyperdisk alone would go down to 4 GiB. A boot disk is no smaller than its image as well, which only Google knows.
pub(crate) fn disk_gib(disk_type: &str) -> Option<RangeInclusive<u64>> {
    DISK_TYPES.contains(&disk_type).then_some(10..=65_536)
}

/// Whether a resource may be called so, or have such a network tag: <https://cloud.google.com/compute/docs/naming-resources>,
/// `[a-z]([-a-z0-9]*[a-z0-9])?` of at most 63 characters.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether this can be a label's key: <https://cloud.google.com/compute/docs/labeling-resources#requirements>. 1 to 63
/// lower-case letters of any script, digits, `-` and `_`, a letter first.
pub(crate) fn is_label_key(text: &str) -> bool {
    text.starts_with(is_small_letter) && is_label_value(text)
}

/// Whether this can be a label's value; the same page. At most 63 of the same characters, or none.
pub(crate) fn is_label_value(text: &str) -> bool {
    let allowed = |c: char| is_small_letter(c) || c.is_numeric() || matches!(c, '-' | '_');
    text.chars().count() <= 63 && text.len() <= 128 && text.chars().all(allowed)
}

/// Letters of scripts that have no upper case are allowed too.
fn is_small_letter(c: char) -> bool {
    c.is_alphabetic() && !c.is_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_api::Tags;

    /// Of every kind of character that JSON writes in its own way, as many as are allowed.
    #[test]
    fn all_tags_together_fit_one_value() {
        for c in ['\u{1}', '\n', '"', '\\', '/', '\u{7f}', '\u{2028}', 'é', '\u{10ffff}'] {
            let text = |length: usize| c.to_string().repeat(length);
            // Names differ in two characters of the longest kind that is left.
            let name = |n: u32| {
                let digit = |n: u32| char::from_u32(n % 8 + 1).unwrap();
                format!("{}{}{}", digit(n / 8), digit(n), text(TAGS.name_length - 2))
            };
            let tags: Tags = (0..64).map(|n| (name(n), text(TAGS.value_length))).collect();
            assert_eq!((tags.len(), TAGS.check(&tags)), (TAGS.count, Ok(())));
            let bytes = serde_json::to_string(&tags).unwrap().len();
            assert!(bytes <= TAGS_JSON, "{c:?}: {bytes}");
        }
    }

    #[test]
    fn names_and_network_tags_are_those_of_dns() {
        for good in ["a", "worker-1", &"a".repeat(63)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "1a", "-a", "a-", "a_b", "a.b", "é", &"a".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn labels_have_small_letters_of_any_script() {
        for good in ["a", "team_1-b", "größe", "名前", &"a".repeat(63)] {
            assert!(is_label_key(good) && is_label_value(good), "{good}");
        }
        for good in ["", "1", "-", "_x"] {
            assert!(!is_label_key(good) && is_label_value(good), "{good}");
        }
        for bad in ["A", "a b", "a.b", "a/b", "É", &"a".repeat(64), &"名".repeat(43)] {
            assert!(!is_label_key(bad) && !is_label_value(bad), "{bad}");
        }
    }

    #[test]
    fn disks_are_of_known_types() {
        for disk_type in DISK_TYPES {
            assert_eq!(disk_gib(disk_type), Some(10..=65_536));
        }
        assert_eq!(disk_gib("pd-extreme"), None);
    }
}
