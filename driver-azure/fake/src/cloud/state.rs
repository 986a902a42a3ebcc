//! What there is in the cloud.

use super::{Event, addresses::Addresses, id::id_of, machine::Machine, operation::Operation, quota::Quotas};
use crate::{
    CreateFailure, Refusal, Settings,
    http::{ApiError, Kind, Name},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// All of it.
pub(crate) struct Cloud {
    pub(super) settings: Settings,
    /// The address under which the caller knows the stand-in, with which links start.
    pub(super) url: String,
    /// The names of the resource groups, in the case in which they were made, by those without.
    pub(super) groups: BTreeMap<String, String>,
    pub(super) machines: BTreeMap<Key, Machine>,
    pub(super) interfaces: BTreeMap<Key, Part>,
    pub(super) disks: BTreeMap<Key, Part>,
    pub(super) public: BTreeMap<Key, Part>,
    pub(super) addresses: Addresses,
    pub(super) operations: HashMap<String, Operation>,
    /// How many of them are under way.
    pub(super) under_way: usize,
    pub(super) quotas: Quotas,
    pub(super) create_failure: Option<CreateFailure>,
    /// How the next calls are refused, and how many.
    pub(super) refusals: Option<(Refusal, usize)>,
    /// What happens later, and is to be given to [`Cloud::happen`] then.
    pub(super) later: Vec<(Duration, Event)>,
    /// How many resources and operations have been made.
    made: u64,
}

/// A place: group and name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(super) group: String,
    pub(super) name: String,
}

/// A disk, an interface, or a public address.
pub(super) struct Part {
    /// As the API shows it.
    pub(super) resource: Value,
    /// Which of those that have been in its place it is.
    pub(super) serial: u64,
    /// Whether it goes with what it belongs to: an address with its interface.
    pub(super) is_deleted: bool,
    /// Where in its subnet an interface is, for each of its addresses.
    pub(super) taken: Vec<(usize, u32)>,
}

impl Part {
    pub(super) fn new(resource: Value, serial: u64) -> Self {
        Part { resource, serial, is_deleted: false, taken: Vec::new() }
    }
}

impl Cloud {
    pub(crate) fn new(settings: Settings, url: String) -> Self {
        Cloud {
            groups: settings.resource_groups.iter().map(|name| (name.to_lowercase(), name.clone())).collect(),
            addresses: Addresses::new(&settings.subnets),
            url,
            machines: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            disks: BTreeMap::new(),
            public: BTreeMap::new(),
            operations: HashMap::new(),
            under_way: 0,
            quotas: Quotas::default(),
            create_failure: None,
            refusals: None,
            later: Vec::new(),
            made: 0,
            settings,
        }
    }

    /// What is to happen later, each thing once.
    pub(crate) fn take_later(&mut self) -> Vec<(Duration, Event)> {
        std::mem::take(&mut self.later)
    }

    /// Whether an operation is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way > 0
    }

    pub(super) fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// A group's name, in the case in which it was made.
    pub(super) fn group(&self, name: &str) -> Result<&str, ApiError> {
        let found = self.groups.get(&name.to_lowercase());
        found.map(String::as_str).ok_or_else(|| ApiError::group_not_found(name))
    }

    /// An ID of something in a group.
    pub(super) fn id(&self, group: &str, kind: Kind, name: &str) -> String {
        let group = self.group(group).unwrap_or(group);
        id_of(&self.settings.subscription, group, kind, name)
    }

    pub(super) fn machine_at(&self, name: &Name) -> Result<&Machine, ApiError> {
        let found = self.machines.get(&Key::new(&name.group, &name.name));
        found.ok_or_else(|| not_found(Kind::Machine, name))
    }

    pub(super) fn parts(&self, kind: Kind) -> &BTreeMap<Key, Part> {
        match kind {
            Kind::Disk => &self.disks,
            Kind::Interface => &self.interfaces,
            Kind::Address | Kind::Machine => &self.public,
        }
    }

    pub(super) fn parts_mut(&mut self, kind: Kind) -> &mut BTreeMap<Key, Part> {
        match kind {
            Kind::Disk => &mut self.disks,
            Kind::Interface => &mut self.interfaces,
            Kind::Address | Kind::Machine => &mut self.public,
        }
    }
}

pub(super) fn not_found(kind: Kind, name: &Name) -> ApiError {
    ApiError::resource_not_found(&kind.full(), &name.name, &name.group)
}
