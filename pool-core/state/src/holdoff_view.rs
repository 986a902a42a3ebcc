//! Hold-offs as others may see them.

use crate::{
    CallKind, PoolState, Time,
    scope::{Scope, Subject},
};
use pool_api::{InstanceType, InstanceTypeName, Placement, ProviderType, QuotaGroup};

/// Something that is not asked of the provider for now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldOffView {
    /// What the provider has refused.
    pub what: HeldOff,
    /// When it is asked for again.
    pub end: HoldOffEnd,
}

/// What the provider has refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeldOff {
    /// Instances, for lack of quota.
    Quota(Covered),
    /// Instances, for lack of machines.
    Capacity(Covered),
    /// Calls of a kind, for their rate.
    Calls(CallKind),
}

/// Which instances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Covered {
    /// Instances of what.
    pub subject: CoveredTypes,
    /// Where; none: everywhere.
    pub placement: Option<Placement>,
    /// The configured types among them, by name.
    pub types: Vec<InstanceTypeName>,
}

/// Instances of what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CoveredTypes {
    /// Of one provider type, spot and on-demand apart.
    ProviderType {
        /// The provider's name.
        name: ProviderType,
        /// Whether it is spot.
        preemptible: bool,
    },
    /// Of the types of one quota group.
    QuotaGroup(QuotaGroup),
    /// Of all types.
    All,
}

/// When a hold-off ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldOffEnd {
    /// At this time.
    At(Time),
    /// When there are fewer than this many instances of those that it covers.
    FewerThan(usize),
}

impl PoolState {
    /// All that is not asked of the provider at this moment: quotas, then capacity, then calls.
    pub fn hold_offs(&self, now: Time) -> Vec<HoldOffView> {
        let quota = self.holdoffs.quotas(&self.counts, now);
        let quota = quota.map(|(scope, end)| HoldOffView { what: HeldOff::Quota(self.covered(scope)), end });
        let capacity = self.holdoffs.capacities(now).map(|(scope, until)| HoldOffView {
            what: HeldOff::Capacity(self.covered(scope)),
            end: HoldOffEnd::At(until),
        });
        let calls = CallKind::ALL.into_iter().filter_map(|kind| {
            let end = HoldOffEnd::At(self.holdoffs.call_blocked(kind, now)?);
            Some(HoldOffView { what: HeldOff::Calls(kind), end })
        });
        quota.chain(capacity).chain(calls).collect()
    }

    fn covered(&self, scope: &Scope) -> Covered {
        let covers = |instance_type: &InstanceType, group: &QuotaGroup| match &scope.subject {
            Subject::Type(name, preemptible) => {
                instance_type.provider_type == *name && instance_type.preemptible == *preemptible
            }
            Subject::Group(wanted) => group == wanted,
            Subject::All => true,
        };
        let types = self.types.iter().filter(|(_, (instance_type, group))| covers(instance_type, group));
        Covered {
            subject: match scope.subject.clone() {
                Subject::Type(name, preemptible) => CoveredTypes::ProviderType { name, preemptible },
                Subject::Group(group) => CoveredTypes::QuotaGroup(group),
                Subject::All => CoveredTypes::All,
            },
            placement: scope.placement.clone(),
            types: types.map(|(name, _)| name.clone()).collect(),
        }
    }
}
