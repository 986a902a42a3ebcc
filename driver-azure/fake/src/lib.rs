//! A stand-in for Azure's Resource Manager.
//!
//! It speaks the part of the API that a driver of workers calls, over plain HTTP on this machine: virtual
//! machines, their disks and network interfaces, operations, and the tokens that calls bring. It keeps the
//! published rules: versions of the API are checked, operations take time and may fail, failed machines stay,
//! lists come in pages, quotas end, secrets are never shown. What it cannot know of the real one is said
//! where it is decided. There are no machines behind it.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! let fake = azure_fake::Fake::start(azure_fake::Settings::default())?;
//! assert!(fake.url().starts_with("http://127.0.0.1:"));
//! assert!(fake.machines().is_empty());
//! # Ok(())
//! # }
//! ```

mod body;
mod clock;
mod cloud;
mod failure;
mod fake;
mod http;
pub mod likeness;
mod names;
mod settings;

pub use failure::{CreateFailure, FailAt, Refusal};
pub use fake::Fake;
pub use settings::{PlatformImage, Settings, Size, Subnet};
pub use stand_in::Exchange;
