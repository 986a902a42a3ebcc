//! Calls by hand, for what the provider's client has no reason to do.

use gce_fake::{Fake, Settings};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// The zone of all calls.
pub(crate) const ZONE: &str = "europe-west1-b";

/// A stand-in that is called.
pub(crate) struct Caller {
    pub(crate) fake: Fake,
    project: String,
}

impl Caller {
    pub(crate) fn new(settings: Settings) -> Self {
        let project = settings.project.clone();
        Caller { fake: Fake::start(settings).expect("a stand-in"), project }
    }

    /// The status; the rest is among the exchanges.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> u16 {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (project, length) = (&self.project, body.len());
        let mut stream = TcpStream::connect(self.fake.address()).expect("a connection");
        write!(
            stream,
            "{method} /compute/v1/projects/{project}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("a request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        let status = response.split(' ').nth(1).expect("a status line");
        status.parse().expect("a status")
    }

    /// In the zone.
    pub(crate) fn get(&self, path: &str) -> u16 {
        self.call("GET", &format!("zones/{ZONE}/{path}"), None)
    }

    /// In the zone.
    pub(crate) fn post(&self, path: &str, body: &Value) -> u16 {
        self.call("POST", &format!("zones/{ZONE}/{path}"), Some(body))
    }

    /// Asks for an instance, and waits until that is done, well or not.
    pub(crate) fn insert(&self, instance: &Value) -> u16 {
        let status = self.post("instances", instance);
        self.wait();
        status
    }

    /// Waits for the operation of the call before this one, if it has one.
    pub(crate) fn wait(&self) {
        let exchange = self.fake.exchanges().pop().expect("a call before");
        let response = exchange.response.unwrap_or_default();
        if let Some(operation) = response["name"].as_str().filter(|name| name.starts_with("operation-")) {
            self.call("POST", &format!("zones/{ZONE}/operations/{operation}/wait"), None);
        }
    }
}

/// What an insert asks for; of a Spot instance that stops when it is preempted.
pub(crate) fn instance(name: &str) -> Value {
    let image = "projects/debian-cloud/global/images/family/debian-12";
    json!({
        "name": name,
        "machineType": format!("zones/{ZONE}/machineTypes/n2-standard-2"),
        "disks": [{ "boot": true, "autoDelete": true, "initializeParams": { "sourceImage": image } }],
        "networkInterfaces": [{ "network": "global/networks/default", "accessConfigs": [{ "type": "ONE_TO_ONE_NAT" }] }],
        "labels": { "pool": "p1" },
        "metadata": { "items": [{ "key": "enable-guest-attributes", "value": "TRUE" }] },
        "scheduling": { "provisioningModel": "SPOT", "instanceTerminationAction": "STOP" },
        "serviceAccounts": [{ "email": "default", "scopes": ["https://www.googleapis.com/auth/cloud-platform"] }],
    })
}
