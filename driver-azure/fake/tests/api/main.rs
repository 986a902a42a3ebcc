//! The rules of the API, over HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod client;
mod creates;
mod failures;
mod lifecycle;
mod lists;
mod parts;
mod requests;
mod spot;
mod tokens;
mod updates;
