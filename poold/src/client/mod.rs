//! Asks a running `poold serve`.

mod calls;
mod connection;
mod error;
mod output;

pub(crate) use connection::Client;
pub(crate) use error::ClientError;
