//! What is read, from where, and what is said of it.

use super::{
    QueueConfig, SchedulerConfig, ServeConfig, TelemetryConfig, Variables,
    load::{DEFAULT, Reading},
    scheduler::GroupLimit,
};
use crate::program_config::{DriverChoice, InputError, RunnerChoice, SshChoice};
use pool_core::{ByteSize, HourlyPrice, PoolConfig};
use std::{collections::BTreeSet, time::Duration};

fn variables(given: &[(&str, &str)]) -> Variables {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Variables::of(Some(&given.collect())).unwrap()
}

fn read_with(text: &str, given: &[(&str, &str)]) -> Result<ServeConfig, InputError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("poold.toml");
    std::fs::write(&file, text).unwrap();
    Reading::of(Some(&file), variables(given))?.finish()
}

/// Each problem as a line.
fn problems(text: &str, given: &[(&str, &str)]) -> Vec<String> {
    match read_with(text, given) {
        Err(InputError::Problems { problems, .. }) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// The fields that are wrong.
fn fields(text: &str, given: &[(&str, &str)]) -> Vec<String> {
    let field = |line: String| line.split_once(": ").unwrap().0.to_owned();
    problems(text, given).into_iter().map(field).collect()
}

/// The text with this in place of that, which must be there.
fn with(replaced: &[(&str, &str)]) -> String {
    let mut text = DEFAULT.to_owned();
    for (old, new) in replaced {
        assert!(text.contains(old), "{old:?}");
        text = text.replacen(old, new, 1);
    }
    text
}

fn default() -> ServeConfig {
    Reading::of(None, Variables::none()).unwrap().finish().unwrap()
}

#[test]
fn the_built_in_configuration_is_for_this_machine() {
    let config = default();
    assert_eq!((config.driver.name.as_str(), config.pool.instance_set.as_str()), ("loopback", "local"));
    assert_eq!(config.pool.max_instances, 8);
    assert_eq!(config.scheduler, SchedulerConfig::default());
    assert_eq!(config.queue, QueueConfig::default());
    assert_eq!(config.telemetry, TelemetryConfig::default());
    assert_eq!((config.ssh, config.runner), (SshChoice::default(), RunnerChoice::default()));
    // The loopback destroys what no pool talks to as any other does; the other way round would lose work.
    assert!(config.pool.timeout_orphan > config.pool.timeout_probe);
}

/// `#name = value`, with nothing between the two: the value that the field has when it is left out.
fn commented_default(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('#')?;
    let (name, _) = rest.split_once(" = ")?;
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).then_some(rest)
}

#[test]
fn what_is_commented_out_is_the_default() {
    let mut uncommented = 0;
    let lines = DEFAULT.lines().map(|line| {
        let found = commented_default(line);
        uncommented += usize::from(found.is_some());
        found.unwrap_or(line)
    });
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(uncommented > 20, "{uncommented}");
    assert_eq!(read_with(&text, &[]).unwrap(), default());
}

#[test]
fn every_field_of_every_section_is_shown() {
    // All fields with their names, as they are written.
    let config = default();
    let keys = |value: serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().filter(|key| *key != "instance_types").cloned().collect()
    };
    let pool = PoolConfig {
        // What is none is not written.
        max_lifetime: Some(Duration::from_secs(1)),
        max_price_per_hour: Some(HourlyPrice::ZERO),
        ..config.pool
    };
    let instance_type = keys(serde_json::to_value(&pool.instance_types[0]).unwrap());
    let DriverChoice { name: _, options: _ } = config.driver;
    let SshChoice { key_file: _ } = config.ssh;
    let RunnerChoice { program: _ } = config.runner;
    let group = GroupLimit { max_jobs: Some(1), max_share: Some(0.5) };
    let mut scheduler = keys(serde_json::to_value(&config.scheduler).unwrap());
    scheduler.retain(|key| key != "groups");
    let sections: [(&str, Vec<String>); 7] = [
        ("[pool]", keys(serde_json::to_value(&pool).unwrap())),
        ("[[pool.instance_types]]", instance_type),
        ("[driver]", vec!["name".into()]),
        ("[ssh]", vec!["key_file".into()]),
        ("[runner]", vec!["program".into()]),
        ("[scheduler]", scheduler),
        ("# [scheduler.groups.night]", keys(serde_json::to_value(group).unwrap())),
    ];
    let queue = ("[queue]", keys(serde_json::to_value(QueueConfig::default()).unwrap()));
    let telemetry = ("[telemetry]", keys(serde_json::to_value(TelemetryConfig::default()).unwrap()));
    for (section, fields) in sections.into_iter().chain([queue, telemetry]) {
        let start = DEFAULT.find(&format!("\n{section}\n")).unwrap_or_else(|| panic!("{section}"))
            + section.len()
            + 2;
        let is_header = |line: &&str| line.starts_with('[') || line.starts_with("# [");
        let shown: BTreeSet<&str> = DEFAULT[start..]
            .lines()
            .take_while(|line| !is_header(line))
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, _)| name.trim_start_matches(['#', ' ']))
            .collect();
        for field in fields {
            assert!(shown.contains(field.as_str()), "{section} does not show {field}");
        }
    }
    assert!(DEFAULT.contains("\n[driver.options]\n"));
}

