//! The kinds of machine that the operator offers to jobs.

use crate::{
    ByteSize, Cpus, HourlyPrice, ImageId, InstanceTypeName, ProviderType, Resources, quantities::exact_bytes,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The processor architecture of a machine, which decides which runner program it gets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit x86 (amd64).
    #[default]
    X86_64,
    /// 64-bit ARM (arm64).
    Aarch64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        })
    }
}

/// One kind of machine: what it has, what it costs, and what the provider calls it.
///
/// Two types may share a [provider type](Self::provider_type), for example once on demand and once
/// preemptible, or with different scratch disks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceType {
    /// The operator's name, unique in the configuration.
    pub name: InstanceTypeName,
    /// The provider's name.
    pub provider_type: ProviderType,
    /// Virtual CPUs that jobs may use.
    pub vcpus: Cpus,
    /// Memory that jobs may use.
    #[serde(serialize_with = "exact_bytes")]
    pub memory: ByteSize,
    /// Scratch space that comes with the provider type.
    #[serde(default, serialize_with = "exact_bytes")]
    pub included_scratch: ByteSize,
    /// Scratch space that is attached as an extra disk when the instance is created.
    #[serde(default, serialize_with = "exact_bytes")]
    pub added_scratch: ByteSize,
    /// Graphics processors.
    #[serde(default)]
    pub gpus: u32,
    /// Price of one instance for an hour, added scratch included.
    pub price: HourlyPrice,
    /// True: spot or preemptible capacity, which the provider may take away.
    #[serde(default)]
    pub preemptible: bool,
    /// The processor architecture.
    #[serde(default)]
    pub architecture: Architecture,
    /// The image to boot from, in place of the pool's own.
    #[serde(default)]
    pub image: Option<ImageId>,
}

impl InstanceType {
    /// What jobs may use of one such instance, together.
    pub fn resources(&self) -> Resources {
        Resources {
            cpus: self.vcpus,
            memory: self.memory,
            scratch: ByteSize(self.included_scratch.0.saturating_add(self.added_scratch.0)),
            gpus: self.gpus,
        }
    }
}
