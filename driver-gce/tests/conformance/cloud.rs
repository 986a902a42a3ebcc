//! The stand-in's cloud, seen without the driver.

use gce_fake::{Exchange, Fake, Settings};
use pool_api::{ByteSize, ImageId, InstanceId, InstanceSetId, Placement, ProviderType, Tags};
use pool_conformance::{Created, Missing, Proxy, Refusal, Seen};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) const PROJECT: &str = "conformance";
pub(crate) const IMAGE: &str = "projects/debian-cloud/global/images/debian-12-bookworm-v20260914";
pub(crate) const ADMIN: &str = "admin";
const ONE_REGION: [&str; 3] = ["europe-west1-b", "europe-west1-c", "europe-west1-d"];
const TWO_REGIONS: [&str; 2] = ["europe-west1-b", "us-central1-a"];
/// The device that the driver adds for scratch.
const SCRATCH_DEVICE: &str = "scratch";

/// A cloud that runs.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) fake: Fake,
    /// What stands between each open set and the cloud.
    proxies: Mutex<HashMap<InstanceSetId, Proxy>>,
    /// What proxies have seen that are no more.
    seen: Mutex<Vec<Exchange>>,
}

impl Cloud {
    pub(crate) fn start() -> Result<Self, Missing> {
        let zones = ONE_REGION.into_iter().chain(TWO_REGIONS.into_iter().skip(1)).map(str::to_owned);
        let settings =
            Settings { project: PROJECT.to_owned(), zones: zones.collect(), ..Settings::default() };
        Ok(Self { fake: Fake::start(settings)?, proxies: Mutex::default(), seen: Mutex::default() })
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

    /// The driver's table for an API at this address.
    pub(crate) fn config(endpoint: &str, page_size: usize, two_regions: bool) -> Value {
        json!({
            "project": PROJECT,
            "zones": if two_regions { &TWO_REGIONS[..] } else { &ONE_REGION[..] },
            "endpoint": endpoint,
            "credentials": "anonymous",
            "admin_user": ADMIN,
            "labels": { "owner": "conformance" },
            "page_size": page_size,
            "call_timeout": "10s",
            // The stand-in is of one mind with itself at once.
            "list_settle_time": "0s",
        })
    }

    /// An instance, whoever has made it.
    pub(crate) fn inspect(&self, id: &InstanceId) -> Result<Created, Refusal> {
        let instance = self.fake.instance(id.as_str());
        let instance = instance.ok_or_else(|| Refusal::broken("there is no such instance"))?;
        let disks: Vec<Value> = array(&instance["disks"]).to_vec();
        let boot = disks.iter().find(|disk| disk["boot"] == json!(true)).unwrap_or(&Value::Null);
        let scratch = disks.iter().find(|disk| disk["deviceName"] == json!(SCRATCH_DEVICE));
        let image = self.disk(boot)?["sourceImage"].as_str().unwrap_or_default().to_owned();
        let image = image.split_once("/compute/v1/").map_or(image.clone(), |(_, path)| path.to_owned());
        let script = format!(
            "#!/bin/sh\n[ -e /var/lib/pool-driver-gce.{id} ] && exit 0\n: >/var/lib/pool-driver-gce.{id} || exit 1\n"
        );
        let init_command = metadata(&instance, "startup-script")?;
        let init_command = init_command.strip_prefix(&script);
        let init_command =
            init_command.ok_or_else(|| Refusal::broken("the startup script begins otherwise"))?;
        let key = metadata(&instance, "ssh-keys")?;
        let key = key.strip_prefix(&format!("{ADMIN}:"));
        let tags: Tags = serde_json::from_str(&metadata(&instance, "pool-tags")?)?;
        Ok(Created {
            provider_type: Seen::Is(ProviderType::new(last_part(&instance["machineType"]))?),
            image: Seen::Is(Some(ImageId::new(image)?)),
            placement: Seen::Is(Placement::new(last_part(&instance["zone"]))),
            tags: Seen::Is(tags),
            init_command: Seen::Is(init_command.as_bytes().to_vec()),
            public_key: Seen::Is(key.ok_or_else(|| Refusal::broken("the key is another user's"))?.to_owned()),
            added_scratch: Seen::Is(match scratch {
                Some(disk) => ByteSize::gib(number(&self.disk(disk)?["sizeGb"])),
                None => ByteSize(0),
            }),
            preemptible: Seen::Is(instance["scheduling"]["provisioningModel"] == json!("SPOT")),
        })
    }

    /// The disk that is attached so.
    fn disk(&self, attached: &Value) -> Result<Value, Refusal> {
        let name = last_part(&attached["source"]);
        let disk = self.fake.disks().into_iter().find(|disk| disk["name"] == json!(name));
        disk.ok_or_else(|| Refusal::broken(format!("there is no disk {name}")))
    }

    pub(crate) fn stop(&self, id: &InstanceId) -> Result<(), Refusal> {
        let stopped = self.fake.change_instance(id.as_str(), |instance| {
            instance["status"] = json!("TERMINATED");
        });
        if stopped { Ok(()) } else { Err(Refusal::broken("there is no such instance")) }
    }

    /// As Compute Engine does it with a spot instance that is to be deleted when it is preempted.
    pub(crate) async fn preempt(&self, id: &InstanceId) -> Result<(), Refusal> {
        let instance = self.fake.instance(id.as_str());
        let zone = instance.as_ref().map(|instance| last_part(&instance["zone"])).unwrap_or_default();
        let mut connection = TcpStream::connect(self.fake.address()).await?;
        let request = format!(
            "DELETE /compute/v1/projects/{PROJECT}/zones/{zone}/instances/{id} HTTP/1.1\r\n\
             host: compute.googleapis.com\r\nconnection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        if answer.contains(" 200 ") { Ok(()) } else { Err(Refusal::broken(answer)) }
    }

    /// What there is of a set.
    pub(crate) fn left(&self, set: &InstanceSetId) -> Vec<String> {
        let of_set = |thing: &Value| {
            let labels = thing["labels"].as_object();
            labels.is_some_and(|labels| labels.values().any(|value| *value == json!(label(set))))
        };
        let named = |kind: &str, things: Vec<Value>| {
            let name = |thing: &Value| format!("the {kind} {}", thing["name"].as_str().unwrap_or_default());
            things.iter().filter(|thing| of_set(thing)).map(name).collect::<Vec<_>>()
        };
        let mut left = named("instance", self.fake.instances());
        left.extend(named("disk", self.fake.disks()));
        left
    }
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

/// The ids of the suite's sets are letters, digits and `-`: upper-case ones are escaped in a label.
fn label(set: &InstanceSetId) -> String {
    set.as_str().chars().fold(String::new(), |mut label, c| {
        if c.is_ascii_uppercase() {
            label.push('_');
        }
        label.push(c.to_ascii_lowercase());
        label
    })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn last_part(url: &Value) -> &str {
    url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default()
}

fn number(text: &Value) -> u64 {
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn metadata(instance: &Value, key: &str) -> Result<String, Refusal> {
    let items = array(&instance["metadata"]["items"]);
    let item = items.iter().find(|item| item["key"] == json!(key));
    let value = item.and_then(|item| item["value"].as_str());
    value.map(str::to_owned).ok_or_else(|| Refusal::broken(format!("the metadata have no {key}")))
}
