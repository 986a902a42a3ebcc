//! Everything goes wrong at once, on real SSH servers with real runners and by the wall clock: and yet all jobs come to
//! their ends, and nothing is left.
//!
//! The same scenario is well known from a simulated SSH, where a machine boots in no time. Here a boot is a host key,
//! processes and handshakes on a machine that has two cores for everything. So all times are [`FACTOR`] times as
//! long, and their proportions are kept.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "serve/support.rs"]
#[expect(dead_code, reason = "the tests of serve use more of it")]
mod support;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use support::Place;

/// By how much all times are longer than in the scenario as it is known. Measured with a debug build on two cores that
/// seven times as much wanted to use: with 1 no machine boots in time, with 3 a run takes 100 s because most boots are too
/// late, with 5 half a minute. The double of that is for machines that are slower still.
const FACTOR: u32 = 10;
const JOBS: u32 = 200;
/// From the submission to the end of the last job.
const LIMIT: Duration = Duration::from_secs(100);

/// So many of the scenario's milliseconds, for a configuration.
fn ms(scenario: u32) -> String {
    format!("{}ms", scenario * FACTOR)
}

/// One type for each number of CPUs.
fn types() -> String {
    let mut types = String::new();
    for cpus in 1..=8 {
        write!(
            types,
            r#"
[[pool.instance_types]]
name = "cpus-{cpus}"
provider_type = "loop.{cpus}"
vcpus = {cpus}
memory = "{} GiB"
price = 0.{cpus}
"#,
            cpus + 2
        )
        .unwrap();
    }
    types
}

/// What happens to the machines.
fn machine_faults() -> Vec<Value> {
    let mut faults = vec![
        // A type whose machines never boot, for a while.
        json!({ "provider_type": "loop.6", "created_within": ms(2 * 150), "hang_after": "0s" }),
        json!({ "nth": 1, "every": 7, "without_runner": true }),
    ];
    // Of each seven one that hangs, and one that says that it is broken: sooner or later.
    for third in 0..3 {
        let nth = |of_seven: u32| of_seven + 7 * third;
        faults.push(json!({ "nth": nth(2), "every": 21, "hang_after": ms(30 * (third + 1)) }));
        faults.push(json!({ "nth": nth(3), "every": 21, "break_after": ms(200 / 3 * (third + 1)) }));
    }
    // Of the others some lose the runs that they have, and others get stuck with them.
    for of_seven in 4..=7 {
        faults.push(json!({ "nth": of_seven, "every": 7, "rate": 0.1, "kill_jobs_after": ms(200) }));
        faults.push(json!({ "nth": of_seven, "every": 7, "rate": 0.1, "hang_after": ms(200) }));
    }
    faults
}

fn configuration(seed: u64) -> String {
    let faults: String = machine_faults()
        .iter()
        .map(|fault| format!("[[driver.options.faults.machines]]\n{}\n", table(fault)))
        .collect();
    format!(
        r#"
[pool]
instance_set = "test"
max_instances = 0
max_concurrent_instance_create_ops = 0
max_cloud_ops_per_second = 0
max_probes_per_second = 0
sync_interval = "{sync}"
probe_interval = "{probe}"
timeout_idle = "{idle}"
timeout_booting = "{boot}"
timeout_probe = "{timeout_probe}"
timeout_term = "{term}"
timeout_signal = "{signal}"
timeout_shutdown = "{shutdown}"
{types}
[driver]
name = "loopback"
[driver.options]
seed = {seed}
faults.create.error_rate = 0.1
faults.destroy.error_rate = 0.1
faults.quota.instances = 10
[[driver.options.faults.capacity]]
provider_type = "loop.3"
instances = 0
{faults}"#,
        sync = ms(10),
        probe = ms(5),
        idle = ms(150),
        boot = ms(150),
        timeout_probe = ms(15),
        term = ms(20),
        signal = ms(3),
        shutdown = ms(50),
        types = types(),
    )
}

/// The fields of a table, in TOML: of numbers, texts and truths the same as in JSON.
fn table(fields: &Value) -> String {
    fields.as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
}

/// Holds a lock of its own while it runs, and complains if another run of the same job has it.
const SCRIPT: &str = r#"
exec 9>>"$BOOK/$NUMBER.lock"
flock -n 9 || echo "$NUMBER: $POOL_JOB_ID $POOL_ATTEMPT" >>"$BOOK/twice"
echo "begin" >>"$BOOK/$NUMBER.log"
sleep "$SECONDS_TO_SLEEP"
echo "end" >>"$BOOK/$NUMBER.log"
"#;

