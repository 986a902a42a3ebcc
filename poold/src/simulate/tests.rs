//! Whole simulations, whose answers can be told beforehand.

use super::{
    answer::{Answer, Given},
    job_list::{JobList, JobListError},
    provider::{Provider, ProviderError},
    run::{End, Outcome, RunError, Setup, simulate},
};
use crate::config::{ServeConfig, load_settings};
use std::{
    fs,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One type with one CPU for 1.00 an hour, and one with four for 5.00.
const CONFIG: &str = "\
[pool]
instance_set = 'what-if'
max_instances = 2
timeout_idle = '2m'
timeout_booting = '5m'
sync_interval = '10s'
[[pool.instance_types]]
name = 'one'
provider_type = 'p.one'
vcpus = 1
memory = '1 GiB'
price = 1.0
[[pool.instance_types]]
name = 'four'
provider_type = 'p.four'
vcpus = 4
memory = '4 GiB'
price = 5.0
[driver]
name = 'ec2'
options = { region = 'nowhere' }
[ssh]
key_file = '/no/such/key'
";

fn config(change: impl FnOnce(&mut ServeConfig)) -> ServeConfig {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("poold.toml");
    fs::write(&path, CONFIG).unwrap();
    let mut config = load_settings(Some(&path)).unwrap();
    change(&mut config);
    config
}

fn jobs(lines: &str, config: &ServeConfig) -> Result<JobList, JobListError> {
    JobList::from_lines(lines.as_bytes(), "jobs", MINUTE, config)
}

/// The provider that a TOML text describes.
fn provider(text: &str, config: &ServeConfig) -> Result<Provider, ProviderError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.toml");
    fs::write(&path, text).unwrap();
    Provider::choose(Some(&path), None, config)
}

fn run(config: ServeConfig, lines: &str, cloud: &str, until: Duration) -> (Answer, End) {
    let jobs = jobs(lines, &config).unwrap();
    let provider = provider(cloud, &config).unwrap();
    let given = Given {
        config: "config".to_owned(),
        jobs: jobs.file.clone(),
        provider: provider.source.clone(),
        boot_time: provider.config.boot_time,
        has_faults: false,
        max_instances: config.pool.max_instances,
        seed: 0,
        until,
    };
    let setup = Setup { config, provider: provider.config, jobs: jobs.clone(), until };
    let outcome: Outcome = simulate(setup, &Arc::default()).unwrap();
    let end = outcome.end;
    let answer = Answer::of(given, Vec::new(), &jobs, outcome);
    let told: f64 = answer.limited_by.iter().map(|limit| limit.job_hours).sum();
    let waited = answer.waited.map_or(told, |waited| waited.job_hours);
    assert!((told - waited).abs() < 1e-6, "a reason for all waiting: {told} h of {waited} h");
    (answer, end)
}

#[track_caller]
fn assert_about(value: f64, expected: f64) {
    assert!((value - expected).abs() <= 0.02 * expected, "{value} is not about {expected}");
}

fn limit(answer: &Answer, reason: &str) -> f64 {
    answer.limited_by.iter().filter(|limit| limit.reason == reason).map(|limit| limit.job_hours).sum()
}

