//! What Azure accepts, so that what it would refuse is refused before any call.

use crate::tags;
use pool_api::{TagError, TagLimits, Tags};
use std::ops::RangeInclusive;

/// Bytes of the custom data, before they are encoded: "The maximum length of the binary array is 65535 bytes",
/// <https://learn.microsoft.com/rest/api/compute/virtual-machines/create-or-update#osprofile>, `customData`. In base64
/// they are the 87,380 characters that Azure's refusal speaks of.
pub(crate) const CUSTOM_DATA: usize = 65_535;

const _: () = assert!(CUSTOM_DATA.div_ceil(3) * 4 == 87_380);

/// Types of disk that need no more than a size. `PremiumV2_LRS` and `UltraSSD_LRS` are bought by their speed as well,
/// and cannot be booted from: <https://learn.microsoft.com/azure/virtual-machines/disks-types>.
///
/// Those of one data centre (`LRS`) are in the zone of their machine, those of all zones (`ZRS`) are not in every
/// location.
pub(crate) const DISK_TYPES: [&str; 5] =
    ["Premium_LRS", "Premium_ZRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Standard_LRS"];

/// The smallest and the largest disk of a type, in GiB; none for a type that is not one of [`DISK_TYPES`].
///
/// "Max disk size 32,767 GiB" for all of them: <https://learn.microsoft.com/azure/virtual-machines/disks-types>.
pub(crate) fn disk_gib(disk_type: &str) -> Option<RangeInclusive<u64>> {
    DISK_TYPES.contains(&disk_type).then_some(1..=32_767)
}

/// The same for a disk that a machine boots from: "This disk has a maximum capacity of 4,095 GiB",
/// <https://learn.microsoft.com/azure/virtual-machines/managed-disks-overview#os-disk>. It is no smaller than its image
/// as well, which only Azure knows.
pub(crate) fn os_disk_gib(disk_type: &str) -> Option<RangeInclusive<u64>> {
    disk_gib(disk_type).map(|sizes| *sizes.start()..=4_095)
}

/// Tags on one resource:
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations>.
const MOST_TAGS: usize = 50;

/// Characters of a tag's name; the same page.
const TAG_NAME: usize = 512;

/// Characters of a tag's value; the same page.
const TAG_VALUE: usize = 256;

/// How many tags the driver keeps for itself: the one that says whose a machine is.
const OWN_TAGS: usize = 1;

/// How many the operator may share out: the rest is for the driver and for the pool.
const SHARED_TAGS: usize = 30;

/// The tags that the driver promises to keep on a machine without any of the operator's, whose number is to be taken
/// away from the count.
///
/// A name of so many characters fits whatever they are: see [`tags::LONGEST_NAME`]. A value is kept as it is. Azure's
/// page speaks of characters; should it count as its .NET does, characters beyond U+FFFF are two each, and a value that
/// is full of them is refused by Azure itself.
pub(crate) const TAGS: TagLimits =
    TagLimits { count: MOST_TAGS - OWN_TAGS, name_length: tags::LONGEST_NAME, value_length: TAG_VALUE };

const _: () = assert!(tags::longest_written(TAGS.name_length) <= TAG_NAME);
const _: () = assert!(SHARED_TAGS < TAGS.count);

/// Characters that the name of a tag cannot hold:
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations>.
pub(crate) const NOT_IN_TAG_NAMES: [char; 7] = ['<', '>', '%', '&', '\\', '?', '/'];

/// With what the name of a tag cannot begin, in any case: "prefixes which are reserved for Azure use",
/// <https://learn.microsoft.com/rest/api/resources/tags/create-or-update>. That page is about the names that a
/// subscription has ready; of others it is not documented.
pub(crate) const RESERVED_TAG_PREFIXES: [&str; 3] = ["azure", "microsoft", "windows"];

