//! Reading what jobs write.

use crate::support::{World, config, finished, job, ready_instance, running, shell, small, soon, until};
use pool_core::{JobSpec, JobStatus, OutputStream, ReadError};
use pool_protocol::RequestError;
use serde_json::json;
use std::{fs, path::Path};

#[tokio::test]
async fn output_is_followed_while_the_job_runs_and_read_after_its_end() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    let go = world.path().join("go");
    let line =
        format!("echo one; echo two >&2; until test -e {0}; do sleep 0.01; done; printf three", go.display());
    pool.start_job(&id, shell("a", &line)).unwrap();
    let a = job("a");
    let first = soon("the first line", pool.read_output(&a, OutputStream::Stdout, 0, true)).await.unwrap();
    assert_eq!((first.data.as_slice(), first.offset, first.last), (&b"one\n"[..], 0, false));
    let other = soon("the other stream", pool.read_output(&a, OutputStream::Stderr, 0, true)).await.unwrap();
    assert_eq!(other.data, b"two\n");
    // Nothing more yet: without waiting that is the answer; with waiting there is none before there is more.
    let now = soon("nothing", pool.read_output(&a, OutputStream::Stdout, 4, false)).await.unwrap();
    assert_eq!((now.data.len(), now.offset, now.last), (0, 4, false));
    let waiting = tokio::spawn({
        let (pool, a) = (pool.clone(), a.clone());
        async move { pool.read_output(&a, OutputStream::Stdout, 4, true).await }
    });
    let all = tokio::spawn({
        let (pool, a) = (pool.clone(), a.clone());
        async move { pool.read_all(&a, OutputStream::Stdout, 1024).await }
    });
    // A caller that gives up takes nothing with it.
    let given_up = pool.read_output(&a, OutputStream::Stdout, 4, true);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), given_up).await.is_err());
    assert!(!waiting.is_finished());
    fs::write(&go, "").unwrap();
    let rest = soon("the rest", waiting).await.unwrap().unwrap();
    assert_eq!((rest.data.as_slice(), rest.offset), (&b"three"[..], 4));
    assert_eq!(soon("all of it", all).await.unwrap().unwrap(), b"one\nthree");

    let end = finished(&pool, "a").await;
    assert_eq!((end.stdout.kept, end.stderr.kept), (9, 4));
    let piece = pool.read_output(&a, OutputStream::Stdout, 6, true).await.unwrap();
    assert_eq!((piece.data.as_slice(), piece.last), (&b"ree"[..], true));
    let beyond = pool.read_output(&a, OutputStream::Stdout, 1000, true).await.unwrap();
    assert_eq!((beyond.data.len(), beyond.last), (0, true));
    assert_eq!(pool.read_all(&a, OutputStream::Stdout, 5).await.unwrap(), b"one\nt");
    pool.stop().await;
}

#[tokio::test]
async fn a_job_that_nobody_knows_has_no_output() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    let read = pool.read_output(&job("nobody"), OutputStream::Stdout, 0, true).await;
    assert!(matches!(read, Err(ReadError::Gone)), "{read:?}");
    pool.start_job(&id, shell("a", "sleep 1000")).unwrap();
    running(&pool, "a").await;
    pool.kill_instance(&id, "its output goes with it").unwrap();
    let lost = soon("an error", pool.read_all(&job("a"), OutputStream::Stdout, 1024)).await;
    assert!(matches!(lost, Err(ReadError::Gone | ReadError::Unreachable(_))), "{lost:?}");
    pool.stop().await;
}

#[tokio::test]
async fn large_output_comes_whole_and_in_order() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    pool.start_job(&id, shell("a", "seq 1 300000")).unwrap();
    let output = soon("the output", pool.read_all(&job("a"), OutputStream::Stdout, 8 << 20)).await.unwrap();
    let expected: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
    assert!(output == expected.as_bytes(), "{} bytes, not {}", output.len(), expected.len());
    pool.stop().await;
}

#[tokio::test]
async fn p16_forgetting_deletes_the_output_at_the_runner() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    let root = world.path().join("loopback").join(id.as_str()).join("root");
    let go = world.path().join("go");
    let line = format!("echo a-peculiar-output; until test -e {}; do sleep 0.01; done", go.display());
    pool.start_job(&id, shell("a", &line)).unwrap();
    soon("its output", pool.read_output(&job("a"), OutputStream::Stdout, 0, true)).await.unwrap();
    assert!(!pool.forget_job(&job("a")), "it has not ended");
    fs::write(&go, "").unwrap();
    finished(&pool, "a").await;
    assert!(holds(&root, b"a-peculiar-output\n"));
    assert!(pool.forget_job(&job("a")));
    assert!(!pool.forget_job(&job("a")), "it is forgotten");
    assert_eq!(pool.job(&job("a")), None);
    soon("the deletion", async {
        while holds(&root, b"a-peculiar-output\n") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    // The same job may run again, and has only its own output.
    let mut again = shell("a", "echo second");
    again.attempt = 2;
    pool.start_job_on_type(&small(), again).unwrap();
    let output =
        soon("the second output", pool.read_all(&job("a"), OutputStream::Stdout, 1024)).await.unwrap();
    assert_eq!(output, b"second\n");
    pool.stop().await;
}

/// Whether a file with just this content is anywhere below.
fn holds(dir: &Path, content: &[u8]) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => holds(&path, content),
            Ok(kind) if kind.is_file() => fs::read(&path).is_ok_and(|found| found == content),
            _ => false,
        }
    })
}

#[tokio::test]
async fn what_the_runner_has_forgotten_is_refused_and_not_awaited() {
    let world = World::new(json!({})).await;
    let pool = world.pool(config());
    let id = ready_instance(&pool).await;
    let mut spec = JobSpec::new(["/no/such/program"]);
    spec.output_limit = pool_core::ByteSize::kib(1);
    pool.start_job(&id, crate::support::start("a", spec)).unwrap();
    let end = finished(&pool, "a").await;
    assert!(matches!(end.outcome, pool_core::Outcome::NotStarted { .. }), "{end:?}");
    let read = soon("an answer", pool.read_output(&job("a"), OutputStream::Stdout, 0, true)).await;
    match read {
        Ok(chunk) => assert!(chunk.data.is_empty() && chunk.last),
        Err(ReadError::Refused(RequestError::UnknownRun | RequestError::Invalid { .. })) => {}
        Err(other) => panic!("{other:?}"),
    }
    until(&pool, "an end", |pool| matches!(pool.job(&job("a")), Some(JobStatus::Ended { .. })).then_some(()))
        .await;
    pool.stop().await;
}
