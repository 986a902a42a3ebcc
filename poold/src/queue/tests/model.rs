//! Whatever is committed in whatever order, and however often the file is opened again, the queue is what a plain list
//! of jobs would be.

use super::support::{Temporary, record, request};
use crate::{
    job::{HistoryEntry, JobState, Moment, Record},
    queue::{Change, JobFilter, JobReader as _, NewJob, Queue, SqliteQueue},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug)]
enum Step {
    Submit {
        jobs: usize,
    },
    /// Of the `job`-th that there is.
    Update {
        job: usize,
        state: JobState,
        history: bool,
    },
    Prune {
        job: usize,
    },
    /// All since the last one.
    Commit,
    /// A commit that cannot be done: all since the last one is lost.
    Fail,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop::sample::select(JobState::ALL.to_vec());
    prop_oneof![
        2 => (0..4_usize).prop_map(|jobs| Step::Submit { jobs }),
        6 => (any::<prop::sample::Index>(), state, any::<bool>())
            .prop_map(|(job, state, history)| Step::Update { job: job.index(1000), state, history }),
        1 => any::<prop::sample::Index>().prop_map(|job| Step::Prune { job: job.index(1000) }),
        4 => Just(Step::Commit),
        1 => Just(Step::Fail),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Default)]
struct Model {
    next: u64,
    jobs: BTreeMap<u64, (Record, Vec<HistoryEntry>)>,
}

impl Model {
    fn nth(&self, job: usize) -> Option<u64> {
        self.jobs.keys().nth(job.checked_rem(self.jobs.len())?).copied()
    }

    /// What the step changes, done here.
    fn change(&mut self, step: &Step) -> Option<Change> {
        match *step {
            Step::Submit { jobs } => {
                let first = self.next;
                self.next += jobs as u64;
                let new = |number: u64| NewJob {
                    number,
                    submitted: Moment(number),
                    request: Arc::new(request(&format!("job {}", number % 3))),
                };
                let jobs: Vec<_> = (first..self.next).map(new).collect();
                self.jobs
                    .extend(jobs.iter().map(|job| (job.number, (Record::new(job.request.priority), vec![]))));
                Some(Change::Submit { request_id: Some(format!("from {first} to {}", self.next)), jobs })
            }
            Step::Update { job, state, history } => {
                let number = self.nth(job)?;
                let record = record(state, state.is_final().then_some(job as u64));
                let entry = HistoryEntry { at: Moment(job as u64), state, detail: format!("{job}") };
                let history = history.then_some(entry);
                let held = self.jobs.get_mut(&number)?;
                held.0 = record.clone();
                held.1.extend(history.clone());
                Some(Change::Update { number, record: record.into(), history })
            }
            Step::Prune { job } => {
                let number = self.nth(job)?;
                if !self.jobs.get(&number)?.0.state.is_final() {
                    return None;
                }
                self.jobs.remove(&number);
                Some(Change::Prune { number })
            }
            Step::Commit | Step::Fail | Step::Reopen => None,
        }
    }

    fn check(&self, queue: &SqliteQueue) {
        assert_eq!(queue.next_number(), self.next);
        let filter = JobFilter { limit: 1000, ..JobFilter::default() };
        let shown: Vec<_> =
            queue.jobs(&filter).unwrap().into_iter().map(|job| (job.number, job.record)).collect();
        let expected: Vec<_> =
            self.jobs.iter().rev().map(|(number, (record, _))| (*number, record.clone())).collect();
        assert_eq!(shown, expected);
        let unfinished: Vec<_> = queue.unfinished().unwrap().iter().map(|job| job.number).collect();
        let open = self.jobs.iter().filter(|(_, (record, _))| !record.state.is_final());
        assert_eq!(unfinished, open.map(|(number, _)| *number).collect::<Vec<_>>());
        let mut counts: BTreeMap<JobState, u64> = BTreeMap::new();
        for (number, (record, history)) in &self.jobs {
            *counts.entry(record.state).or_default() += 1;
            assert_eq!(&queue.history(*number).unwrap(), history);
        }
        let mut counted = queue.counts().unwrap();
        counted.retain(|_, count| *count > 0);
        assert_eq!(counted, counts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_a_list_of_jobs_would_be(steps in prop::collection::vec(step(), 1..60)) {
        let temporary = Temporary::new();
        let mut queue = temporary.open();
        let mut committed = Model { next: 1, ..Model::default() };
        let mut model = committed.clone();
        let mut changes = Vec::new();
        for step in &steps {
            changes.extend(model.change(step));
            match step {
                Step::Commit => {
                    queue.commit(&changes).unwrap();
                    committed = model.clone();
                    changes.clear();
                }
                Step::Fail => {
                    changes.push(Change::Update { number: 1 << 40, record: Record::new(1).into(), history: None });
                    queue.commit(&changes).unwrap_err();
                    model = committed.clone();
                    changes.clear();
                }
                Step::Reopen => {
                    drop(queue);
                    queue = temporary.open();
                    model = committed.clone();
                    changes.clear();
                }
                _ => continue,
            }
            committed.check(&queue);
        }
    }
}
