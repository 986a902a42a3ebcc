//! Events and views of the real program in the simulated cloud, in simulated time.

use super::handle::Handle;
use crate::{
    api::{
        EventKind, EventMessage, EventStream, HoldOffKind, InstanceAction, InstancesChanged, JobQuery,
        JobsChanged, PoolStatus, Service as _, Submission,
    },
    config::load_settings,
    job::{JobKey, JobRequest, JobState},
    simulation::{Program, ProgramPlan, begin_life, beginning_of_time, memory_directory, paused_runtime},
};
use driver_loopback::{
    CapacityLimit, Faults, LoopbackConfig,
    sim::{SimCloud, SimJob, SimOptions},
};
use futures_util::StreamExt as _;
use pool_core::{ByteSize, Cpus};
use std::{collections::BTreeMap, fs, time::Duration};
use tokio::time::{sleep, timeout};

const CONFIG: &str = "\
[pool]
instance_set = 'events'
max_instances = 3
timeout_idle = '10m'
[[pool.instance_types]]
name = 'small'
provider_type = 'p.small'
vcpus = 2
memory = '4 GiB'
price = 0.5
[[pool.instance_types]]
name = 'gpu'
provider_type = 'p.gpu'
vcpus = 2
memory = '4 GiB'
gpus = 1
price = 2.0
[driver]
name = 'loopback'
";

/// Runs a test against a program whose jobs take a minute, and whose provider has no `gpu`.
fn with_program(faults: Faults, test: impl AsyncFnOnce(&Handle)) {
    let dir = memory_directory("poold-events-").unwrap();
    let path = dir.path().join("poold.toml");
    fs::write(&path, CONFIG).unwrap();
    let provider = LoopbackConfig { boot_time: Duration::from_secs(5), faults, ..LoopbackConfig::default() };
    let jobs = |_: &_, _: &_| SimJob::quiet(Duration::from_secs(60));
    let cloud = SimCloud::new(provider, SimOptions::new(beginning_of_time(), jobs));
    paused_runtime().unwrap().block_on(async {
        begin_life(&cloud);
        let config = load_settings(Some(&path)).unwrap();
        let dir = dir.path().join("state");
        let plan = ProgramPlan { number: 0, life: 1, seed: 1, dir, config, ahead: 0, reads_apart: false };
        let program = Program::start(plan, &cloud, |_| ()).unwrap();
        timeout(Duration::from_secs(24 * 60 * 60), test(&program.handle)).await.unwrap();
        cloud.now();
    });
}

fn no_gpu() -> Faults {
    let gpu = Some("p.gpu".parse().unwrap());
    let limit = CapacityLimit { provider_type: gpu, quota_group: None, placement: None, instances: 0 };
    Faults { capacity: vec![limit], ..Faults::default() }
}

fn job(gpus: u32) -> JobRequest {
    JobRequest { cpus: Cpus::whole(1), memory: ByteSize::gib(1), gpus, ..JobRequest::new(["work"]) }
}

async fn submit(handle: &Handle, jobs: Vec<JobRequest>) {
    handle.submit(Submission { request_id: None, jobs }).await.unwrap();
}

async fn next(events: &mut EventStream) -> EventMessage {
    timeout(Duration::from_secs(120), events.next())
        .await
        .expect("an event within two minutes")
        .expect("no end")
}

