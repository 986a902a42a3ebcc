//! What the stand-in's owner sees and does without a call.

use super::{
    Cloud,
    disk::DiskForm,
    machine::Machine,
    operation::Effect,
    state::{Key, Part},
};
use crate::{
    CreateFailure, Refusal,
    body::{NewInterface, NewIp},
    clock::timestamp,
    http::{ApiError, Kind},
};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

impl Cloud {
    pub(crate) fn set_operation_time(&mut self, time: Duration) {
        self.settings.operation_time = time;
    }

    pub(crate) fn set_quota(&mut self, name: &str, limit: u32) {
        self.quotas.set_limit(name, limit);
    }

    pub(crate) fn fail_creates(&mut self, failure: Option<CreateFailure>) {
        self.create_failure = failure;
    }

    pub(crate) fn refuse_calls(&mut self, refusal: Refusal, count: usize) {
        self.refusals = Some((refusal, count));
    }

    /// Why the next call is refused, whatever it is.
    pub(super) fn next_refusal(&mut self) -> Option<ApiError> {
        let (refusal, count) = self.refusals.as_mut().filter(|(_, count)| *count > 0)?;
        *count -= 1;
        let seconds = self.settings.throttled_for;
        Some(match refusal {
            Refusal::TooManyRequests => ApiError::too_many_requests(seconds),
            Refusal::SubscriptionThrottled => ApiError::subscription_throttled(seconds),
            Refusal::InternalError => ApiError::internal(),
            Refusal::Unavailable => ApiError::unavailable(seconds),
            Refusal::ExpiredToken => {
                let now = timestamp(SystemTime::now());
                ApiError::expired_token(&now, &now)
            }
            Refusal::Forbidden => {
                let scope = format!("/subscriptions/{}", self.settings.subscription);
                ApiError::forbidden(&self.settings.client_id, &scope)
            }
        })
    }

    fn seen(machine: &Machine) -> Value {
        let mut seen = machine.expanded();
        if let (Some(data), Some(seen)) = (&machine.custom_data, seen.as_object_mut()) {
            seen.insert("fakeCustomData".into(), data.as_str().into());
        }
        seen
    }

    fn key_of(&self, name: &str) -> Option<Key> {
        let name = name.to_lowercase();
        self.machines.keys().find(|key| key.name == name).cloned()
    }

    pub(crate) fn seen_machines(&self) -> Vec<Value> {
        self.machines.values().map(Self::seen).collect()
    }

    pub(crate) fn seen_machine(&self, name: &str) -> Option<Value> {
        self.key_of(name).and_then(|key| self.machines.get(&key)).map(Self::seen)
    }

    pub(crate) fn seen_parts(&self, kind: Kind) -> Vec<Value> {
        self.parts(kind).values().map(|part| part.resource.clone()).collect()
    }

    pub(crate) fn change_machine(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        let Some(machine) = self.key_of(name).and_then(|key| self.machines.get_mut(&key)) else {
            return false;
        };
        change(&mut machine.resource);
        machine.changed();
        true
    }

    pub(crate) fn evict(&mut self, name: &str) -> bool {
        self.key_of(name).is_some_and(|key| self.evict_at(&key))
    }

    /// Lets a machine come to a state of its power, as its guest or somebody at the portal does.
    pub(crate) fn bring_to(&mut self, name: &str, on_the_way: &'static str, state: &'static str) -> bool {
        let Some(key) = self.key_of(name) else { return false };
        let Some(machine) = self.machines.get_mut(&key).filter(|machine| !machine.is_deleting) else {
            return false;
        };
        let serial = machine.serial;
        machine.set_power(on_the_way);
        self.start_latest(&key, Effect::Power { key: key.clone(), serial, state });
        true
    }

    pub(crate) fn add_interface(&mut self, group: &str, name: &str, tags: Map<String, Value>) {
        let subnet = self.settings.subnets.first().map(|subnet| {
            let network = format!("{}/subnets/{}", subnet.network, subnet.name);
            format!(
                "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/virtualNetworks/{network}",
                self.settings.subscription, subnet.group
            )
        });
        let new = NewInterface {
            name: name.to_owned(),
            is_primary: false,
            is_deleted: false,
            ips: vec![NewIp {
                name: "ipconfig".into(),
                is_primary: true,
                subnet: subnet.unwrap_or_default(),
                public: None,
                as_given: Map::new(),
            }],
            tags: (!tags.is_empty()).then(|| tags.into()),
            as_given: Map::new(),
        };
        let part = self.interface(&new, group, None);
        self.interfaces.insert(Key::new(group, name), part);
    }

    pub(crate) fn add_disk(
        &mut self,
        group: &str,
        name: &str,
        tags: Map<String, Value>,
        created: SystemTime,
    ) {
        let part: Part = self.disk(DiskForm {
            name,
            group,
            tags: (!tags.is_empty()).then_some(tags),
            zones: &[],
            storage: "Premium_LRS",
            size_gb: 30,
            creation: json!({ "createOption": "Empty" }),
            is_system: true,
            machine: None,
            created,
        });
        self.disks.insert(Key::new(group, name), part);
    }
}
