//! Asks a running `poold serve`.

mod calls;
mod connection;
mod dial;
mod error;
mod output;
mod server;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

pub(crate) use connection::Client;
pub(crate) use dial::Target;
pub(crate) use error::ClientError;
pub(crate) use server::{Server, ServerError, read_token, token};
