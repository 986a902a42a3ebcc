//! The HTTP server: on the Unix socket of a state directory, and on a network.

mod answer;
mod ask;
mod audit;
mod caller;
mod carrier;
mod gate;
mod handlers;
mod limits;
mod listen;
mod measured;
mod openapi;
mod output;
mod reason;
mod router;
mod serve;
mod session;
mod socket;
mod source;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod watched;

pub(crate) use audit::AuditLog;
pub(crate) use carrier::{Carrier, NetworkListener};
pub(crate) use gate::Gate;
pub(crate) use listen::{SocketError, listen};
pub(crate) use measured::Measured;
pub(crate) use output::RUN_HEADER;
pub(crate) use router::router;
pub(crate) use serve::serve;
pub(crate) use socket::{Reach, socket_path};
pub(crate) use tls::Tls;
