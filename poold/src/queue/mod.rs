//! The queue: what survives everything.

mod commit;
mod contract;
mod failure;
mod file;
mod page;
mod read;
mod reader;
mod rows;
mod schema;
mod sqlite;

#[cfg(test)]
mod tests;

pub(crate) use contract::{Change, JobFilter, JobReader, NewJob, Queue, QueueError};
pub(crate) use reader::QueueReader;
pub(crate) use sqlite::SqliteQueue;
