//! What an hour costs.

use crate::support::{Program, SECOND, World, options};
use serde_json::json;
use std::time::Instant;
use tokio::time::sleep;

#[test]
fn an_hour_of_thirty_machines_that_are_asked_every_ten_seconds_takes_less_than_seconds() {
    let world = World::new(json!({ "boot_time": "10s" }), options());
    let begun = Instant::now();
    world.live(async {
        let program = Program::new(&world, 1);
        for token in 0..30 {
            program.set.create(program.request(token)).await.unwrap();
        }
        sleep(15 * SECOND).await;
        for instance in program.list().await {
            let program = Program::new(&world, 1);
            tokio::spawn(async move {
                let mut session = program.session(&*instance, 1).await;
                loop {
                    session.list().await;
                    sleep(10 * SECOND).await;
                }
            });
        }
        sleep(3600 * SECOND).await;
    });
    let (took, counters) = (begun.elapsed(), world.cloud.counters());
    println!("{took:?}: {counters:?}");
    assert!(counters.frames_to_runners >= 30 * 359, "{counters:?}");
    // A poll of a program that waits is two frames, each of one event: nothing else may come due.
    assert!(counters.events < 25_000, "{counters:?}");
    assert!(took.as_secs() < 20, "{took:?}");
}
