//! Whom a refusal concerns, and how many instances there are of each.

use pool_api::{
    FailureScope, HourlyPrice, InstanceType, Placement, PlacementReach, ProviderType, QuotaGroup, Reach,
};
use std::collections::BTreeMap;

/// A set of instance types.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    /// Those of one provider type; spot and on-demand apart.
    Type(ProviderType, bool),
    /// Those of one quota group.
    Group(QuotaGroup),
    /// All.
    All,
}

/// A set of instance types in one placement, or (none) in all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Scope {
    pub(crate) subject: Subject,
    pub(crate) placement: Option<Placement>,
}

impl Scope {
    /// How wide the set of types is.
    pub(crate) fn reach(&self) -> Reach {
        match self.subject {
            Subject::Type(..) => Reach::InstanceType,
            Subject::Group(_) => Reach::QuotaGroup,
            Subject::All => Reach::All,
        }
    }
}

/// What decides which scopes an instance belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Membership {
    pub(crate) provider_type: ProviderType,
    pub(crate) preemptible: bool,
    pub(crate) group: Option<QuotaGroup>,
    pub(crate) placement: Placement,
    /// What it costs; nothing where its type is no longer configured.
    pub(crate) price: HourlyPrice,
}

impl Membership {
    pub(crate) fn of(instance_type: &InstanceType, group: QuotaGroup, placement: Placement) -> Self {
        Self {
            provider_type: instance_type.provider_type.clone(),
            preemptible: instance_type.preemptible,
            group: Some(group),
            placement,
            price: instance_type.price,
        }
    }

    fn subjects(&self) -> impl Iterator<Item = Subject> {
        [
            Some(Subject::Type(self.provider_type.clone(), self.preemptible)),
            self.group.clone().map(Subject::Group),
            Some(Subject::All),
        ]
        .into_iter()
        .flatten()
    }

    /// Every scope that covers this instance.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.subjects().flat_map(|subject| {
            [Some(self.placement.clone()), None]
                .map(|placement| Scope { subject: subject.clone(), placement })
        })
    }

    /// The scope that a refusal of this instance's create speaks of.
    pub(crate) fn failed(&self, scope: FailureScope) -> Scope {
        let subject = match (scope.reach, &self.group) {
            (Reach::InstanceType, _) => Subject::Type(self.provider_type.clone(), self.preemptible),
            (Reach::QuotaGroup, Some(group)) => Subject::Group(group.clone()),
            (Reach::QuotaGroup, None) | (Reach::All, _) => Subject::All,
        };
        let placement = match scope.placements {
            PlacementReach::This => Some(self.placement.clone()),
            PlacementReach::Every => None,
        };
        Scope { subject, placement }
    }
}

/// How many instances (creates in flight included) there are, in all and of each scope, and what they cost.
#[derive(Debug, Default)]
pub(crate) struct ScopeCounts {
    all: usize,
    /// In micros, and wide enough that what was added can be taken away again.
    price: u128,
    by_scope: BTreeMap<Scope, usize>,
}

impl ScopeCounts {
    pub(crate) fn add(&mut self, member: &Membership) {
        self.all += 1;
        self.price += u128::from(member.price.as_micros());
        for scope in member.scopes() {
            *self.by_scope.entry(scope).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, member: &Membership) {
        self.all -= 1;
        self.price -= u128::from(member.price.as_micros());
        for scope in member.scopes() {
            if let Some(count) = self.by_scope.get_mut(&scope) {
                *count -= 1;
                if *count == 0 {
                    self.by_scope.remove(&scope);
                }
            }
        }
    }

    pub(crate) fn of(&self, scope: &Scope) -> usize {
        self.by_scope.get(scope).copied().unwrap_or(0)
    }

    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// What all cost an hour.
    pub(crate) fn price(&self) -> HourlyPrice {
        HourlyPrice::from_micros(u64::try_from(self.price).unwrap_or(u64::MAX))
    }
}
