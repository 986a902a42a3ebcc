//! An open instance set with a proxy before a stand-in of its own.

use driver_gce::GceDriver;
use gce_fake::{Fake, Settings};
use pool_api::{
    Architecture, ByteSize, Cpus, CreateRequest, Driver, DriverContext, HourlyPrice, IdempotencyToken,
    ImageId, InitCommand, Instance, InstanceSet, InstanceSetId, InstanceType, InstanceTypeName, ProviderType,
    PublicKey, Tags,
};
use pool_conformance::{Answer, Proxy, Request};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) const ED25519_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbJrOvrMFm+WyK8MktQMlUvrrV1Nio1K1tWSb6vVyso someone@host";
pub(crate) const IMAGE: &str = "projects/debian-cloud/global/images/family/debian-12";

/// An open set, what is sent by it, and the cloud behind.
pub(crate) struct Cloud {
    pub(crate) set: Arc<dyn InstanceSet>,
    pub(crate) proxy: Proxy,
    pub(crate) fake: Arc<Fake>,
}

impl Cloud {
    /// A set in a cloud of its own, with these fields of the configuration set or replaced.
    pub(crate) async fn new(fields: Value) -> Self {
        Self::with(fields, Settings::default()).await
    }

    pub(crate) async fn with(fields: Value, settings: Settings) -> Self {
        Self::open(fields, Arc::new(Fake::start(settings).unwrap())).await
    }

    /// The same set as another process opens it.
    pub(crate) async fn again(&self, fields: Value) -> Self {
        Self::open(fields, Arc::clone(&self.fake)).await
    }

    async fn open(fields: Value, fake: Arc<Fake>) -> Self {
        let proxy = Proxy::start(Some(fake.address()), Vec::new()).unwrap();
        let mut config = json!({
            "project": "fake-project",
            "zones": ["europe-west1-b", "europe-west1-c", "us-central1-a"],
            "endpoint": proxy.url(),
            "credentials": "anonymous",
            "admin_user": "admin",
            "list_settle_time": "0s",
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        let context = DriverContext { instance_set: set_id(), state_dir: PathBuf::from("/nowhere") };
        let set = GceDriver.open(config, context).await.unwrap();
        Self { set, proxy, fake }
    }

    pub(crate) fn request(&self) -> CreateRequest {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        CreateRequest {
            instance_type: Arc::new(instance_type()),
            image: Some(ImageId::new(IMAGE).unwrap()),
            placement: self.set.placements().into_iter().next().unwrap(),
            tags: tags(),
            init_command: InitCommand::new("echo hello\n".into()),
            public_key: PublicKey(ED25519_KEY.into()),
            token: IdempotencyToken::from_bits(u128::from(NEXT.fetch_add(1, Ordering::Relaxed))),
        }
    }

    pub(crate) async fn create(&self) -> Arc<dyn Instance> {
        self.set.create(self.request()).await.unwrap()
    }

    pub(crate) async fn list(&self) -> Vec<Arc<dyn Instance>> {
        self.set.instances(&tags()).await.unwrap()
    }

    /// The bodies of the calls whose path, without its query, ends so.
    pub(crate) fn sent(&self, end: &str) -> Vec<Value> {
        let all = self.proxy.requests();
        let wanted = all.iter().filter(|request| is_to(request, end));
        wanted.map(|request| serde_json::from_slice(&request.body).unwrap_or(Value::Null)).collect()
    }
}

/// True for a request whose path, without its query, ends so.
pub(crate) fn is_to(request: &Request, end: &str) -> bool {
    request.path.split('?').next().is_some_and(|path| path.ends_with(end))
}

/// A refusal in the provider's shape.
pub(crate) fn error(status: u16, reason: &str, message: &str) -> Answer {
    let body = json!({ "error": {
        "code": status,
        "message": message,
        "errors": [{ "message": message, "domain": "global", "reason": reason }],
    } });
    Answer::new(status, "application/json", body.to_string())
}

pub(crate) fn set_id() -> InstanceSetId {
    InstanceSetId::new("It.1").unwrap()
}

pub(crate) fn tags() -> Tags {
    [("InstanceSetID", "It.1")].into_iter().collect()
}

pub(crate) fn instance_type() -> InstanceType {
    InstanceType {
        name: InstanceTypeName::new("plain").unwrap(),
        provider_type: ProviderType::new("n2-standard-2").unwrap(),
        vcpus: Cpus::whole(2),
        memory: ByteSize::gib(8),
        included_scratch: ByteSize(0),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::from_micros(97_118),
        preemptible: false,
        architecture: Architecture::X86_64,
        image: None,
    }
}
