//! The server over a real Unix socket, with a scripted service behind it.

pub(crate) mod fake;
mod limits;
mod network;
mod requests;
mod sockets;
mod tokens;
