//! The HTTP server on the Unix socket of a state directory.

mod answer;
mod ask;
mod events;
mod listen;
mod output;
mod router;
mod serve;
mod socket;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use listen::{SocketError, listen};
pub(crate) use output::RUN_HEADER;
pub(crate) use serve::serve;
pub(crate) use socket::{Reach, socket_path};
