//! Tests of the queue.

mod contract;
mod crash;
mod damage;
mod disk_full;
mod format;
mod large;
mod model;
mod reader;
mod sqlite;
mod support;
