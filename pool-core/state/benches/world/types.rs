//! The instance types, and the limits, of the pools that are measured.

use pool_api::{
    Architecture, ByteSize, Capabilities, Cpus, HourlyPrice, Idempotency, InstanceSetId, InstanceType,
    InstanceTypeName, Placement, ProviderType, QuotaGroup, TagLimits,
};
use pool_state::{PoolSetup, Settings, TagNames};
use std::{sync::Arc, time::Duration};

/// Twelve types: 2 to 128 CPUs, each also with GPUs; cheapest first.
pub(crate) fn instance_types() -> Vec<Arc<InstanceType>> {
    let mut types: Vec<Arc<InstanceType>> = [2, 4, 8, 16, 64, 128]
        .into_iter()
        .flat_map(|cpus| [(cpus, 0), (cpus, cpus / 2)])
        .map(|(cpus, gpus)| {
            let name = format!("c{cpus}g{gpus}");
            Arc::new(InstanceType {
                name: InstanceTypeName::new(&name).unwrap(),
                provider_type: ProviderType::new(&name).unwrap(),
                vcpus: Cpus::whole(cpus),
                memory: ByteSize::gib(u64::from(cpus) * 4),
                included_scratch: ByteSize::gib(100),
                added_scratch: ByteSize::gib(0),
                gpus,
                price: HourlyPrice::from_micros(u64::from(cpus) * 50_000 + u64::from(gpus) * 1_000_000),
                preemptible: false,
                architecture: Architecture::X86_64,
                image: None,
            })
        })
        .collect();
    types.sort_by_key(|instance_type| instance_type.price);
    types
}

pub(crate) fn quota_group(instance_type: &InstanceType) -> QuotaGroup {
    QuotaGroup::new(if instance_type.gpus > 0 { "gpu" } else { "cpu" }).unwrap()
}

pub(crate) fn placements() -> Vec<Placement> {
    ["subnet-0a1b2c3d", "subnet-1b2c3d4e", "subnet-2c3d4e5f"].into_iter().map(Placement::new).collect()
}

pub(crate) fn instance_set() -> InstanceSetId {
    InstanceSetId::new("benches").unwrap()
}

pub(crate) fn tag_names() -> TagNames {
    TagNames::new("Pool")
}

/// A pool in which all limits are set, and leave room: that they hold has to be looked at then. But as many calls and
/// probes as are wanted, so that what is measured is done and not put off; and nobody goes for being idle.
pub(crate) fn setup() -> PoolSetup {
    PoolSetup {
        instance_set: instance_set(),
        settings: Settings {
            max_cloud_ops_per_second: 0,
            max_probes_per_second: 0,
            max_concurrent_instance_create_ops: 100,
            max_instances: 20_000,
            max_price_per_hour: Some(HourlyPrice::from_micros(1_000_000_000_000)),
            max_lifetime: Some(Duration::from_hours(24 * 30)),
            timeout_idle: Duration::from_hours(24),
            min_idle: [(InstanceTypeName::new("c2g0").unwrap(), 3)].into(),
            ..Settings::default()
        },
        tag_names: tag_names(),
        instance_types: instance_types().into_iter().map(|t| (t.clone(), quota_group(&t))).collect(),
        placements: placements(),
        capabilities: Capabilities {
            idempotency: Idempotency::Token,
            tags: TagLimits { count: 50, name_length: 128, value_length: 256 },
            preemptible: true,
            added_scratch: true,
            host_keys: false,
            list_settle_time: Duration::ZERO,
        },
    }
}
