//! Amazon EC2 behind the driver contract.
//!
//! # What it does with the contract's freedom
//! * **Placements** are the configured subnets.
//! * **Idempotency** is EC2's client token, which names one `RunInstances` for the life of its instance
//!   (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>).
//! * **Terminated** instances are not listed; those that are shutting down are listed as stopping, for their jobs may
//!   still run. An instance that was stopped, or preempted with a stop, is listed as stopped.
//! * **Host keys** cannot be vouched for: the console's output comes minutes late, and anyone with root writes to it.
//! * **Instances** end when they power off, answer metadata requests of IMDSv2 alone, and take with them the scratch volume
//!   that was added. What the image's own volumes do is the image's affair: an image that keeps its volume
//!   leaves one behind that [`sweep`](pool_api::InstanceSet::sweep) deletes.
//! * **Key pairs**: the pool's public key is looked for by its fingerprint and imported once if it is missing. It stays in the
//!   account, tagged, for the next run.
//!
//! # Permissions
//! `ec2:RunInstances`, `ec2:CreateTags`, `ec2:DescribeInstances`, `ec2:TerminateInstances`, `ec2:DescribeKeyPairs`,
//! `ec2:ImportKeyPair`; for `sweep` `ec2:DescribeVolumes`, `ec2:DeleteVolume`, `ec2:DescribeSpotInstanceRequests`,
//! `ec2:CancelSpotInstanceRequests`; for spot prices `ec2:DescribeSpotPriceHistory`; with an instance profile `iam:PassRole`.

mod client;
mod config;
mod create;
mod driver;
mod error;
mod instance;
mod key_pair;
mod limits;
mod list;
mod pages;
mod prices;
mod public_key;
mod quota_group;
mod regions;
mod set;
mod sweep;
mod tags;
#[cfg(test)]
mod testing;
mod whole_answer;

pub use config::{AddressKind, Ec2Config, Ec2Credentials};
pub use driver::Ec2Driver;
pub use error::Ec2Error;
pub use instance::Ec2Instance;
pub use set::Ec2InstanceSet;