fn jobs(random: &mut StdRng, book: &Path) -> String {
    let mut lines = String::new();
    for number in 1..=JOBS {
        let milliseconds = random.random_range(0..100 * FACTOR);
        let job = json!({
            "command": ["sh", "-c", SCRIPT],
            "name": number.to_string(),
            "priority": number % 20 + 1,
            "cpus": number % 8 + 1,
            "memory": format!("{} GiB", number % 3 + 1),
            // A job may meet many bad machines; what is looked at here is that none is lost over it.
            "attempts": 100,
            "rerun_if_unknown": true,
            "environment": {
                "BOOK": book,
                "NUMBER": number.to_string(),
                "SECONDS_TO_SLEEP": (f64::from(milliseconds) / 1000.0).to_string(),
            },
        });
        writeln!(lines, "{job}").unwrap();
    }
    lines
}

#[test]
fn all_jobs_complete_on_machines_of_which_most_are_bad() {
    let seed: u32 = rand::random();
    println!("seed {seed}, all times {FACTOR} times the scenario's");
    let mut random = StdRng::seed_from_u64(seed.into());
    let mut place = Place::new(&configuration(seed.into())).with_small_runner();
    place.serve();
    let book = place.path().join("book");
    fs::create_dir(&book).unwrap();
    let file = place.path().join("jobs.jsonl");
    fs::write(&file, jobs(&mut random, &book)).unwrap();
    let began = Instant::now();
    let printed = place.says(&["submit", "--file", file.to_str().unwrap()]);
    assert_eq!(printed.lines().count(), JOBS as usize);
    let is_final = |job: &Value| job["state"] == "complete" || job["state"] == "cancelled";
    loop {
        let jobs = place.jobs();
        if jobs.iter().all(is_final) {
            break;
        }
        if began.elapsed() >= LIMIT {
            let left: Vec<_> = jobs.iter().filter(|job| !is_final(job)).collect();
            panic!(
                "not within {LIMIT:?}, seed {seed}: {} jobs, of them {left:#?}\n{}",
                left.len(),
                place.log()
            );
        }
        thread::sleep(Duration::from_millis(200));
    }
    let worked = began.elapsed();
    place.until_no_instance_is_left();
    let drained = began.elapsed();

    assert!(!book.join("twice").exists(), "seed {seed}: {}", fs::read_to_string(book.join("twice")).unwrap());
    let (mut runs, mut again, mut ended_again) = (0, 0, 0);
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    for job in place.jobs() {
        assert_eq!(
            (&job["state"], &job["exit_code"]),
            (&"complete".into(), &0.into()),
            "seed {seed}: {job:#}"
        );
        let all = place.job(job["id"].as_str().unwrap());
        let history = all["history"].as_array().unwrap();
        assert_eq!(history.iter().filter(|entry| is_final(entry)).count(), 1, "seed {seed}: {all:#}");
        for entry in history.iter().skip(1).filter(|entry| entry["state"] == "queued") {
            let detail = entry["detail"].as_str().unwrap();
            let words: Vec<_> = detail.split(' ').filter(|word| !word.starts_with("i-")).collect();
            *reasons.entry(words.join(" ")).or_default() += 1;
        }
        let log = fs::read_to_string(book.join(format!("{}.log", job["name"].as_str().unwrap()))).unwrap();
        let count = |what: &str| log.lines().filter(|line| *line == what).count() as u64;
        let (begun, of_this) = (count("begin"), job["runs"].as_u64().unwrap());
        assert!(log.ends_with("end\n"), "seed {seed}: its last run came to its end: {log}");
        assert!(begun <= of_this, "seed {seed}: {begun} began of {of_this} runs");
        runs += of_this;
        again += u64::from(begun > 1);
        ended_again += u64::from(count("end") > 1);
    }
    println!(
        "{JOBS} jobs, {runs} runs: {again} jobs began more than once and {ended_again} came to their ends more than once, \
         for their workers were lost; done after {worked:.1?}, all gone after {drained:.1?}"
    );
    println!("why jobs were queued again: {reasons:#?}");
    let metrics = metrics(&place);
    let counted = |name: &str, label: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let boots = |outcome: &str| counted("pool_boots_total", &format!("outcome=\"{outcome}\""));
    let creates = |outcome: &str| {
        counted("pool_cloud_calls_total", &format!("operation=\"create\",outcome=\"{outcome}"))
    };
    let refused = creates("") - creates("ok\"");
    println!("{} boots, {} failed boots, {refused} failed creates", boots("success"), boots("failure"));
    assert!(boots("failure") > 0 && refused > 0, "seed {seed}: nothing went wrong: {metrics}");
    place.ends_with_nothing_left();
}

fn metrics(place: &Place) -> String {
    let mut stream = UnixStream::connect(place.state().join("run/poold.sock")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: poold\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
