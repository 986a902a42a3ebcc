//! What the tests are made of: names, types, instances, refusals, runs.

use crate::{Failure, FailureClass, ListedInstance, PoolSetup, SecretHash, Settings, TagNames};
use pool_api::{
    ByteSize, Capabilities, Cpus, Effect as CallEffect, ErrorKind, FailureScope, HourlyPrice, Idempotency,
    InstanceId, InstanceSetId, InstanceType, InstanceTypeName, JobId, Lifecycle, Placement, PlacementReach,
    ProviderType, QuotaGroup, Reach, Resources, RunId, TagLimits, Tags,
};
use pool_protocol::{Outcome, RunEnd, RunReport, RunStatus, StreamSize};
use std::{sync::Arc, time::Duration};

pub(super) const SMALL: &str = "small";
/// Of the same provider type as `small`, on demand.
pub(super) const SMALL_DISK: &str = "small-disk";
/// Of the same provider type as `small`, preemptible.
pub(super) const SMALL_SPOT: &str = "small-spot";
/// Of another provider type, of the same quota group.
pub(super) const BIG: &str = "big";
/// Of another quota group.
pub(super) const GPU: &str = "gpu";

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn name(text: &str) -> InstanceTypeName {
    InstanceTypeName::new(text).unwrap()
}

pub(super) fn id(text: &str) -> InstanceId {
    InstanceId::new(text).unwrap()
}

pub(super) fn job(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

pub(super) fn run(text: &str) -> RunId {
    attempt(text, 1)
}

pub(super) fn attempt(text: &str, attempt: u32) -> RunId {
    RunId::new(job(text), attempt)
}

pub(super) fn set_id() -> InstanceSetId {
    InstanceSetId::new("set-1").unwrap()
}

pub(super) fn secret(number: u64) -> SecretHash {
    SecretHash::new(&format!("{number:064x}")).unwrap()
}

/// Half of a `small`.
pub(super) fn half() -> Resources {
    Resources { cpus: Cpus::whole(1), memory: ByteSize::gib(1), ..Resources::default() }
}

/// All of a `small`.
pub(super) fn full() -> Resources {
    Resources { cpus: Cpus::whole(2), memory: ByteSize::gib(4), ..Resources::default() }
}

pub(super) fn instance_type(
    type_name: &str,
    provider: &str,
    cpus: u32,
    price: u64,
    spot: bool,
) -> Arc<InstanceType> {
    Arc::new(InstanceType {
        name: name(type_name),
        provider_type: ProviderType::new(provider).unwrap(),
        vcpus: Cpus::whole(cpus),
        memory: ByteSize::gib(u64::from(cpus) * 2),
        included_scratch: ByteSize::gib(10),
        added_scratch: ByteSize::gib(0),
        gpus: u32::from(type_name == GPU),
        price: HourlyPrice::from_micros(price),
        preemptible: spot,
        architecture: pool_api::Architecture::default(),
        image: None,
    })
}

/// Five types, one placement, tokens, a list that is never stale, and no limit on how often or how many.
pub(super) fn setup() -> PoolSetup {
    let group = |text| QuotaGroup::new(text).unwrap();
    PoolSetup {
        instance_set: set_id(),
        settings: Settings {
            max_cloud_ops_per_second: 0,
            max_probes_per_second: 0,
            max_concurrent_instance_create_ops: 0,
            max_instances: 0,
            ..Settings::default()
        },
        tag_names: TagNames::new("pool-"),
        instance_types: vec![
            (instance_type(SMALL, "p.small", 2, 100_000, false), group("cpu")),
            (instance_type(SMALL_DISK, "p.small", 2, 110_000, false), group("cpu")),
            (instance_type(SMALL_SPOT, "p.small", 2, 40_000, true), group("cpu")),
            (instance_type(BIG, "p.big", 8, 400_000, false), group("cpu")),
            (instance_type(GPU, "p.gpu", 8, 900_000, false), group("gpu")),
        ],
        placements: vec![Placement::unnamed()],
        capabilities: Capabilities {
            idempotency: Idempotency::Token,
            tags: TagLimits { count: 50, name_length: 128, value_length: 256 },
            preemptible: true,
            added_scratch: true,
            host_keys: false,
            list_settle_time: Duration::ZERO,
        },
    }
}

pub(super) fn listed(instance: &str, type_name: &str, tags: Tags) -> ListedInstance {
    let provider = match type_name {
        BIG => "p.big",
        GPU => "p.gpu",
        _ => "p.small",
    };
    ListedInstance {
        id: id(instance),
        provider_type: ProviderType::new(provider).unwrap(),
        placement: Placement::unnamed(),
        address: Some(format!("10.0.0.1:{}", instance.len())),
        tags,
        lifecycle: Lifecycle::Running,
        created: None,
        age: None,
    }
}

pub(super) fn tagged(mut instance: ListedInstance, tag: &str, value: &str) -> ListedInstance {
    instance.tags.set(format!("pool-{tag}"), value);
    instance
}

pub(super) fn in_lifecycle(instance: &ListedInstance, lifecycle: Lifecycle) -> ListedInstance {
    ListedInstance { lifecycle, ..instance.clone() }
}

/// A refusal: nothing was done.
pub(super) fn refused(class: FailureClass) -> Failure {
    Failure { class, effect: CallEffect::NotDone, message: "refused".to_owned() }
}

pub(super) fn quota(reach: Reach) -> FailureClass {
    FailureClass::Quota(FailureScope::new(reach, PlacementReach::Every))
}

pub(super) fn capacity(reach: Reach, placements: PlacementReach) -> FailureClass {
    FailureClass::Capacity(FailureScope::new(reach, placements))
}

pub(super) fn other() -> FailureClass {
    FailureClass::Other(ErrorKind::Transient)
}

pub(super) fn exit(code: i32) -> Box<RunEnd> {
    Box::new(RunEnd {
        outcome: Outcome::Exited { code },
        killed: None,
        started_ms: Some(1),
        ended_ms: 2,
        peak_memory: None,
        cpu_time_ms: None,
        stdout: StreamSize::default(),
        stderr: StreamSize::default(),
    })
}

pub(super) fn report(run: RunId, status: RunStatus) -> RunReport {
    RunReport { instance_set: set_id(), run, resources: half(), status }
}

pub(super) fn running(text: &str) -> RunReport {
    report(run(text), RunStatus::Running { started_ms: 1 })
}

pub(super) fn ended(text: &str) -> RunReport {
    report(run(text), RunStatus::Ended { end: exit(0) })
}

pub(super) fn stale(text: &str) -> RunReport {
    report(run(text), RunStatus::Stale)
}
