//! Which jobs have changed, for those who follow them. Nothing is kept while nobody does.

use crate::queue::Change;
use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// More that have not been taken are too many to tell of one by one.
const MOST: usize = 5000;

/// Filled after each commit, and emptied by one reader.
#[derive(Debug, Default)]
pub(super) struct Feed {
    wanted: AtomicBool,
    changed: Mutex<Changed>,
}

#[derive(Debug, Default)]
struct Changed {
    numbers: BTreeSet<u64>,
    too_many: bool,
}

/// What has changed since the last time.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// These jobs, durably.
    Jobs(Vec<u64>),
    /// More than are told one by one.
    TooMany,
}

impl Feed {
    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on changes are kept.
    pub(super) fn begin(&self) {
        *self.changed() = Changed::default();
        self.wanted.store(true, Ordering::Release);
    }

    /// From now on none are.
    pub(super) fn end(&self) {
        self.wanted.store(false, Ordering::Release);
        *self.changed() = Changed::default();
    }

    /// Takes in what has become durable.
    pub(super) fn note(&self, changes: &[Change]) {
        if changes.is_empty() || !self.wanted.load(Ordering::Acquire) {
            return;
        }
        let mut changed = self.changed();
        for change in changes {
            match change {
                Change::Submit { jobs, .. } => changed.numbers.extend(jobs.iter().map(|job| job.number)),
                Change::Update { number, .. } => {
                    changed.numbers.insert(*number);
                }
                Change::Prune { number } => {
                    changed.numbers.remove(number);
                }
            }
        }
        if changed.numbers.len() > MOST {
            *changed = Changed { numbers: BTreeSet::new(), too_many: true };
        }
    }

    /// Takes at most so many, the oldest first; the rest stays.
    pub(super) fn take(&self, most: usize) -> Taken {
        let mut changed = self.changed();
        if std::mem::take(&mut changed.too_many) {
            return Taken::TooMany;
        }
        let rest = match changed.numbers.iter().nth(most).copied() {
            Some(first) => changed.numbers.split_off(&first),
            None => BTreeSet::new(),
        };
        Taken::Jobs(std::mem::replace(&mut changed.numbers, rest).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Record;

    fn update(number: u64) -> Change {
        Change::Update { number, record: Record::new(1).into(), history: None }
    }

    #[test]
    fn changes_are_told_once_each_and_only_to_who_follows_them() {
        let feed = Feed::default();
        feed.note(&[update(1)]);
        feed.begin();
        feed.note(&[update(4), update(3), update(4), update(2)]);
        feed.note(&[update(3), Change::Prune { number: 2 }, update(9)]);
        assert_eq!(feed.take(2), Taken::Jobs(vec![3, 4]));
        feed.note(&[update(3)]);
        assert_eq!(feed.take(2), Taken::Jobs(vec![3, 9]));
        feed.note(&[update(5)]);
        feed.end();
        assert_eq!(feed.take(2), Taken::Jobs(Vec::new()));
    }

    #[test]
    fn more_than_anybody_can_follow_are_not_kept() {
        let feed = Feed::default();
        feed.begin();
        let many: Vec<Change> = (0..=MOST as u64).map(update).collect();
        feed.note(&many);
        feed.note(&[update(7)]);
        assert_eq!(feed.take(10), Taken::TooMany);
        assert_eq!(feed.take(10), Taken::Jobs(vec![7]));
    }
}
