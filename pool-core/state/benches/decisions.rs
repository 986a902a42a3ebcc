//! How long the decisions of a pool take: `cargo bench -p pool-state --bench decisions`.

#![expect(clippy::unwrap_used, reason = "fixed texts, known to be valid")]

#[expect(dead_code, reason = "each bench has its part of it")]
mod world;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use std::{cell::RefCell, time::Duration};

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1));
    for (name, make) in world::decisions::ALL {
        for workers in [1_000, 10_000] {
            group.bench_function(BenchmarkId::new(name, workers), |bencher| {
                let case = RefCell::new(make(workers));
                // One at a time: each is prepared on what the one before has left.
                let batch = BatchSize::PerIteration;
                bencher.iter_batched(|| case.borrow_mut().prepare(), |()| case.borrow_mut().run(), batch);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
