//! A client that knows nothing of the stand-in but its address.

use gce_fake::{Fake, Settings};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{sync::Mutex, time::Duration};
use tokio::{net::TcpStream, runtime::Runtime};

pub(crate) const ZONE: &str = "europe-west1-b";
pub(crate) const OTHER_ZONE: &str = "europe-west1-c";
pub(crate) const FAR_ZONE: &str = "us-central1-a";

type Connection = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

/// A client of a stand-in of its own.
pub(crate) struct Client {
    pub(crate) fake: Fake,
    runtime: Runtime,
    connection: Mutex<Option<Connection>>,
    /// The `Authorization` that calls bring.
    pub(crate) authorization: Option<String>,
}

/// A status and a body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a call that has succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The reason and the message of a call that is refused with this status.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> (String, String) {
        assert_eq!(self.status, status, "{}", self.body);
        let error = &self.body["error"];
        assert_eq!(error["code"], status);
        assert_eq!(error["errors"][0]["message"], error["message"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&error["errors"][0]["reason"]), text(&error["message"]))
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
        Client { fake, runtime, connection: Mutex::new(None), authorization: None }
    }

    /// One whose operations take so long that nothing has happened yet whenever a test looks.
    pub(crate) fn slow() -> Self {
        Self::of(Settings { operation_time: Duration::from_secs(3600), ..Settings::default() })
    }

    /// Calls `path`, from the project on.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_url(method, &format!("/compute/v1/projects/fake-project/{path}"), body)
    }

    pub(crate) fn call_url(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bytes = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let mut request = Request::builder().method(method).uri(path).header("Host", "localhost");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let request = request.body(Full::new(bytes)).unwrap();
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
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            Answer { status, body: serde_json::from_slice(&body).unwrap() }
        })
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body))
    }

    pub(crate) fn insert(&self, zone: &str, body: &Value) -> Answer {
        self.post(&format!("zones/{zone}/instances"), body)
    }

    /// Waits for an operation, however it ends.
    #[track_caller]
    pub(crate) fn end_of(&self, operation: &Value) -> Value {
        let (zone, name) = (last(&operation["zone"]), operation["name"].as_str().unwrap());
        let done = self.call("POST", &format!("zones/{zone}/operations/{name}/wait"), None).ok();
        assert_eq!(done["status"], "DONE");
        assert_eq!(done["progress"], 100);
        assert!(done["endTime"].is_string());
        done
    }

    /// Waits for an operation that succeeds.
    #[track_caller]
    pub(crate) fn done(&self, operation: &Value) -> Value {
        let done = self.end_of(operation);
        assert!(done["error"].is_null(), "{done}");
        done
    }

    /// The error of an operation that fails.
    #[track_caller]
    pub(crate) fn failed(&self, operation: &Value) -> (Value, Value) {
        let done = self.end_of(operation);
        assert!(done["httpErrorStatusCode"].is_u64() && done["httpErrorMessage"].is_string(), "{done}");
        (done["error"]["errors"][0].clone(), done)
    }

    /// Makes an instance, and waits until it runs.
    #[track_caller]
    pub(crate) fn made(&self, zone: &str, name: &str) -> Value {
        self.done(&self.insert(zone, &worker(zone, name)).ok());
        self.get(&format!("zones/{zone}/instances/{name}")).ok()
    }
}

/// A body that asks for an instance of the smallest kind.
pub(crate) fn worker(zone: &str, name: &str) -> Value {
    json!({
        "name": name,
        "machineType": format!("zones/{zone}/machineTypes/n2-standard-2"),
        "disks": [{
            "boot": true,
            "autoDelete": true,
            "initializeParams": {
                "sourceImage": "projects/debian-cloud/global/images/family/debian-12",
                "diskSizeGb": "20",
                "diskType": format!("zones/{zone}/diskTypes/pd-balanced"),
            },
        }],
        "networkInterfaces": [{ "accessConfigs": [{ "type": "ONE_TO_ONE_NAT", "name": "External NAT" }] }],
        "labels": { "pool": "blue" },
        "metadata": { "items": [{ "key": "startup-script", "value": "echo hello" }] },
    })
}

/// The last part of a link.
pub(crate) fn last(link: &Value) -> &str {
    link.as_str().unwrap().rsplit('/').next().unwrap()
}
