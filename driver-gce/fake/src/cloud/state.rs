//! What there is in the cloud.

use super::{
    Event,
    disk::Disk,
    instance::Instance,
    link::{link, region_of},
    operation::Operation,
    quota::Quotas,
};
use crate::{Refusal, Settings, http::ApiError};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

/// All of it.
pub(crate) struct Cloud {
    pub(super) settings: Settings,
    pub(super) zones: BTreeMap<String, Zone>,
    pub(super) quotas: Quotas,
    /// Request IDs, and the operations that they have started.
    pub(super) requests: HashMap<String, Remembered>,
    /// Zones, and machine types in them, without capacity; `None` is every type.
    full: HashSet<(String, Option<String>)>,
    pub(super) unreachable: HashSet<String>,
    /// How the next calls are refused, and how many.
    refusals: Option<(Refusal, usize)>,
    /// What happens later, and is to be given to [`Cloud::happen`] then.
    pub(super) later: Vec<(Duration, Event)>,
    /// How many resources have been made.
    made: u64,
}

/// A zone's resources, by their names.
#[derive(Default)]
pub(super) struct Zone {
    pub(super) instances: BTreeMap<String, Instance>,
    /// The instances' names by their IDs.
    pub(super) names: HashMap<u64, String>,
    pub(super) disks: BTreeMap<String, Disk>,
    pub(super) operations: BTreeMap<String, Operation>,
}

pub(super) struct Remembered {
    pub(super) at: Instant,
    pub(super) zone: String,
    pub(super) operation: String,
}

/// A new resource's number: the place in the order of creation, and the ID.
#[derive(Clone, Copy)]
pub(super) struct Number {
    pub(super) sequence: u64,
    pub(super) id: u64,
}

impl Cloud {
    pub(crate) fn new(settings: Settings) -> Self {
        Cloud {
            zones: settings.zones.iter().map(|zone| (zone.clone(), Zone::default())).collect(),
            settings,
            quotas: Quotas::default(),
            requests: HashMap::new(),
            full: HashSet::new(),
            unreachable: HashSet::new(),
            refusals: None,
            later: Vec::new(),
            made: 0,
        }
    }

    /// What is to happen later, each thing once.
    pub(crate) fn take_later(&mut self) -> Vec<(Duration, Event)> {
        std::mem::take(&mut self.later)
    }

    pub(super) fn zone(&self, name: &str) -> Result<&Zone, ApiError> {
        self.zones.get(name).ok_or_else(|| unknown_zone(name))
    }

    pub(super) fn zone_mut(&mut self, name: &str) -> Result<&mut Zone, ApiError> {
        self.zones.get_mut(name).ok_or_else(|| unknown_zone(name))
    }

    /// The instance with this name, or this ID.
    pub(super) fn instance(&self, zone: &str, instance: &str) -> Result<&Instance, ApiError> {
        let found = self.zone(zone)?.find(instance);
        found.ok_or_else(|| ApiError::not_found(&self.path(zone, "instances", instance)))
    }

    /// `projects/p/zones/z/instances/i`, as errors name resources.
    pub(super) fn path(&self, zone: &str, collection: &str, name: &str) -> String {
        format!("projects/{}/zones/{zone}/{collection}/{name}", self.settings.project)
    }

    pub(super) fn link(&self, path: &str) -> String {
        link(&self.settings.project, path)
    }

    /// The IDs of resources neither count up nor repeat: this is the finisher of SplitMix64, which no two
    /// numbers share.
    pub(super) fn number(&mut self) -> Number {
        self.made += 1;
        let mut id = self.made.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        id = (id ^ (id >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Number { sequence: self.made, id: id ^ (id >> 31) }
    }

    pub(super) fn is_full(&self, zone: &str, machine_type: &str) -> bool {
        let full = |machine_type: Option<&str>| {
            self.full.contains(&(zone.to_owned(), machine_type.map(str::to_owned)))
        };
        full(None) || full(Some(machine_type))
    }

    pub(crate) fn set_full(&mut self, zone: &str, machine_type: Option<&str>, full: bool) {
        let place = (zone.to_owned(), machine_type.map(str::to_owned));
        if full {
            self.full.insert(place);
        } else {
            self.full.remove(&place);
        }
    }

    pub(crate) fn set_unreachable(&mut self, zone: &str, unreachable: bool) {
        if unreachable {
            self.unreachable.insert(zone.to_owned());
        } else {
            self.unreachable.remove(zone);
        }
    }

    pub(crate) fn set_quota(&mut self, region: &str, metric: &str, limit: f64) {
        self.quotas.set_limit(region, metric, limit);
    }

    pub(crate) fn set_operation_time(&mut self, time: Duration) {
        self.settings.operation_time = time;
    }

    pub(crate) fn refuse_calls(&mut self, refusal: Refusal, count: usize) {
        self.refusals = Some((refusal, count));
    }

    /// Why the next call is refused, whatever it is.
    pub(super) fn next_refusal(&mut self) -> Option<ApiError> {
        let (refusal, count) = self.refusals.as_mut().filter(|(_, count)| *count > 0)?;
        *count -= 1;
        Some(match refusal {
            Refusal::RateLimit => ApiError::rate_limit(),
            Refusal::TooManyRequests => ApiError::too_many_requests(),
            Refusal::Unavailable => ApiError::backend("global"),
        })
    }

    pub(crate) fn instances(&self) -> Vec<Value> {
        self.zones.values().flat_map(|zone| zone.instances.values()).map(|one| one.resource.clone()).collect()
    }

    pub(crate) fn instance_anywhere(&self, name: &str) -> Option<Value> {
        self.zones.values().find_map(|zone| zone.instances.get(name)).map(|one| one.resource.clone())
    }

    /// Changes a resource as nothing but a test can, and keeps what is derived from it right.
    pub(crate) fn change_instance(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        let Some((zone, instances)) =
            self.zones.iter_mut().find(|(_, zone)| zone.instances.contains_key(name))
        else {
            return false;
        };
        let Some(instance) = instances.instances.get_mut(name) else { return false };
        change(&mut instance.resource);
        instance.renew_fingerprints();
        self.quotas.charge(region_of(zone), instance);
        true
    }

    pub(crate) fn disks(&self) -> Vec<Value> {
        self.zones.values().flat_map(|zone| zone.disks.values()).map(|disk| disk.resource.clone()).collect()
    }
}

impl Zone {
    pub(super) fn find(&self, instance: &str) -> Option<&Instance> {
        let by_id = || self.names.get(&instance.parse().ok()?);
        self.instances.get(instance).or_else(|| self.instances.get(by_id()?))
    }

    pub(super) fn by_id(&mut self, id: u64) -> Option<&mut Instance> {
        self.instances.get_mut(self.names.get(&id)?)
    }
}

/// "Invalid value for field 'zone': 'us-east1'. Unknown zone.":
/// <https://github.com/inspec/inspec-gcp/issues/301>.
pub(super) fn unknown_zone(zone: &str) -> ApiError {
    ApiError::invalid("zone", zone, "Unknown zone.")
}
