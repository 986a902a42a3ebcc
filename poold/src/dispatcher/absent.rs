//! Jobs that have a worker by the queue, and that the pool does not know.

use super::board::{Setback, Unfinished};
use crate::job::JobState;
use pool_core::{InstanceId, InstanceView, JobId, Phase, Pool, PoolView, Time};
use std::collections::BTreeMap;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Absent {
    number: u64,
    id: JobId,
    worker: Option<InstanceId>,
    /// Its worker has never confirmed it.
    locked: bool,
    /// Why the pool has just not taken it.
    refused: Option<String>,
}

impl Absent {
    pub(super) fn new(job: &Unfinished, refused: Option<&String>) -> Self {
        Self {
            number: job.number,
            id: job.id.clone(),
            worker: job.record.worker.as_ref().map(|worker| worker.instance.clone()),
            locked: job.record.state == JobState::Locked,
            refused: refused.cloned(),
        }
    }
}

/// What is looked at of the pool. It moves on from one look to the next.
pub(super) trait Sight {
    fn view(&self) -> PoolView;
    fn instances(&self) -> Vec<InstanceView>;
    fn knows(&self, job: &JobId) -> bool;
}

impl Sight for Pool {
    fn view(&self) -> PoolView {
        self.view()
    }

    fn instances(&self) -> Vec<InstanceView> {
        self.instances()
    }

    fn knows(&self, job: &JobId) -> bool {
        self.job(job).is_some()
    }
}

/// The jobs of which it is certain that they run nowhere, and why. A list that began at `settled` or later shows every
/// instance that was there when this process started.
pub(super) fn judge(pool: &impl Sight, absent: Vec<Absent>, settled: Time) -> Vec<(u64, Setback)> {
    if absent.is_empty() {
        return Vec::new();
    }
    // In this order: what a list has shown is among the workers, and what a ready worker has is among the jobs. The
    // other way round a job would be taken from a worker that has got ready, with the job, between the two looks.
    let view = pool.view();
    let settled = view.listed.is_some_and(|listed| listed >= settled);
    let instances = pool.instances();
    let workers: BTreeMap<&InstanceId, &InstanceView> =
        instances.iter().filter_map(|view| Some((view.id.as_ref()?, view))).collect();
    let judge = |job: Absent| {
        if pool.knows(&job.id) {
            return None;
        }
        let worker = job.worker.as_ref().and_then(|id| workers.get(id));
        let setback = match (job.refused, worker.map(|worker| worker.phase)) {
            (Some(reason), _) => Setback::NotTaken { reason },
            // p52: a worker is ready only once its runs are known.
            (None, Some(Some(Phase::Idle | Phase::Running))) if job.locked => {
                Setback::NotStarted { reason: "the worker does not know of it".to_owned() }
            }
            (None, Some(Some(Phase::Idle | Phase::Running))) => Setback::Denied,
            // It may run there: only the worker's answer, or its disappearance, tells.
            (None, Some(_)) => return None,
            (None, None) if job.worker.is_some_and(|id| view.left_alone.contains(&id)) => return None,
            (None, None) if settled => Setback::WorkerGone,
            (None, None) => return None,
        };
        Some((job.number, setback))
    };
    absent.into_iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_core::{IdleBehavior, Placement, Resources};
    use std::cell::Cell;

    const SETTLED: Time = Time::ZERO;

    /// A moment of the pool.
    #[derive(Clone, Debug, Default)]
    struct Moment {
        listed: bool,
        left_alone: bool,
        phase: Option<Phase>,
        knows: bool,
    }

    /// A pool that becomes another after so many looks at it.
    struct Changing {
        before: Moment,
        after: Moment,
        looks_left: Cell<u32>,
    }

    impl Changing {
        fn look(&self) -> &Moment {
            match self.looks_left.get() {
                0 => &self.after,
                left => {
                    self.looks_left.set(left - 1);
                    &self.before
                }
            }
        }
    }

    fn instance() -> InstanceId {
        "i-1".try_into().unwrap()
    }

    impl Sight for Changing {
        fn view(&self) -> PoolView {
            let now = self.look();
            let left_alone = now.left_alone.then(instance).into_iter().collect();
            PoolView { listed: now.listed.then_some(SETTLED), left_alone, ..PoolView::default() }
        }

        fn instances(&self) -> Vec<InstanceView> {
            let worker = |phase| InstanceView {
                id: Some(instance()),
                instance_type: "small".parse().unwrap(),
                provider_type: "small".try_into().unwrap(),
                placement: Placement::default(),
                address: None,
                price: None,
                phase: Some(phase),
                lifecycle: None,
                idle_behavior: IdleBehavior::Run,
                last_job: None,
                running_jobs: Vec::new(),
                last_busy: Time::ZERO,
                since: Time::ZERO,
                created: None,
                shutdown: None,
                broken: None,
                taken_by: None,
                reserved: Resources::default(),
            };
            self.look().phase.map(worker).into_iter().collect()
        }

        fn knows(&self, _: &JobId) -> bool {
            self.look().knows
        }
    }

    fn verdict(pool: &Changing, locked: bool) -> Option<Setback> {
        let job = Absent {
            number: 1,
            id: "aaaaa-1".try_into().unwrap(),
            worker: Some(instance()),
            locked,
            refused: None,
        };
        judge(pool, vec![job], SETTLED).pop().map(|(_, setback)| setback)
    }

    fn still(moment: Moment) -> Changing {
        Changing { before: moment.clone(), after: moment, looks_left: Cell::new(0) }
    }

    #[test]
    fn p52_only_a_ready_or_a_gone_worker_gives_a_job_back() {
        let listed = |phase| Moment { listed: true, phase, ..Moment::default() };
        for phase in [Phase::Unknown, Phase::Booting, Phase::Shutdown] {
            assert_eq!(verdict(&still(listed(Some(phase))), false), None, "{phase}");
        }
        for phase in [Phase::Idle, Phase::Running] {
            assert_eq!(verdict(&still(listed(Some(phase))), false), Some(Setback::Denied), "{phase}");
            let setback = verdict(&still(listed(Some(phase))), true);
            assert!(matches!(setback, Some(Setback::NotStarted { .. })), "{phase}");
        }
        assert_eq!(verdict(&still(listed(None)), true), Some(Setback::WorkerGone));
        assert_eq!(verdict(&still(Moment::default()), true), None, "nothing is listed yet");
    }

    #[test]
    fn p52_a_job_on_an_instance_that_is_left_alone_is_not_given_to_another() {
        let pool = still(Moment { listed: true, left_alone: true, ..Moment::default() });
        assert_eq!(verdict(&pool, false), None);
    }

    #[test]
    fn p52_a_job_stays_with_its_worker_at_whichever_look_that_is_found_and_gets_ready() {
        let nothing = Moment::default();
        let found = Moment { listed: true, phase: Some(Phase::Unknown), ..Moment::default() };
        let ready = Moment { listed: true, phase: Some(Phase::Running), knows: true, ..Moment::default() };
        for (before, after) in [(&nothing, &found), (&found, &ready), (&nothing, &ready)] {
            for looks in 0..=3 {
                let (before, after) = (before.clone(), after.clone());
                let pool = Changing { before, after, looks_left: Cell::new(looks) };
                assert_eq!(verdict(&pool, false), None, "after {looks} looks: {:?}", pool.after);
            }
        }
    }
}
