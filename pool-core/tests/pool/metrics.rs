//! What Prometheus scrapes.

use crate::support::{
    config, finished, ready_instance,
    scripted::{Scripted, good},
    shell, until,
};
use pool_core::{CallOutcome, StartError};
use prometheus::{
    Registry,
    proto::{Metric, MetricFamily, MetricType},
};
use std::collections::BTreeSet;

/// Each with its labels beside `instance_set`.
const EXPECTED: [(&str, MetricType, &[&str]); 24] = [
    ("pool_jobs_running", MetricType::GAUGE, &[]),
    ("pool_probe_age_max_seconds", MetricType::GAUGE, &[]),
    ("pool_probe_age_median_seconds", MetricType::GAUGE, &[]),
    ("pool_instances", MetricType::GAUGE, &["category", "instance_type"]),
    ("pool_instances_price_per_hour", MetricType::GAUGE, &["category"]),
    ("pool_vcpus", MetricType::GAUGE, &["category"]),
    ("pool_memory_bytes", MetricType::GAUGE, &["category"]),
    ("pool_max_instances", MetricType::GAUGE, &[]),
    ("pool_max_price_per_hour", MetricType::GAUGE, &[]),
    ("pool_cheapest_price_per_hour", MetricType::GAUGE, &[]),
    ("pool_sync_interval_seconds", MetricType::GAUGE, &[]),
    ("pool_probe_interval_seconds", MetricType::GAUGE, &[]),
    ("pool_creates_in_flight", MetricType::GAUGE, &[]),
    ("pool_hold_offs", MetricType::GAUGE, &["kind"]),
    ("pool_list_age_seconds", MetricType::GAUGE, &[]),
    ("pool_boots_total", MetricType::COUNTER, &["outcome"]),
    ("pool_instances_disappeared_total", MetricType::COUNTER, &["category"]),
    ("pool_cloud_calls_total", MetricType::COUNTER, &["operation", "outcome"]),
    ("pool_cloud_call_duration_seconds", MetricType::HISTOGRAM, &["operation"]),
    ("pool_instance_time_to_ssh_seconds", MetricType::HISTOGRAM, &[]),
    ("pool_instance_time_to_ready_seconds", MetricType::HISTOGRAM, &[]),
    ("pool_instance_time_to_disappear_seconds", MetricType::HISTOGRAM, &[]),
    ("pool_job_time_to_start_seconds", MetricType::HISTOGRAM, &[]),
    ("pool_probe_duration_seconds", MetricType::HISTOGRAM, &["outcome"]),
];

const CATEGORIES: [&str; 6] = ["booting", "hold", "idle", "inuse", "shutdown", "unknown"];

fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    metric.get_label().iter().find(|label| label.name() == name).map_or("", |label| label.value())
}

fn values<'a>(family: &'a MetricFamily, name: &str) -> BTreeSet<&'a str> {
    family.get_metric().iter().map(|metric| label(metric, name)).collect()
}

fn family(registry: &Registry, name: &str) -> MetricFamily {
    registry.gather().into_iter().find(|family| family.name() == name).unwrap_or_else(|| panic!("no {name}"))
}

fn value(metric: &Metric) -> f64 {
    // One of the two: the other is not there, and 0.
    metric.get_counter().get_value() + metric.get_gauge().get_value()
}

