//! Jobs that do not end by themselves.

use crate::support::{
    EXIT_0, World, config, config_with, ended, finished, job, ready_instance, running, shell, small, soon,
    start,
};
use pool_core::{Cpus, JobSpec, Outcome, Phase, StartRefusal};
use serde_json::json;
use std::time::{Duration, Instant};

fn signal(name: &str) -> Outcome {
    Outcome::Signaled { signal: name.to_owned() }
}

#[tokio::test]
async fn p15_a_job_is_ended_by_term_and_one_that_ignores_it_by_kill() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config_with("timeout_signal = '100ms'\ntimeout_term = '700ms'"));
    let id = ready_instance(&pool).await;
    let small_part = |name, line| {
        let mut start = shell(name, line);
        start.spec.resources.cpus = Cpus::whole(1);
        start
    };
    pool.start_job(&id, small_part("meek", "echo up; exec sleep 1000")).unwrap();
    // Its children ignore the signal too.
    let line = "trap '' TERM; echo up; sleep 1000 & while :; do sleep 1000; done";
    pool.start_job(&id, small_part("stubborn", line)).unwrap();
    for name in ["meek", "stubborn"] {
        let name = job(name);
        let up = pool.read_output(&name, pool_core::OutputStream::Stdout, 0, true);
        assert_eq!(soon("a sign", up).await.unwrap().data, b"up\n");
    }
    let began = Instant::now();
    assert!(pool.kill_job(&job("meek"), "not wanted"));
    assert!(pool.kill_job(&job("stubborn"), "not wanted either"));
    let meek = finished(&pool, "meek").await;
    assert_eq!((meek.outcome, meek.killed.as_deref()), (signal("TERM"), Some("not wanted")));
    let stubborn = finished(&pool, "stubborn").await;
    assert_eq!((stubborn.outcome, stubborn.killed.as_deref()), (signal("KILL"), Some("not wanted either")));
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
    assert!(!pool.kill_job(&job("meek"), "again"), "it has ended");
    assert!(!pool.kill_job(&job("nobody"), "unknown"));
    // The worker is not given up for it.
    let view = pool.instances().pop().unwrap();
    assert_eq!(view.phase, Some(Phase::Idle));
    pool.start_job(&id, shell("next", "true")).unwrap();
    assert_eq!(finished(&pool, "next").await.outcome, EXIT_0);
    pool.stop().await;
}

#[tokio::test]
async fn the_runner_ends_a_job_at_its_time_limit() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    let mut spec = JobSpec::new(["sleep", "1000"]);
    spec.time_limit = Some(Duration::from_millis(300));
    pool.start_job(&id, start("a", spec)).unwrap();
    let end = finished(&pool, "a").await;
    assert_eq!(end.outcome, signal("TERM"));
    let killed = end.killed.expect("it was ended");
    assert!(killed.contains("limit"), "{killed}");
    pool.stop().await;
}

#[tokio::test]
async fn p14_a_job_is_given_at_once_or_not_at_all() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let refusal = pool.start_job_on_type(&small(), shell("a", "true")).unwrap_err();
    assert_eq!(refusal, StartRefusal::NoneIdle(small()));
    let id = ready_instance(&pool).await;
    let nowhere = "i-nowhere".parse().unwrap();
    let refusal = pool.start_job(&nowhere, shell("a", "true")).unwrap_err();
    assert_eq!(refusal, StartRefusal::UnknownInstance(nowhere));
    pool.start_job(&id, shell("a", "echo a; sleep 1000")).unwrap();
    // A refusal does not touch the job of that name that was given before.
    let refusal = pool.start_job(&id, shell("a", "echo b; exit 3")).unwrap_err();
    assert_eq!(refusal, StartRefusal::Known(job("a")));
    let out = soon("its output", pool.read_output(&job("a"), pool_core::OutputStream::Stdout, 0, true)).await;
    assert_eq!(out.unwrap().data, b"a\n");
    assert_eq!(pool.start_job(&id, shell("b", "true")).unwrap_err(), StartRefusal::NoRoom(id));
    assert!(pool.kill_job(&job("a"), "enough"));
    ended(&pool, "a").await;
    pool.stop().await;
}

#[tokio::test]
async fn exit_codes_and_signals_are_told_as_they_are() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    for (name, line, outcome) in [
        ("zero", "exit 0", EXIT_0),
        ("three", "exit 3", Outcome::Exited { code: 3 }),
        ("highest", "exit 255", Outcome::Exited { code: 255 }),
        ("itself", "kill -SEGV $$", signal("SEGV")),
    ] {
        pool.start_job(&id, shell(name, line)).unwrap();
        let end = finished(&pool, name).await;
        assert_eq!((end.outcome, end.killed), (outcome, None), "{name}");
    }
    pool.stop().await;
}

/// A frame too long to be sent: refused at once, certainly not started.
#[tokio::test]
async fn a_job_too_large_to_be_sent_is_not_started() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    pool.start_job(&id, shell("a", &"x".repeat(2 << 20))).unwrap();
    let end = ended(&pool, "a").await;
    let pool_core::JobEnd::NotStarted { reason } = end else { panic!("{end:?}") };
    assert!(reason.contains("cannot be sent"), "{reason}");
    pool.start_job(&id, shell("b", "sleep 1000")).unwrap();
    running(&pool, "b").await;
    pool.stop().await;
}
