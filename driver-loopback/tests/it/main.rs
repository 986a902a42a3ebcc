//! The driver from outside: real directories, SSH servers and processes.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod basics;
mod common;
mod configuration;
mod destroy;
mod faults;
mod machines;
mod ssh;