/// The one series with these labels.
fn series(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> f64 {
    let family = family(registry, name);
    let mut fits = family.get_metric().iter().filter(|m| labels.iter().all(|(k, v)| label(m, k) == *v));
    let metric = fits.next().unwrap_or_else(|| panic!("no {name} {labels:?}"));
    assert!(fits.next().is_none(), "{name} {labels:?} is not one series");
    value(metric)
}

#[tokio::test]
async fn every_series_is_there_from_the_start_with_its_instance_set() {
    let scripted = Scripted::new(good());
    scripted.cloud.lists.forget_permits(usize::MAX);
    let registry = Registry::new();
    let pool = scripted.builder(config()).registry(&registry).start().unwrap();
    let families = registry.gather();
    let names: BTreeSet<_> = families.iter().map(MetricFamily::name).collect();
    assert_eq!(names, EXPECTED.iter().map(|(name, ..)| *name).collect());
    for (name, kind, labels) in EXPECTED {
        let family = family(&registry, name);
        assert_eq!(family.get_field_type(), kind, "{name}");
        assert!(!family.help().is_empty());
        // Prometheus' conventions: counters, and only they, end in _total; units are base units.
        assert_eq!(kind == MetricType::COUNTER, name.ends_with("_total"), "{name}");
        assert!(!["_ms", "_millis", "_mb", "_minutes"].iter().any(|unit| name.ends_with(unit)));
        assert!(!family.get_metric().is_empty(), "{name} has no series");
        for metric in family.get_metric() {
            assert_eq!(label(metric, "instance_set"), "test");
            let has: BTreeSet<_> =
                metric.get_label().iter().map(prometheus::proto::LabelPair::name).collect();
            assert_eq!(has, labels.iter().copied().chain(["instance_set"]).collect(), "{name}");
            // What the configuration says, and a time that runs from the start.
            let configured =
                ["pool_max_instances", "pool_cheapest_price_per_hour", "pool_sync_interval_seconds"];
            if !configured.contains(&name) && name != "pool_list_age_seconds" {
                assert_eq!(value(metric), 0.0, "{name}");
            }
            assert_eq!(metric.get_histogram().get_sample_count(), 0, "{name}");
        }
    }
    let check = |name: &str, by: &str, expected: &[&str]| {
        assert_eq!(values(&family(&registry, name), by), expected.iter().copied().collect(), "{name}");
    };
    check("pool_boots_total", "outcome", &["failure", "success", "aborted", "disappeared"]);
    check("pool_cloud_calls_total", "operation", &["create", "list", "destroy", "set_tags"]);
    let outcomes = CallOutcome::ALL.map(CallOutcome::as_str);
    check("pool_cloud_calls_total", "outcome", &outcomes);
    check("pool_hold_offs", "kind", &["quota", "capacity", "rate_limit"]);
    check("pool_instances_disappeared_total", "category", &CATEGORIES);
    check("pool_probe_duration_seconds", "outcome", &["success", "failure"]);
    for name in ["pool_instances", "pool_instances_price_per_hour", "pool_vcpus", "pool_memory_bytes"] {
        check(name, "category", &CATEGORIES);
    }
    let text = prometheus::TextEncoder::new().encode_to_string(&families).unwrap();
    assert!(
        text.contains("pool_instances{category=\"idle\",instance_set=\"test\",instance_type=\"small\"} 0")
    );
    pool.stop().await;
}

#[tokio::test]
async fn gauges_follow_and_absent_combinations_go_back_to_0() {
    let scripted = Scripted::new(good());
    let registry = Registry::new();
    let pool = scripted.builder(config()).registry(&registry).start().unwrap();
    let id = ready_instance(&pool).await;
    pool.update_metrics();
    let instances =
        |category| series(&registry, "pool_instances", &[("category", category), ("instance_type", "small")]);
    assert_eq!((instances("idle"), instances("inuse")), (1.0, 0.0));
    assert_eq!(series(&registry, "pool_vcpus", &[("category", "idle")]), 4.0);
    assert_eq!(series(&registry, "pool_memory_bytes", &[("category", "idle")]), 4.0 * (1u64 << 30) as f64);
    assert_eq!(series(&registry, "pool_instances_price_per_hour", &[("category", "idle")]), 0.01);
    assert_eq!(series(&registry, "pool_boots_total", &[("outcome", "success")]), 1.0);

    pool.start_job(&id, shell("a", "true")).unwrap();
    crate::support::running(&pool, "a").await;
    pool.update_metrics();
    assert_eq!((instances("idle"), instances("inuse")), (0.0, 1.0));
    assert_eq!(series(&registry, "pool_jobs_running", &[]), 1.0);
    assert_eq!(series(&registry, "pool_vcpus", &[("category", "idle")]), 0.0);

    pool.kill_instance(&id, "enough").unwrap();
    until(&pool, "its end", |pool| pool.instances().is_empty().then_some(())).await;
    pool.update_metrics();
    for category in CATEGORIES {
        assert_eq!(instances(category), 0.0);
        for name in ["pool_instances_price_per_hour", "pool_vcpus", "pool_memory_bytes"] {
            assert_eq!(series(&registry, name, &[("category", category)]), 0.0, "{name} {category}");
        }
    }
    assert_eq!(series(&registry, "pool_probe_age_max_seconds", &[]), 0.0);
    let disappeared = series(&registry, "pool_instances_disappeared_total", &[("category", "shutdown")]);
    assert_eq!(disappeared, 1.0);
    pool.stop().await;
}

#[tokio::test]
async fn distributions_are_observed() {
    let world = crate::support::World::new(serde_json::json!({})).await;
    let registry = Registry::new();
    let pool = world.builder(config()).registry(&registry).start().unwrap();
    let id = ready_instance(&pool).await;
    let mut start = shell("a", "true");
    start.waited = Some(std::time::Duration::from_secs(7));
    pool.start_job(&id, start).unwrap();
    finished(&pool, "a").await;
    pool.forget_job(&"a".parse().unwrap());
    pool.kill_instance(&id, "enough").unwrap();
    until(&pool, "its end", |pool| pool.instances().is_empty().then_some(())).await;
    for (name, ..) in EXPECTED.iter().filter(|(_, kind, _)| *kind == MetricType::HISTOGRAM) {
        let family = family(&registry, name);
        let count: u64 = family.get_metric().iter().map(|m| m.get_histogram().get_sample_count()).sum();
        assert!(count >= 1, "{name} was never observed");
    }
    let waited = family(&registry, "pool_job_time_to_start_seconds");
    let sum = waited.get_metric()[0].get_histogram().get_sample_sum();
    assert!((7.0..40.0).contains(&sum), "{sum}");
    pool.stop().await;
}

#[tokio::test]
async fn two_pools_on_one_registry_need_two_instance_sets() {
    let (first, second) = (Scripted::new(good()), Scripted::new(good()));
    let registry = Registry::new();
    let pool = first.builder(config()).registry(&registry).start().unwrap();
    let error = second.builder(config()).registry(&registry).start().unwrap_err();
    assert!(matches!(error, StartError::Metrics(_)), "{error}");
    let mut other = config();
    other.instance_set = "other".parse().unwrap();
    let another = second.builder(other).registry(&registry).start().unwrap();
    assert_eq!(values(&family(&registry, "pool_jobs_running"), "instance_set"), ["other", "test"].into());
    // The names are free again when a pool is gone.
    pool.stop().await;
    drop(pool);
    assert_eq!(values(&family(&registry, "pool_jobs_running"), "instance_set"), ["other"].into());
    first.builder(config()).registry(&registry).start().unwrap().stop().await;
    another.stop().await;
}

#[tokio::test]
async fn a_start_that_cannot_register_all_registers_nothing() {
    let registry = Registry::new();
    let labels = [("instance_set".to_owned(), "test".to_owned())].into();
    let opts = prometheus::Opts::new("pool_memory_bytes", "somebody else's").const_labels(labels);
    let theirs = prometheus::GaugeVec::new(opts, &["category"]).unwrap();
    registry.register(Box::new(theirs.clone())).unwrap();
    theirs.with_label_values(&["x"]).set(1.0);
    let error = Scripted::new(good()).builder(config()).registry(&registry).start().unwrap_err();
    assert!(matches!(error, StartError::Metrics(_)), "{error}");
    assert_eq!(registry.gather().len(), 1);
}
