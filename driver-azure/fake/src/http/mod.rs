//! The API's outside: paths, queries, errors.

mod answer;
mod error;
mod query;
mod route;
mod server;
mod tokens;

pub(crate) use answer::Answer;
pub(crate) use error::ApiError;
pub(crate) use query::Query;
pub(crate) use route::{Area, Call, Kind, Name, Power};
pub(crate) use server::{Shared, serve};
