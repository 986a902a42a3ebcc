//! The numbers that operators start from.

use super::fixtures::*;
use crate::{PlanOptions, Settings, settings};
use std::time::Duration;

#[test]
fn every_default_is_the_one_that_is_promised() {
    let defaults = Settings::default();
    let times = [
        ("sync_interval", defaults.sync_interval, secs(60)),
        ("probe_interval", defaults.probe_interval, secs(10)),
        ("timeout_idle", defaults.timeout_idle, secs(60)),
        ("timeout_booting", defaults.timeout_booting, secs(600)),
        ("timeout_probe", defaults.timeout_probe, secs(600)),
        ("timeout_shutdown", defaults.timeout_shutdown, secs(10)),
        ("timeout_term", defaults.timeout_term, secs(120)),
        ("timeout_signal", defaults.timeout_signal, secs(5)),
        ("timeout_stale_run_lock", defaults.timeout_stale_run_lock, secs(5)),
        ("quota_error_ttl", defaults.quota_error_ttl, secs(60)),
        ("capacity_error_ttl", defaults.capacity_error_ttl, secs(60)),
        ("rate_limit_log_interval", defaults.rate_limit_log_interval, secs(10)),
        ("the throttle of creates", settings::CREATE_THROTTLE, secs(5)),
        ("the first back-off", settings::BACKOFF_FIRST, secs(1)),
        ("the longest back-off", settings::BACKOFF_LONGEST, Duration::from_secs(60)),
    ];
    for (what, is, promised) in times {
        assert_eq!(is, promised, "{what}");
    }
    let limits = [
        ("max_probes_per_second", defaults.max_probes_per_second, 10),
        ("max_cloud_ops_per_second", defaults.max_cloud_ops_per_second, 10),
        ("max_concurrent_instance_create_ops", defaults.max_concurrent_instance_create_ops, 1),
        ("max_instances", defaults.max_instances, 64),
        ("max_jobs_per_instance", defaults.max_jobs_per_instance, 0),
    ];
    for (what, is, promised) in limits {
        assert_eq!(is, promised, "{what}");
    }
    assert!(defaults.min_idle.is_empty());
    assert_eq!((defaults.max_lifetime, defaults.max_price_per_hour), (None, None));
    assert_eq!(PlanOptions::default().price_factor, 1.5);
}
