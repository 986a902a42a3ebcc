//! The driver, from outside.

mod configuration;