#[test]
fn variables_win_over_the_file() {
    let given = [
        ("POOLD__POOL__MAX_INSTANCES", "5"),
        ("POOLD__POOL__TIMEOUT_IDLE", "7m"),
        ("POOLD__POOL__INSTANCE_SET", "42"),
        ("POOLD__SCHEDULER__GROUPS__NIGHT__MAX_JOBS", "3"),
        ("POOLD__SCHEDULER__PRICE_FACTOR", "2"),
        ("POOLD__QUEUE__OUTPUT_LIMIT", "1 MiB"),
        ("poold__driver__options__boot_time", "1s"),
        // Those of the command line, and others'.
        ("POOLD_STATE_DIR", "/nowhere"),
        ("POOLD_LOG", "debug"),
        ("POOLD_CONFIG", "/nowhere"),
        ("POOLDER__X", "1"),
    ];
    // Groups are found however their names are written.
    let text = with(&[("# [scheduler.groups.night]", "[scheduler.groups.Night]\nmax_share = 0.5")]);
    let config = read_with(&text, &given).unwrap();
    assert_eq!((config.pool.max_instances, config.pool.timeout_idle), (5, Duration::from_secs(420)));
    // It looks like a number, and is a name.
    assert_eq!(config.pool.instance_set.as_str(), "42");
    assert_eq!(config.queue.output_limit, ByteSize::mib(1));
    assert_eq!(config.driver.options["boot_time"], "1s");
    assert_eq!(config.scheduler.groups["Night"].max_jobs, Some(3));
    assert_eq!(config.scheduler.groups.len(), 1);
    let plan = config.scheduler.plan_options(config.pool.max_instances);
    assert_eq!((plan.price_factor, plan.group_limits["Night"]), (2.0, 2));
}

#[test]
fn a_bad_variable_is_named() {
    let given = [
        ("POOLD__POOL__MAX_INSTANCES", "many"),
        ("POOLD__POOL__SYNC_INTERVAL", "0s"),
        ("POOLD__POOL__MAX_INSTANCE", "3"),
        ("POOLD__POOL__INSTANCE_TYPES", "3"),
        ("POOLD__POOL__INSTANCE_TYPES__0__PRICE", "3"),
        ("POOLD__POOL", "3"),
        ("POOLD__POOL__MAX_INSTANCES__X", "3"),
        ("POOLD__", "3"),
        ("POOLD__NO__SUCH", "3"),
    ];
    for (name, value) in given {
        // One that is set within another's value names a problem of either.
        let lines = problems(DEFAULT, &[(name, value)]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(name), "{name} is not in {}", lines[0]);
    }
}

