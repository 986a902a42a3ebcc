//! A pool as a server would tell of it.

use crate::commands::top::{
    event::{Ask, Event, Link, Update},
    state::State,
    view::Everything,
};
use crate::{
    api::{HoldOff, HoldOffKind, InstanceRow, JobRow, PoolStatus, Reason},
    http::tests::fake::instance,
    job::{Job as QueuedJob, JobRequest, JobState, Moment, QueueTag, Record},
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pool_core::InstanceId;
use std::{collections::BTreeMap, sync::Arc};

/// A Monday morning.
const NOW: Moment = Moment(1_764_000_000_000);

pub(super) fn before(seconds: u64) -> Moment {
    Moment(NOW.0 - 1000 * seconds)
}

pub(super) fn worker(id: &str, instance_type: &str, state: &str) -> InstanceRow {
    InstanceRow {
        instance_type: instance_type.try_into().unwrap(),
        worker_state: state.to_owned(),
        created_at: Some(before(7260)),
        ..instance(id)
    }
}

pub(super) fn job(number: u64, state: JobState, command: &[&str]) -> JobRow {
    let mut record = Record::new(100);
    record.state = state;
    let request = Arc::new(JobRequest::new(command.iter().copied()));
    let id = QueueTag::parse("abcde").unwrap().job_id(number);
    JobRow::from(&QueuedJob { number, id, submitted: before(60 + number), request, record })
}

pub(super) fn running(number: u64, instance: &str, command: &[&str]) -> JobRow {
    let mut job = job(number, JobState::Running, command);
    job.instance = Some(InstanceId::new(instance).unwrap());
    job.started_at = Some(before(30));
    job.stdout_size = 1024 * 1024;
    job
}

pub(super) fn waiting(number: u64, why: &str, command: &[&str]) -> JobRow {
    let reason = Reason { reason: "quota".to_owned(), text: why.to_owned(), remedy: None };
    JobRow { waiting: Some(reason), ..job(number, JobState::Queued, command) }
}

pub(super) fn status() -> PoolStatus {
    PoolStatus {
        release: "0.1.0".to_owned(),
        pid: 1,
        instance_set: "test".to_owned(),
        driver: "loopback".to_owned(),
        started_at: before(11_000),
        loaded: true,
        jobs: BTreeMap::from([(JobState::Queued, 2), (JobState::Running, 1), (JobState::Complete, 40)]),
        instances: BTreeMap::from([("idle".to_owned(), 2), ("running".to_owned(), 1)]),
        price_per_hour: 0.11,
        at_quota: true,
        at_max_instances: true,
        at_provider_quota: false,
        at_capacity: vec!["large".try_into().unwrap()],
        problems: vec!["create: no such image \u{1b}[2J".to_owned()],
    }
}

pub(super) fn everything() -> Everything {
    let mut named = running(7, "i-3", &["make", "test"]);
    named.name = Some("night\u{1b}[31mly".to_owned());
    let mut creating = worker("x", "small", "creating");
    creating.id = None;
    let mut broken = worker("i-4", "large", "shutdown");
    broken.reason = Some("did not boot in time".to_owned());
    let hold_off = |kind, covers: &str, until, until_fewer_than| HoldOff {
        kind,
        covers: covers.to_owned(),
        types: Vec::new(),
        operation: None,
        placement: None,
        until,
        until_fewer_than,
    };
    Everything {
        status: status(),
        instances: vec![
            worker("i-1", "small", "idle"),
            worker("i-3", "small", "running"),
            creating,
            broken,
            worker("i-2", "small", "idle"),
        ],
        jobs: vec![
            waiting(8, "as many instances as are allowed: 3", &["sh", "-c", "echo it's"]),
            waiting(9, "no type of worker has capacity now", &["true"]),
            named,
        ],
        hold_offs: Some(vec![
            hold_off(HoldOffKind::Capacity, "type large in zone-a", Some(Moment(NOW.0 + 90_000)), None),
            hold_off(HoldOffKind::Quota, "vcpus of this account", None, Some(4)),
        ]),
    }
}

/// With this pool, live.
pub(super) fn state(columns: u16, lines: u16) -> State {
    let mut state = State::new((columns, lines), NOW);
    state.apply(Event::Update(Update::All(Box::new(everything()))));
    state.apply(Event::Update(Update::Link(Link::Live)));
    state
}

/// Types a key.
pub(super) fn press(state: &mut State, code: KeyCode) -> Vec<Ask> {
    state.apply(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// Types words, one character after the other.
pub(super) fn write(state: &mut State, text: &str) -> Vec<Ask> {
    text.chars().flat_map(|c| press(state, KeyCode::Char(c))).collect()
}
