//! What the bodies of requests may say:
//! <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/create-or-update>.

mod machine;
mod network;
mod os;
pub(crate) mod read;
mod storage;

pub(crate) use machine::{NewMachine, changed_size, new_machine, tags};
pub(crate) use network::{NewAddress, NewInterface, NewIp};
pub(crate) use os::NewOs;
pub(crate) use storage::NewDisk;
