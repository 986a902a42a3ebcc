//! Samples of lately, in memory: fine ones of the last hour, coarse ones of a month.

use crate::{
    api::{Series, SeriesPoint, WORKER_STATES},
    job::{JobState, Moment},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// From one sample to the next.
pub(super) const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// How many points there are at most in an answer.
const MOST_POINTS: usize = 500;
/// Each resolution: how many points of the one before make one of its points, and how many of these are kept. An hour
/// by 10 s, a day by 1 min, 31 days by 15 min: less than a megabyte.
const RESOLUTIONS: [(u32, usize); 3] = [(1, 360), (6, 1440), (15, 2976)];

pub(super) const JOB_STATES: [JobState; 3] = [JobState::Queued, JobState::Locked, JobState::Running];

/// How it was at a moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Sample {
    pub(super) at: Moment,
    /// By [`JOB_STATES`].
    pub(super) jobs: [u64; 3],
    /// By [`WORKER_STATES`].
    pub(super) instances: [u64; 6],
    pub(super) price: f64,
}

impl Sample {
    /// The mean of several, dated as the last. None of none.
    fn mean(samples: &[&Self]) -> Option<Self> {
        let last = samples.last()?;
        let count = samples.len() as u64;
        let mean = |of: &dyn Fn(&Self) -> u64| {
            (samples.iter().map(|sample| of(sample)).sum::<u64>() + count / 2) / count
        };
        Some(Self {
            at: last.at,
            jobs: std::array::from_fn(|state| mean(&|sample| sample.jobs[state])),
            instances: std::array::from_fn(|state| mean(&|sample| sample.instances[state])),
            price: samples.iter().map(|sample| sample.price).sum::<f64>() / count as f64,
        })
    }

    fn point(&self) -> SeriesPoint {
        SeriesPoint {
            at: self.at,
            jobs: JOB_STATES.into_iter().zip(self.jobs).collect(),
            instances: WORKER_STATES.map(str::to_owned).into_iter().zip(self.instances).collect(),
            price_per_hour: self.price,
        }
    }
}

/// All samples that are kept. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Recorder(Arc<Mutex<Vec<Level>>>);

#[derive(Debug)]
struct Level {
    step: Duration,
    keep: usize,
    per: usize,
    points: VecDeque<Sample>,
    /// Of the level before, and not in a point yet.
    open: Vec<Sample>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        let mut step = SAMPLE_EVERY;
        let levels = RESOLUTIONS.map(|(per, keep)| {
            step *= per;
            Level { step, keep, per: per as usize, points: VecDeque::new(), open: Vec::new() }
        });
        Self(Arc::new(Mutex::new(levels.into())))
    }

    fn levels(&self) -> MutexGuard<'_, Vec<Level>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, sample: Sample) {
        let mut finer = Some(sample);
        for level in self.levels().iter_mut() {
            let Some(sample) = finer.take() else { return };
            level.open.push(sample);
            if level.open.len() < level.per {
                return;
            }
            finer = Sample::mean(&level.open.iter().collect::<Vec<_>>());
            level.open.clear();
            if level.points.len() == level.keep {
                level.points.pop_front();
            }
            level.points.extend(finer);
        }
    }

    /// The finest samples that go back so far, or to the beginning.
    pub(super) fn series(&self, back: Duration) -> Series {
        let levels = self.levels();
        let reaches = |level: &&Level| {
            level.points.len() < level.keep
                || level.step * u32::try_from(level.keep).unwrap_or(u32::MAX) >= back
        };
        let Some(level) = levels.iter().find(reaches).or(levels.last()) else {
            return Series { step_seconds: 0.0, points: Vec::new() };
        };
        let wanted = (back.as_secs_f64() / level.step.as_secs_f64()).ceil() as usize;
        let before = level.points.len().saturating_sub(wanted);
        let points: Vec<&Sample> = level.points.iter().skip(before).collect();
        // Several to a point where there are too many; where they do not come out even the oldest are fewer.
        let stride = points.len().div_ceil(MOST_POINTS).max(1);
        let means = points.rchunks(stride).rev().filter_map(Sample::mean);
        Series {
            step_seconds: level.step.as_secs_f64() * stride as f64,
            points: means.map(|sample| sample.point()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn filled(samples: u64) -> Recorder {
        let recorder = Recorder::new();
        for at in 1..=samples {
            recorder.push(Sample {
                at: Moment(at * 10_000),
                jobs: [at, 0, 7],
                instances: [0, 0, 0, 1, 2, 0],
                price: at as f64,
            });
        }
        recorder
    }

    fn seconds(series: &Series) -> Vec<u64> {
        series.points.iter().map(|point| point.at.0 / 1000).collect()
    }

    #[test]
    fn an_hour_is_shown_as_it_was_sampled_oldest_first() {
        let series = filled(1000).series(HOUR);
        assert_eq!((series.step_seconds, series.points.len()), (10.0, 360));
        assert_eq!(seconds(&series)[..2], [6410, 6420]);
        let last = series.points.last().unwrap();
        assert_eq!(
            (last.at, last.jobs[&JobState::Queued], last.price_per_hour),
            (Moment(10_000_000), 1000, 1000.0)
        );
        assert_eq!(last.instances["running"], 2);
        assert_eq!(filled(1000).series(Duration::from_secs(30)).points.len(), 3);
    }

    #[test]
    fn what_is_longer_ago_is_a_mean_and_there_are_never_too_many_points() {
        // A day and an hour.
        let recorder = filled(25 * 360);
        let day = recorder.series(24 * HOUR);
        assert_eq!((day.step_seconds, day.points.len()), (180.0, 480));
        let last = day.points.last().unwrap();
        assert_eq!((last.at.0, last.jobs[&JobState::Queued]), (90_000_000, 8992), "the mean of the last 18");
        assert_eq!(last.jobs[&JobState::Running], 7);
        let month = recorder.series(30 * 24 * HOUR);
        assert_eq!((month.step_seconds, month.points.len()), (900.0, 100));
    }

    #[test]
    fn soon_after_the_start_the_finest_samples_are_shown_however_far_back_one_asks() {
        assert_eq!(filled(0).series(HOUR).points, []);
        let series = filled(5).series(30 * 24 * HOUR);
        assert_eq!((series.step_seconds, seconds(&series)), (10.0, vec![10, 20, 30, 40, 50]));
    }

    #[test]
    fn a_month_is_all_that_is_kept() {
        let recorder = filled(40 * 24 * 360);
        let all: usize = recorder.levels().iter().map(|level| level.points.len() + level.open.len()).sum();
        assert!(all <= 360 + 1440 + 2976 + 20, "{all}");
        let series = recorder.series(365 * 24 * HOUR);
        assert!(series.points.len() <= MOST_POINTS && series.step_seconds == 5400.0, "{series:?}");
    }
}
