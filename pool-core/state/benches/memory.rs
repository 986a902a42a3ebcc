//! How much memory a worker takes that has nothing to do: `cargo bench -p pool-state --bench memory`.

#![expect(clippy::unwrap_used, reason = "fixed texts, known to be valid")]

#[expect(dead_code, reason = "each bench has its part of it")]
mod world;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use world::fleet::{Fleet, Load};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WORKERS: usize = 10_000;

/// Bytes that a pool of so many idle workers has allocated and not freed. What the bench itself keeps is freed before.
fn bytes(workers: usize) -> isize {
    let region = Region::new(ALLOCATOR);
    let pool = Fleet::new(workers, Load::Idle).pool;
    let change = region.change();
    drop(pool);
    change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed()
}

fn main() {
    let value = (bytes(WORKERS) - bytes(0)) / WORKERS.cast_signed();
    println!(r#"{{"id":"state.memory_per_idle_worker","value":{value},"unit":"bytes"}}"#);
}
