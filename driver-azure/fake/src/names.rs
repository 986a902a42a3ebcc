//! The forms of names.

/// As errors show it.
pub(crate) const NAME_RULE: &str = r"^[^_\W][\w-._]{0,79}(?<![-.])$";

/// The names that no administrator may have, for Windows and Linux together:
/// <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/create-or-update>, `adminUsername`.
const RESERVED: [&str; 33] = [
    "administrator",
    "admin",
    "user",
    "user1",
    "test",
    "user2",
    "test1",
    "user3",
    "admin1",
    "1",
    "123",
    "a",
    "actuser",
    "adm",
    "admin2",
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
    "test2",
    "test3",
    "user4",
    "user5",
    "sa",
];

/// Letters, digits, `_`, `-` and `.`; the first is a letter or digit, the last neither `-` nor `.`:
/// <https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/resource-name-rules>.
fn is_resource_name(name: &str, longest: usize) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=longest).contains(&name.chars().count())
        && name.starts_with(char::is_alphanumeric)
        && !name.ends_with(['-', '.'])
        && name.chars().all(inner)
}

/// A Linux machine's name has at most 64 characters.
pub(crate) fn is_machine_name(name: &str) -> bool {
    is_resource_name(name, 64)
}

/// Of disks, interfaces and addresses.
pub(crate) fn is_part_name(name: &str) -> bool {
    is_resource_name(name, 80)
}

/// "Linux host name cannot exceed 64 characters in length or contain the following characters": see
/// [`HOST_RULE`].
pub(crate) fn is_host_name(name: &str) -> bool {
    const NOT: &str = "`~!@#$%^&*()=+_[]{}\\|;:'\",<>/?";
    (1..=64).contains(&name.chars().count()) && !name.contains(|c| NOT.contains(c))
}

/// As errors show it.
pub(crate) const HOST_RULE: &str = "Linux host name cannot exceed 64 characters in length or contain the \
    following characters: ` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\ | ; : ' \" , < > / ?.";

/// Whether an administrator may have this name.
pub(crate) fn is_admin_name(name: &str) -> bool {
    let is_reserved = RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
    (1..=64).contains(&name.chars().count())
        && !is_reserved
        && !name.ends_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// A location's short form: `West Europe` is `westeurope`.
pub(crate) fn location(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_admin_name, is_host_name, is_machine_name, is_part_name, location};

    #[test]
    fn names_of_resources() {
        let longest = "a".repeat(64);
        for good in ["a", "A1", "worker-1", "a_b.c", "1", "a_", longest.as_str()] {
            assert!(is_machine_name(good), "{good}");
        }
        for bad in ["", "-a", "_a", "a-", "a.", "a b", "a/b", &"a".repeat(65)] {
            assert!(!is_machine_name(bad), "{bad}");
        }
        assert!(is_part_name(&"a".repeat(80)) && !is_part_name(&"a".repeat(81)));
    }

    #[test]
    fn names_of_hosts() {
        assert!(is_host_name("worker-1.example"));
        assert!(!is_host_name("worker_1") && !is_host_name("") && !is_host_name(&"a".repeat(65)));
    }

    #[test]
    fn names_of_administrators() {
        assert!(is_admin_name("azureuser") && is_admin_name("worker_1"));
        for bad in ["root", "Admin", "", "a", "x/y", "x.", "x y"] {
            assert!(!is_admin_name(bad), "{bad}");
        }
    }

    #[test]
    fn locations() {
        assert_eq!(location("West Europe"), "westeurope");
    }
}
