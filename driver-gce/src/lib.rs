//! Google Compute Engine behind the driver contract.
//!
//! # What it does with the contract's freedom
//! * **Placements** are the configured zones. An instance's id is its name.
//! * **Idempotency** is the instance's name, which is made from the token and unique in its zone for as long as the
//!   instance is there (<https://cloud.google.com/compute/docs/naming-resources>), and before that the request id, by which
//!   Compute Engine knows a request that it has carried out already, for a limited time
//!   (<https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert>, `requestId`).
//! * **Creates** end when their operation has ended: most refusals for quota and capacity come out of it. A create that
//!   was accepted and cannot be followed is of unknown effect.
//! * **Tags** are kept exactly, in one item of the instance's metadata. One label says whose it is, so that Compute Engine
//!   can filter lists.
//! * **Lists** are of all zones at once, and whole: a zone that cannot be reached fails the list.
//! * **The init command** is a startup script that leaves a mark on the disk, so that it runs at the first boot alone.
//! * **Spot** instances are deleted when they are preempted.
//! * **Disks** go with their instance.
//! * **Host keys** can be vouched for where the image's guest agent publishes them and `host_keys` is set.
//!
//! # Permissions
//! `compute.instances.create`, `.get`, `.list`, `.delete`, `.setMetadata`, `.setLabels`, `.setTags`, `.setServiceAccount`;
//! `compute.disks.create`, `.setLabels`; `compute.images.useReadOnly`; `compute.subnetworks.use`, and `.useExternalIp` for
//! external addresses; `compute.zoneOperations.get`; `compute.instances.getGuestAttributes` for host keys; with a service
//! account `iam.serviceAccounts.actAs` on it.

mod calls;
mod client;
mod config;
mod create;
mod driver;
mod error;
mod host_keys;
mod instance;
mod limits;
mod list;
mod operation;
mod quota_group;
mod set;
mod startup_script;
mod tags;

pub use config::{AddressKind, GceConfig, GceCredentials};
pub use driver::GceDriver;
pub use error::GceError;
pub use instance::GceInstance;
pub use set::GceInstanceSet;
