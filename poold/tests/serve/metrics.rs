//! What Prometheus scrapes of a `poold serve` that has run jobs.

use super::{
    scrape::{Families, families, promtool, repository, scrape, value},
    support::{Place, brisk},
};
use std::{collections::BTreeSet, fs};

/// A place that has run jobs of all kinds, and what is scraped of it then.
fn after_some_jobs() -> (Place, String) {
    let config = brisk().replace("[pool]", "[pool]\nmax_price_per_hour = 1.0");
    let mut place = Place::new(&config).with_small_runner();
    place.serve();
    let good = place.submit(&["--group", "night"], &["sh", "-c", "echo hello; sleep 0.2"]);
    let bad = place.submit(&[], &["false"]);
    let none = place.submit(&[], &["/nosuch/program"]);
    let killed = place.submit(&[], &["sleep", "1000"]);
    place.until_state(&killed, "running");
    place.says(&["kill", &killed]);
    for id in [&good, &bad, &none] {
        place.until_state(id, "complete");
    }
    place.until_state(&killed, "cancelled");
    // Two scrapes: requests are counted once they are answered.
    scrape(&place);
    let text = scrape(&place);
    (place, text)
}

#[test]
fn a_scrape_counts_what_has_happened_and_promtool_is_content() {
    let (place, text) = after_some_jobs();
    let checked = promtool(&["check", "metrics"], &text);
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(checked.status.success() && said.is_empty(), "{said}");

    let ended = |outcome: &str| value(&text, "poold_jobs_ended_total", &[&format!("outcome=\"{outcome}\"")]);
    let outcomes = ["exit_zero", "exit_nonzero", "signal", "not_started", "cancelled"].map(ended);
    assert_eq!(outcomes, [1.0, 1.0, 0.0, 1.0, 1.0], "{text}");
    assert_eq!(value(&text, "poold_jobs_submitted_total", &[]), 4.0);
    assert_eq!(value(&text, "poold_job_wait_seconds_count", &[]), 4.0);
    assert!(value(&text, "poold_job_run_seconds_count", &[]) >= 3.0);
    assert!(value(&text, "poold_job_run_seconds_sum", &[]) >= 0.2);
    assert!(value(&text, "poold_output_bytes_total", &[]) >= 6.0);
    assert_eq!(value(&text, "poold_jobs", &["state=\"complete\""]), 3.0);
    assert_eq!(value(&text, "poold_queue_writable", &[]), 1.0);
    assert!(value(&text, "poold_last_commit_timestamp_seconds", &[]) > 1e9);
    assert!(value(&text, "poold_disk_free_bytes", &[]) < value(&text, "poold_disk_size_bytes", &[]));
    assert_eq!(value(&text, "pool_max_price_per_hour", &[]), 1.0);
    assert_eq!(value(&text, "pool_max_instances", &[]), 8.0);
    assert!(value(&text, "pool_list_age_seconds", &[]) < 30.0);
    assert!(value(&text, "pool_cloud_calls_total", &["operation=\"create\",outcome=\"ok\""]) >= 1.0);
    assert!(value(&text, "pool_cloud_call_duration_seconds_count", &["operation=\"list\""]) >= 1.0);
    assert!(value(&text, "poold_http_requests_total", &["route=\"/v1/jobs\"", "method=\"POST\""]) >= 4.0);
    assert!(
        value(&text, "poold_http_requests_total", &["route=\"/v1/jobs/{job}\"", "status=\"200\""]) >= 4.0
    );
    assert!(value(&text, "poold_http_connections", &[]) >= 1.0);
    assert!(value(&text, "process_cpu_seconds_total", &[]) > 0.0);
    // No path that was asked for is a label.
    for id in place.jobs().iter().map(|job| job["id"].as_str().unwrap().to_owned()) {
        assert!(!text.contains(&id), "{id} is in a label:\n{text}");
    }
    place.ends_with_nothing_left();
}

/// The metrics that the table in docs/operating.md names, with their labels.
fn documented() -> Families {
    let text = fs::read_to_string(repository("docs/operating.md")).unwrap();
    let section = text.split("\n## Metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut documented = Families::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let names = row.split('|').nth(1).unwrap();
        for name in names.split('`').skip(1).step_by(2) {
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            let labels = labels.strip_suffix('}').unwrap().split(',').filter(|label| !label.is_empty());
            let labels: BTreeSet<String> = labels.map(str::to_owned).collect();
            assert!(documented.insert(name.to_owned(), labels).is_none(), "{name} is documented twice");
        }
    }
    documented
}

#[test]
fn the_table_of_metrics_in_the_guide_is_complete_and_true() {
    let (place, text) = after_some_jobs();
    let mut scraped = families(&text);
    for (name, labels) in &mut scraped {
        let ours = labels.remove("instance_set");
        assert_eq!(ours, !name.starts_with("process_"), "{name} and its instance set");
    }
    assert_eq!(documented(), scraped, "docs/operating.md (left) and the scrape (right)");
    drop(place);
}