/// Checks the operator's tags. They are written like the pool's, and must come out as they are.
///
/// # Errors
/// The first bad one.
pub(crate) fn check_shared_tags(shared: &Tags) -> Result<(), TagError> {
    // As .NET counts characters: at least as many as there are.
    let units = |text: &str| text.encode_utf16().count();
    let mut seen = Vec::new();
    for (name, value) in shared.iter() {
        let folded = tags::folded(name);
        let problem = if seen.len() >= SHARED_TAGS {
            format!(
                "is one tag too many: {SHARED_TAGS} are the most, for the rest is the driver's and the pool's"
            )
        } else if name.is_empty() {
            "a tag needs a name".to_owned()
        } else if units(name) > TAGS.name_length {
            format!("the name is longer than {} characters", TAGS.name_length)
        } else if units(value) > TAG_VALUE {
            format!("the value is longer than {TAG_VALUE} characters")
        } else if folded.starts_with(tags::OWN_PREFIX) {
            format!("names that begin with {} are the driver's", tags::OWN_PREFIX)
        } else if RESERVED_TAG_PREFIXES.iter().any(|prefix| folded.starts_with(prefix)) {
            "names that begin with azure, microsoft or windows are reserved".to_owned()
        } else if tags::is_foreign(name) {
            r"the name has one of <>%&\?/~, a control character, or white space at an end".to_owned()
        } else if seen.contains(&folded) {
            "is there twice: Azure does not tell upper case from lower case".to_owned()
        } else {
            seen.push(folded);
            continue;
        };
        return Err(TagError::new(name, problem));
    }
    Ok(())
}

/// Whether this has the form of a subscription's, tenant's or application's id: RFC 9562.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a resource group may be called so: 1 to 90 letters and digits of any script, `_`, `-`, `(`, `)` and `.`, not
/// at the end.
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources>
pub(crate) fn is_resource_group(text: &str) -> bool {
    (1..=90).contains(&text.chars().count())
        && !text.ends_with('.')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '(' | ')' | '.'))
}

