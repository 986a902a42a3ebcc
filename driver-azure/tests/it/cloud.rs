//! An open instance set with a proxy before a stand-in of its own.

use azure_fake::{Fake, Settings};
use driver_azure::AzureDriver;
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
pub(crate) const IMAGE: &str = "Debian:debian-12:12-gen2:latest";
/// The group of the machines.
pub(crate) const GROUP: &str = "fake-group";

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
        Self::open(fields, set_id(), Arc::new(Fake::start(settings).unwrap())).await
    }

    /// The same set as another process opens it.
    pub(crate) async fn again(&self, fields: Value) -> Self {
        Self::open(fields, set_id(), Arc::clone(&self.fake)).await
    }

    /// Another set in the same cloud.
    pub(crate) async fn other_set(&self, set: &str) -> Self {
        Self::open(json!({}), InstanceSetId::new(set).unwrap(), Arc::clone(&self.fake)).await
    }

    async fn open(fields: Value, set: InstanceSetId, fake: Arc<Fake>) -> Self {
        let proxy = Proxy::start(Some(fake.address()), Vec::new()).unwrap();
        let settings = Settings::default();
        let mut config = json!({
            "subscription_id": settings.subscription,
            "resource_group": GROUP,
            "location": settings.location,
            "zones": ["1", "2", "3"],
            "virtual_network": "fake-network",
            "subnet": "default",
            "endpoint": proxy.url(),
            "authority": proxy.url(),
            "credentials": { "client_secret": {
                "tenant_id": settings.tenant,
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
            } },
            "admin_user": "pool",
            "list_settle_time": "0s",
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        let context = DriverContext { instance_set: set, state_dir: PathBuf::from("/nowhere") };
        let set = AzureDriver.open(config, context).await.unwrap();
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

    /// How many requests there were of this kind.
    pub(crate) fn count(&self, is_wanted: impl Fn(&Request) -> bool) -> usize {
        self.proxy.requests().iter().filter(|request| is_wanted(request)).count()
    }

    /// The bodies of the requests that have made machines.
    pub(crate) fn puts(&self) -> Vec<Value> {
        self.bodies("PUT")
    }

    /// The bodies of the requests that have changed machines.
    pub(crate) fn patches(&self) -> Vec<Value> {
        self.bodies("PATCH")
    }

    fn bodies(&self, method: &str) -> Vec<Value> {
        let all = self.proxy.requests();
        let wanted = all.iter().filter(|request| is_of_machine(request, method));
        wanted.map(|request| serde_json::from_slice(&request.body).unwrap_or(Value::Null)).collect()
    }
}

/// A request's path without its query.
pub(crate) fn path(request: &Request) -> &str {
    request.path.split('?').next().unwrap_or_default()
}

/// True for a call of this method about one machine.
pub(crate) fn is_of_machine(request: &Request, method: &str) -> bool {
    request.method == method && path(request).contains("/virtualMachines/pool-")
}

/// True for a page of the group's machines.
pub(crate) fn is_machines(request: &Request) -> bool {
    path(request).contains("/resourceGroups/") && path(request).ends_with("/virtualMachines")
}

/// True for a page of the power states.
pub(crate) fn is_states(request: &Request) -> bool {
    !path(request).contains("/resourceGroups/") && path(request).ends_with("/virtualMachines")
}

/// True for a page of the group's interfaces.
pub(crate) fn is_interfaces(request: &Request) -> bool {
    path(request).ends_with("/networkInterfaces")
}

/// True for a look at an operation.
pub(crate) fn is_look(request: &Request) -> bool {
    path(request).contains("/operations/")
}

/// True for a request for a token.
pub(crate) fn is_token(request: &Request) -> bool {
    path(request).ends_with("/token")
}

/// A refusal in the provider's shape.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "error": { "code": code, "message": message } });
    Answer::new(status, "application/json; charset=utf-8", body.to_string())
}

/// An error and its reasons, with what `Debug` shows of them.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(|error| format!("{error} {error:?}\n")).collect()
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
        provider_type: ProviderType::new("Standard_D2s_v3").unwrap(),
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

pub(crate) fn of_type(request: CreateRequest, instance_type: InstanceType) -> CreateRequest {
    CreateRequest { instance_type: Arc::new(instance_type), ..request }
}

pub(crate) fn of_size(request: CreateRequest, size: &str) -> CreateRequest {
    let provider_type = ProviderType::new(size).unwrap();
    of_type(request, InstanceType { provider_type, ..instance_type() })
}
