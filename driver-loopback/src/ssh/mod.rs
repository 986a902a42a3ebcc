//! The SSH servers of the instances.

mod exec;
mod host;
mod line;
mod server;
mod session;

pub(crate) use host::Host;
pub(crate) use server::Server;
