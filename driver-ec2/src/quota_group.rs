//! Which instance types share a quota.

use pool_api::{InstanceType, QuotaGroup};
use std::collections::BTreeMap;

/// The group of a type: the one of the longest configured prefix that fits; else its letters before the first digit.
/// Spot instances have quotas of their own.
pub(crate) fn quota_group(configured: &BTreeMap<String, QuotaGroup>, wanted: &InstanceType) -> QuotaGroup {
    let name = wanted.provider_type.as_str();
    let group = configured
        .iter()
        .filter(|(prefix, _)| name.starts_with(prefix.as_str()))
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or_else(|| family(name), |(_, group)| group.as_str());
    let text = if wanted.preemptible { format!("{group} (spot)") } else { group.to_owned() };
    // Only a name of nearly 255 bytes becomes too long; what such types are called is then their group.
    QuotaGroup::new(text).unwrap_or_else(|_| fallback())
}

fn family(name: &str) -> &str {
    let letters = name.find(|c: char| c.is_ascii_digit()).map_or(name, |end| &name[..end]);
    let letters = letters.trim_end_matches('-');
    if letters.is_empty() { name } else { letters }
}

#[expect(clippy::expect_used, reason = "a constant that keeps the rule")]
fn fallback() -> QuotaGroup {
    QuotaGroup::new("other").expect("a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instance_type;

    fn group(configured: &[(&str, &str)], name: &str, preemptible: bool) -> String {
        let configured = configured
            .iter()
            .map(|(prefix, group)| ((*prefix).to_owned(), QuotaGroup::new(group).unwrap()))
            .collect();
        let wanted = InstanceType { preemptible, ..instance_type(name) };
        quota_group(&configured, &wanted).as_str().to_owned()
    }

    #[test]
    fn without_configuration_the_letters_before_the_first_digit_are_the_group() {
        let cases = [
            ("m7i.large", "m"),
            ("trn1.2xlarge", "trn"),
            ("u-6tb1.112xlarge", "u"),
            ("c", "c"),
            ("7x", "7x"),
        ];
        for (name, expected) in cases {
            assert_eq!(group(&[], name, false), expected);
        }
    }

    #[test]
    fn the_longest_configured_prefix_wins() {
        let configured = [("g", "gpu"), ("g5", "new gpu"), ("g5.xlarge", "small gpu")];
        assert_eq!(group(&configured, "g4dn.xlarge", false), "gpu");
        assert_eq!(group(&configured, "g5.2xlarge", false), "new gpu");
        assert_eq!(group(&configured, "g5.xlarge", false), "small gpu");
        assert_eq!(group(&configured, "m5.large", false), "m");
    }

    #[test]
    fn spot_instances_are_apart() {
        assert_eq!(group(&[("g", "gpu")], "g5.xlarge", true), "gpu (spot)");
        assert_ne!(group(&[], "m5.large", true), group(&[], "m5.large", false));
    }
}
