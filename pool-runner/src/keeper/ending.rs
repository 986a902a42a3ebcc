//! When which signal is due. No I/O.

use pool_protocol::KillTimes;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// After KILL was sent it is sent again this often: a process group can grow in the meantime.
const KILL_EVERY: Duration = Duration::from_secs(1);
/// TERM is not sent more often than this.
const TERM_EVERY_AT_LEAST: Duration = Duration::from_millis(20);
/// Longer times are taken for this one: an instant so far away can still be computed.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How patiently a run is ended that has reached its time limit.
pub(super) const TIME_LIMIT_GRACE: KillTimes = KillTimes { signal_every_ms: 5_000, kill_after_ms: 10_000 };

/// `duration` from `now`, however long it is.
pub(super) fn after(now: Instant, duration: Duration) -> Instant {
    now + duration.min(FOREVER)
}

/// A run that is being ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) reason: String,
    term_every: Duration,
    next_term: Instant,
    next_kill: Instant,
}

impl Ending {
    pub(super) fn new(now: Instant, reason: String, times: KillTimes) -> Self {
        Self {
            reason,
            term_every: Duration::from_millis(times.signal_every_ms).max(TERM_EVERY_AT_LEAST),
            next_term: now,
            next_kill: after(now, Duration::from_millis(times.kill_after_ms)),
        }
    }

    /// The signal to be sent now, if any.
    pub(super) fn due(&mut self, now: Instant) -> Option<Signal> {
        if now >= self.next_kill {
            self.next_kill = now + KILL_EVERY;
            // From here on nothing but KILL.
            self.next_term = after(now, FOREVER);
            Some(Signal::KILL)
        } else if now >= self.next_term {
            self.next_term = after(now, self.term_every);
            Some(Signal::TERM)
        } else {
            None
        }
    }

    /// When to ask again.
    pub(super) fn next(&self) -> Instant {
        self.next_term.min(self.next_kill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_term_again_and_again_then_only_kill() {
        let times = KillTimes { signal_every_ms: 1000, kill_after_ms: 2500 };
        let begin = Instant::now();
        let mut ending = Ending::new(begin, "why".into(), times);
        let mut sent = Vec::new();
        for _ in 0..6 {
            let now = ending.next();
            sent.push(((now - begin).as_millis(), ending.due(now).unwrap()));
            assert_eq!(ending.due(now), None);
        }
        let (t, k) = (Signal::TERM, Signal::KILL);
        assert_eq!(sent, [(0, t), (1000, t), (2000, t), (2500, k), (3500, k), (4500, k)]);
    }

    #[test]
    fn absurd_times_do_no_harm() {
        let now = Instant::now();
        let longest = KillTimes { signal_every_ms: u64::MAX, kill_after_ms: u64::MAX };
        let mut ending = Ending::new(now, String::new(), longest);
        assert_eq!(ending.due(now), Some(Signal::TERM));
        assert_eq!(ending.due(now), None);
        let none = KillTimes { signal_every_ms: 0, kill_after_ms: 0 };
        assert_eq!(Ending::new(now, String::new(), none).due(now), Some(Signal::KILL));
    }
}
