//! The instances that came and went, and what they cost.

use pool_core::{HourlyPrice, InstanceId, InstanceTypeName, InstanceView, Notice};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// One instance's life. Times are counted from the demo's start.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct InstanceLife {
    pub(crate) instance_type: String,
    pub(crate) placement: String,
    #[serde(serialize_with = "seconds")]
    pub(crate) created: Duration,
    #[serde(serialize_with = "optional_seconds")]
    pub(crate) ready: Option<Duration>,
    #[serde(serialize_with = "optional_seconds")]
    pub(crate) gone: Option<Duration>,
    /// Why it was destroyed.
    pub(crate) destroyed: Option<String>,
    /// Why it said that it is broken.
    pub(crate) broken: Option<String>,
    pub(crate) jobs: usize,
    /// For the whole of its life, in currency units.
    pub(crate) cost: f64,
    #[serde(skip)]
    price: HourlyPrice,
}

pub(crate) fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1000.0).round() / 1000.0)
}

fn optional_seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instances {
    pub(crate) lives: BTreeMap<InstanceId, InstanceLife>,
    /// Creates that were refused, by the first words of why.
    pub(crate) refused: BTreeMap<String, usize>,
}

impl Instances {
    /// Takes in what the pool shows now: it knows type, placement and price.
    pub(crate) fn see(&mut self, views: &[InstanceView]) {
        for view in views {
            let Some(id) = &view.id else { continue };
            self.lives.entry(id.clone()).or_insert_with(|| InstanceLife {
                instance_type: view.instance_type.to_string(),
                placement: view.placement.to_string(),
                created: view.since.since_start(),
                ready: None,
                gone: None,
                destroyed: None,
                broken: None,
                jobs: 0,
                cost: 0.0,
                price: view.price.unwrap_or_default(),
            });
        }
    }

    /// Takes in what the pool reports. Returns a line for people, where it is worth one.
    pub(crate) fn note(&mut self, notice: &Notice, now: Duration) -> Option<String> {
        let name = |lives: &BTreeMap<InstanceId, InstanceLife>, id: &InstanceId| match lives.get(id) {
            Some(life) => format!("{id} ({})", life.instance_type),
            None => id.to_string(),
        };
        match notice {
            Notice::Appeared { instance, .. } => {
                Some(format!("instance {} created", name(&self.lives, instance)))
            }
            Notice::Ready { instance } => {
                self.lives.get_mut(instance)?.ready = Some(now);
                Some(format!("instance {} ready", name(&self.lives, instance)))
            }
            Notice::Broken { instance, reason } => {
                self.lives.get_mut(instance)?.broken = Some(reason.clone());
                Some(format!(
                    "instance {} says it is broken ({reason}): no more jobs for it",
                    name(&self.lives, instance)
                ))
            }
            Notice::Shutdown { instance, reason } => {
                self.lives.get_mut(instance)?.destroyed = Some(reason.to_string());
                Some(format!("instance {} destroyed: {reason}", name(&self.lives, instance)))
            }
            Notice::Gone { instance } => {
                let life = self.lives.get_mut(instance)?;
                life.gone = Some(now);
                life.cost = life.price.as_f64() * now.saturating_sub(life.created).as_secs_f64() / 3600.0;
                None
            }
            Notice::CallFailed { kind, failure } => {
                *self.refused.entry(failure.message.clone()).or_default() += 1;
                Some(format!("{kind} failed: {}", failure.message))
            }
            Notice::GaveUp { run, instance } => Some(format!("job {run} on {instance} could not be ended")),
            Notice::LeftAlone { .. }
            | Notice::RateLimited { .. }
            | Notice::ProbeFailed { .. }
            | Notice::RunsTwice { .. }
            | Notice::TakenOver { .. }
            | Notice::Superseded { .. }
            | Notice::IdleBehavior { .. } => None,
        }
    }

    pub(crate) fn count_job(&mut self, id: &InstanceId) {
        if let Some(life) = self.lives.get_mut(id) {
            life.jobs += 1;
        }
    }

    /// What those cost for an hour that are there now.
    pub(crate) fn price_now(&self) -> f64 {
        self.lives
            .values()
            .filter(|life| life.gone.is_none())
            .map(|life| life.price)
            .sum::<HourlyPrice>()
            .as_f64()
    }

    /// Whether the end of each was reported.
    pub(crate) fn all_gone(&self) -> bool {
        self.lives.values().all(|life| life.gone.is_some())
    }

    /// Charges those that are still there until now.
    pub(crate) fn close(&mut self, now: Duration) {
        for life in self.lives.values_mut().filter(|life| life.gone.is_none()) {
            life.cost = life.price.as_f64() * now.saturating_sub(life.created).as_secs_f64() / 3600.0;
        }
    }

    /// How many of each type were made.
    pub(crate) fn by_type(&self) -> BTreeMap<InstanceTypeName, usize> {
        let mut counts = BTreeMap::new();
        for life in self.lives.values() {
            if let Ok(name) = InstanceTypeName::new(&life.instance_type) {
                *counts.entry(name).or_default() += 1;
            }
        }
        counts
    }
}
