//! The SSH servers of the instances.
//!
//! russh 0.65.1 keeps about 4 KiB for every channel that the server closes first, until the connection ends.

mod exec;
mod host;
mod line;
mod server;
mod session;

pub(crate) use host::Host;
pub(crate) use server::Server;
