//! The runner program: whether it can be had, and how it comes to the workers.

use crate::support::{
    EXIT_0, World, config, finished, idle_instance, ready_instance, runner_program,
    scripted::{Scripted, good, sha256},
    shell, small, soon,
};
use pool_core::{CreateRefusal, Pool, RunnerSource};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

#[tokio::test]
async fn p19_a_runner_program_that_is_gone_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("the-runner");
    fs::write(&file, "a runner").unwrap();
    let scripted = Scripted::new(good());
    let pool = scripted.builder(config()).runner(RunnerSource::file(&file)).start().unwrap();
    pool.count_workers().await;
    pool.check_health().unwrap();

    let is_unhealthy = |pool: &Pool| {
        let error = pool.check_health().unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
        let refusal = pool.create(&small()).unwrap_err();
        let CreateRefusal::RunnerUnavailable(reason) = &refusal else { panic!("{refusal:?}") };
        assert!(reason.contains(file.to_str().unwrap()), "{reason}");
    };
    fs::remove_file(&file).unwrap();
    is_unhealthy(&pool);
    fs::create_dir(&file).unwrap();
    is_unhealthy(&pool);
    fs::remove_dir(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    is_unhealthy(&pool);
    assert!(scripted.cloud.creates().is_empty());
    fs::remove_file(&file).unwrap();
    fs::write(&file, "a runner").unwrap();
    pool.check_health().unwrap();
    pool.create(&small()).unwrap();
    pool.stop().await;
}

fn path_of(program: &[u8]) -> String {
    format!("/var/lib/pool-worker/bin/pool-runner-{}", &sha256(program)[..16])
}

fn program_file(program: &[u8]) -> (tempfile::TempDir, RunnerSource) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("runner"), program).unwrap();
    let source = RunnerSource::file(dir.path().join("runner"));
    (dir, source)
}

/// What is asked of a worker between its verification and the session.
async fn deployment(scripted: &Scripted, program: &[u8]) -> Vec<String> {
    let (_dir, source) = program_file(program);
    let pool = scripted.builder(config()).runner(source).start().unwrap();
    soon("the first list", pool.count_workers()).await;
    if pool.instances().is_empty() {
        pool.create(&small()).unwrap();
    }
    idle_instance(&pool).await;
    pool.stop().await;
    let log = scripted.host.take_log();
    let verified = log.iter().position(|line| line == "verified").unwrap();
    log[verified + 1..].to_vec()
}

#[tokio::test]
async fn p42_the_program_is_copied_when_its_hash_differs_and_not_when_it_is_the_same() {
    let scripted = Scripted::new(good());
    let attach = |program| format!("attach with {}", path_of(program));
    // A booting worker, which has none yet. (The scripted host checks that the mode comes before the content.)
    let log = deployment(&scripted, b"first").await;
    assert_eq!(log, ["true", "hash the runner", "copy the runner", &attach(b"first")]);
    // A worker that the next pool finds, and so does not know: the same program, which is there.
    let log = deployment(&scripted, b"first").await;
    assert_eq!(log, ["true", "hash the runner", &attach(b"first")]);
    // Another program: beside the first, which a daemon may still be running.
    let log = deployment(&scripted, b"second").await;
    assert_eq!(log, ["true", "hash the runner", "copy the runner", &attach(b"second")]);
    assert_eq!(scripted.host.files()[&path_of(b"first")].as_ref(), b"first");
    assert_eq!(scripted.host.files()[&path_of(b"second")].as_ref(), b"second");
    // Its name alone proves nothing.
    scripted.host.store(&path_of(b"second"), b"damaged");
    let log = deployment(&scripted, b"second").await;
    assert_eq!(log, ["true", "hash the runner", "copy the runner", &attach(b"second")]);
}

fn programs(worker: &Path) -> Vec<String> {
    let names = fs::read_dir(worker.join("root/bin")).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn p42_a_replaced_program_is_used_under_a_new_path() {
    let (dir, source) = program_file(&fs::read(runner_program()).unwrap());
    let mut world = World::new(serde_json::json!({})).await;
    let pool = world.builder(config()).runner(source.clone()).lock(&world.lock()).start().unwrap();
    let id = ready_instance(&pool).await;
    pool.start_job(&id, shell("a", "true")).unwrap();
    assert_eq!(finished(&pool, "a").await.outcome, EXIT_0);
    let worker = world.path().join("loopback").join(id.as_str());
    let first = programs(&worker);
    assert_eq!(first.len(), 1, "{first:?}");
    let mode = fs::metadata(worker.join("root/bin").join(&first[0])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    pool.stop().await;

    // Another build that does the same.
    let mut bytes = fs::read(runner_program()).unwrap();
    bytes.extend_from_slice(b"another build");
    fs::write(dir.path().join("runner"), bytes).unwrap();
    world.open(serde_json::json!({})).await;
    let pool = world.builder(config()).runner(source).lock(&world.lock()).start().unwrap();
    assert_eq!(idle_instance(&pool).await, id);
    pool.start_job(&id, shell("b", "true")).unwrap();
    assert_eq!(finished(&pool, "b").await.outcome, EXIT_0);
    let both = programs(&worker);
    assert_eq!(both.len(), 2, "{both:?}");
    let daemon = daemon_program(&worker);
    assert!(!daemon.ends_with(&first[0]) && both.iter().any(|name| daemon.ends_with(name)), "{daemon}");
    pool.stop().await;
}

/// The program that the daemon of a worker runs.
fn daemon_program(worker: &Path) -> String {
    let root = worker.join("root");
    let is_daemon = |line: &str| line.contains("daemon") && line.contains(root.to_str().unwrap());
    for entry in fs::read_dir("/proc").unwrap() {
        let process = entry.unwrap().path();
        let Ok(line) = fs::read(process.join("cmdline")) else { continue };
        if is_daemon(&String::from_utf8_lossy(&line).replace('\0', " ")) {
            return fs::read_link(process.join("exe")).unwrap().to_str().unwrap().to_owned();
        }
    }
    panic!("no daemon of {}", root.display());
}
