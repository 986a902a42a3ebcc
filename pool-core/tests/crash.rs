//! The program is killed and the next one takes over: nothing but the cloud's tags, the runners and the state
//! directory is left to go by.
//!
//! This program is its own victim, and its own runner, and so has a `main` of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use pool_core::{
    DriverContext, InstanceSet, InstanceSetLock, JobEnd, JobId, JobSpec, JobStatus, LockError, Outcome,
    OutputStream, Phase, Pool, PoolConfig, PrivateKey, SshConfig, SshConnector, StartJob, Tags, WallClock,
    driver,
};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Tells the victim where, and when it is to be killed.
const VICTIM: &str = "POOL_TEST_VICTIM";
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = r#"
    instance_set = "test"
    sync_interval = "500ms"
    probe_interval = "500ms"

    [[instance_types]]
    name = "small"
    provider_type = "loop.small"
    vcpus = 4
    memory = "4 GiB"
    price = 0.01
"#;

type Test = fn(&Path, Vec<String>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>;

/// Name, what the victim is to reach before it is killed, and what must be true afterwards.
const TESTS: [(&str, &str, Test); 2] = [
    ("p41_after_a_crash_the_instance_its_jobs_and_their_ends_are_found", "running", |dir, said| {
        Box::pin(found_again(dir, said))
    }),
    ("p21_what_a_crash_leaves_of_a_create_is_adopted_or_destroyed", "created", |dir, _| {
        Box::pin(nothing_unknown(dir))
    }),
];

fn main() {
    pool_core::run_as_runner_if_asked();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(until) = std::env::var(VICTIM) {
        runtime.block_on(victim(&std::env::current_dir().unwrap(), &until));
        return;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted =
        |name: &str| args.iter().filter(|arg| !arg.starts_with('-')).all(|filter| name.contains(filter));
    for (name, until, test) in TESTS.into_iter().filter(|(name, ..)| wanted(name)) {
        if args.iter().any(|arg| arg == "--list") {
            println!("{name}: test");
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let said = killed(dir.path(), until);
        let path = dir.path().to_owned();
        let result = runtime.block_on(async {
            let result = tokio::spawn(async move { test(&path, said).await }).await;
            destroy_all(dir.path()).await;
            result
        });
        if let Err(panic) = result {
            println!("test {name} ... FAILED");
            std::panic::resume_unwind(panic.into_panic());
        }
        println!("test {name} ... ok");
    }
}

/// Runs this program until it has said that it is where it is to be killed, and kills it. What it had said before.
fn killed(dir: &Path, until: &str) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut victim = command.env(VICTIM, until).current_dir(dir).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let said: Vec<String> = lines.map(Result::unwrap).take_while(|line| line != until).collect();
    let early = victim.try_wait().unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(early, None, "it has ended before: {said:?}");
    said
}

async fn victim(dir: &Path, until: &str) {
    fs::write(dir.join("key"), secrecy::ExposeSecret::expose_secret(&PrivateKey::generate().to_openssh()))
        .unwrap();
    let (pool, _lock) = pool(dir).await;
    pool.count_workers().await;
    pool.create(&"small".parse().unwrap()).unwrap();
    if until == "created" {
        // The driver has it; whether the pool has its answer is left to chance.
        while fs::read_dir(dir.join("loopback")).unwrap().all(|entry| !entry.unwrap().path().is_dir()) {
            tokio::task::yield_now().await;
        }
        println!("{until}");
        return std::future::pending().await;
    }
    let id = ready(&pool).await;
    println!("{id}");
    for (job, line) in [
        ("short", "echo short; exit 4".to_owned()),
        (
            "long",
            format!("echo one; until test -e {}/go; do sleep 0.01; done; echo two; exit 7", dir.display()),
        ),
    ] {
        let mut spec = JobSpec::new(["sh", "-c", &line]);
        spec.resources.cpus = pool_core::Cpus::whole(1);
        pool.start_job(&id, StartJob { job: name(job), attempt: 1, spec, waited: None }).unwrap();
    }
    assert!(matches!(end(&pool, "short").await, JobEnd::Finished(_)));
    pool.read_output(&name("long"), OutputStream::Stdout, 0, true).await.unwrap();
    println!("{until}");
    std::future::pending::<()>().await;
}

async fn found_again(dir: &Path, said: Vec<String>) {
    // Nobody watches the job now but the runner.
    let (pool, lock) = pool(dir).await;
    assert_eq!(lock.epoch(), 2);
    pool.count_workers().await;
    let ids: Vec<_> = pool.instances().into_iter().map(|view| view.id.unwrap().to_string()).collect();
    assert_eq!(ids, said);
    let mut changes = pool.subscribe();
    let running = async {
        while !matches!(pool.job(&name("long")), Some(JobStatus::Running { .. })) {
            changes.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.expect("the job is found");
    fs::write(dir.join("go"), "").unwrap();
    assert_eq!(outcome(end(&pool, "long").await), Outcome::Exited { code: 7 });
    assert_eq!(outcome(end(&pool, "short").await), Outcome::Exited { code: 4 });
    for (job, output) in [("short", "short\n"), ("long", "one\ntwo\n")] {
        let read = pool.read_all(&name(job), OutputStream::Stdout, 100).await.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), output);
        assert!(pool.forget_job(&name(job)));
    }
    pool.stop().await;
}

/// It depends on the moment whether the machine boots after all. The pool must know it for as long as it is there.
async fn nothing_unknown(dir: &Path) {
    let mut config = config();
    config.timeout_booting = Duration::from_secs(3);
    let cloud = cloud(dir).await;
    let (pool, _lock) = pool_of(dir, cloud.clone(), config).await;
    pool.count_workers().await;
    assert!(pool.instances().len() <= 1, "{:?}", pool.instances());
    let mut changes = pool.subscribe();
    let settled = async {
        while pool.instances().iter().any(|view| view.phase != Some(Phase::Idle)) {
            changes.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("it is ready or gone");
    let there = cloud.instances(&Tags::new()).await.unwrap();
    let there: Vec<_> = there.iter().map(|instance| Some(instance.id().clone())).collect();
    let known: Vec<_> = pool.instances().into_iter().map(|view| view.id).collect();
    assert_eq!(there, known);
    pool.stop().await;
}

fn name(job: &str) -> JobId {
    job.parse().unwrap()
}

fn outcome(end: JobEnd) -> Outcome {
    match end {
        JobEnd::Finished(end) => end.outcome,
        other => panic!("{other:?}"),
    }
}

async fn end(pool: &Pool, job: &str) -> JobEnd {
    // A job that is not known yet is found by the first probe.
    let mut changes = pool.subscribe();
    let waiting = async {
        loop {
            match pool.job(&name(job)) {
                Some(JobStatus::Ended { end, .. }) => return end,
                _ => changes.changed().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{job} does not end"))
}

async fn ready(pool: &Pool) -> pool_core::InstanceId {
    let mut changes = pool.subscribe();
    let waiting = async {
        loop {
            let idle = pool.instances().into_iter().find(|view| view.phase == Some(Phase::Idle));
            match idle.and_then(|view| view.id) {
                Some(id) => return id,
                None => changes.changed().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("an idle instance")
}

fn config() -> PoolConfig {
    PoolConfig::from_toml(CONFIG).unwrap()
}

async fn pool(dir: &Path) -> (Pool, InstanceSetLock) {
    pool_of(dir, cloud(dir).await, config()).await
}

async fn pool_of(dir: &Path, cloud: Arc<dyn InstanceSet>, config: PoolConfig) -> (Pool, InstanceSetLock) {
    // By it each epoch is one more than the last.
    let clock = WallClock::from_fn(|| SystemTime::UNIX_EPOCH);
    let lock = once_free(|| InstanceSetLock::acquire_by(dir, &config.instance_set, &clock)).await;
    let key = PrivateKey::from_file(dir.join("key")).unwrap();
    let pool = Pool::builder(config, cloud, SshConnector::new(SshConfig::new(key)));
    (pool.lock(&lock).start().unwrap(), lock)
}

async fn cloud(dir: &Path) -> Arc<dyn InstanceSet> {
    let driver = driver("loopback").unwrap();
    let context = DriverContext { instance_set: "test".parse().unwrap(), state_dir: dir.join("loopback") };
    let begin = tokio::time::Instant::now();
    loop {
        match driver.open(serde_json::Value::Null, context.clone()).await {
            Ok(cloud) => return cloud,
            Err(error) if error.problem.contains("served by another") => not_yet_free(begin, &error).await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn once_free(mut acquire: impl FnMut() -> Result<InstanceSetLock, LockError>) -> InstanceSetLock {
    let begin = tokio::time::Instant::now();
    loop {
        match acquire() {
            Ok(lock) => return lock,
            Err(error @ LockError::Taken { .. }) => not_yet_free(begin, &error).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A process that the victim had forked and that had not begun its own program holds the victim's locks for a moment
/// longer. There is no event to wait for.
async fn not_yet_free(begin: tokio::time::Instant, error: &(dyn std::error::Error + Sync)) {
    assert!(begin.elapsed() < PATIENCE, "{error}");
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Also after a test that has failed, whose pool may still be there: then it ends with this program.
async fn destroy_all(dir: &Path) {
    let cloud = cloud(dir).await;
    for instance in cloud.instances(&Tags::new()).await.unwrap() {
        instance.destroy().await.unwrap();
    }
    cloud.stop().await;
}
