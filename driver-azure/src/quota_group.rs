//! Which sizes of machine share a quota.

use pool_api::{InstanceType, QuotaGroup};
use std::collections::BTreeMap;

/// The group of all spot machines: "Spot vCPU quotas apply to spot virtual machines (VMs) across all VM families
/// (SKUs)", <https://learn.microsoft.com/azure/quotas/spot-quota>. Azure's refusals call it `LowPriorityCores`.
const SPOT: &str = "spot";

/// The group of a type. That of a spot machine is the one of all of them, whatever is configured; else the one of the
/// longest configured prefix that fits, whatever its case; else that of its family's processors.
///
/// All families share one more quota, `Total Regional Cores`. To be in it is no group of its own here, for a type has
/// only one: when it is used up, each group finds out by itself.
pub(crate) fn quota_group(configured: &BTreeMap<String, QuotaGroup>, wanted: &InstanceType) -> QuotaGroup {
    let name = wanted.provider_type.as_str();
    let fits =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let group = if wanted.preemptible {
        SPOT.to_owned()
    } else {
        let longest =
            configured.iter().filter(|(prefix, _)| fits(prefix)).max_by_key(|(prefix, _)| prefix.len());
        longest.map_or_else(|| family(name), |(_, group)| group.as_str().to_owned())
    };
    // A family is no longer than its name, and every name of a type is one of a group.
    QuotaGroup::new(group).unwrap_or_else(|_| fallback())
}

/// The family of a size, as Azure counts it, in lower case: of `Standard_D4as_v5`, whose quota is
/// `standardDASv5Family`, `dasv5`.
///
/// A name is its family's letters, the number of processors, of those that are left in a constrained size, letters for
/// what it has, an accelerator and a version:
/// <https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions>. All but the numbers make the family; in
/// the families of [`idle`] not all letters do. Where this finds two families in what Azure counts as one, each of them
/// finds out by itself that the quota is used up; where it finds one in two, as for `M`, `quota_groups` tells them
/// apart. `az vm list-skus --resource-type virtualMachines` has the family of each size.
fn family(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let (tier, rest) = lower.split_once('_').unwrap_or(("", &lower));
    let tier = match tier {
        "standard" => "",
        "basic" => tier,
        _ => return lower,
    };
    let mut parts = rest.split('_');
    let first = parts.next().unwrap_or_default();
    let letters = first.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(first.len());
    let (series, size) = first.split_at(letters);
    if series.is_empty() || !size.starts_with(|c: char| c.is_ascii_digit()) {
        return lower;
    }
    // `D11`, and constrained `DS11-1`.
    let features = size.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    let idle = idle(series);
    let mut family = format!("{tier}{series}");
    family.extend(features.chars().filter(|c| !idle.contains(*c)));
    // `M416s_8_v2` has one more number.
    for part in parts.filter(|part| !part.bytes().all(|b| b.is_ascii_digit())) {
        family.push_str(part);
    }
    family
}

