//! A stand-in for the Compute Engine API.
//!
//! It speaks the part of the API's version 1 that a driver of workers calls, over plain HTTP on this machine,
//! and keeps the published rules: names are unique, operations take time and may fail, fingerprints must be
//! current, lists come in pages, quotas and capacity end. What it cannot know of the real one is said where
//! it is decided. There are no machines behind it.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! let fake = gce_fake::Fake::start(gce_fake::Settings::default())?;
//! assert!(fake.url().starts_with("http://127.0.0.1:"));
//! assert!(fake.instances().is_empty());
//! # Ok(())
//! # }
//! ```

mod body;
mod clock;
mod cloud;
mod fake;
mod filter;
mod http;
pub mod likeness;
mod names;
mod settings;

pub use fake::Fake;
pub use settings::{Image, MachineType, OutOfStock, OverQuota, Refusal, Settings};
pub use stand_in::Exchange;