#[test]
fn each_mistake_is_named_and_nothing_else() {
    let night = "# [scheduler.groups.night]";
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 21] = [
        (&[("max_instances = 8", "max_instance = 8")], &["pool.max_instance"]),
        (&[("max_instances = 8", "max_instances = \"eight\"")], &["pool.max_instances"]),
        (&[("max_instances = 8", "max_instances = -1")], &["pool.max_instances"]),
        (&[("timeout_idle = \"1m\"", "timeout_idle = \"3 parsecs\"")], &["pool.timeout_idle"]),
        (&[("timeout_idle = \"1m\"", "timeout_idle = 60")], &["pool.timeout_idle"]),
        (&[("name = \"medium\"", "name = \"small\"")], &["pool.instance_types[1].name"]),
        (&[("name = \"medium\"\n", "")], &["pool.instance_types[1].name"]),
        (&[("price = 0.02", "price = -0.02")], &["pool.instance_types[1].price"]),
        (&[("memory = \"4 GiB\"", "memory = \"4 elephants\"")], &["pool.instance_types[1].memory"]),
        (&[("vcpus = 2", "vcpus = 0")], &["pool.instance_types[1].vcpus"]),
        (&[("instance_set = \"local\"", "")], &["pool.instance_set"]),
        (&[("instance_set = \"local\"", "instance_set = \"a b\"")], &["pool.instance_set"]),
        (&[("name = \"loopback\"", "")], &["driver.name"]),
        (&[("[queue]", "[que]")], &["que"]),
        (&[("[ssh]", "[ssh]\nkey_file = 7")], &["ssh.key_file"]),
        (&[("#price_factor = 1.5", "price_factor = 0.5")], &["scheduler.price_factor"]),
        (&[("#max_attempts = 3", "max_attempts = 0")], &["scheduler.max_attempts"]),
        (&[(night, "[scheduler.groups.'a b']\nmax_jobs = 1")], &["scheduler.groups.a b"]),
        (
            &[(night, "[scheduler.groups.night]\nmax_jobs = 0\nmax_share = 1.5")],
            &["scheduler.groups.night.max_jobs", "scheduler.groups.night.max_share"],
        ),
        (
            &[
                ("max_instances = 8", "max_instances = 0"),
                (night, "[scheduler.groups.night]\nmax_share = 0.5"),
            ],
            &["scheduler.groups.night.max_share"],
        ),
        (&[("#output_limit = \"16 MiB\"", "output_limit = \"2 GiB\"")], &["queue.output_limit"]),
    ];
    for (replaced, expected) in cases {
        let text = with(replaced);
        assert_eq!(fields(&text, &[]), expected, "{replaced:?}: {:?}", problems(&text, &[]));
    }
}

#[test]
fn all_mistakes_are_said_at_once_and_none_that_only_follows() {
    let text = with(&[
        ("instance_set = \"local\"", ""),
        ("max_instances = 8", "max_instances = \"eight\"\nmax_instance = 8"),
        ("timeout_idle = \"1m\"", "timeout_idle = \"soon\""),
        ("name = \"small\"", "name = 5\nname2 = 5"),
        ("memory = \"4 GiB\"\n", ""),
        ("price = 0.04", "price = \"cheap\"\nvcpu = 1"),
        ("name = \"loopback\"", "name = [1]"),
        ("#price_factor = 1.5", "price_factor = \"a\""),
        ("# [scheduler.groups.night]", "[scheduler.groups.night]\nmax_share = 0.5\nmax_job = 1"),
        ("[queue]", "[nosuch]\n[queue]\nkeep = 1"),
    ]);
    let mut found = fields(&text, &[]);
    found.sort();
    let mut expected = [
        "pool.instance_set",
        "pool.max_instances",
        "pool.max_instance",
        "pool.timeout_idle",
        "pool.instance_types[0].name",
        "pool.instance_types[0].name2",
        "pool.instance_types[1].memory",
        "pool.instance_types[2].price",
        "pool.instance_types[2].vcpu",
        "driver.name",
        "scheduler.price_factor",
        "scheduler.groups.night.max_job",
        "nosuch",
        "queue.keep",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected, "{:#?}", problems(&text, &[]));
}

/// The text with all commented defaults, and for each line that sets a field: its number and the field.
fn all_fields() -> (Vec<String>, Vec<(usize, String)>) {
    let lines: Vec<String> =
        DEFAULT.lines().map(|line| commented_default(line).unwrap_or(line).to_owned()).collect();
    let (mut section, mut types) = (String::new(), 0);
    let mut fields = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line == "[[pool.instance_types]]" {
            section = format!("pool.instance_types[{types}]");
            types += 1;
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let (Some((name, _)), true) = (line.split_once(" = "), section != "driver.options")
            && !line.starts_with('#')
        {
            fields.push((at, format!("{section}.{name}")));
        }
    }
    (lines, fields)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn whatever_is_wrong_is_said_and_nothing_else(
        choices in proptest::collection::vec(0..12_u8, 100),
    ) {
        let (mut lines, fields) = all_fields();
        assert!(fields.len() > 40 && fields.len() < choices.len());
        let mut expected = BTreeSet::new();
        for ((at, field), choice) in fields.iter().zip(&choices) {
            let (name, value) = lines[*at].split_once(" = ").unwrap();
            let name = name.to_owned();
            match choice {
                // Of the wrong type, for any field.
                0 => lines[*at] = format!("{name} = {}", if value == "[]" { "1" } else { "[true]" }),
                // Unknown, beside what is right.
                1 => lines[*at] = format!("{}\n{name}_zzz = 1", lines[*at]),
                _ => continue,
            }
            let suffix = if *choice == 1 { "_zzz" } else { "" };
            expected.insert(format!("{field}{suffix}"));
        }
        let text = lines.join("\n");
        if expected.is_empty() {
            read_with(&text, &[]).unwrap();
        } else {
            let found = fields_of(&text);
            assert_eq!(found, expected, "{text}");
        }
    }
}