#[test]
fn jobs_and_instances_are_told_of_as_they_change_and_only_then() {
    let mut faults = Faults::default();
    faults.create.delay = Duration::from_secs(3);
    with_program(faults, async |handle| {
        let mut events = handle.events().await.unwrap();
        let first = next(&mut events).await;
        assert_eq!(first.event, EventKind::Status);
        assert_eq!(serde_json::from_str::<PoolStatus>(&first.data).unwrap().instance_set, "events");
        submit(handle, vec![job(0)]).await;
        let (mut states, mut workers, mut creating) = (Vec::new(), Vec::new(), false);
        while states.last() != Some(&JobState::Complete) {
            let EventMessage { event, data } = next(&mut events).await;
            match event {
                EventKind::Jobs => {
                    let JobsChanged { changed } = serde_json::from_str(&data).unwrap();
                    for row in changed {
                        assert_eq!(row.waiting.is_some(), row.state == JobState::Queued, "{row:?}");
                        states.push(row.state);
                    }
                }
                EventKind::Instances => {
                    let told: InstancesChanged = serde_json::from_str(&data).unwrap();
                    creating |= !told.creating.is_empty();
                    workers.extend(told.changed.into_iter().map(|row| row.worker_state));
                    assert_eq!(told.gone, []);
                }
                EventKind::Status => {}
                other => panic!("{other:?}: {data}"),
            }
        }
        assert_eq!(states[0], JobState::Queued);
        assert!(states.contains(&JobState::Running), "{states:?}");
        workers.dedup();
        assert!(creating && workers.starts_with(&["booting".to_owned()]), "{workers:?}");
        assert!(workers.contains(&"running".to_owned()), "{workers:?}");
        // What is left to tell of the end; then nothing changes but for how long the worker is idle.
        sleep(Duration::from_secs(3)).await;
        while timeout(Duration::from_secs(1), events.next()).await.is_ok() {}
        assert!(timeout(Duration::from_secs(60), events.next()).await.is_err(), "nothing has changed");
    });
}

#[test]
fn a_reader_that_is_slow_is_told_so_and_the_others_miss_nothing() {
    with_program(Faults::default(), async |handle| {
        let (mut slow, mut fast) = (handle.events().await.unwrap(), handle.events().await.unwrap());
        next(&mut slow).await;
        for number in 1..=100 {
            let mut request = job(0);
            request.priority = 0;
            submit(handle, vec![request]).await;
            loop {
                let EventMessage { event, data } = next(&mut fast).await;
                assert_ne!(event, EventKind::Missed);
                if event == EventKind::Jobs {
                    let told: JobsChanged = serde_json::from_str(&data).unwrap();
                    assert_eq!(told.changed.iter().map(|row| row.number).collect::<Vec<_>>(), [number]);
                    break;
                }
            }
        }
        assert_eq!(next(&mut slow).await.event, EventKind::Missed);
        assert_ne!(next(&mut slow).await.event, EventKind::Missed, "told once, then what is still there");
    });
}

#[test]
fn a_large_submission_is_not_told_job_by_job() {
    with_program(Faults::default(), async |handle| {
        let mut events = handle.events().await.unwrap();
        let jobs = || (0..6000).map(|_| JobRequest { priority: 0, ..job(0) }).collect();
        submit(handle, jobs()).await;
        while next(&mut events).await.event != EventKind::Missed {}
    });
}

#[test]
fn nothing_is_produced_while_nobody_reads_and_it_begins_anew_with_the_next() {
    with_program(Faults::default(), async |handle| {
        drop(handle.events().await.unwrap());
        sleep(Duration::from_secs(2)).await;
        submit(handle, vec![JobRequest { priority: 0, ..job(0) }]).await;
        let mut events = handle.events().await.unwrap();
        submit(handle, vec![JobRequest { priority: 0, ..job(0) }]).await;
        while let EventMessage { event, data } = next(&mut events).await
            && event != EventKind::Jobs
        {
            assert!(event != EventKind::Missed, "{data}");
        }
        assert_eq!(handle.jobs(JobQuery::default()).await.unwrap().jobs.len(), 2);
    });
}

