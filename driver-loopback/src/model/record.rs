//! What is known of one instance, as it is kept on disk.

use super::Fate;
use pool_api::{ImageId, InstanceId, InstanceTypeName, Lifecycle, Placement, ProviderType, Tags};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// How far an instance has come with its one boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Boot {
    /// The init command has not been started.
    Waiting,
    /// It has been started, and must not be started again.
    Started,
    /// It has ended, well or not.
    Done,
}

/// One instance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: InstanceId,
    /// Counts the instances of a state directory from 1.
    pub(crate) serial: u64,
    /// The token of the create that made it.
    pub(crate) token: String,
    pub(crate) instance_type: InstanceTypeName,
    pub(crate) provider_type: ProviderType,
    pub(crate) placement: Placement,
    pub(crate) tags: Tags,
    /// The image that was asked for. Nothing boots from it.
    #[serde(default)]
    pub(crate) image: Option<ImageId>,
    /// How much scratch space was asked for beside what the type has, in bytes. No disk is made: all share one.
    #[serde(default)]
    pub(crate) added_scratch: u64,
    /// Whether it was asked for as preemptible.
    #[serde(default)]
    pub(crate) preemptible: bool,
    pub(crate) created: SystemTime,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) boot: Boot,
    /// Where its SSH server listens on 127.0.0.1, once it has.
    pub(crate) port: Option<u16>,
    pub(crate) fate: Fate,
}
