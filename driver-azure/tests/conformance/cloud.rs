//! The stand-in's cloud, seen without the driver.

use azure_fake::{Exchange, Fake, Settings};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pool_api::{ByteSize, ImageId, InstanceId, InstanceSetId, Placement, ProviderType, Tags};
use pool_conformance::{Created, Missing, Proxy, Refusal, Seen};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

pub(crate) const IMAGE: &str = "Debian:debian-12:12-gen2:latest";
pub(crate) const ADMIN: &str = "pool";
/// What the driver writes before the init command.
const FIRST_LINE: &[u8] = b"#!/bin/sh\n";
/// As many as the suite wants to be on a page when it tries several.
pub(crate) const PAGE: usize = 5;

/// A cloud that runs.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) fake: Fake,
    settings: Settings,
    /// What stands between each open set and the cloud.
    proxies: Mutex<HashMap<InstanceSetId, Proxy>>,
    /// What proxies have seen that are no more.
    seen: Mutex<Vec<Exchange>>,
}

impl Cloud {
    pub(crate) fn start() -> Result<Self, Missing> {
        let settings = Settings { page_size: PAGE, retry_after: 0, ..Settings::default() };
        let fake = Fake::start(settings.clone())?;
        Ok(Self { fake, settings, proxies: Mutex::default(), seen: Mutex::default() })
    }

    /// The driver's table for an API at this address.
    pub(crate) fn config(&self, endpoint: &str) -> Value {
        let settings = &self.settings;
        json!({
            "subscription_id": settings.subscription,
            "resource_group": settings.resource_groups[0],
            "location": settings.location,
            "zones": settings.zones,
            "virtual_network": "fake-network",
            "subnet": "default",
            "network_resource_group": settings.resource_groups[1],
            "endpoint": endpoint,
            "authority": endpoint,
            "credentials": { "client_secret": {
                "tenant_id": settings.tenant,
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
            } },
            "admin_user": ADMIN,
            "tags": { "owner": "conformance" },
            "call_timeout": "10s",
            // The stand-in is of one mind with itself at once.
            "list_settle_time": "0s",
            "leftover_age": "0s",
        })
    }

    pub(crate) fn secret(&self) -> &str {
        &self.settings.client_secret
    }

    /// Keeps a proxy for as long as its set is open.
    pub(crate) fn keep(&self, set: &InstanceSetId, proxy: Proxy) {
        if let Some(earlier) = lock(&self.proxies).insert(set.clone(), proxy) {
            lock(&self.seen).extend(requests(&earlier));
        }
    }

    /// Every request of the driver, and every response of the stand-in. A request that a proxy has answered itself is
    /// here without a response.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let mut all = self.fake.exchanges();
        all.append(&mut lock(&self.seen));
        all.extend(lock(&self.proxies).values().flat_map(requests));
        all
    }

    /// An instance, whoever has made it.
    pub(crate) fn inspect(&self, id: &InstanceId) -> Result<Created, Refusal> {
        let machine = self.fake.machine(id.as_str());
        let machine = machine.ok_or_else(|| Refusal::broken("there is no such machine"))?;
        let properties = &machine["properties"];
        let image = &properties["storageProfile"]["imageReference"];
        let part = |name: &str| image[name].as_str().unwrap_or_default();
        let image = format!("{}:{}:{}:{}", part("publisher"), part("offer"), part("sku"), part("version"));
        let key = &properties["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"][0];
        if key["path"] != json!(format!("/home/{ADMIN}/.ssh/authorized_keys")) {
            return Err(Refusal::broken("the key is another user's"));
        }
        let script = STANDARD.decode(machine["fakeCustomData"].as_str().unwrap_or_default())?;
        let script = script.strip_prefix(FIRST_LINE);
        let script =
            script.ok_or_else(|| Refusal::broken("the custom data do not begin as a shell script"))?;
        let disks = properties["storageProfile"]["dataDisks"].as_array();
        let scratch = disks.and_then(|disks| disks.first()).and_then(|disk| disk["diskSizeGB"].as_u64());
        let tags = machine["tags"].as_object().into_iter().flatten();
        let tags: Tags =
            tags.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect();
        Ok(Created {
            provider_type: Seen::Is(ProviderType::new(
                properties["hardwareProfile"]["vmSize"].as_str().unwrap_or_default(),
            )?),
            image: Seen::Is(Some(ImageId::new(image)?)),
            placement: Seen::Is(Placement::new(machine["zones"][0].as_str().unwrap_or_default())),
            tags: Seen::Is(tags),
            init_command: Seen::Is(script.to_vec()),
            public_key: Seen::Is(key["keyData"].as_str().unwrap_or_default().to_owned()),
            added_scratch: Seen::Is(ByteSize::gib(scratch.unwrap_or_default())),
            preemptible: Seen::Is(properties["priority"] == json!("Spot")),
        })
    }

    pub(crate) fn stop(&self, id: &InstanceId) -> Result<(), Refusal> {
        told(self.fake.deallocate(id.as_str()))
    }

    pub(crate) fn preempt(&self, id: &InstanceId) -> Result<(), Refusal> {
        told(self.fake.evict(id.as_str()))
    }

    /// A disk as a create leaves behind that has failed half-way.
    pub(crate) fn leave_disk(&self, name_of_machine: &str) -> String {
        let group = &self.settings.resource_groups[0];
        let name = format!("{name_of_machine}-os");
        let created = SystemTime::now() - Duration::from_secs(3600);
        self.fake.add_disk(group, &name, [("owner", "conformance")], created);
        self.fake.add_interface(group, &format!("{name_of_machine}-nic"), [("owner", "conformance")]);
        format!("the disk {name} and an interface")
    }

    /// What there is of a set: machines by their tag, and what is called after one of them.
    pub(crate) fn left(&self, set: &InstanceSetId, prefix: &str) -> Vec<String> {
        let named = |kind: &str, things: Vec<Value>, is_of_set: &dyn Fn(&Value) -> bool| {
            let name = |thing: &Value| format!("the {kind} {}", thing["name"].as_str().unwrap_or_default());
            things.iter().filter(|thing| is_of_set(thing)).map(name).collect::<Vec<_>>()
        };
        let tagged = |thing: &Value| thing["tags"]["pool-driver-azure-set"] == json!(set.as_str());
        let called = |thing: &Value| thing["name"].as_str().is_some_and(|name| name.starts_with(prefix));
        let mut left = named("machine", self.fake.machines(), &tagged);
        left.extend(named("interface", self.fake.interfaces(), &called));
        left.extend(named("disk", self.fake.disks(), &called));
        left
    }
}

fn told(done: bool) -> Result<(), Refusal> {
    if done { Ok(()) } else { Err(Refusal::broken("there is no such machine")) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn requests(proxy: &Proxy) -> Vec<Exchange> {
    let of = |request: pool_conformance::Request| Exchange {
        request: serde_json::from_slice(&request.body).ok(),
        method: request.method,
        path: request.path,
        status: 0,
        response: None,
    };
    proxy.requests().into_iter().map(of).collect()
}