#[test]
fn a_type_without_capacity_shows_in_types_hold_offs_reasons_and_events() {
    with_program(no_gpu(), async |handle| {
        let mut events = handle.events().await.unwrap();
        submit(handle, vec![job(1), job(0)]).await;
        while next(&mut events).await.event != EventKind::HoldOffs {}
        let hold_offs = handle.hold_offs().await.unwrap();
        let [hold_off] = hold_offs.as_slice() else { panic!("{hold_offs:?}") };
        assert_eq!((hold_off.kind, hold_off.covers.as_str()), (HoldOffKind::Capacity, "type gpu"));
        assert!(hold_off.until.is_some() && hold_off.until_fewer_than.is_none());
        let types = handle.types().await.unwrap();
        let names: Vec<_> =
            types.iter().map(|row| (row.name.as_str(), row.at_capacity, row.hold_offs.len())).collect();
        assert_eq!(names, [("gpu", true, 1), ("small", false, 0)]);
        let page = handle.jobs(JobQuery::default()).await.unwrap();
        let why = page.jobs[1].waiting.as_ref().unwrap();
        assert_eq!((page.jobs[1].number, why.reason.as_str()), (1, "no_capacity"));
        let explained = handle.explain(JobKey::Number(1)).await.unwrap();
        assert_eq!(
            (explained.reason, explained.text, explained.remedy),
            (why.reason.clone(), why.text.clone(), why.remedy.clone())
        );
        assert_eq!(explained.job.waiting.as_ref(), Some(why));
        assert_eq!(handle.job(JobKey::Number(1)).await.unwrap().job.waiting.as_ref(), Some(why));
        let status = handle.status().await.unwrap();
        assert!(!status.at_quota && status.at_capacity.len() == 1, "{status:?}");
    });
}

#[test]
fn our_own_limit_is_told_from_the_providers_quota() {
    let quota = driver_loopback::Quota { instances: Some(1), groups: BTreeMap::new() };
    for (faults, ours) in [(Faults::default(), true), (Faults { quota, ..Faults::default() }, false)] {
        with_program(faults, async |handle| {
            submit(handle, (0..20).map(|_| job(0)).collect()).await;
            sleep(Duration::from_secs(30)).await;
            let status = handle.status().await.unwrap();
            let found = (status.at_quota, status.at_max_instances, status.at_provider_quota);
            assert_eq!(found, (true, ours, !ours));
        });
    }
}

#[test]
fn boots_that_fail_again_and_again_are_a_problem_and_are_tried_less_often() {
    let mut faults = Faults::default();
    faults.boots.failed_boot_rate = 1.0;
    with_program(faults, async |handle| {
        submit(handle, vec![job(0)]).await;
        sleep(Duration::from_secs(600)).await;
        let problems = handle.status().await.unwrap().problems;
        let boots = problems.iter().find(|line| line.starts_with("boots of type small"));
        assert!(boots.is_some_and(|line| line.contains("failed at the provider")), "{problems:?}");
        let failures = handle.pool.summary().failing_boots[0].failures;
        assert!((8..40).contains(&failures), "{failures} boots in ten minutes");
    });
}

#[test]
fn what_was_is_recorded_while_it_is_told_to() {
    with_program(Faults::default(), async |handle| {
        let recording = tokio::spawn(handle.clone().record());
        submit(handle, vec![job(0)]).await;
        sleep(Duration::from_secs(45)).await;
        let id = handle.instances().await.unwrap()[0].id.clone().unwrap();
        handle.act_on_instance(id, InstanceAction::Hold).await.unwrap();
        let series = handle.series(Duration::from_secs(3600)).await.unwrap();
        assert_eq!((series.step_seconds, series.points.len()), (10.0, 5));
        let last = series.points.last().unwrap();
        assert_eq!(
            (last.jobs[&JobState::Running], last.instances["running"], last.price_per_hour),
            (1, 1, 0.5)
        );
        assert_eq!(last.at.since(series.points[0].at), Duration::from_secs(40));
        recording.abort();
    });
}

#[test]
fn a_producer_that_has_broken_off_ends_its_streams_and_the_next_reader_begins_another() {
    with_program(Faults::default(), async |handle| {
        let (sender, receiver) = tokio::sync::broadcast::channel(1);
        *handle.hub.readers.lock().await = Some(sender.downgrade());
        let mut events = handle.events().await.unwrap();
        next(&mut events).await;
        // As a panic does.
        drop((sender, receiver));
        assert!(events.next().await.is_none());
        let mut events = handle.events().await.unwrap();
        submit(handle, vec![JobRequest { command: vec!["x".repeat(10_000)], ..job(0) }]).await;
        let told = loop {
            let EventMessage { event, data } = next(&mut events).await;
            if event == EventKind::Jobs {
                break serde_json::from_str::<JobsChanged>(&data).unwrap();
            }
        };
        assert_eq!(told.changed[0].command, [format!("{}…", "x".repeat(2000))]);
    });
}
