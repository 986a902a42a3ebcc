//! Instances, types and hold-offs, as the API shows them.

use crate::{
    api::{HoldOff, HoldOffKind, InstanceRow, TypeRow},
    job::Moment,
};
use pool_core::{
    Covered, CoveredTypes, HeldOff, HoldOffEnd, HoldOffView, HourlyPrice, InstanceView, Phase, PoolSummary,
    Time,
};
use std::collections::BTreeMap;

/// One instance. `now` is the pool's time.
pub(super) fn instance_row(view: InstanceView, now: Time) -> InstanceRow {
    let worker_state = worker_state(view.phase);
    let idle = worker_state == "idle";
    let taken =
        view.taken_by.map(|epoch| format!("taken over by another program (epoch {epoch}): left alone"));
    let reason = view.shutdown.as_ref().map(ToString::to_string).or(view.broken).or(taken);
    InstanceRow {
        id: view.id,
        instance_type: view.instance_type,
        provider_type: view.provider_type.to_string(),
        placement: view.placement.to_string(),
        address: view.address,
        worker_state,
        idle_behavior: view.idle_behavior.to_string(),
        running_jobs: view.running_jobs,
        last_job: view.last_job,
        price: view.price.map(HourlyPrice::as_f64),
        reason,
        created_at: view.created.map(Moment::from),
        idle_seconds: idle.then(|| now.since(view.last_busy).as_secs_f64()),
        reserved: view.reserved,
    }
}

/// A create in flight has no phase.
pub(super) fn worker_state(phase: Option<Phase>) -> String {
    phase.map_or_else(|| "creating".to_owned(), |phase| phase.to_string())
}

/// The same moment by the pool's clock and by the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) pool: Time,
    pub(super) wall: Moment,
}

impl Clocks {
    /// What the wall clock will show.
    fn moment(self, later: Time) -> Moment {
        let left = u64::try_from(later.since(self.pool).as_millis()).unwrap_or(u64::MAX);
        Moment(self.wall.0.saturating_add(left))
    }
}

/// One hold-off.
pub(super) fn hold_off(view: &HoldOffView, now: Clocks) -> HoldOff {
    let (until, until_fewer_than) = match view.end {
        HoldOffEnd::At(time) => (Some(now.moment(time)), None),
        HoldOffEnd::FewerThan(count) => (None, Some(count as u64)),
    };
    let of_instances = |kind, covered: &Covered| HoldOff {
        kind,
        covers: covers(covered),
        types: covered.types.clone(),
        operation: None,
        placement: covered.placement.as_ref().map(ToString::to_string).filter(|name| !name.is_empty()),
        until,
        until_fewer_than,
    };
    match &view.what {
        HeldOff::Quota(covered) => of_instances(HoldOffKind::Quota, covered),
        HeldOff::Capacity(covered) => of_instances(HoldOffKind::Capacity, covered),
        HeldOff::Calls(kind) => HoldOff {
            kind: HoldOffKind::RateLimit,
            covers: format!("calls: {kind}"),
            types: Vec::new(),
            operation: Some(kind.to_string()),
            placement: None,
            until,
            until_fewer_than,
        },
    }
}

fn covers(covered: &Covered) -> String {
    let types = covered.types.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    let mut text = match (&covered.subject, covered.types.len()) {
        (CoveredTypes::All, _) => "all types".to_owned(),
        (CoveredTypes::QuotaGroup(group), _) => format!("quota group {group}"),
        (CoveredTypes::ProviderType { .. }, 1) => format!("type {types}"),
        (CoveredTypes::ProviderType { .. }, 2..) => format!("types {types}"),
        (CoveredTypes::ProviderType { name, preemptible }, _) => {
            format!("{name}{}", if *preemptible { " (preemptible)" } else { "" })
        }
    };
    if let Some(placement) =
        covered.placement.as_ref().map(ToString::to_string).filter(|name| !name.is_empty())
    {
        text.push_str(&format!(" in {placement}"));
    }
    text
}

/// All types, by name.
pub(super) fn type_rows(summary: &PoolSummary, now: Clocks) -> Vec<TypeRow> {
    let hold_offs: Vec<HoldOff> = summary.hold_offs.iter().map(|view| hold_off(view, now)).collect();
    let row = |of: &pool_core::TypeSummary| {
        let instance_type = &of.instance_type;
        let has = instance_type.resources();
        let instances = summary.instances.iter().filter(|((name, _), _)| *name == instance_type.name);
        TypeRow {
            name: instance_type.name.clone(),
            provider_type: instance_type.provider_type.to_string(),
            vcpus: f64::from(u32::try_from(has.cpus.as_millis()).unwrap_or(u32::MAX)) / 1000.0,
            memory: has.memory.0,
            scratch: has.scratch.0,
            gpus: has.gpus,
            price: instance_type.price.as_f64(),
            preemptible: instance_type.preemptible,
            instances: instances.map(|((_, phase), count)| (worker_state(*phase), *count as u64)).collect(),
            at_capacity: of.at_capacity,
            at_quota: of.at_quota,
            hold_offs: hold_offs
                .iter()
                .filter(|hold_off| hold_off.types.contains(&instance_type.name))
                .cloned()
                .collect(),
        }
    };
    summary.types.iter().map(row).collect()
}

/// Instances by worker state.
pub(super) fn by_state(summary: &PoolSummary) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for ((_, phase), count) in &summary.instances {
        *counts.entry(worker_state(*phase)).or_default() += *count as u64;
    }
    counts
}

/// What hinders the pool, for people.
pub(super) fn problems(summary: &PoolSummary) -> Vec<String> {
    let boots = summary.failing_boots.iter().filter(|of| of.failures >= MANY_FAILURES).map(|of| {
        format!(
            "boots of type {}: the last {} have all failed (the last one: {}); another is tried now and then, at most a \
             minute apart",
            of.instance_type, of.failures, of.reason
        )
    });
    let left_alone = summary.left_alone.iter().map(|id| {
        format!("instance {id} is left alone: its tags are not as poold wrote them, as the log says in full")
    });
    boots.chain(left_alone).collect()
}

/// Boots of a type that fail in a row are worth a word from then on: one or two may be chance.
const MANY_FAILURES: u32 = 3;