/// Whether a virtual network or a subnet may be called so: up to 80 letters, digits, `_`, `-` and `.`, a letter or
/// digit first, and last one of them or `_`. (A network has 2 to 64; a name that is wrong in that is not found.)
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftnetwork>
pub(crate) fn is_network_name(text: &str) -> bool {
    text.len() <= 80
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Whether this is a location in the short form, `westeurope`, which answers have too:
/// <https://learn.microsoft.com/azure/reliability/regions-list>.
pub(crate) fn is_location(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Whether this is one of a location's availability zones as a subscription numbers them:
/// <https://learn.microsoft.com/azure/reliability/availability-zones-overview>.
pub(crate) fn is_zone(text: &str) -> bool {
    matches!(text, "1" | "2" | "3")
}

/// User names that Azure refuses, in the order of the alphabet:
/// <https://learn.microsoft.com/azure/virtual-machines/linux/faq>.
const REFUSED_USERS: [&str; 33] = [
    "1",
    "123",
    "a",
    "actuser",
    "adm",
    "admin",
    "admin1",
    "admin2",
    "administrator",
    "aspnet",
    "backup",
    "console",
    "david",
    "guest",
    "john",
    "owner",
    "root",
    "server",
    "sql",
    "support",
    "support_388945a0",
    "sys",
    "test",
    "test1",
    "test2",
    "test3",
    "user",
    "user1",
    "user2",
    "user3",
    "user4",
    "user5",
    "video",
];

/// Checks the user that a machine's agent makes: a name that Linux takes and Azure does not refuse.
///
/// # Errors
/// What is wrong.
pub(crate) fn check_admin_user(name: &str) -> Result<(), &'static str> {
    // "Usernames should be 1 - 32 characters in length" (the same page), and the agent gives them to `useradd`.
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !(1..=32).contains(&name.len())
        || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        || !name.bytes().all(inner)
    {
        Err("must be 1 to 32 letters, digits, - and _, a letter or _ first")
    } else if REFUSED_USERS.iter().any(|refused| refused.eq_ignore_ascii_case(name)) {
        Err("is one of the names that Azure refuses, such as root, admin and user: use pool, for example")
    } else {
        Ok(())
    }
}

/// Whether a Linux machine may be called so, and its host as well: 1 to 64 letters, digits and `-`, no `-` first or
/// last. Azure itself takes more characters for the resource alone. For what the driver makes up, and so for tests.
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftcompute>
#[cfg(test)]
pub(crate) fn is_machine_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_of_known_types() {
        for disk_type in DISK_TYPES {
            assert_eq!(disk_gib(disk_type), Some(1..=32_767));
            assert_eq!(os_disk_gib(disk_type), Some(1..=4_095));
        }
        for other in ["PremiumV2_LRS", "UltraSSD_LRS", "premium_lrs", ""] {
            assert_eq!((disk_gib(other), os_disk_gib(other)), (None, None), "{other}");
        }
    }

    fn problem(tags: &[(&str, &str)]) -> Option<String> {
        check_shared_tags(&tags.iter().copied().collect()).err().map(|bad| bad.to_string())
    }

    #[test]
    fn the_operator_s_tags_come_out_as_they_are() {
        let good = [("Cost Center", "é \n/?"), ("team", ""), ("größe", "x"), ("pool-InstanceSetID", "x")];
        assert_eq!(problem(&good), None);
        assert_eq!(problem(&[(&"n".repeat(128), &"v".repeat(256))]), None);
        let bad = [
            ("", "", "needs a name"),
            (&"n".repeat(129), "", "name is longer than 128"),
            ("n", &"v".repeat(257), "value is longer than 256"),
            ("n", &"\u{1f980}".repeat(129), "value is longer than 256"),
            ("pool-driver-azure-set", "", "are the driver's"),
            ("Pool-Driver-Azure", "", "are the driver's"),
            ("Azure-x", "", "are reserved"),
            ("WINDOWS", "", "are reserved"),
            ("a/b", "", "the name has one of"),
            ("a~", "", "the name has one of"),
            (" a", "", "the name has one of"),
            ("a\n", "", "the name has one of"),
        ];
        for (name, value, expected) in bad {
            let problem = problem(&[(name, value)]).unwrap();
            assert!(problem.contains(expected), "{name}: {problem}");
        }
        assert!(problem(&[("Team", "1"), ("team", "2")]).unwrap().contains("is there twice"));
    }

    #[test]
    fn the_operator_leaves_tags_for_the_pool() {
        let many = |count: usize| (0..count).map(|n| (format!("tag{n:02}"), "")).collect::<Tags>();
        assert_eq!(check_shared_tags(&many(30)), Ok(()));
        assert_eq!(check_shared_tags(&many(31)).unwrap_err().name, "tag30");
    }

    #[test]
    fn ids_have_the_form_of_ids() {
        assert!(is_uuid("0b1f6471-1bf0-4dda-aec3-cb9272f09590"));
        assert!(is_uuid("0B1F6471-1BF0-4DDA-AEC3-CB9272F09590"));
        for bad in ["", "0b1f64711bf04ddaaec3cb9272f09590", "0b1f6471-1bf0-4dda-aec3-cb9272f0959g"] {
            assert!(!is_uuid(bad), "{bad}");
        }
        assert!(!is_uuid("0b1f6471-1bf0-4dda-aec3-cb9272f0959é"));
    }

    #[test]
    fn names_keep_azure_s_rules() {
        for good in ["a", "Pool_1-(x).y", "größe", "-a", &"a".repeat(90)] {
            assert!(is_resource_group(good), "{good}");
        }
        for bad in ["", "a.", "a b", "a/b", "a%", &"a".repeat(91)] {
            assert!(!is_resource_group(bad), "{bad}");
        }
        for good in ["a", "9", "Workers-1.x_", &"a".repeat(80)] {
            assert!(is_network_name(good), "{good}");
        }
        for bad in ["", "_a", "a-", "a.", "-a", "a/b", "é", &"a".repeat(81)] {
            assert!(!is_network_name(bad), "{bad}");
        }
        for good in ["westeurope", "eastus2", "chinanorth3"] {
            assert!(is_location(good), "{good}");
        }
        for bad in ["", "West Europe", "westEurope", "2east", "west-europe"] {
            assert!(!is_location(bad), "{bad}");
        }
        assert!(is_zone("1") && is_zone("3"));
        assert!(!is_zone("") && !is_zone("0") && !is_zone("4") && !is_zone("westeurope-1"));
        for good in ["a", "1", "pool-7c-x", &"a".repeat(64)] {
            assert!(is_machine_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a_b", "a.b", "é", &"a".repeat(65)] {
            assert!(!is_machine_name(bad), "{bad}");
        }
    }

    #[test]
    fn users_that_azure_or_linux_refuses_are_refused() {
        for good in ["pool", "_pool", "Pool-1", "admin3", &"a".repeat(32)] {
            assert_eq!(check_admin_user(good), Ok(()), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a.b", "é", &"a".repeat(33)] {
            assert!(check_admin_user(bad).is_err_and(|problem| problem.contains("1 to 32")), "{bad}");
        }
        assert!(REFUSED_USERS.is_sorted());
        for bad in ["root", "Admin", "a", "TEST"] {
            assert!(check_admin_user(bad).is_err_and(|problem| problem.contains("refuses")), "{bad}");
        }
    }
}
