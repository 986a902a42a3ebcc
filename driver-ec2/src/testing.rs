//! What several tests need.

use pool_api::{ByteSize, Cpus, HourlyPrice, InstanceType, InstanceTypeName, ProviderType};

/// A type on demand with this provider type.
pub(crate) fn instance_type(provider_type: &str) -> InstanceType {
    InstanceType {
        name: InstanceTypeName::new("some").unwrap(),
        provider_type: ProviderType::new(provider_type).unwrap(),
        vcpus: Cpus::whole(2),
        memory: ByteSize::gib(8),
        included_scratch: ByteSize(0),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::from_micros(100_000),
        preemptible: false,
        architecture: pool_api::Architecture::X86_64,
        image: None,
    }
}
