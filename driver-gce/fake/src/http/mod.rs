//! The API's outside: paths, queries, errors.

mod error;
mod query;
mod route;
mod server;

pub(crate) use error::ApiError;
pub(crate) use query::Query;
pub(crate) use route::Call;
pub(crate) use server::{Shared, serve};
