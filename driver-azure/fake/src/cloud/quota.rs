//! Quotas: <https://learn.microsoft.com/en-us/azure/virtual-machines/quotas>.

use crate::http::ApiError;
use std::collections::HashMap;

/// The name that the quota of all cores has in the list of usages.
const ALL: &str = "cores";
/// The quota of Spot machines, whatever their size.
const SPOT: &str = "lowPriorityCores";

/// The limits, and what is used of them, by name. What has no limit is unlimited.
#[derive(Default)]
pub(super) struct Quotas {
    limits: HashMap<String, u32>,
    used: HashMap<String, u32>,
}

impl Quotas {
    /// `all` and `cores` are the same.
    pub(super) fn set_limit(&mut self, name: &str, limit: u32) {
        self.limits.insert(canonical(name), limit);
    }

    /// The quotas that a machine counts against.
    pub(super) fn names(family: &str, is_spot: bool) -> Vec<String> {
        if is_spot { vec![canonical(SPOT)] } else { vec![canonical(ALL), canonical(family)] }
    }

    /// Whether so many more cores are within the limits.
    pub(super) fn check(
        &self,
        family: &str,
        is_spot: bool,
        cores: u32,
        location: &str,
    ) -> Result<(), ApiError> {
        for name in Self::names(family, is_spot) {
            let used = self.used.get(&name).copied().unwrap_or(0);
            if let Some(limit) = self.limits.get(&name).copied().filter(|limit| used + cores > *limit) {
                let shown = match name.as_str() {
                    "cores" => "Total Regional Cores".to_owned(),
                    "lowprioritycores" => "LowPriorityCores".to_owned(),
                    _ => format!("{family} Cores"),
                };
                return Err(exceeded(&shown, location, limit, used, cores));
            }
        }
        Ok(())
    }

    pub(super) fn charge(&mut self, names: &[String], cores: u32) {
        for name in names {
            *self.used.entry(name.clone()).or_default() += cores;
        }
    }

    /// "Quota is calculated based on the total number of cores in use both allocated and deallocated": only a
    /// machine that is deleted gives its cores back.
    pub(super) fn release(&mut self, names: &[String], cores: u32) {
        for name in names {
            if let Some(used) = self.used.get_mut(name) {
                *used = used.saturating_sub(cores);
            }
        }
    }
}

fn canonical(name: &str) -> String {
    let name = name.to_lowercase();
    if name == "all" || name == "total regional cores" { ALL.to_owned() } else { name }
}

/// As <https://github.com/scylladb/scylla-cluster-tests/issues/12948> has it.
fn exceeded(quota: &str, location: &str, limit: u32, used: u32, more: u32) -> ApiError {
    ApiError::not_allowed(format!(
        "Operation could not be completed as it results in exceeding approved {quota} quota. Additional \
         details - Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current \
         Usage: {used}, Additional Required: {more}, (Minimum) New Limit Required: {}. Setup Alerts when \
         Quota reaches threshold. Learn more at https://aka.ms/quotamonitoringalerting . Submit a request \
         for Quota increase at https://aka.ms/ProdportalCRP/ by specifying parameters listed in the \
         ‘Details’ section for deployment to succeed. Please read more about quota limits at \
         https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests",
        used + more
    ))
}

#[cfg(test)]
mod tests {
    use super::Quotas;

    #[test]
    fn families_and_the_region_have_limits_and_spot_has_its_own() {
        let mut quotas = Quotas::default();
        quotas.set_limit("standardDSv3Family", 4);
        quotas.set_limit("all", 6);
        let names = Quotas::names("standardDSv3Family", false);
        quotas.charge(&names, 4);
        assert!(quotas.check("standardDSv3Family", false, 1, "l").is_err());
        assert!(quotas.check("standardBSFamily", false, 2, "l").is_ok());
        assert!(quotas.check("standardBSFamily", false, 3, "l").is_err());
        assert!(quotas.check("standardDSv3Family", true, 100, "l").is_ok());
        quotas.set_limit("lowPriorityCores", 3);
        assert!(quotas.check("standardDSv3Family", true, 4, "l").is_err());
        quotas.release(&names, 4);
        assert!(quotas.check("standardDSv3Family", false, 4, "l").is_ok());
    }
}
