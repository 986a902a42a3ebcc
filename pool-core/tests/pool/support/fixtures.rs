//! Configurations, names, and waits with a bound.

use pool_core::{
    InstanceId, InstanceTypeName, JobEnd, JobId, JobSpec, JobStatus, Outcome, Phase, Pool, RunEnd, StartJob,
};
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn small() -> InstanceTypeName {
    "small".parse().unwrap()
}

/// A shell line as the first attempt at a job.
pub(crate) fn shell(job: &str, line: &str) -> StartJob {
    start(job, JobSpec::new(["sh", "-c", line]))
}

pub(crate) fn start(job: &str, spec: JobSpec) -> StartJob {
    StartJob { job: job.parse().unwrap(), attempt: 1, spec, waited: None }
}

pub(crate) fn job(name: &str) -> JobId {
    name.parse().unwrap()
}

/// Waits, by the pool's own changes, until `look` finds something.
pub(crate) async fn until<T>(pool: &Pool, what: &str, mut look: impl FnMut(&Pool) -> Option<T>) -> T {
    let mut changes = pool.subscribe();
    let looking = async {
        loop {
            if let Some(found) = look(pool) {
                return found;
            }
            changes.changed().await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("in vain: {what}\n{:#?}\n{:#?}", pool.instances(), pool.running()),
    }
}

/// Bounds a wait that has no bound of its own.
pub(crate) async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Creates an instance and waits until it is ready.
pub(crate) async fn ready_instance(pool: &Pool) -> InstanceId {
    soon("the first list", pool.count_workers()).await;
    pool.create(&small()).unwrap();
    idle_instance(pool).await
}

pub(crate) async fn idle_instance(pool: &Pool) -> InstanceId {
    until(pool, "an idle instance", |pool| {
        let idle = pool.instances().into_iter().find(|view| view.phase == Some(Phase::Idle));
        idle.and_then(|view| view.id)
    })
    .await
}

pub(crate) async fn running(pool: &Pool, name: &str) {
    let job = job(name);
    until(pool, "the job runs", |pool| match pool.job(&job) {
        Some(JobStatus::Running { .. }) => Some(()),
        Some(JobStatus::Ended { end, .. }) => panic!("it has ended: {end:?}"),
        _ => None,
    })
    .await;
}

/// Waits for a job's end as the runner tells it.
pub(crate) async fn finished(pool: &Pool, name: &str) -> RunEnd {
    match ended(pool, name).await {
        JobEnd::Finished(end) => *end,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn ended(pool: &Pool, name: &str) -> JobEnd {
    match soon("the job's end", pool.wait_for_job(&job(name))).await {
        Some(JobStatus::Ended { end, .. }) => end,
        other => panic!("{other:?}"),
    }
}

pub(crate) const EXIT_0: Outcome = Outcome::Exited { code: 0 };
