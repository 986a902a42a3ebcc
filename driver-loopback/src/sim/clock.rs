//! The world's time, and what is due in it.

use std::{cmp::Ordering, collections::BinaryHeap, time::Duration};
use tokio::{runtime::Handle, time::Instant};

/// The time since the beginning of the world, in whole milliseconds.
#[derive(Debug)]
pub(super) struct Clock {
    /// The last reading.
    time: Duration,
    /// The world's time at an instant of the present runtime.
    anchor: Option<(Duration, Instant)>,
    /// The model wants instants: it gets these.
    base: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { time: Duration::ZERO, anchor: None, base: Instant::now() }
    }

    /// From now on time goes by with the present runtime's.
    pub(super) fn enter(&mut self) {
        self.anchor = Some((self.time, Instant::now()));
    }

    /// Reads the runtime's clock. Outside of a runtime time stands still.
    pub(super) fn read(&mut self) -> Duration {
        if let Some((time, instant)) = self.anchor
            && Handle::try_current().is_ok()
        {
            let passed = Instant::now().saturating_duration_since(instant);
            let passed = Duration::from_millis(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
            self.time = self.time.max(time + passed);
        }
        self.time
    }

    /// The last reading, or the time of what is being done.
    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// Goes on to a time at which something is due.
    pub(super) fn go_on(&mut self, at: Duration) {
        self.time = self.time.max(at);
    }

    /// The runtime's instant at this time.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.anchor.map(|(time, instant)| instant + at.saturating_sub(time))
    }

    /// This moment for the model, which knows nothing but instants.
    pub(super) fn model(&self) -> Instant {
        self.base + self.time
    }
}

/// What is due, in the order of its times; for the same time by rank, and then in the order in which it was added.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    heap: BinaryHeap<Item<T>>,
    added: u64,
}

#[derive(Debug)]
struct Item<T> {
    at: Duration,
    rank: u64,
    number: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), added: 0 }
    }

    pub(super) fn add(&mut self, at: Duration, rank: u64, what: T) {
        self.added += 1;
        self.heap.push(Item { at, rank, number: self.added, what });
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|item| item.at)
    }

    /// The first that is due at this time.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, T)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|item| (item.at, item.what))
    }
}

impl<T> Ord for Item<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        (other.at, other.rank, other.number).cmp(&(self.at, self.rank, self.number))
    }
}

impl<T> PartialOrd for Item<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Item<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Item<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_by_time_and_rank_and_then_in_order() {
        let mut agenda = Agenda::new();
        for (at, rank, what) in [(5, 0, 'a'), (3, 1, 'b'), (5, 0, 'c'), (3, 0, 'd'), (9, 0, 'e')] {
            agenda.add(Duration::from_millis(at), rank, what);
        }
        let mut due = Vec::new();
        while let Some((_, what)) = agenda.pop(Duration::from_millis(5)) {
            due.push(what);
        }
        assert_eq!(due, ['d', 'b', 'a', 'c']);
        assert_eq!(agenda.next(), Some(Duration::from_millis(9)));
    }
}
