//! What EC2 answers when it does not do what it was asked for, and what comes in place of an answer.

mod codes;
mod ec2_error;
mod from_sdk;

pub use ec2_error::Ec2Error;
pub(crate) use from_sdk::{from_sdk, unreadable};
