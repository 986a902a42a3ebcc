//! The queue: what survives everything.

mod commit;
mod contract;
mod failure;
mod file;
mod page;
mod rows;
mod schema;
mod sqlite;

#[cfg(test)]
mod tests;

pub(crate) use contract::{Change, JobFilter, NewJob, Queue, QueueError};
pub(crate) use sqlite::SqliteQueue;
