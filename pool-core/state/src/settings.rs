//! The numbers that the decisions depend on.

use pool_api::{HourlyPrice, InstanceTypeName};
use std::{collections::BTreeMap, time::Duration};

/// Every limit and interval. [`Settings::default`] has the values that operators start from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// From the end of one list of instances to the next.
    pub sync_interval: Duration,
    /// From one health probe of a worker to the next.
    pub probe_interval: Duration,
    /// Most probes begun in any second; 0: no limit.
    pub max_probes_per_second: u32,
    /// A worker without a job for this long is shut down.
    pub timeout_idle: Duration,
    /// A worker that has not booted after this long is shut down.
    pub timeout_booting: Duration,
    /// A worker that answers no probe for this long is shut down.
    pub timeout_probe: Duration,
    /// An instance that is still listed this long after it was destroyed is destroyed again.
    pub timeout_shutdown: Duration,
    /// A job that is to end gets KILL after this long.
    pub timeout_term: Duration,
    /// A job that is to end gets TERM this often.
    pub timeout_signal: Duration,
    /// A worker whose run record stays unreadable for this long counts as broken.
    pub timeout_stale_run_lock: Duration,
    /// A quota error without any instance to go away holds creates off for this long.
    pub quota_error_ttl: Duration,
    /// A capacity error holds creates of its scope off for this long.
    pub capacity_error_ttl: Duration,
    /// At most one log line about rate limits in this time.
    pub rate_limit_log_interval: Duration,
    /// Most calls to the cloud in any second, of all kinds together; 0: no limit.
    pub max_cloud_ops_per_second: u32,
    /// Most creates in flight at once; 0: no limit.
    pub max_concurrent_instance_create_ops: u32,
    /// Most instances, creates in flight included; 0: no limit.
    pub max_instances: u32,
    /// How many workers of a type may stay idle for longer than `timeout_idle`: none of them is shut down for being idle
    /// while no more than these are. The scheduler's plan creates what is missing.
    pub min_idle: BTreeMap<InstanceTypeName, u32>,
    /// Most jobs that an instance is given in its whole life; 0: no limit; 1: a fresh machine for each job.
    ///
    /// With its last job it is drained. A start counts also when the runner refused it or it was lost; a run of an
    /// earlier process counts when it is found on the worker, going on or ended and not forgotten.
    ///
    /// Across a crash: with 1, no instance ever gets a second job, for the runner keeps the first until the cloud has
    /// the tag that says `drain`. With more, an instance whose last job was given is never given another either; of
    /// one that had jobs left, the next process counts only those that the runner still has, so that it may get up to
    /// this many again.
    pub max_jobs_per_instance: u32,
    /// An instance that is older is drained, once it is not held; none: no limit.
    pub max_lifetime: Option<Duration>,
    /// What all instances together may cost an hour, those that are being destroyed and creates in flight included;
    /// none: no cap. More is never asked for; what is found and costs more is not destroyed.
    pub max_price_per_hour: Option<HourlyPrice>,
    /// First pause before a worker that is booting is probed again; doubles up to `probe_interval`.
    pub first_probe_backoff: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_secs(60),
            probe_interval: Duration::from_secs(10),
            max_probes_per_second: 10,
            timeout_idle: Duration::from_secs(60),
            timeout_booting: Duration::from_secs(600),
            timeout_probe: Duration::from_secs(600),
            timeout_shutdown: Duration::from_secs(10),
            timeout_term: Duration::from_secs(120),
            timeout_signal: Duration::from_secs(5),
            timeout_stale_run_lock: Duration::from_secs(5),
            quota_error_ttl: Duration::from_secs(60),
            capacity_error_ttl: Duration::from_secs(60),
            rate_limit_log_interval: Duration::from_secs(10),
            max_cloud_ops_per_second: 10,
            max_concurrent_instance_create_ops: 1,
            max_instances: 64,
            min_idle: BTreeMap::new(),
            max_jobs_per_instance: 0,
            max_lifetime: None,
            max_price_per_hour: None,
            first_probe_backoff: Duration::from_millis(250),
        }
    }
}

impl Settings {
    /// The same with no pause so short that what follows it would come again and again in one moment.
    pub(crate) fn without_zero_pauses(mut self) -> Self {
        for pause in [
            &mut self.sync_interval,
            &mut self.probe_interval,
            &mut self.timeout_shutdown,
            &mut self.timeout_signal,
            &mut self.timeout_stale_run_lock,
            &mut self.first_probe_backoff,
        ] {
            *pause = (*pause).max(SHORTEST_PAUSE);
        }
        self
    }
}

/// The shortest pause between two of the same.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How long creates are refused after the limit of concurrent creates was met, unless one ends before.
pub(crate) const CREATE_THROTTLE: Duration = Duration::from_secs(5);

/// Between the ends of a lost create and the next attempt with the same token.
pub(crate) const CREATE_RETRY: Duration = Duration::from_secs(2);

/// How often a create is asked for with one token before only the list is believed.
pub(crate) const CREATE_ATTEMPTS: u32 = 5;

/// From an accepted destroy, or a create without an address, to the next list; doubles while what is awaited does not
/// come.
pub(crate) const LIST_SOON: Duration = Duration::from_millis(500);

/// Between two lists that are made because sessions were lost: a worker that hangs up again and again must not use up
/// the calls.
pub(crate) const LIST_AFTER_LOSS: Duration = Duration::from_secs(5);

/// The pool's own back-off where a provider limits the rate and says no time.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Its longest.
pub(crate) const BACKOFF_LONGEST: Duration = Duration::from_secs(60);
