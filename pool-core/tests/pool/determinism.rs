//! What a simulation relies on: with time and chance given, a pool does the same each time, and on one thread.

use crate::support::{
    config, job, ready_instance, running,
    scripted::{Peer, Scripted, good, script},
    shell,
};
use pool_core::{PoolConfig, WallClock};
use pool_protocol::{ToPool, ToRunner};
use rand::{SeedableRng as _, rngs::StdRng};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

/// Runs on this thread alone, with a clock that jumps to the next timer, and nothing that could wait for I/O.
fn simulate<T>(run: impl Future<Output = T>) -> T {
    let threads = Arc::new(AtomicU32::new(0));
    let count = threads.clone();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_start(move || {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let result = runtime.block_on(run);
    assert_eq!(threads.load(Ordering::SeqCst), 0, "it has started threads");
    result
}

fn config_of_a_simulation() -> PoolConfig {
    PoolConfig { sync_interval: Duration::from_secs(30), ..config() }
}

/// A runner that starts what it is told to, and says that a run has ended a while later.
async fn work(mut peer: Peer) {
    peer.greet().await;
    loop {
        let answer = match peer.hear().await {
            ToRunner::List { request } => ToPool::Runs { request, runs: Vec::new(), broken: None },
            ToRunner::Start { request, .. } | ToRunner::Forget { request, .. } => ToPool::Done { request },
            other => panic!("not in this script: {other:?}"),
        };
        peer.say(&answer).await;
    }
}

/// What a pool does, in the order of its doing.
async fn story(seed: u64) -> Vec<String> {
    let scripted = Scripted::new(script(work));
    let pool =
        scripted.builder(config_of_a_simulation()).chance(StdRng::seed_from_u64(seed)).start().unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    for watcher in 0..12 {
        let (log, mut changes, pool) = (log.clone(), pool.subscribe(), pool.clone());
        tokio::spawn(async move {
            loop {
                changes.changed().await;
                let now = begun.elapsed();
                log.lock().unwrap().push(format!("{now:?} {watcher}: {:?}", pool.running()));
            }
        });
    }
    let instance = ready_instance(&pool).await;
    pool.start_job(&instance, shell("a", "true")).unwrap();
    running(&pool, "a").await;
    sleep(Duration::from_secs(100)).await;
    pool.kill_instance(&instance, "the end").unwrap();
    pool.wait_for_job(&job("a")).await;
    pool.stop().await;
    let mut story = log.lock().unwrap().clone();
    story.extend(scripted.host.take_log());
    let creates = scripted.cloud.creates();
    story.extend(creates.iter().map(|create| format!("{:?} {:?}", create.token, create.tags)));
    story.extend(creates.iter().map(|create| create.init_command.expose().to_owned()));
    story
}

#[test]
fn with_the_same_chance_a_pool_does_the_same_and_starts_no_thread() {
    let first = simulate(story(1));
    assert!(first.len() > 50, "{first:#?}");
    for _ in 0..20 {
        assert_eq!(simulate(story(1)), first);
    }
    let other = simulate(story(2));
    assert_ne!(other.last(), first.last(), "another secret");
}

#[test]
fn the_age_of_an_instance_is_by_the_clock_that_the_pool_was_given() {
    for (age, stays) in [(Duration::from_secs(3600), true), (Duration::from_secs(7201), false)] {
        simulate(async {
            let scripted = Scripted::new(good());
            let earlier = scripted.pool(config_of_a_simulation());
            ready_instance(&earlier).await;
            earlier.stop().await;
            let max_lifetime = Some(Duration::from_secs(7200));
            let config = PoolConfig { max_lifetime, ..config_of_a_simulation() };
            // Scripted instances are created at the beginning of the epoch.
            let clock = WallClock::from_fn(move || SystemTime::UNIX_EPOCH + age);
            let pool = scripted.builder(config).wall_clock(clock).start().unwrap();
            sleep(Duration::from_secs(300)).await;
            assert_eq!(scripted.cloud.destroyed().is_empty(), stays, "{:?}", pool.instances());
            pool.stop().await;
        });
    }
}
