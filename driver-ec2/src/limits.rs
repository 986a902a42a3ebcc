//! What EC2 accepts, so that what it would refuse is refused before any call.

use pool_api::{TagError, TagLimits, Tags};
use std::ops::RangeInclusive;

/// Tags on one resource, and their lengths in Unicode characters:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>.
pub(crate) const TAGS: TagLimits = TagLimits { count: 50, name_length: 128, value_length: 256 };

/// How many of them the driver keeps for itself on one resource.
pub(crate) const OWN_TAGS: usize = 1;

/// How many the operator may share out: the rest is for the driver and for the pool.
pub(crate) const SHARED_TAGS: usize = 30;

/// Bytes of user data before they are encoded:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>, "limited to 16 KB, in raw form".
pub(crate) const USER_DATA: usize = 16 * 1024;

/// The smallest and the largest volume of a type, in GiB:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html>, `VolumeSize`.
pub(crate) fn volume_gib(ebs_type: &str) -> RangeInclusive<u64> {
    match ebs_type {
        "gp3" => 1..=65_536,
        "st1" | "sc1" => 125..=16_384,
        "standard" => 1..=1024,
        _ => 1..=16_384,
    }
}

/// Checks tags that are to be on one resource together.
///
/// # Errors
/// The first bad one.
pub(crate) fn check_tags(tags: &Tags, count: usize) -> Result<(), TagError> {
    TagLimits { count, ..TAGS }.check(tags)?;
    let reserved = |name: &str| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    match tags.iter().find(|(name, _)| reserved(name)) {
        Some((name, _)) => Err(TagError::new(name, "names that begin with aws: are reserved")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, value: &str) -> Option<String> {
        check_tags(&[(name, value)].into_iter().collect(), 1).err().map(|bad| bad.problem)
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(problem(&"é".repeat(128), &"é".repeat(256)), None);
        assert!(problem(&"é".repeat(129), "").is_some_and(|text| text.contains("128")));
        assert!(problem("a", &"é".repeat(257)).is_some_and(|text| text.contains("256")));
        assert!(problem("", "a").is_some());
        assert!(problem("AWS:x", "a").is_some_and(|text| text.contains("reserved")));
        assert_eq!(problem("aw", ""), None);
    }

    #[test]
    fn the_first_tag_that_is_too_much_is_named() {
        let tags: Tags = (0..3).map(|n| (format!("tag{n}"), "")).collect();
        assert_eq!(check_tags(&tags, 3), Ok(()));
        let bad = check_tags(&tags, 2).unwrap_err();
        assert_eq!((bad.name.as_str(), bad.problem.contains("3 are wanted, and 2")), ("tag2", true));
    }
}
