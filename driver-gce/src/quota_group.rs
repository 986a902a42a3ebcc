//! Which machine types share a quota.

use pool_api::{InstanceType, QuotaGroup};
use std::collections::BTreeMap;

/// The group of a type: the one of the longest configured prefix that fits; else that of its family's processors. With a
/// region it stands in front, for most quotas are a region's. Spot instances have quotas of their own.
pub(crate) fn quota_group(
    configured: &BTreeMap<String, QuotaGroup>,
    region: Option<&str>,
    wanted: &InstanceType,
) -> QuotaGroup {
    let name = wanted.provider_type.as_str();
    let group = configured
        .iter()
        .filter(|(prefix, _)| name.starts_with(prefix.as_str()))
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or_else(|| family(name), |(_, group)| group.as_str());
    let place = region.map_or_else(String::new, |region| format!("{region} "));
    let kind = if wanted.preemptible { " (spot)" } else { "" };
    // Only a name of nearly 255 bytes becomes too long; what such types are called is then their group.
    QuotaGroup::new(format!("{place}{group}{kind}")).unwrap_or_else(|_| fallback())
}

/// The family of a type: its name up to the first `-`.
///
/// Families have metrics of their own (`N2_CPUS`, `T2D_CPUS`, and from C4 on `CPUS_PER_VM_FAMILY`), but for the oldest and
/// cheapest, which `CPUS` counts together: E2 and N1, with N1's shared cores F1 and G1, and its custom types, which name no
/// family. <https://cloud.google.com/compute/resource-usage#cpu_quota>, and the metrics in
/// <https://cloud.google.com/compute/docs/reference/rest/v1/regions>. Accelerators are counted by their own metrics, which
/// come with a family: A2, A3, G2.
fn family(name: &str) -> &str {
    let family = name.split_once('-').map_or(name, |(family, _)| family);
    match family {
        "custom" | "e2" | "f1" | "g1" | "n1" => "cpus",
        "" => name,
        _ => family,
    }
}

#[expect(clippy::expect_used, reason = "a constant that keeps the rule")]
fn fallback() -> QuotaGroup {
    QuotaGroup::new("other").expect("a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_api::{Architecture, ByteSize, Cpus, HourlyPrice, InstanceTypeName, ProviderType};

    fn wanted(name: &str, preemptible: bool) -> InstanceType {
        InstanceType {
            name: InstanceTypeName::new("some").unwrap(),
            provider_type: ProviderType::new(name).unwrap(),
            vcpus: Cpus::whole(2),
            memory: ByteSize::gib(8),
            included_scratch: ByteSize(0),
            added_scratch: ByteSize(0),
            gpus: 0,
            price: HourlyPrice::from_micros(100_000),
            preemptible,
            architecture: Architecture::X86_64,
            image: None,
        }
    }

    fn group(configured: &[(&str, &str)], name: &str, preemptible: bool) -> String {
        let configured = configured
            .iter()
            .map(|(prefix, group)| ((*prefix).to_owned(), QuotaGroup::new(group).unwrap()))
            .collect();
        quota_group(&configured, None, &wanted(name, preemptible)).as_str().to_owned()
    }

    #[test]
    fn without_configuration_the_family_is_the_group() {
        let cases = [
            ("e2-standard-4", "cpus"),
            ("e2-custom-medium-2048", "cpus"),
            ("n1-highmem-8", "cpus"),
            ("f1-micro", "cpus"),
            ("g1-small", "cpus"),
            ("custom-2-4096", "cpus"),
            ("n2-custom-4-8192", "n2"),
            ("n2d-standard-2", "n2d"),
            ("t2d-standard-1", "t2d"),
            ("t2a-standard-1", "t2a"),
            ("c2-standard-4", "c2"),
            ("c2d-highcpu-2", "c2d"),
            ("c3-standard-4-lssd", "c3"),
            ("c4a-highmem-96-metal", "c4a"),
            ("m1-ultramem-40", "m1"),
            ("a2-ultragpu-1g", "a2"),
            ("g2-standard-4", "g2"),
            ("strange", "strange"),
            ("-strange", "-strange"),
        ];
        for (name, expected) in cases {
            assert_eq!(group(&[], name, false), expected, "{name}");
        }
    }

    #[test]
    fn the_longest_configured_prefix_wins() {
        let configured = [("a2-", "gpu"), ("a2-ultra", "a100 80 gb"), ("a2-ultragpu-1g", "one a100")];
        assert_eq!(group(&configured, "a2-highgpu-1g", false), "gpu");
        assert_eq!(group(&configured, "a2-ultragpu-2g", false), "a100 80 gb");
        assert_eq!(group(&configured, "a2-ultragpu-1g", false), "one a100");
        assert_eq!(group(&configured, "a3-highgpu-1g", false), "a3");
    }

    #[test]
    fn spot_instances_are_apart() {
        assert_eq!(group(&[("g2-", "gpu")], "g2-standard-4", true), "gpu (spot)");
        assert_ne!(group(&[], "e2-medium", true), group(&[], "e2-medium", false));
    }

    #[test]
    fn a_region_stands_in_front() {
        let named = |name: &str, preemptible| {
            let none = BTreeMap::new();
            quota_group(&none, Some("europe-west1"), &wanted(name, preemptible)).as_str().to_owned()
        };
        assert_eq!(named("n2-standard-4", false), "europe-west1 n2");
        assert_eq!(named("n2-standard-4", true), "europe-west1 n2 (spot)");
        let long = "n".repeat(250);
        assert_eq!(named(&long, true), "other");
    }
}
