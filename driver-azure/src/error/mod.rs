//! What can go wrong, and what the pool should make of it.

mod azure_error;
mod codes;
mod from_wire;

pub use azure_error::AzureError;
pub(crate) use from_wire::{failed, unreadable};
