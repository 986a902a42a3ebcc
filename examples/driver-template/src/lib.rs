//! A driver for a cloud that is only in memory: the smallest one that keeps the contract.
//!
//! Replace [`Cloud`] by your provider's client, and the map of its errors in `error.rs` by one of its codes; the rest
//! is the shape that a driver has.

mod cloud;
mod driver;
mod error;
mod instance;
mod set;

pub use cloud::{Call, Cloud, Machine, Refusal};
pub use driver::{TemplateConfig, TemplateDriver};
pub use error::driver_error;
