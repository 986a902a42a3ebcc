//! From the pool's request to EC2's.

use crate::{
    Ec2Config, Ec2Error, limits,
    public_key::{self, ImportableKey},
    tags,
};
use aws_sdk_ec2::{
    operation::run_instances::builders::RunInstancesInputBuilder,
    types::{
        BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification,
        InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceMetadataEndpointState,
        InstanceMetadataOptionsRequest, MarketType, ResourceType, ShutdownBehavior, SpotInstanceType,
        SpotMarketOptions, VolumeType,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use pool_api::{ByteSize, CreateRequest, HourlyPrice, ImageId, InstanceSetId, Tags};

/// The device name of the added scratch volume: of those that AWS recommends for data volumes
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html>) the first. On Nitro the kernel calls it
/// otherwise.
const SCRATCH_DEVICE: &str = "/dev/sdf";

/// A request that has been checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) key: ImportableKey,
    image: ImageId,
    user_data: String,
    scratch_gib: Option<i32>,
    instance_tags: Tags,
    volume_tags: Tags,
}

/// Checks all that can be checked before any call.
///
/// # Errors
/// [`Ec2Error::BadRequest`], with the field.
pub(crate) fn plan(
    config: &Ec2Config,
    set: &InstanceSetId,
    request: &CreateRequest,
) -> Result<Plan, Ec2Error> {
    if !config.subnets.contains(&request.placement) {
        let problem = format!("{} is none of the configured subnets", request.placement);
        return Err(Ec2Error::bad_request("placement", problem));
    }
    let Some(image) = request.image.clone() else {
        return Err(Ec2Error::bad_request("image", "EC2 has no default image: configure one (ami-…)"));
    };
    let key = public_key::parse(&request.public_key.0)
        .map_err(|problem| Ec2Error::bad_request("public_key", problem))?;

    let scratch_gib = scratch_gib(config, request.instance_type.added_scratch)?;
    let mut shared = config.tags.clone();
    shared.extend(&request.tags);
    let mut instance_tags = shared.clone();
    if let Some(gib) = scratch_gib
        && request.instance_type.preemptible
        && config.ebs_price != HourlyPrice::ZERO
    {
        instance_tags.set(tags::SCRATCH_GIB, gib.to_string());
    }
    let volume_tags = tags::with_set(&shared, set);
    for tags in [&instance_tags, &volume_tags] {
        limits::check_tags(tags, limits::TAGS.count)
            .map_err(|bad| Ec2Error::bad_request(format!("tags.{}", bad.name), bad.problem))?;
    }

    Ok(Plan { key, image, user_data: user_data(request)?, scratch_gib, instance_tags, volume_tags })
}

/// The init command as a script that cloud-init runs once, as root.
fn user_data(request: &CreateRequest) -> Result<String, Ec2Error> {
    let script = format!("#!/bin/sh\n{}", request.init_command.expose());
    if script.len() > limits::USER_DATA {
        let problem = format!(
            "with its first line it has {} bytes, and EC2 takes {} bytes of user data: put the most of it into the image",
            script.len(),
            limits::USER_DATA
        );
        return Err(Ec2Error::bad_request("init_command", problem));
    }
    Ok(STANDARD.encode(script))
}

/// The size of the scratch volume, rounded up to whole GiB; none where none is to be added.
fn scratch_gib(config: &Ec2Config, wanted: ByteSize) -> Result<Option<i32>, Ec2Error> {
    if wanted.0 == 0 {
        return Ok(None);
    }
    let sizes = limits::volume_gib(&config.ebs_type);
    let gib = wanted.0.div_ceil(1 << 30).max(*sizes.start());
    match i32::try_from(gib) {
        Ok(size) if sizes.contains(&gib) => Ok(Some(size)),
        _ => {
            let problem =
                format!("{gib} GiB are more than the {} GiB of a volume of {}", sizes.end(), config.ebs_type);
            Err(Ec2Error::bad_request("added_scratch", problem))
        }
    }
}

impl Plan {
    /// The call.
    pub(crate) fn run_instances(
        &self,
        config: &Ec2Config,
        request: &CreateRequest,
        key_name: String,
    ) -> RunInstancesInputBuilder {
        let instance_type = &request.instance_type;
        let spot = instance_type.preemptible;
        let mut call = RunInstancesInputBuilder::default()
            .min_count(1)
            .max_count(1)
            .client_token(request.token.as_str())
            .image_id(self.image.as_str())
            .instance_type(instance_type.provider_type.as_str().into())
            .subnet_id(request.placement.as_str())
            .key_name(key_name)
            .user_data(&self.user_data)
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .metadata_options(
                InstanceMetadataOptionsRequest::builder()
                    .http_endpoint(InstanceMetadataEndpointState::Enabled)
                    .http_tokens(HttpTokensState::Required)
                    .build(),
            )
            .tag_specifications(tags::specification(ResourceType::Instance, &self.instance_tags))
            .tag_specifications(tags::specification(ResourceType::Volume, &self.volume_tags));
        if !config.security_groups.is_empty() {
            call = call.set_security_group_ids(Some(config.security_groups.clone()));
        }
        if let Some(profile) = &config.iam_instance_profile {
            call = call.iam_instance_profile(instance_profile(profile));
        }
        if let Some(gib) = self.scratch_gib {
            call = call.block_device_mappings(scratch_volume(&config.ebs_type, gib));
        }
        if spot {
            call = call.instance_market_options(spot_market(instance_type.price)).tag_specifications(
                tags::specification(ResourceType::SpotInstancesRequest, &self.volume_tags),
            );
        }
        call
    }
}

fn instance_profile(profile: &str) -> IamInstanceProfileSpecification {
    let builder = IamInstanceProfileSpecification::builder();
    if profile.starts_with("arn:") { builder.arn(profile) } else { builder.name(profile) }.build()
}

fn scratch_volume(ebs_type: &str, gib: i32) -> BlockDeviceMapping {
    let volume = EbsBlockDevice::builder()
        .delete_on_termination(true)
        .volume_size(gib)
        .volume_type(VolumeType::from(ebs_type));
    BlockDeviceMapping::builder().device_name(SCRATCH_DEVICE).ebs(volume.build()).build()
}

fn spot_market(limit: HourlyPrice) -> InstanceMarketOptionsRequest {
    let micros = limit.as_micros();
    let options = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
        .max_price(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    InstanceMarketOptionsRequest::builder()
        .market_type(MarketType::Spot)
        .spot_options(options.build())
        .build()
}
