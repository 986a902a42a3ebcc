//! Numbers over time.

use std::time::Duration;

/// Most rows are asked for in these steps, in seconds: those that people count in.
const STEPS: [u64; 26] = [
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200,
    86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000,
];

/// What there is at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    pub(super) instances: u64,
    /// Of these, how many have a job.
    pub(super) busy: u64,
    pub(super) running: u64,
    pub(super) waiting: u64,
    /// Of all instances, in millionths an hour.
    pub(super) price: u64,
}

/// The same, on the average of a while.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Row {
    pub(super) from: Duration,
    pub(super) instances: f64,
    pub(super) busy: f64,
    pub(super) running: f64,
    pub(super) waiting: f64,
    pub(super) price: f64,
}

/// All of it: what there is from each moment on until the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(Vec<(Duration, Counts)>);

#[derive(Clone, Copy, Default)]
struct Sums([u128; 5]);

impl Sums {
    fn add(&mut self, counts: Counts, lasted: Duration) {
        let Counts { instances, busy, running, waiting, price } = counts;
        for (sum, count) in self.0.iter_mut().zip([instances, busy, running, waiting, price]) {
            *sum += u128::from(count) * lasted.as_millis();
        }
    }

    fn row(self, from: Duration, lasted: Duration) -> Row {
        let [instances, busy, running, waiting, price] =
            self.0.map(|sum| sum as f64 / lasted.as_millis().max(1) as f64);
        Row { from, instances, busy, running, waiting, price: price / 1e6 }
    }
}

impl Series {
    /// From now on there is so much. Times never go back.
    pub(super) fn note(&mut self, now: Duration, counts: Counts) {
        match self.0.last_mut() {
            Some((at, last)) if *at == now => *last = counts,
            Some((_, last)) if *last == counts => {}
            _ => self.0.push((now, counts)),
        }
    }

    /// How long a row is, so that there are about `most` of them until the end.
    pub(super) fn step(end: Duration, most: u32) -> Duration {
        let steps = STEPS.into_iter().map(Duration::from_secs);
        let enough = steps.into_iter().find(|step| step.saturating_mul(most) >= end);
        enough.unwrap_or_else(|| Duration::from_secs(end.as_secs() / u64::from(most) + 1))
    }

    /// Rows of this length. The last ends at the end.
    pub(super) fn rows(&self, end: Duration, step: Duration) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut points = self.0.iter().peekable();
        let mut counts = Counts::default();
        let mut from = Duration::ZERO;
        while from < end {
            let until = (from + step).min(end);
            let (mut at, mut sums) = (from, Sums::default());
            while let Some((next, after)) = points.next_if(|(next, _)| *next < until) {
                sums.add(counts, next.saturating_sub(at));
                (at, counts) = (at.max(*next), *after);
            }
            sums.add(counts, until.saturating_sub(at));
            rows.push(sums.row(from, until - from));
            from = until;
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rows_are_averages_and_hold_all_there_was() {
        let mut series = Series::default();
        let some = |instances, waiting| Counts {
            instances,
            waiting,
            price: instances * 500_000,
            ..Counts::default()
        };
        series.note(seconds(0), some(0, 9));
        series.note(seconds(0), some(1, 8));
        series.note(seconds(5), some(3, 0));
        series.note(seconds(25), some(0, 0));
        let rows = series.rows(seconds(30), seconds(10));
        assert_eq!(rows.iter().map(|row| row.instances).collect::<Vec<_>>(), [2.0, 3.0, 1.5]);
        assert_eq!(rows.iter().map(|row| row.waiting).collect::<Vec<_>>(), [4.0, 0.0, 0.0]);
        assert_eq!(rows[1].price, 1.5);
        // The last row is shorter.
        let rows = series.rows(seconds(12), seconds(10));
        assert_eq!(rows.iter().map(|row| row.instances).collect::<Vec<_>>(), [2.0, 3.0]);
        assert!(series.rows(Duration::ZERO, seconds(1)).is_empty());
    }

    #[test]
    fn steps_are_those_that_people_count_in() {
        for (end, step) in
            [(0, 1), (20, 1), (21, 2), (1100, 60), (24 * 3600, 7200), (365 * 86_400, 30 * 86_400)]
        {
            assert_eq!(Series::step(seconds(end), 20), seconds(step), "{end}");
        }
        assert_eq!(Series::step(seconds(20 * 7_776_000 + 1), 20), seconds(7_776_001));
    }
}
