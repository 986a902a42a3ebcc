//! Microsoft Azure behind the driver contract.
//!
//! # What it does with the contract's freedom
//! * **Placements** are the configured availability zones; without any, one without a name. An instance's id is the name of
//!   its virtual machine.
//! * **Idempotency** is that name: it is made of the instance set and the token, and a second create is a second PUT of the
//!   same machine.
//! * **Creates** end when their operation has ended: most refusals for capacity come out of it. What a failed one leaves
//!   behind is listed as failed, or is found by [`sweep`](pool_api::InstanceSet::sweep).
//! * **One resource**: interface and disks are declared in the machine, and go with it.
//! * **Tags** are Azure's, with names that differ in case alone told apart.
//! * **Lists** are of machines, power states and interfaces, each in as many pages as it has.
//! * **The init command** is custom data, which cloud-init runs once.
//! * **Spot** machines are deleted when they are evicted.
//! * **Host keys** cannot be vouched for.

mod arm;
mod config;
mod credentials;
mod driver;
mod error;
mod instance;
mod limits;
mod list;
mod machine;
mod names;
mod operation;
mod quota_group;
mod set;
mod sweep;
mod tags;
mod wire;

pub use config::{AzureCloud, AzureConfig, AzureCredentials, SpotPriceLimit};
pub use driver::AzureDriver;
pub use error::AzureError;
pub use instance::AzureInstance;
pub use set::AzureInstanceSet;
