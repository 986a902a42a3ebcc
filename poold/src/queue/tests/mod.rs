//! Tests of the queue.

mod contract;
mod crash;
mod damage;
mod disk_full;
mod format;
mod large;
mod model;
mod sqlite;
mod support;
