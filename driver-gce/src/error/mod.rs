//! What can go wrong, and what the pool should make of it.

mod codes;
mod from_sdk;
mod gce_error;

pub(crate) use from_sdk::{Failures, SdkError, unreadable};
pub use gce_error::GceError;
