//! Who uses it: jobs that are submitted all the time, and instances that are held and drained.

use super::setup::BOUNDED_GROUP;
use crate::{
    api::{InstanceAction, Service as _, ServiceError, Submission},
    dispatcher::Handle,
    job::JobRequest,
    simulation::Chance,
};
use pool_core::{ByteSize, Cpus, InstanceId};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Most jobs that are submitted together.
const BATCH: u64 = 10_000;
/// How much the number of jobs goes up and down, and how fast: so that charts move.
const SWING: f64 = 0.4;
const PERIOD: Duration = Duration::from_secs(8 * 60);

/// The jobs that are not final, as the passes tell of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Unfinished(Arc<AtomicU64>);

impl Unfinished {
    pub(super) fn add(&self, jobs: u64) {
        self.0.fetch_add(jobs, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, jobs: u64) {
        self.0.fetch_sub(jobs, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Keeps about `jobs` unfinished, for ever.
pub(super) async fn submit(
    handle: Handle,
    unfinished: Unfinished,
    jobs: u64,
    seed: u64,
) -> Result<(), ServiceError> {
    let mut chance = Chance::new(seed, "submissions");
    let began = Instant::now();
    if unfinished.get() == 0 {
        send(&handle, (0..(jobs / 100).clamp(3, 1000)).map(stuck).collect()).await?;
    }
    // At the first submission all that are to be there, then what a second brings at most.
    let mut most = jobs;
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for serial in 0.. {
        second.tick().await;
        let turn = began.elapsed().as_secs_f64() / PERIOD.as_secs_f64() * std::f64::consts::TAU;
        let wanted = (jobs as f64 * (1.0 - SWING / 2.0 * (1.0 - turn.cos()))) as u64;
        let mut left = wanted.saturating_sub(unfinished.get()).min(most);
        while left > 0 {
            let batch = left.min(BATCH);
            send(&handle, (0..batch).map(|at| job(&mut chance, serial, at)).collect()).await?;
            left -= batch;
        }
        most = (jobs / 20).max(5);
    }
    Ok(())
}

async fn send(handle: &Handle, jobs: Vec<JobRequest>) -> Result<(), ServiceError> {
    handle.submit(Submission { request_id: None, jobs }).await.map(drop)
}

/// Jobs that wait for long: for a type without capacity, or until they get a priority.
fn stuck(at: u64) -> JobRequest {
    let mut job = JobRequest::new(["train", "--epochs", "90"]);
    job.name = Some(format!("train-{at}"));
    if at.is_multiple_of(3) {
        job.priority = 0;
    } else {
        job.gpus = 1;
    }
    job
}

#[expect(clippy::expect_used, reason = "names that are given in the code")]
fn job(chance: &mut Chance, serial: u64, at: u64) -> JobRequest {
    let tool = *chance.pick(&["align", "sort", "call-variants", "render", "fit", "report"]);
    let sample = format!("s{:05}", chance.number(0, 99_999));
    let mut job = JobRequest::new([tool, "--sample", &sample, "--threads", "1"]);
    job.name = Some(format!("{tool}-{serial}-{at}"));
    job.labels = BTreeMap::from([
        ("project".to_owned(), (*chance.pick(&["atlas", "beagle", "calypso"])).to_owned()),
        ("sample".to_owned(), sample),
    ]);
    let group = match chance.number(0, 19) {
        0 => Some(BOUNDED_GROUP),
        1..6 => Some("nightly"),
        6..10 => Some("interactive"),
        _ => None,
    };
    job.group = group.map(|group| group.parse().expect("a name"));
    job.cpus = Cpus::whole(*chance.pick(&[1, 1, 1, 2, 4]));
    job.memory = ByteSize::gib(job.cpus.as_millis() / 1000);
    if chance.happens(0.02) {
        // Only on the type whose quota is soon used up.
        job.cpus = Cpus::whole(12);
    }
    job.preemptible = chance.happens(0.4);
    job.priority = *chance.pick(&[50, 100, 100, 100, 200]);
    job
}

/// Holds, drains and releases some instances, for ever. About one in a hundred is held.
pub(super) async fn operate(handle: Handle, seed: u64) -> Result<(), ServiceError> {
    let mut chance = Chance::new(seed, "operators");
    let mut look = interval(Duration::from_secs(10));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let instances = handle.instances().await?;
        let with = |behavior: &str| -> Vec<InstanceId> {
            let such = instances.iter().filter(|row| row.idle_behavior == behavior);
            such.filter(|row| row.worker_state != "shutdown").filter_map(|row| row.id.clone()).collect()
        };
        let (held, running) = (with("hold"), with("run"));
        let missing = (instances.len() / 100).saturating_sub(held.len());
        if !running.is_empty() {
            for _ in 0..missing.min(20) {
                act(&handle, chance.pick(&running).clone(), InstanceAction::Hold);
            }
            if instances.len() > 10 {
                act(&handle, chance.pick(&running).clone(), InstanceAction::Drain);
            }
        }
        if !held.is_empty() && chance.happens(0.3) {
            act(&handle, chance.pick(&held).clone(), InstanceAction::Run);
        }
    }
}

fn act(handle: &Handle, id: InstanceId, action: InstanceAction) {
    let handle = handle.clone();
    tokio::spawn(async move {
        // It may be gone by now.
        drop(handle.act_on_instance(id, action).await);
    });
}
