//! What the bodies of requests may say: <https://cloud.google.com/compute/docs/reference/rest/v1/instances>.

mod disks;
mod instance;
mod labels;
mod machine_type;
mod metadata;
mod network;
mod read;
mod scheduling;
mod service_account;
mod tags;
mod url;

pub(crate) use disks::NewDisk;
pub(crate) use instance::{NewInstance, new_instance};
pub(crate) use labels::labels;
pub(crate) use metadata::metadata;
pub(crate) use read::text;
pub(crate) use tags::tags;
