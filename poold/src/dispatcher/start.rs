//! From the plan to the pool: what is locked with the pass, and what is done after it.

use super::{board::Unfinished, core::Dispatcher};
use crate::{
    api::{JobRow, ServiceError},
    job::{Assigned, JobRequest, Moment},
};
use pool_core::{CreateRefusal, InstanceId, InstanceType, InstanceTypeName, JobId, StartJob, fits, plan};
use std::{collections::HashMap, mem, sync::Arc, time::Duration};

/// A job that was given to a worker, durably.
#[derive(Debug)]
pub(super) struct Start {
    number: u64,
    id: JobId,
    run: u32,
    instance: InstanceId,
    request: Arc<JobRequest>,
    waited: Duration,
}

/// Whether a job can run where the provider does not take instances away.
pub(super) fn fits_on_demand(types: &[Arc<InstanceType>], request: &JobRequest) -> bool {
    fits(types.iter().map(AsRef::as_ref), &request.resources(), false).is_ok()
}

impl Dispatcher {
    /// Plans, and locks what is to be started.
    pub(super) fn make_plan(&mut self, now: Moment) {
        if self.board.waiting().is_empty() && !self.settings.keeps_idle {
            // There is nothing to plan: a look at every worker would be for nothing.
            (self.plan.creates, self.plan.shutdowns) = (Vec::new(), Vec::new());
            return;
        }
        let view = self.pool.view();
        let mut plan = plan(self.board.waiting(), self.board.active_by_group(), &view, &self.settings.plan);
        let starts = mem::take(&mut plan.starts);
        // Looked up only where there is something to start: most passes of a large pool have nothing.
        let types: HashMap<&InstanceId, &InstanceTypeName> = if starts.is_empty() {
            HashMap::new()
        } else {
            view.workers.iter().map(|worker| (&worker.id, &worker.instance_type)).collect()
        };
        for (id, instance) in starts {
            let Some(number) = self.tag.number(&id) else { continue };
            let Some(request) = self.request(number) else { continue };
            let Some(type_name) = types.get(&instance).map(|name| (*name).clone()) else { continue };
            let preemptible =
                self.settings.instance_types.iter().any(|known| known.name == type_name && known.preemptible);
            let worker = Assigned { instance: instance.clone(), instance_type: type_name, preemptible };
            self.board.lock(now, number, worker);
            let Some(job) = self.board.get(number) else { continue };
            let waited = now.since(job.submitted);
            self.after.starts.push(Start { number, id, run: job.run(), instance, request, waited });
        }
        self.after.creates = plan.creates.clone();
        self.after.shutdowns = plan.shutdowns.clone();
        self.plan = plan;
    }

    fn request(&self, number: u64) -> Option<Arc<JobRequest>> {
        if let Some(request) = self.board.new_request(number) {
            return Some(request);
        }
        match self.queue.request(number) {
            Ok(Some(request)) => Some(request),
            Ok(None) => {
                tracing::error!(number, "a job that waits is not in the queue");
                None
            }
            Err(error) => {
                tracing::error!(number, error = %ServiceError::from(&error), "a job cannot be read");
                None
            }
        }
    }

    /// Does what the pass has made durable.
    pub(super) fn act(&mut self) {
        let after = mem::take(&mut self.after);
        for job in after.forget {
            self.pool.forget_job(&job);
        }
        for (job, reason) in after.kill {
            self.pool.kill_job(&job, &reason);
        }
        for Start { number, id, run, instance, request, waited } in after.starts {
            let spec = request.spec(self.settings.output_limit);
            let start = StartJob { job: id, attempt: run, spec, waited: Some(waited) };
            if let Err(refusal) = self.pool.start_job(&instance, start) {
                self.refused.insert(number, refusal.to_string());
                self.followed.was_refused(number);
            }
        }
        for instance in after.shutdowns {
            self.pool.shutdown_instance(&instance);
        }
        for name in after.creates {
            match self.pool.create(&name) {
                Ok(()) => {}
                Err(CreateRefusal::RunnerUnavailable(reason)) => {
                    self.call_problems.note("create", format!("the runner program cannot be had: {reason}"));
                    break;
                }
                // The next plan sees why.
                Err(_) => break,
            }
        }
    }

    /// A job is final, durably.
    pub(super) fn has_finished(&mut self, job: &Unfinished) {
        let number = job.number;
        self.stop_collecting(number);
        if let Some(tail) = self.tails.remove(&number) {
            tail.moved();
        }
        let waiters = self.waiters.remove(&number).unwrap_or_default();
        if !waiters.is_empty() {
            let row: Result<JobRow, _> = super::asked::row(&*self.queue, number);
            for waiter in waiters {
                drop(waiter.send(row.clone()));
            }
        }
    }
}
