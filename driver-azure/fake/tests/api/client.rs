//! A client that knows nothing of the stand-in but its address.

use azure_fake::{Fake, Settings};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, header::HeaderMap};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{sync::Mutex, time::Duration};
use tokio::{net::TcpStream, runtime::Runtime};

pub(crate) const GROUP: &str = "fake-group";
pub(crate) const SUBNET: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/\
    fake-network-group/providers/Microsoft.Network/virtualNetworks/fake-network/subnets/default";
const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";

type Connection = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

/// A client of a stand-in of its own.
pub(crate) struct Client {
    pub(crate) fake: Fake,
    runtime: Runtime,
    connection: Mutex<Option<Connection>>,
}

/// What comes back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a call that is answered with this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        self.is(200)
    }

    /// The code and the message of a call that is refused with this status.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> (String, String) {
        let body = self.is(status);
        let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }

    /// The code and the target.
    #[track_caller]
    pub(crate) fn refused_for(self, status: u16) -> (String, String) {
        let body = self.is(status);
        let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("target"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::of(Settings::default())
    }

    pub(crate) fn of(settings: Settings) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = Fake::start(settings).unwrap();
        Client { fake, runtime, connection: Mutex::new(None) }
    }

    /// One whose operations take so long that nothing has happened yet whenever a test looks.
    pub(crate) fn slow() -> Self {
        Self::of(Settings { operation_time: Duration::from_secs(3600), ..Settings::default() })
    }

    /// Sends a request: to a path, or to a link of this server.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let path = path.strip_prefix(&self.fake.url()).unwrap_or(path);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request = request.header("Host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let mut connection = self.connection.lock().unwrap();
        self.runtime.block_on(async {
            if connection.is_none() {
                let stream = TcpStream::connect(self.fake.address()).await.unwrap();
                let (sender, served) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(served);
                *connection = Some(sender);
            }
            let connection = connection.as_mut().unwrap();
            connection.ready().await.unwrap();
            let response = connection.send_request(request).await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
            Answer { status, headers, body }
        })
    }

    /// Calls a path from the subscription on.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, path, &[], body)
    }

    pub(crate) fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map_or_else(String::new, ToString::to_string);
        let path = if path.starts_with("http") { path.to_owned() } else { format!("{SUBSCRIPTION}/{path}") };
        self.send(method, &path, headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    pub(crate) fn put_machine(&self, name: &str, body: &Value) -> Answer {
        self.call("PUT", &machine(name), Some(body))
    }

    pub(crate) fn delete_machine(&self, name: &str) -> Answer {
        self.call("DELETE", &machine(name), None)
    }

    /// The machine as it is now.
    #[track_caller]
    pub(crate) fn machine(&self, name: &str) -> Value {
        self.get(&machine(name)).ok()
    }

    /// Makes a machine, and waits until it runs.
    #[track_caller]
    pub(crate) fn made(&self, name: &str) -> Value {
        self.made_of(name, &worker(name))
    }

    #[track_caller]
    pub(crate) fn made_of(&self, name: &str, body: &Value) -> Value {
        self.put_machine(name, body).is(201);
        self.fake.settle();
        let machine = self.machine(name);
        assert_eq!(machine["properties"]["provisioningState"], "Succeeded");
        machine
    }

    /// How an operation has ended, which an answer has told of.
    #[track_caller]
    pub(crate) fn end_of(&self, answer: &Answer) -> Value {
        let link = answer.header("azure-asyncoperation").unwrap().to_owned();
        self.fake.settle();
        let status = self.get(&link).ok();
        assert!(status["startTime"].is_string() && status["endTime"].is_string(), "{status}");
        status
    }

    /// The state of a machine's power.
    #[track_caller]
    pub(crate) fn power(&self, name: &str) -> String {
        let view = self.get(&machine_action(name, "instanceView")).ok();
        let mut codes =
            view["statuses"].as_array().unwrap().iter().map(|status| status["code"].as_str().unwrap());
        codes.find_map(|code| code.strip_prefix("PowerState/")).unwrap_or("none").to_owned()
    }
}

const COMPUTE: &str = "resourceGroups/fake-group/providers/Microsoft.Compute";
const NETWORK: &str = "resourceGroups/fake-group/providers/Microsoft.Network";

pub(crate) fn machines() -> String {
    format!("{COMPUTE}/virtualMachines?api-version=2024-07-01")
}

pub(crate) fn machine(name: &str) -> String {
    format!("{COMPUTE}/virtualMachines/{name}?api-version=2024-07-01")
}

pub(crate) fn machine_action(name: &str, action: &str) -> String {
    format!("{COMPUTE}/virtualMachines/{name}/{action}?api-version=2024-07-01")
}

pub(crate) fn disk(name: &str) -> String {
    format!("{COMPUTE}/disks/{name}?api-version=2024-03-02")
}

pub(crate) fn interface(name: &str) -> String {
    format!("{NETWORK}/networkInterfaces/{name}?api-version=2024-05-01")
}

pub(crate) fn address(name: &str) -> String {
    format!("{NETWORK}/publicIPAddresses/{name}?api-version=2024-05-01")
}

/// A body that asks for a machine with an interface and a disk of its own.
pub(crate) fn worker(name: &str) -> Value {
    json!({
        "location": "westeurope",
        "tags": { "pool": "blue" },
        "properties": {
            "hardwareProfile": { "vmSize": "Standard_D2s_v3" },
            "storageProfile": {
                "imageReference": {
                    "publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest",
                },
                "osDisk": {
                    "name": format!("{name}-disk"),
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "diskSizeGB": 40,
                    "managedDisk": { "storageAccountType": "StandardSSD_LRS" },
                },
            },
            "osProfile": {
                "computerName": name,
                "adminUsername": "worker",
                "customData": STANDARD.encode("#!/bin/sh\n: a-secret"),
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "ssh": { "publicKeys": [{
                        "path": "/home/worker/.ssh/authorized_keys",
                        "keyData": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJlYWxseSBub3QgYSBrZXksIGJ1dCAzMiBieXRlcw== x",
                    }] },
                },
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [{
                    "name": format!("{name}-interface"),
                    "properties": {
                        "primary": true,
                        "deleteOption": "Delete",
                        "ipConfigurations": [{
                            "name": "ipconfig",
                            "properties": { "primary": true, "subnet": { "id": SUBNET } },
                        }],
                    },
                }],
            },
        },
    })
}

/// A worker with a public address.
pub(crate) fn public_worker(name: &str) -> Value {
    let mut body = worker(name);
    let configuration =
        "/properties/networkProfile/networkInterfaceConfigurations/0/properties/ipConfigurations/0";
    body.pointer_mut(configuration).unwrap()["properties"]["publicIPAddressConfiguration"] = json!({
        "name": format!("{name}-address"),
        "sku": { "name": "Standard" },
        "properties": { "deleteOption": "Delete", "publicIPAllocationMethod": "Static" },
    });
    body
}