fn fields_of(text: &str) -> BTreeSet<String> {
    let found = fields(text, &[]);
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(distinct.len(), found.len(), "said twice: {found:?}");
    distinct
}

#[test]
fn a_field_that_is_nearly_right_is_recognised() {
    let lines = problems(&with(&[("max_instances = 8", "max_instnces = 8")]), &[]);
    assert_eq!(lines, ["pool.max_instnces: unknown field `max_instnces`: did you mean `max_instances`?"]);
    let lines = problems(&with(&[("[ssh]", "[ssh]\ncolour = 8")]), &[]);
    assert_eq!(lines, ["ssh.colour: unknown field `colour`: there are key_file"]);
}

#[test]
fn what_is_expected_is_said_in_words() {
    let cases = [
        (
            "timeout_idle = \"1m\"",
            "timeout_idle = 60",
            "integer `60`, expected a duration such as `90s` or `1h 30m`",
        ),
        ("memory = \"4 GiB\"", "memory = \"4 elephants\"", "expected a size such as `512 MiB`"),
        ("memory = \"4 GiB\"", "memory = true", "expected a size such as `512 MiB`"),
        ("#output_limit = \"16 MiB\"", "output_limit = -3", "expected a size such as `512 MiB`"),
        ("max_instances = 8", "max_instances = -1", "integer `-1`, expected a whole number from 0"),
        ("#max_jobs = 1000000", "max_jobs = 1.5", "expected a whole number from 0"),
        ("#price_factor = 1.5", "price_factor = \"a\"", "string \"a\", expected a number"),
    ];
    for (old, new, expected) in cases {
        let lines = problems(&with(&[(old, new)]), &[]);
        assert!(lines.len() == 1 && lines[0].ends_with(expected), "{lines:?}");
    }
}

#[test]
fn an_empty_file_lacks_a_pool_and_no_section_needs_to_be_a_table_for_an_answer() {
    assert_eq!(fields("", &[]), ["pool.instance_set", "pool.instance_types"]);
    assert_eq!(fields("pool = 1\ndriver = []\nqueue = 'x'", &[]), ["pool", "driver", "queue"]);
    let lines = fields("[pool]\ninstance_set = 'a'\ninstance_types = [1, 'x', {}]", &[]);
    assert!(lines.contains(&"pool.instance_types[0]".to_owned()), "{lines:?}");
    assert!(lines.contains(&"pool.instance_types[2].name".to_owned()), "{lines:?}");
}

#[test]
fn limits_of_a_group_are_the_lower_one_and_at_least_one_job() {
    let limit = |max_jobs, max_share| GroupLimit { max_jobs, max_share };
    assert_eq!(limit(None, None).jobs(8), None);
    assert_eq!(limit(Some(3), None).jobs(0), Some(3));
    assert_eq!(limit(Some(3), Some(0.5)).jobs(8), Some(3));
    assert_eq!(limit(Some(5), Some(0.5)).jobs(8), Some(4));
    assert_eq!(limit(None, Some(0.01)).jobs(8), Some(1));
}

#[test]
fn a_collector_that_cannot_be_one_is_named() {
    let with = |telemetry: &str| format!("{DEFAULT}{telemetry}\n");
    assert_eq!(fields(&with("otlp_endpoint = 'localhost:4318'"), &[]), ["telemetry.otlp_endpoint"]);
    assert_eq!(fields(&with("sample_ratio = 1.5"), &[]), ["telemetry.sample_ratio"]);
    assert_eq!(fields(&with("service_name = ' '"), &[]), ["telemetry.service_name"]);
    let good = with("otlp_endpoint = 'https://otlp.example.org'\nsample_ratio = 0.1");
    assert_eq!(read_with(&good, &[]).unwrap().telemetry.sample_ratio, 0.1);
}
