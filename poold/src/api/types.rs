//! Instance types, and what is not asked of the provider for now.

use crate::job::Moment;
use pool_core::InstanceTypeName;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use utoipa::ToSchema;

/// One configured type.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TypeRow {
    #[schema(value_type = String)]
    pub(crate) name: InstanceTypeName,
    pub(crate) provider_type: String,
    pub(crate) vcpus: f64,
    /// In bytes.
    pub(crate) memory: u64,
    /// In bytes: what comes with the type and what is added.
    pub(crate) scratch: u64,
    pub(crate) gpus: u32,
    /// For an hour, in currency units.
    pub(crate) price: f64,
    /// Whether the provider may take it away.
    pub(crate) preemptible: bool,
    /// Instances by worker state.
    pub(crate) instances: BTreeMap<String, u64>,
    /// No placement has capacity for it.
    pub(crate) at_capacity: bool,
    /// A quota that covers it is used up, or no more instances of any type are allowed.
    pub(crate) at_quota: bool,
    /// Those that cover it.
    pub(crate) hold_offs: Vec<HoldOff>,
}

/// Something that is not asked of the provider for now, because it has refused it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HoldOff {
    pub(crate) kind: HoldOffKind,
    /// What it covers, for people: `type small in zone-a`.
    pub(crate) covers: String,
    /// The configured types that it covers; none for calls.
    #[schema(value_type = Vec<String>)]
    pub(crate) types: Vec<InstanceTypeName>,
    /// Which calls: `create`, `destroy`, `list`, `set_tags`. None for instances.
    pub(crate) operation: Option<String>,
    /// Where; none: everywhere.
    pub(crate) placement: Option<String>,
    /// When it ends, if by time.
    pub(crate) until: Option<Moment>,
    /// It ends when there are fewer than so many instances of what it covers.
    pub(crate) until_fewer_than: Option<u64>,
}

/// Why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldOffKind {
    /// The provider's quota is used up.
    Quota,
    /// The provider has no machines left.
    Capacity,
    /// There were too many calls of a kind.
    RateLimit,
}

impl fmt::Display for HoldOffKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quota => "quota",
            Self::Capacity => "capacity",
            Self::RateLimit => "rate_limit",
        })
    }
}