/// The letters of features that make no family of their own among the sizes of a series: those for more or less memory
/// (`m`, `l`, `t`), and `r` for a fast network. `B2ms` and `B2s` are both of `standardBSFamily`, and `NC24rs_v3` is of
/// `standardNCSv3Family`; but `D4ls_v5` is of `standardDLSv5Family`.
fn idle(series: &str) -> &'static str {
    match series.as_bytes().first() {
        Some(b'a' | b'b' | b'm') => "lmt",
        Some(b'h' | b'n') => "mr",
        _ => "",
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
        quota_group(&configured, &wanted(name, preemptible)).as_str().to_owned()
    }

    /// Azure's names of families: <https://github.com/openshift/installer/blob/main/docs/user/azure>, and the mapping
    /// of <https://github.com/skypilot-org/skypilot>, `fetch_azure.py`.
    #[test]
    fn without_configuration_the_family_is_the_group() {
        let cases = [
            ("Standard_D4s_v5", "dsv5"),                 // standardDSv5Family
            ("standard_d96S_V5", "dsv5"),                // sizes have no case
            ("Standard_D4_v5", "dv5"),                   // standardDv5Family
            ("Standard_D4as_v5", "dasv5"),               // standardDASv5Family
            ("Standard_D4ads_v5", "dadsv5"),             // standardDADSv5Family
            ("Standard_D2ls_v5", "dlsv5"),               // standardDLSv5Family
            ("Standard_D2pls_v5", "dplsv5"),             // standardDPLSv5Family
            ("Standard_D2als_v6", "dalsv6"),             // standardDalv6Family
            ("Standard_D2", "d"),                        // standardDFamily
            ("Standard_D14", "d"),                       // standardDFamily
            ("Standard_DS2_v2", "dsv2"),                 // standardDSv2Family
            ("Standard_DS13-4_v2", "dsv2"),              // standardDSv2Family
            ("Standard_DS2_v2_Promo", "dsv2promo"),      // standardDSv2PromoFamily
            ("Standard_DC4as_v5", "dcasv5"),             // standardDCASv5Family
            ("Standard_DC4as_cc_v5", "dcasccv5"),        // standardDCACCV5Family
            ("Standard_B1s", "bs"),                      // standardBSFamily
            ("Standard_B1ls", "bs"),                     // standardBSFamily
            ("Standard_B4ms", "bs"),                     // standardBSFamily
            ("Standard_B2ats_v2", "basv2"),              // standardBasv2Family
            ("Standard_B2pts_v2", "bpsv2"),              // standardBpsv2Family
            ("Standard_E8-4ads_v5", "eadsv5"),           // standardEADSv5Family
            ("Standard_E104is_v5", "eisv5"),             // standardEISv5Family
            ("Standard_E2bds_v5", "ebdsv5"),             // standardEBDSv5Family
            ("Standard_F2", "f"),                        // standardFFamily
            ("Standard_F2s", "fs"),                      // standardFSFamily
            ("Standard_F2s_v2", "fsv2"),                 // standardFSv2Family
            ("Standard_FX4mds", "fxmds"),                // standardFXMDVSFamily
            ("Standard_L8as_v3", "lasv3"),               // standardLASv3Family
            ("Standard_M64ms", "ms"),                    // standardMSFamily
            ("Standard_M8-2ms", "ms"),                   // standardMSFamily
            ("Standard_M416s_8_v2", "msv2"),             // standardMSv2Family
            ("Standard_M208ms_v2", "msv2"),              // standardMSv2Family
            ("Standard_NC6", "nc"),                      // standardNCFamily
            ("Standard_NC24rs_v3", "ncsv3"),             // standardNCSv3Family
            ("Standard_NC4as_T4_v3", "ncast4v3"),        // StandardNCASv3_T4Family
            ("Standard_NC24ads_A100_v4", "ncadsa100v4"), // StandardNCADSA100v4Family
            ("Standard_NV36ads_A10_v5", "nvadsa10v5"),   // StandardNVADSA10v5Family
            ("Standard_NV36adms_A10_v5", "nvadsa10v5"),  // StandardNVADSA10v5Family
            ("Standard_ND40rs_v2", "ndsv2"),             // standardNDSv2Family
            ("Standard_ND96asr_v4", "ndasv4"),           // StandardNDASv4_A100Family
            ("Standard_ND96amsr_A100_v4", "ndasa100v4"), // standardNDAMSv4_A100Family
            ("Standard_H16mr", "h"),                     // standardHFamily
            ("Standard_HB120-16rs_v3", "hbsv3"),         // standardHBv3Family
            ("Standard_A2m_v2", "av2"),                  // standardAv2Family
            ("Basic_A1", "basica"),                      // basicAFamily
            ("D4s_v5", "d4s_v5"),
            ("Standard_", "standard_"),
            ("Standard_D", "standard_d"),
            ("Standard_4s", "standard_4s"),
            ("Strange", "strange"),
            ("Größe_D4", "größe_d4"),
        ];
        for (name, expected) in cases {
            assert_eq!(group(&[], name, false), expected, "{name}");
        }
    }

    #[test]
    fn the_longest_configured_prefix_wins() {
        let configured =
            [("Standard_NC", "gpu"), ("standard_nc24ads", "a100"), ("Standard_NC24ads_A100_v4", "one a100")];
        assert_eq!(group(&configured, "Standard_NC6s_v3", false), "gpu");
        assert_eq!(group(&configured, "Standard_NC24ads_A100", false), "a100");
        assert_eq!(group(&configured, "Standard_NC24ads_A100_v4", false), "one a100");
        assert_eq!(group(&configured, "Standard_ND96asr_v4", false), "ndasv4");
        assert_eq!(group(&[("Standard_é", "x")], "Standard_D4s_v5", false), "dsv5");
    }

    #[test]
    fn all_spot_machines_are_one_group() {
        for name in ["Standard_D4s_v5", "Standard_NC6s_v3", "strange"] {
            assert_eq!(group(&[("Standard_NC", "gpu")], name, true), "spot", "{name}");
        }
    }

    #[test]
    fn every_type_has_a_group() {
        let long = format!("Standard_{}", "é".repeat(120));
        assert_eq!(group(&[], &long, false), long.to_ascii_lowercase());
        assert_eq!(fallback().as_str(), "other");
    }
}
