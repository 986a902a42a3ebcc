//! The server over a real Unix socket, with a scripted service behind it.

mod events;
pub(crate) mod fake;
mod limits;
mod network;
mod requests;
mod sockets;
mod tokens;
