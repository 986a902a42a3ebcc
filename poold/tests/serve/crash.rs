//! SIGKILL, at any moment: nothing is lost, nothing runs twice, nothing is left.

use super::support::{CONFIG, PATIENCE, Place};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

const JOBS: usize = 200;
const KILLS: usize = 10;

/// What each job does: holds a lock of its own while it runs, and complains if another has it.
const SCRIPT: &str = r#"
exec 9>>"$BOOK/$NUMBER.lock"
flock -n 9 || echo "$NUMBER" >>"$BOOK/twice"
echo "begin $POOL_JOB_ID" >>"$BOOK/$NUMBER.log"
sleep "$SECONDS_TO_SLEEP"
echo "end $POOL_JOB_ID" >>"$BOOK/$NUMBER.log"
echo "done $NUMBER"
"#;

#[test]
fn p52_after_ten_kills_at_random_moments_each_job_has_ended_once() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut place = Place::serving(CONFIG);
    let book = place.path().join("book");
    fs::create_dir(&book).unwrap();
    let mut lines = String::new();
    for number in 0..JOBS {
        let seconds = f64::from(random.random_range(0..3000_u32)) / 1000.0;
        let job = serde_json::json!({
            "command": ["sh", "-c", SCRIPT],
            "name": number.to_string(),
            "cpus": 1,
            "environment": {
                "BOOK": book, "NUMBER": number.to_string(), "SECONDS_TO_SLEEP": seconds.to_string(),
            },
        });
        writeln!(lines, "{job}").unwrap();
    }
    let file = place.path().join("jobs.jsonl");
    fs::write(&file, lines).unwrap();
    let printed = place.says(&["submit", "--file", file.to_str().unwrap()]);
    assert_eq!(printed.lines().count(), JOBS);

    for _ in 0..KILLS {
        // The moment of the kill is what is random here.
        thread::sleep(Duration::from_millis(random.random_range(0..2000)));
        place.kill();
        if random.random() {
            thread::sleep(Duration::from_millis(random.random_range(0..1000)));
        }
        place.start();
    }
    place.until("poold serve answers", |place| place.run(&["status"]).status.success());
    let is_final = |job: &serde_json::Value| job["state"] == "complete" || job["state"] == "cancelled";
    let deadline = Instant::now() + 2 * PATIENCE;
    while !place.jobs().iter().all(is_final) {
        assert!(Instant::now() < deadline, "{:#?}\n{}", place.jobs(), place.log());
        thread::sleep(Duration::from_millis(200));
    }

    let jobs = place.jobs();
    assert_eq!(jobs.len(), JOBS);
    for job in &jobs {
        assert_eq!(
            (&job["state"], &job["exit_code"]),
            (&"complete".into(), &0.into()),
            "seed {seed}: {job:#}"
        );
        assert_eq!(job["attempts"], 1, "no worker was lost: {job:#}");
    }
    assert!(!book.join("twice").exists(), "seed {seed}: {}", fs::read_to_string(book.join("twice")).unwrap());
    for job in &jobs {
        let name = job["name"].as_str().unwrap();
        let log = fs::read_to_string(book.join(format!("{name}.log"))).unwrap();
        let id = job["id"].as_str().unwrap();
        assert_eq!(log, format!("begin {id}\nend {id}\n"), "seed {seed}: once, and to its end");
        let output = place.says(&["logs", id]);
        assert_eq!(output, format!("done {name}\n"), "seed {seed}");
    }
    place.ends_with_nothing_left();
}

#[test]
fn p52_what_was_printed_as_submitted_is_there_after_a_kill() {
    const COUNT: usize = 10_000;
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut place = Place::serving(CONFIG);
    // Priority 0: they are not to run.
    let lines: String = (0..COUNT)
        .map(|number| format!("{{\"command\":[\"true\"],\"name\":\"{number}\",\"priority\":0}}\n"))
        .collect();
    let file = place.path().join("jobs.jsonl");
    fs::write(&file, lines).unwrap();
    let mut submit = place
        .command(&["submit", "--file", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(submit.stdout.take().unwrap()).lines();
    let mut ids = BTreeSet::new();
    // Some batches are acknowledged, another is under way.
    let wanted = random.random_range(1..8000);
    while ids.len() < wanted
        && let Some(line) = printed.next()
    {
        ids.insert(line.unwrap());
    }
    thread::sleep(Duration::from_millis(random.random_range(0..20)));
    place.kill();
    place.serve();
    ids.extend(printed.map(Result::unwrap));
    let output = submit.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "it goes on when poold is back: {error}");

    let jobs = place.jobs();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for job in &jobs {
        *names.entry(job["name"].as_str().unwrap()).or_default() += 1;
    }
    let there: BTreeSet<String> = jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_subset(&there), "seed {seed}: {:?}", ids.difference(&there).next());
    assert_eq!((ids.len(), jobs.len()), (COUNT, COUNT), "seed {seed}");
    assert!(names.values().all(|count| *count == 1), "seed {seed}: none was submitted twice");
}
