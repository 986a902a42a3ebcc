//! Why a job is where it is.

use super::core::Dispatcher;
use crate::{
    api::{Explanation, JobDetail, JobRow, ServiceError},
    job::{JobKey, JobState},
};
use pool_core::Phase;

struct Why {
    reason: &'static str,
    text: String,
    remedy: Option<String>,
}

impl Dispatcher {
    pub(super) fn explain(&self, key: &JobKey) -> Result<Explanation, ServiceError> {
        let JobDetail { job, history } = self.detail(key)?;
        let Why { reason, text, remedy } = match job.state {
            JobState::Queued => self.why_queued(&job),
            JobState::Locked | JobState::Running => self.why_active(&job),
            JobState::Complete | JobState::Cancelled => why_final(&job),
        };
        let ahead = (job.state == JobState::Queued).then(|| self.board.waiting().ahead_of(&job.id)).flatten();
        Ok(Explanation {
            reason: reason.to_owned(),
            text,
            remedy,
            ahead: ahead.map(|ahead| ahead as u64),
            history,
            job,
        })
    }

    fn why_queued(&self, job: &JobRow) -> Why {
        if let Some(problem) = &self.commit_problem {
            return Why {
                reason: "queue_not_writable",
                text: format!("nothing is started while the queue cannot be written: {problem}"),
                remedy: Some(
                    "make room on the disk, or see to it that the state directory can be written".to_owned(),
                ),
            };
        }
        match self.plan.why(self.board.waiting(), &job.id) {
            Some(why) => Why { reason: why.kind(), text: why.to_string(), remedy: why.remedy() },
            None if self.board.get(job.number).is_some_and(|job| job.deferrals > 0) => Why {
                reason: "refused",
                text: "it could not be started on its worker: it is tried again soon".to_owned(),
                remedy: None,
            },
            None => Why {
                reason: "not_planned_yet",
                text: "it is looked at in the next moment".to_owned(),
                remedy: None,
            },
        }
    }

    fn why_active(&self, job: &JobRow) -> Why {
        let worker = job.instance.as_ref().map_or_else(|| "its worker".to_owned(), ToString::to_string);
        let view = self.pool.instances().into_iter().find(|view| view.id == job.instance);
        let phase = view.and_then(|view| view.phase);
        let ending =
            job.reason.as_ref().map(|reason| format!(" It is being ended: {reason}.")).unwrap_or_default();
        let (reason, text) = match (self.pool.job(&job.id), phase) {
            (Some(_), _) if job.state == JobState::Running => {
                ("running", format!("it runs on {worker}.{ending}"))
            }
            (Some(_), _) => {
                ("starting", format!("it was given to {worker}, which has not confirmed it yet.{ending}"))
            }
            (None, Some(Phase::Shutdown)) => (
                "worker_lost",
                format!("{worker} is being destroyed: it is queued again once that is gone.{ending}"),
            ),
            (None, Some(_)) => (
                "worker_not_reached",
                format!("{worker} has not answered since poold was started: it may run there.{ending}"),
            ),
            (None, None)
                if job.instance.as_ref().is_some_and(|id| self.pool.view().left_alone.contains(id)) =>
            {
                (
                    "worker_left_alone",
                    format!(
                        "{worker} is left alone, for its tags are not as poold wrote them: it may run there, and is queued \
                         again once that is gone. Set its tags right, or destroy it at the provider.{ending}"
                    ),
                )
            }
            (None, None) => (
                "worker_not_listed",
                format!("{worker} is not listed: it is queued again once that is certain.{ending}"),
            ),
        };
        Why { reason, text, remedy: None }
    }
}

fn why_final(job: &JobRow) -> Why {
    let (reason, text) = match (job.state, job.exit_code, &job.signal, &job.reason) {
        (JobState::Cancelled, _, _, reason) => {
            ("cancelled", format!("it was cancelled: {}", reason.as_deref().unwrap_or("no reason is known")))
        }
        (_, Some(code), _, Some(reason)) => ("complete", format!("it ended with exit code {code}: {reason}")),
        (_, Some(code), _, None) => ("complete", format!("it ended with exit code {code}")),
        (_, None, Some(signal), _) => ("complete", format!("signal {signal} ended it")),
        (_, None, None, _) => ("complete", "it ended".to_owned()),
    };
    Why { reason, text, remedy: None }
}
