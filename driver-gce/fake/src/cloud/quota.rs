//! Quotas: <https://cloud.google.com/compute/resource-usage>.

use super::{instance::Instance, operation::Failure};
use crate::{MachineType, http::ApiError};
use serde_json::json;
use std::collections::HashMap;

/// The place of quotas that are not of a region.
pub(super) const GLOBAL: &str = "global";

/// So much of a quota.
#[derive(Clone, Debug)]
pub(super) struct Charge {
    metric: String,
    amount: f64,
    is_global: bool,
    /// An instance that is stopped uses no CPUs, and is still an instance.
    while_stopped: bool,
}

/// A quota that a new instance would go beyond.
#[derive(Debug)]
pub(super) struct Over {
    place: String,
    metric: String,
    limit: f64,
}

/// The limits, and what is used of them, by region and metric. What has no limit is unlimited.
#[derive(Default)]
pub(super) struct Quotas {
    limits: HashMap<(String, String), f64>,
    used: HashMap<(String, String), f64>,
}

impl Quotas {
    pub(super) fn set_limit(&mut self, region: &str, metric: &str, limit: f64) {
        self.limits.insert((region.to_owned(), metric.to_owned()), limit);
    }

    fn limit(&self, region: &str, metric: &str) -> Option<f64> {
        self.limits.get(&(region.to_owned(), metric.to_owned())).copied()
    }

    /// What an instance uses. "After Compute Engine grants you preemptible CPU quota in that region, all
    /// preemptible VMs count against that quota": until then they count against the standard one,
    /// <https://cloud.google.com/compute/docs/instances/create-use-preemptible>.
    pub(super) fn uses(
        &self,
        region: &str,
        of: &MachineType,
        is_spot: bool,
        addresses: usize,
    ) -> Vec<Charge> {
        let has_preemptible = self.limit(region, "PREEMPTIBLE_CPUS").is_some_and(|limit| limit > 0.0);
        let cpus = if is_spot && has_preemptible { "PREEMPTIBLE_CPUS".into() } else { cpu_metric(&of.name) };
        let charge = |metric: String, amount, is_global, while_stopped| Charge {
            metric,
            amount,
            is_global,
            while_stopped,
        };
        let vcpus = f64::from(of.vcpus);
        let mut uses = vec![
            charge("INSTANCES".into(), 1.0, false, true),
            charge(cpus, vcpus, false, false),
            charge("CPUS_ALL_REGIONS".into(), vcpus, true, false),
        ];
        if addresses > 0 {
            uses.push(charge("IN_USE_ADDRESSES".into(), addresses as f64, false, false));
        }
        uses
    }

    /// The first quota that these would go beyond.
    pub(super) fn over(&self, region: &str, charges: &[Charge]) -> Option<Over> {
        charges.iter().find_map(|charge| {
            let key = charge.key(region);
            let limit = *self.limits.get(&key)?;
            let used = self.used.get(&key).copied().unwrap_or(0.0);
            (used + charge.amount > limit).then_some(Over { place: key.0, metric: key.1, limit })
        })
    }

    /// Charges an instance for what it uses in the state in which it is, and for nothing else.
    pub(super) fn charge(&mut self, region: &str, instance: &mut Instance) {
        self.release(region, instance);
        let is_stopped = instance.is_stopped();
        instance.charged =
            instance.uses.iter().filter(|charge| charge.while_stopped || !is_stopped).cloned().collect();
        for charge in &instance.charged {
            *self.used.entry(charge.key(region)).or_default() += charge.amount;
        }
    }

    pub(super) fn release(&mut self, region: &str, instance: &mut Instance) {
        for charge in std::mem::take(&mut instance.charged) {
            *self.used.entry(charge.key(region)).or_default() -= charge.amount;
        }
    }
}

impl Charge {
    fn key(&self, region: &str) -> (String, String) {
        let place = if self.is_global { GLOBAL } else { region };
        (place.to_owned(), self.metric.clone())
    }
}

/// `CPUS` for the first series, and one of its own for each later one:
/// <https://cloud.google.com/compute/resource-usage#cpu_quota>.
fn cpu_metric(machine_type: &str) -> String {
    match machine_type.split('-').next().unwrap_or_default() {
        "e2" | "n1" | "f1" | "g1" | "custom" => "CPUS".into(),
        series => format!("{}_CPUS", series.to_uppercase()),
    }
}

impl Over {
    /// "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1."
    fn message(&self) -> String {
        let Over { place, metric, limit } = self;
        let at = if place == GLOBAL { "globally".to_owned() } else { format!("in region {place}") };
        format!("Quota '{metric}' exceeded.  Limit: {limit:.1} {at}.")
    }

    /// 403 `quotaExceeded`.
    pub(super) fn refusal(&self) -> ApiError {
        ApiError::quota_exceeded(&self.message())
    }

    /// <https://cloud.google.com/compute/docs/reference/rest/v1/QuotaExceededInfo>.
    pub(super) fn failure(&self) -> Failure {
        let per = if self.place == GLOBAL { "per-project" } else { "per-project-region" };
        let mut info = json!({
            "metricName": format!("compute.googleapis.com/{}", self.metric.to_lowercase()),
            "limitName": format!("{}-{per}", self.metric.replace('_', "-")),
            "limit": self.limit,
        });
        if self.place != GLOBAL {
            info["dimensions"] = json!({ "region": self.place });
        }
        let details = vec![json!({ "quotaInfo": info })];
        Failure { code: "QUOTA_EXCEEDED", message: self.message(), status: 403, reason: "FORBIDDEN", details }
    }
}
