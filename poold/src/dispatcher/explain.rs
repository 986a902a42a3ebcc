//! Why a job is where it is.

use super::core::Dispatcher;
use crate::{
    api::{JobRow, Reason},
    job::JobState,
};
use pool_core::{Phase, Pool};

/// Jobs before another that are counted: nothing else is done meanwhile, and there may be a million.
const MOST_AHEAD: usize = 10_000;

/// How many jobs are before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ahead {
    pub(crate) jobs: u64,
    /// Whether there are more.
    pub(crate) more: bool,
}

impl Ahead {
    fn counted(jobs: usize) -> Self {
        Self { jobs: jobs.min(MOST_AHEAD) as u64, more: jobs > MOST_AHEAD }
    }
}

impl Dispatcher {
    /// Why a job waits; none if it does not, or no longer.
    pub(super) fn why_queued(&self, number: u64) -> Option<Reason> {
        let job = self.board.get(number).filter(|job| job.record.state == JobState::Queued)?;
        if let Some(problem) = &self.commit_problem {
            return Some(Reason {
                reason: "queue_not_writable".to_owned(),
                text: format!("nothing is started while the queue cannot be written: {problem}"),
                remedy: Some(
                    "make room on the disk, or see to it that the state directory can be written".to_owned(),
                ),
            });
        }
        Some(match self.plan.why(self.board.waiting(), &job.id) {
            Some(why) => {
                Reason { reason: why.kind().to_owned(), text: why.to_string(), remedy: why.remedy() }
            }
            None if job.deferrals > 0 => {
                reason("refused", "it could not be started on its worker: it is tried again soon")
            }
            None => reason("not_planned_yet", "it is looked at in the next moment"),
        })
    }

    /// How many jobs are before it in the queue; none if it does not wait.
    pub(super) fn ahead_of(&self, number: u64) -> Option<Ahead> {
        let id = &self.board.get(number)?.id;
        self.board.waiting().ahead_of(id, MOST_AHEAD + 1).map(Ahead::counted)
    }
}

fn reason(kind: &str, text: impl Into<String>) -> Reason {
    Reason { reason: kind.to_owned(), text: text.into(), remedy: None }
}

/// Where a job is that has a worker.
pub(super) fn why_active(pool: &Pool, job: &JobRow) -> Reason {
    let worker = job.instance.as_ref().map_or_else(|| "its worker".to_owned(), ToString::to_string);
    let view = pool.instances().into_iter().find(|view| view.id == job.instance);
    let phase = view.and_then(|view| view.phase);
    let ending =
        job.reason.as_ref().map(|reason| format!(" It is being ended: {reason}.")).unwrap_or_default();
    let left_alone = || job.instance.as_ref().is_some_and(|id| pool.summary().left_alone.contains(id));
    match (pool.job(&job.id), phase) {
        (Some(_), _) if job.state == JobState::Running => {
            reason("running", format!("it runs on {worker}.{ending}"))
        }
        (Some(_), _) => {
            reason("starting", format!("it was given to {worker}, which has not confirmed it yet.{ending}"))
        }
        (None, Some(Phase::Shutdown)) => reason(
            "worker_lost",
            format!("{worker} is being destroyed: it is queued again once that is gone.{ending}"),
        ),
        (None, Some(_)) => reason(
            "worker_not_reached",
            format!("{worker} has not answered since poold was started: it may run there.{ending}"),
        ),
        (None, None) if left_alone() => reason(
            "worker_left_alone",
            format!(
                "{worker} is left alone, for its tags are not as poold wrote them: it may run there, and is queued \
                 again once that is gone. Set its tags right, or destroy it at the provider.{ending}"
            ),
        ),
        (None, None) => reason(
            "worker_not_listed",
            format!("{worker} is not listed: it is queued again once that is certain.{ending}"),
        ),
    }
}

/// How a job ended.
pub(super) fn why_final(job: &JobRow) -> Reason {
    match (job.state, job.exit_code, &job.signal, &job.reason) {
        (JobState::Cancelled, _, _, why) => {
            let why = why.as_deref().unwrap_or("no reason is known");
            reason("cancelled", format!("it was cancelled: {why}"))
        }
        (_, Some(code), _, Some(why)) => reason("complete", format!("it ended with exit code {code}: {why}")),
        (_, Some(code), _, None) => reason("complete", format!("it ended with exit code {code}")),
        (_, None, Some(signal), _) => reason("complete", format!("signal {signal} ended it")),
        (_, None, None, _) => reason("complete", "it ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_jobs_than_are_counted_are_the_most_and_more() {
        assert_eq!(Ahead::counted(MOST_AHEAD), Ahead { jobs: 10_000, more: false });
        assert_eq!(Ahead::counted(MOST_AHEAD + 1), Ahead { jobs: 10_000, more: true });
    }
}
