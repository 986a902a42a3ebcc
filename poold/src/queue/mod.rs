//! The queue: what survives everything.

mod contract;

pub(crate) use contract::{Change, JobFilter, NewJob, Queue, QueueError};
