//! An open instance set with a proxy before moto's server, which all tests share.

use crate::moto::Moto;
use driver_ec2::Ec2Driver;
use percent_encoding::percent_decode_str;
use pool_api::{
    Architecture, ByteSize, Cpus, CreateRequest, Driver, DriverContext, HourlyPrice, IdempotencyToken,
    ImageId, InitCommand, Instance, InstanceSet, InstanceSetId, InstanceType, InstanceTypeName, Placement,
    ProviderType, PublicKey, Tags,
};
use pool_conformance::{Answer, Proxy, Request, Rule};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

pub(crate) const ED25519_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbJrOvrMFm+WyK8MktQMlUvrrV1Nio1K1tWSb6vVyso someone@host";

/// One server for all tests of this program. It ends when the program does.
pub(crate) fn moto() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(|| Moto::start(&["--remember-terminated"]).unwrap_or_else(|missing| panic!("{missing}")))
}

/// An open set, and what is sent by it.
pub(crate) struct Cloud {
    pub(crate) set: Arc<dyn InstanceSet>,
    pub(crate) proxy: Proxy,
    id: InstanceSetId,
}

impl Cloud {
    /// A new set on moto's server.
    pub(crate) async fn moto(fields: Value) -> Self {
        let id = format!("it-{:016x}", rand::random::<u64>());
        Self::open(&id, Some(moto().address()), fields, Vec::new()).await
    }

    /// A set whose API is this script alone.
    pub(crate) async fn scripted(rules: Vec<Rule>) -> Self {
        Self::open("scripted", None, json!({}), rules).await
    }

    /// The same set as another process opens it.
    pub(crate) async fn again(&self, fields: Value) -> Self {
        Self::open(self.id.as_str(), Some(moto().address()), fields, Vec::new()).await
    }

    async fn open(id: &str, upstream: Option<SocketAddr>, fields: Value, rules: Vec<Rule>) -> Self {
        let proxy = Proxy::start(upstream, rules).unwrap();
        let mut config = json!({
            "region": "eu-central-1",
            "endpoint": proxy.url(),
            "credentials": { "access_key_id": "AKIAEXAMPLE", "secret_access_key": "hunter2" },
            "subnets": if upstream.is_some() { subnets().await } else { json!(["subnet-1"]) },
            "admin_user": "admin",
            "list_settle_time": "0s",
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        let id = InstanceSetId::new(id).unwrap();
        let context = DriverContext { instance_set: id.clone(), state_dir: PathBuf::from("/nowhere") };
        let set = Ec2Driver.open(config, context).await.unwrap();
        Self { set, proxy, id }
    }

    pub(crate) fn tags(&self) -> Tags {
        [("InstanceSetID", self.id.as_str())].into_iter().collect()
    }

    pub(crate) fn id(&self) -> &InstanceSetId {
        &self.id
    }

    pub(crate) fn request(&self) -> CreateRequest {
        CreateRequest {
            instance_type: Arc::new(instance_type()),
            image: Some(image()),
            placement: self.set.placements().into_iter().next().unwrap(),
            tags: self.tags(),
            init_command: InitCommand::new("echo hello\n".into()),
            public_key: PublicKey(ED25519_KEY.into()),
            token: IdempotencyToken::from_bits(rand::random()),
        }
    }

    pub(crate) async fn create(&self) -> Arc<dyn Instance> {
        self.set.create(self.request()).await.unwrap()
    }

    pub(crate) async fn list(&self) -> Vec<Arc<dyn Instance>> {
        self.set.instances(&self.tags()).await.unwrap()
    }

    /// The parameters of every request of this action, in order.
    pub(crate) fn sent(&self, action: &str) -> Vec<BTreeMap<String, String>> {
        let all = self.proxy.requests();
        all.iter().map(parameters).filter(|parameters| parameters["Action"] == action).collect()
    }
}

/// Of a form-encoded request.
pub(crate) fn parameters(request: &Request) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let text = request.text();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// True for a request of this action.
pub(crate) fn is(action: &'static str) -> impl Fn(&Request) -> bool + Send + Sync + 'static {
    move |request| parameters(request)["Action"] == action
}

/// An answer with this XML document.
pub(crate) fn xml(body: &str) -> Answer {
    Answer::new(200, "text/xml;charset=UTF-8", body.to_owned())
}

pub(crate) fn instance_type() -> InstanceType {
    InstanceType {
        name: InstanceTypeName::new("plain").unwrap(),
        provider_type: ProviderType::new("m5.large").unwrap(),
        vcpus: Cpus::whole(2),
        memory: ByteSize::gib(8),
        included_scratch: ByteSize(0),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::from_micros(115_000),
        preemptible: false,
        architecture: Architecture::X86_64,
        image: None,
    }
}

pub(crate) fn placement(name: &str) -> Placement {
    Placement::new(name)
}

/// One of the images that moto has.
pub(crate) fn image() -> ImageId {
    ImageId::new("ami-03cf127a").unwrap()
}

/// The default subnets that moto has.
async fn subnets() -> Value {
    let answer = ask("DescribeSubnets", &[]).await;
    let ids = answer.split("<subnetId>").skip(1).filter_map(|rest| rest.split('<').next());
    let ids: Vec<&str> = ids.collect();
    assert!(!ids.is_empty(), "{answer}");
    json!(ids)
}

/// Asks moto's server, without the driver. Returns the answer's body.
pub(crate) async fn ask(action: &str, parameters: &[(&str, &str)]) -> String {
    let mut body = format!("Action={action}&Version=2016-11-15");
    for (name, value) in parameters {
        body.push_str(&format!("&{name}={value}"));
    }
    // moto reads the region from the signature and does not verify it.
    let signature = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261124/eu-central-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
    let mut connection = tokio::net::TcpStream::connect(moto().address()).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: ec2.eu-central-1.amazonaws.com\r\nauthorization: {signature}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{answer}");
    body.to_owned()
}
