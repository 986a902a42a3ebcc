//! Calls by hand, for what the provider's client has no reason to do.

use azure_fake::{Fake, Settings};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// A stand-in that is called.
pub(crate) struct Caller {
    pub(crate) fake: Fake,
    subscription: String,
    group: String,
}

impl Caller {
    pub(crate) fn new(settings: Settings) -> Self {
        let (subscription, group) = (settings.subscription.clone(), settings.resource_groups[0].clone());
        Caller { fake: Fake::start(settings).expect("a stand-in"), subscription, group }
    }

    /// The status; the rest is among the exchanges.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> u16 {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, path, "application/json", &body)
    }

    fn send(&self, method: &str, path: &str, content: &str, body: &str) -> u16 {
        let length = body.len();
        let mut stream = TcpStream::connect(self.fake.address()).expect("a connection");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nMetadata: true\r\n\
             Content-Type: {content}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("a request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        let status = response.split(' ').nth(1).expect("a status line");
        status.parse().expect("a status")
    }

    /// A form, as for a token.
    pub(crate) fn post_form(&self, path: &str, form: &str) -> u16 {
        self.send("POST", path, "application/x-www-form-urlencoded", form)
    }

    fn in_group(&self, rest: &str) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.{rest}",
            self.subscription, self.group
        )
    }

    /// On machines in the group.
    pub(crate) fn machines(&self, method: &str, rest: &str, body: Option<&Value>) -> u16 {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = self.in_group(&format!("Compute/virtualMachines{path}?api-version=2024-07-01&{query}"));
        self.call(method, path.trim_end_matches('&'), body)
    }

    /// On disks in the group.
    pub(crate) fn disks(&self, method: &str, rest: &str) -> u16 {
        self.call(method, &self.in_group(&format!("Compute/disks{rest}?api-version=2024-03-02")), None)
    }

    /// On what is of a network in the group.
    pub(crate) fn network(&self, method: &str, rest: &str) -> u16 {
        self.call(method, &self.in_group(&format!("Network/{rest}?api-version=2024-05-01")), None)
    }

    /// On what is of the whole subscription.
    pub(crate) fn everywhere(&self, rest: &str) -> u16 {
        self.call("GET", &format!("/subscriptions/{}/providers/Microsoft.{rest}", self.subscription), None)
    }

    /// Asks for a machine, and waits until that is done, well or not.
    pub(crate) fn create(&self, name: &str, machine: &Value) -> u16 {
        let status = self.machines("PUT", &format!("/{name}"), Some(machine));
        self.fake.settle();
        status
    }

    /// What creates a Spot machine with a public address.
    pub(crate) fn machine(&self) -> Value {
        let subnet = self.in_group("Network/virtualNetworks/fake-network/subnets/default");
        let address = json!({ "name": "address", "properties": { "deleteOption": "Delete" } });
        let configuration = json!({
            "name": "ip",
            "properties": { "subnet": { "id": subnet }, "publicIPAddressConfiguration": address },
        });
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        json!({
            "location": "westeurope",
            "tags": { "pool": "p1" },
            "properties": {
                "hardwareProfile": { "vmSize": "Standard_D2s_v5" },
                "storageProfile": {
                    "imageReference": { "publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest" },
                    "osDisk": { "createOption": "FromImage", "deleteOption": "Delete" },
                },
                "osProfile": {
                    "computerName": "worker",
                    "adminUsername": "worker",
                    "customData": "IyEvYmluL3NoCg==",
                    "linuxConfiguration": {
                        "disablePasswordAuthentication": true,
                        "ssh": { "publicKeys": [{ "path": "/home/worker/.ssh/authorized_keys", "keyData": key }] },
                    },
                },
                "networkProfile": {
                    "networkApiVersion": "2020-11-01",
                    "networkInterfaceConfigurations": [{
                        "name": "nic",
                        "properties": { "deleteOption": "Delete", "ipConfigurations": [configuration] },
                    }],
                },
                "priority": "Spot",
                "evictionPolicy": "Deallocate",
                "billingProfile": { "maxPrice": -1 },
            },
        })
    }
}