#[test]
fn two_instances_run_four_jobs_in_twice_the_time_of_one() {
    let lines = r#"{"command":["x"],"cpus":1,"takes":"10m","copies":4}"#;
    let (answer, end) = run(config(|_| {}), lines, "", DAY);
    assert_eq!(end, End::Done);
    assert!(answer.complete);
    assert_eq!(answer.outcomes, [("exit code 0".to_owned(), 4)].into());
    // Booting is one minute by default, and two times ten minutes follow.
    assert_about(answer.makespan.unwrap().as_secs_f64(), 21.0 * 60.0);
    let instances = answer.instances;
    assert_eq!((instances.created, instances.most_at_once, instances.left_at_the_end), (2, 2, 0));
    // Two minutes idle at the end.
    assert_about(instances.hours, 2.0 * 23.0 / 60.0);
    assert_about(answer.cost, 2.0 * 23.0 / 60.0);
    assert_about(instances.share_with_a_job.unwrap(), 20.0 / 23.0);
    assert_eq!(answer.types.len(), 1);
    assert_eq!((answer.types[0].name.as_str(), answer.types[0].runs), ("one", 4));
    // Two jobs wait for their instances, until these are found to have booted; two until they are free.
    let waited = answer.waited.unwrap();
    let booted = waited.median.as_secs_f64();
    assert!((60.0..75.0).contains(&booted), "{booted}");
    assert_about(limit(&answer, "booting") + limit(&answer, "creating"), 2.0 * booted / 3600.0);
    assert_about(
        limit(&answer, "max_instances") + limit(&answer, "reserved"),
        2.0 * (booted + 600.0) / 3600.0,
    );
    assert_about(waited.longest.as_secs_f64(), booted + 600.0);
    let text = answer.text();
    for part in ["makespan:      21m", "4 exit code 0", "2 created", "raise max_instances", "█"] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn the_same_seed_gives_the_same_answer_and_another_one_another() {
    let lines = r#"{"command":["x"],"cpus":1,"takes":"5m","copies":30}"#;
    let cloud = |seed: u64| {
        format!(
            "boot_time = '30s'\nseed = {seed}\n[faults.create]\nerror_rate = 0.4\n[faults.boots]\nslow_boot_rate = 0.5\n\
             slow_boot = '1m'\nfailed_boot_rate = 0.2\n"
        )
    };
    let json = |seed| {
        let (answer, _) = run(config(|config| config.pool.max_instances = 5), lines, &cloud(seed), DAY);
        assert!(answer.complete, "{}", answer.text());
        // What was given has the path of a temporary file in it.
        let mut json = serde_json::to_value(&answer).unwrap();
        json.as_object_mut().unwrap().remove("given");
        json.to_string()
    };
    let one = json(1);
    assert_eq!(one, json(1));
    assert_ne!(one, json(2));
}

#[test]
fn what_cannot_run_waits_until_the_time_is_over_and_it_says_why() {
    let lines =
        "{\"command\":[\"x\"],\"cpus\":1,\"takes\":\"2m\"}\n{\"command\":[\"y\"],\"cpus\":4,\"copies\":3}";
    let cloud = "[[faults.capacity]]\nprovider_type = 'p.four'\ninstances = 0\n";
    let (answer, end) = run(config(|_| {}), lines, cloud, Duration::from_secs(3600));
    assert_eq!(end, End::Until);
    assert!(!answer.complete && answer.time_was_over);
    let expected = [("exit code 0".to_owned(), 1), ("waiting at the end".to_owned(), 3)];
    assert_eq!(answer.outcomes, expected.into());
    let waiting = &answer.still_waiting;
    assert_eq!(waiting.iter().map(|waiting| waiting.jobs).sum::<u64>(), 3);
    assert!(waiting.iter().all(|waiting| waiting.first == "jobs:2"), "{waiting:?}");
    assert!(limit(&answer, "no_capacity") > 2.5, "{:?}", answer.limited_by);
    assert!(answer.text().contains("NOT FINISHED: it was ended after 1h (--until)"), "{}", answer.text());
}

#[test]
fn jobs_of_priority_0_do_not_keep_it_going_and_instances_that_are_kept_idle_neither() {
    let lines = "{\"command\":[\"x\"],\"cpus\":1}\n{\"command\":[\"y\"],\"priority\":0,\"copies\":2}";
    let config = config(|config| config.pool.min_idle = [("one".parse().unwrap(), 1)].into());
    let (answer, end) = run(config, lines, "", DAY);
    assert_eq!(end, End::Done);
    assert!(!answer.complete && !answer.time_was_over);
    assert_eq!(answer.still_waiting.len(), 1);
    assert_eq!((answer.still_waiting[0].jobs, answer.still_waiting[0].reason), (2, "stopped"));
    assert_eq!(answer.instances.left_at_the_end, 1);
    assert!(answer.end < 10 * MINUTE, "{:?}", answer.end);
}

#[test]
fn jobs_come_when_they_are_submitted_and_end_as_they_are_told() {
    let lines = "{\"command\":[\"x\"],\"cpus\":1,\"at\":\"2h\",\"exit_code\":3}\n\
                 {\"command\":[\"y\"],\"cpus\":1,\"at\":\"1h\",\"takes\":\"1h\",\"time_limit\":\"5m\"}";
    let (answer, _) = run(config(|_| {}), lines, "boot_time = '10s'", DAY);
    assert!(answer.complete);
    // The first is submitted after an hour, and the last ends a minute after its instance is there.
    assert_about(answer.makespan.unwrap().as_secs_f64(), 3600.0 + 70.0);
    assert_eq!(answer.outcomes.get("exit code 3"), Some(&1));
    let limited: usize = answer
        .outcomes
        .iter()
        .filter(|(name, _)| name.starts_with("cancelled"))
        .map(|(_, count)| *count)
        .sum();
    assert_eq!(limited, 1, "{:?}", answer.outcomes);
    assert_eq!(answer.over_time.rows[0].instances, 0.0);
}

#[test]
fn a_job_whose_instance_is_taken_away_waits_and_runs_again() {
    let lines = r#"{"command":["x"],"cpus":1,"takes":"20m"}"#;
    let cloud = "[[faults.machines]]\nnth = 1\nstop_after = '10m'\n";
    let (answer, _) = run(config(|_| {}), lines, cloud, DAY);
    assert!(answer.complete, "{}", answer.text());
    assert_eq!(answer.jobs_run_again, 1);
    assert!(answer.instances.created >= 2);
    assert!(answer.makespan.unwrap() > 30 * MINUTE);
}

#[test]
fn of_many_kinds_of_jobs_each_has_its_reason() {
    // Each pass asks about every job too, and compares: see `Waiting::check`.
    let lines = "\
        {\"command\":[\"a\"],\"cpus\":0.25,\"takes\":\"3m\",\"copies\":40}\n\
        {\"command\":[\"b\"],\"cpus\":1,\"takes\":\"7m\",\"copies\":20,\"group\":\"g\"}\n\
        {\"command\":[\"c\"],\"cpus\":3,\"takes\":\"4m\",\"copies\":10,\"at\":\"5m\",\"priority\":200}\n\
        {\"command\":[\"d\"],\"takes\":\"2m\",\"copies\":5,\"at\":\"10m\"}\n\
        {\"command\":[\"e\"],\"cpus\":4,\"takes\":\"9m\",\"copies\":4,\"at\":\"1m\"}";
    let config = config(|config| {
        config.pool.max_instances = 6;
        config.pool.max_price_per_hour = pool_core::HourlyPrice::try_from(12.0).ok();
        let limit = serde_json::from_str(r#"{"g":{"max_jobs":3}}"#).unwrap();
        config.scheduler.groups = limit;
    });
    let (answer, _) = run(config, lines, "[faults.create]\nerror_rate = 0.3\n", DAY);
    assert!(answer.complete, "{}", answer.text());
    let reasons: Vec<_> = answer.limited_by.iter().map(|limit| limit.reason).collect();
    assert!(reasons.contains(&"group_limit") && reasons.contains(&"price_cap"), "{reasons:?}");
}

#[test]
fn it_can_be_interrupted() {
    let config = config(|_| {});
    let jobs = jobs(r#"{"command":["x"],"at":"1h"}"#, &config).unwrap();
    let provider = Provider::choose(None, None, &config).unwrap().config;
    let setup = Setup { config, provider, jobs, until: DAY };
    let interrupted = Arc::new(AtomicBool::new(true));
    assert!(matches!(simulate(setup, &interrupted), Err(RunError::Interrupted)));
}

#[test]
fn all_bad_lines_are_told_with_their_fields() {
    let lines = "\
        {\"command\":[\"x\"]}\n\
        {\"command\":[\"x\"],\"takes\":5,\"copies\":0,\"exit_code\":256,\"at\":\"soon\"}\n\
        \n\
        {\"command\":[],\"cpu\":1}\n\
        {\"command\":[\"x\"],\"cpus\":64}\n\
        {\"cpus\":1\n\
        {\"command\":[\"x\"],\"memory\":\"much\"}\n\
        {\"command\":[\"x\"],\"output_limit\":\"900 GiB\"}\n";
    let Err(JobListError::Bad(problems)) = jobs(lines, &config(|_| {})) else { panic!("they were taken") };
    let text = problems.to_string();
    for part in [
        "nothing was simulated\n",
        "jobs:2: takes: 5 is no text: write a duration",
        "jobs:2: at: \"soon\" is no duration",
        "jobs:2: copies: 0: give a whole number from 1 to 100000",
        "jobs:2: exit_code: 256: give a whole number from 0 to 255",
        "jobs:4: cpu: unknown field `cpu`",
        "jobs:5: resources: ",
        "jobs:6: EOF while parsing",
        "jobs:7: memory: ",
        "jobs:8: output_limit: more than the 1.0 GiB",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains("jobs:1:") && !text.contains("jobs:3:"), "{text}");
}

#[test]
fn problems_and_jobs_are_bounded() {
    let config = config(|_| {});
    let Err(JobListError::Bad(problems)) = jobs(&"{}\n".repeat(1000), &config) else {
        panic!("they were taken")
    };
    let text = problems.to_string();
    assert_eq!(text.lines().count(), 22, "{text}");
    assert!(text.ends_with("… and 980 more"), "{text}");
    let many = "{\"command\":[\"x\"],\"copies\":60000}\n".repeat(2);
    let Err(JobListError::Bad(problems)) = jobs(&many, &config) else { panic!("they were taken") };
    assert!(problems.to_string().contains("jobs:2: more than 100000 jobs"), "{problems}");
    assert!(matches!(jobs("\n\n", &config), Err(JobListError::Empty(_))));
}

#[test]
fn the_provider_is_the_file_s_or_the_loopback_s_or_the_default() {
    let config = config(|_| {});
    let default = Provider::choose(None, None, &config).unwrap();
    assert_eq!((default.config.boot_time, default.config.seed), (MINUTE, 0));
    // The options of another driver are not looked at.
    assert_eq!(default.source, "the default");
    let file = provider("seed = 7\nboot_time = '5s'", &config).unwrap();
    assert_eq!((file.config.boot_time, file.config.seed), (Duration::from_secs(5), 7));
    assert_eq!(provider("seed = 7", &config).unwrap().config.boot_time, MINUTE);
    let mut loopback = config.clone();
    loopback.driver.name = "loopback".to_owned();
    loopback.driver.options = serde_json::json!({"boot_time": "9s"});
    let provider_of_it = Provider::choose(None, Some(3), &loopback).unwrap();
    assert_eq!((provider_of_it.config.boot_time, provider_of_it.config.seed), (Duration::from_secs(9), 3));
    loopback.driver.options = serde_json::json!({"boot": "9s"});
    let error = Provider::choose(None, None, &loopback).unwrap_err().to_string();
    assert!(error.starts_with("driver.options: ") && error.contains("boot"), "{error}");
    let error = provider("[faults.create]\nerror_rate = 2.0", &config).unwrap_err().to_string();
    assert!(error.contains("cloud.toml") && error.contains("faults.create.error_rate"), "{error}");
}

#[test]
fn instances_that_cannot_boot_in_time_are_remarked() {
    let config = config(|_| {});
    assert!(provider("", &config).unwrap().remarks(&config).is_empty());
    let remarks = provider("boot_time = '5m'", &config).unwrap().remarks(&config);
    assert!(remarks[0].contains("pool.timeout_booting"), "{remarks:?}");
}
