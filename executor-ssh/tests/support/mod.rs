//! What the tests share: hosts to connect to and verifiers that can be told what to say.

// Each test program uses a part of this.
#![expect(dead_code, unreachable_pub, reason = "shared by several test programs")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;
pub mod server;
pub mod sshd;

pub use fixtures::*;
