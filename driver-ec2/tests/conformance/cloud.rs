//! moto's cloud, seen without the driver.

use crate::moto::Moto;
use aws_sdk_ec2::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    error::SdkError,
    types::{Filter, InstanceAttributeName, InstanceLifecycleType, InstanceStateName, Tag},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pool_api::{ByteSize, ImageId, InstanceId, InstanceSetId, Placement, ProviderType, Tags};
use pool_conformance::{Created, Missing, Refusal, Seen};
use serde_json::json;
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};

pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY";
const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// What the driver writes before the init command.
const FIRST_LINE: &[u8] = b"#!/bin/sh\n";
/// The device that the driver adds for scratch.
const SCRATCH_DEVICE: &str = "/dev/sdf";

/// A cloud that runs.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) moto: Moto,
    client: Client,
    pub(crate) image: ImageId,
    subnets: Vec<String>,
    security_group: String,
}

/// Any error, as a text.
fn said<E: std::error::Error + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> Refusal {
    Refusal::broken(aws_sdk_ec2::error::DisplayErrorContext(error))
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

impl Cloud {
    pub(crate) async fn start() -> Result<Self, Missing> {
        let moto = Moto::start(&[]).map_err(Missing)?;
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", moto.address()))
            .credentials_provider(Credentials::from_keys(ACCESS_KEY, SECRET_KEY, None))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let client = Client::from_conf(config);
        let images = client.describe_images().filters(filter("architecture", "x86_64")).send().await?;
        let image = images.images().iter().filter_map(|image| image.image_id()).min().unwrap_or_default();
        let subnets = client.describe_subnets().send().await?;
        let subnets: Vec<String> =
            subnets.subnets().iter().filter_map(|subnet| subnet.subnet_id()).map(str::to_owned).collect();
        let groups =
            client.describe_security_groups().filters(filter("group-name", "default")).send().await?;
        let group = groups.security_groups().iter().find_map(|group| group.group_id()).unwrap_or_default();
        let (image, security_group) = (ImageId::new(image)?, group.to_owned());
        Ok(Self { moto, client, image, subnets, security_group })
    }

    /// The driver's table for an API at this address.
    pub(crate) fn config(&self, endpoint: &str, page_size: usize) -> serde_json::Value {
        json!({
            "region": REGION,
            "endpoint": endpoint,
            "credentials": { "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY },
            "subnets": self.subnets,
            "security_groups": [self.security_group],
            "admin_user": "admin",
            "ebs_price": 0.0952,
            "tags": { "owner": "conformance" },
            "page_size": page_size,
            "call_timeout": "10s",
            // moto is of one mind with itself at once.
            "list_settle_time": "0s",
            "leftover_age": "0s",
        })
    }

    /// An instance, whoever has made it.
    pub(crate) async fn inspect(&self, id: &InstanceId) -> Result<Created, Refusal> {
        let answer = self.client.describe_instances().instance_ids(id.as_str()).send().await.map_err(said)?;
        let instance = answer
            .reservations()
            .iter()
            .find_map(|reservation| reservation.instances().first())
            .ok_or_else(|| Refusal::broken("there is no such instance"))?;
        let named = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let tags: Tags = instance.tags().iter().map(|tag| (named(tag.key()), named(tag.value()))).collect();
        let is_spot = instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot);
        Ok(Created {
            provider_type: Seen::Is(ProviderType::new(
                instance.instance_type().map_or("", |name| name.as_str()),
            )?),
            image: Seen::Is(Some(ImageId::new(named(instance.image_id()))?)),
            placement: Seen::Is(Placement::new(named(instance.subnet_id()))),
            tags: Seen::Is(tags),
            init_command: Seen::Is(self.init_command(id).await?),
            public_key: Seen::Is(self.public_key(&named(instance.key_name())).await?),
            added_scratch: Seen::Is(self.scratch(id).await?),
            preemptible: Seen::Is(is_spot),
        })
    }

    async fn init_command(&self, id: &InstanceId) -> Result<Vec<u8>, Refusal> {
        let call = self.client.describe_instance_attribute().instance_id(id.as_str());
        // The SDK logs answers at the level TRACE. This one holds a secret, and the driver never asks for it.
        let answer = call
            .attribute(InstanceAttributeName::UserData)
            .send()
            .with_subscriber(NoSubscriber::default())
            .await
            .map_err(said)?;
        let encoded = answer.user_data().and_then(|data| data.value()).unwrap_or_default();
        let user_data = STANDARD.decode(encoded)?;
        user_data
            .strip_prefix(FIRST_LINE)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Refusal::broken("the user data does not begin as a shell script"))
    }

    async fn public_key(&self, name: &str) -> Result<String, Refusal> {
        let call = self.client.describe_key_pairs().key_names(name).include_public_key(true);
        let answer = call.send().await.map_err(said)?;
        let key = answer.key_pairs().iter().find_map(|pair| pair.public_key());
        key.map(str::to_owned).ok_or_else(|| Refusal::broken("there is no such key pair"))
    }

    async fn scratch(&self, id: &InstanceId) -> Result<ByteSize, Refusal> {
        let call = self.client.describe_volumes().filters(filter("attachment.instance-id", id.as_str()));
        let answer = call.send().await.map_err(said)?;
        let added = answer.volumes().iter().filter(|volume| {
            volume.attachments().iter().any(|attached| attached.device() == Some(SCRATCH_DEVICE))
        });
        Ok(ByteSize::gib(added.filter_map(|volume| u64::try_from(volume.size()?).ok()).sum()))
    }

    pub(crate) async fn stop(&self, id: &InstanceId) -> Result<(), Refusal> {
        self.client.stop_instances().instance_ids(id.as_str()).send().await.map_err(said)?;
        Ok(())
    }

    /// As a preemption does it that the driver has asked to end the instance.
    pub(crate) async fn terminate(&self, id: &InstanceId) -> Result<(), Refusal> {
        self.client.terminate_instances().instance_ids(id.as_str()).send().await.map_err(said)?;
        Ok(())
    }

    /// A volume as an image leaves behind that keeps its volumes.
    pub(crate) async fn leave_volume(&self, set: &InstanceSetId) -> Result<String, Refusal> {
        let tags = aws_sdk_ec2::types::TagSpecification::builder()
            .resource_type(aws_sdk_ec2::types::ResourceType::Volume)
            .tags(Tag::builder().key("pool-driver-ec2:instance-set").value(set.as_str()).build());
        let call = self.client.create_volume().availability_zone(format!("{REGION}a")).size(8);
        let answer = call.tag_specifications(tags.build()).send().await.map_err(said)?;
        Ok(format!("the volume {}", answer.volume_id().unwrap_or_default()))
    }

    /// What there is of a set, but for its key pair, which is kept.
    pub(crate) async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal> {
        let mut left = Vec::new();
        let call = self.client.describe_instances().filters(filter("tag:InstanceSetID", set.as_str()));
        for reservation in call.send().await.map_err(said)?.reservations() {
            for instance in reservation.instances() {
                let state = instance.state().and_then(|state| state.name());
                if state != Some(&InstanceStateName::Terminated) {
                    left.push(format!("the instance {}", instance.instance_id().unwrap_or_default()));
                }
            }
        }
        let of_set = filter("tag:pool-driver-ec2:instance-set", set.as_str());
        let call = self.client.describe_volumes().filters(of_set.clone());
        for volume in call.send().await.map_err(said)?.volumes() {
            left.push(format!("the volume {}", volume.volume_id().unwrap_or_default()));
        }
        let call = self.client.describe_spot_instance_requests().filters(of_set);
        for request in
            call.filters(filter("state", "open")).send().await.map_err(said)?.spot_instance_requests()
        {
            left.push(format!("the spot request {}", request.spot_instance_request_id().unwrap_or_default()));
        }
        Ok(left)
    }
}
