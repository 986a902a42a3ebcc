//! Instances and the whole, as the API shows them.

use super::core::Dispatcher;
use crate::{
    api::{InstanceRow, PoolStatus, ServiceError},
    job::Moment,
};
use pool_core::{HourlyPrice, InstanceView, Time};
use std::collections::BTreeMap;

/// One instance. `now` is the pool's time.
pub(super) fn instance_row(view: InstanceView, now: Time) -> InstanceRow {
    let worker_state = state(&view);
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

fn state(view: &InstanceView) -> String {
    view.phase.map_or_else(|| "creating".to_owned(), |phase| phase.to_string())
}

impl Dispatcher {
    pub(super) fn status(&self) -> Result<PoolStatus, ServiceError> {
        let views = self.pool.instances();
        let mut instances = BTreeMap::new();
        for view in &views {
            *instances.entry(state(view)).or_default() += 1;
        }
        let view = self.pool.view();
        let mut problems: Vec<String> = self.commit_problem.iter().cloned().collect();
        problems.extend(self.call_problems.lately());
        problems.extend(view.left_alone.iter().map(|id| {
            format!(
                "instance {id} is left alone: its tags are not as poold wrote them, as the log says in full"
            )
        }));
        Ok(PoolStatus {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            instance_set: self.settings.instance_set.clone(),
            driver: self.settings.driver.clone(),
            started_at: self.started_at,
            loaded: view.loaded,
            jobs: self.queue.counts().map_err(|error| ServiceError::from(&error))?,
            instances,
            price_per_hour: views.iter().filter_map(|view| view.price).sum::<HourlyPrice>().as_f64(),
            at_quota: view.at_quota,
            at_capacity: view
                .types
                .iter()
                .filter(|of| of.at_capacity)
                .map(|of| of.instance_type.name.clone())
                .collect(),
            problems,
        })
    }
}
