//! What is lost under way: processes on workers, workers, and `poold serve` for a while.

use super::support::{Place, brisk, processes_of};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, process::Stdio, thread, time::Duration};

/// The processes of the runner that have this as their task, and of the jobs if it is empty.
fn runners(place: &Place, task: &str) -> Vec<Pid> {
    let task = format!(" runner {task} ");
    let processes = processes_of(&place.state().join("loopback"));
    processes.iter().filter(|line| line.contains(&task)).map(|line| pid(line)).collect()
}

fn pid(line: &str) -> Pid {
    Pid::from_raw(line.split(' ').next().unwrap().parse().unwrap()).unwrap()
}

fn kill_all(pids: &[Pid]) {
    assert!(!pids.is_empty());
    for pid in pids {
        kill_process(*pid, Signal::KILL).unwrap();
    }
}

/// Prints a line, waits for a file, prints another.
fn script(go: &Path) -> String {
    format!("echo one; while [ ! -e {} ]; do sleep 0.05; done; echo two", go.display())
}

impl Place {
    /// A job that has printed its first line and waits.
    fn running_job(&mut self, options: &[&str], go: &Path) -> String {
        let id = self.submit(options, &["sh", "-c", &script(go)]);
        self.until("it has printed its first line", |place| place.says(&["logs", &id]) == "one\n");
        id
    }

    #[track_caller]
    fn history(&self, id: &str) -> String {
        self.job(id)["history"].to_string()
    }
}

#[test]
fn a_killed_runner_is_replaced_and_its_jobs_go_on() {
    let mut place = Place::serving(&brisk());
    let go = place.path().join("go");
    let id = place.running_job(&[], &go);
    kill_all(&runners(&place, "daemon"));
    place.until("there is a new one", |place| !runners(place, "daemon").is_empty());
    fs::write(&go, "").unwrap();
    let job = place.until_state(&id, "complete");
    assert_eq!((&job["exit_code"], &job["runs"], &job["output"]), (&0.into(), &1.into(), &"complete".into()));
    assert_eq!(place.says(&["logs", &id]), "one\ntwo\n");
    place.ends_with_nothing_left();
}

#[test]
fn an_end_that_nobody_saw_is_not_guessed_and_is_run_again_only_if_allowed() {
    for tasks in [&["keep"][..], &["daemon", "keep"]] {
        let mut place = Place::serving(&brisk());
        let go = place.path().join("go");
        let id = place.running_job(&["--cpus", "2"], &go);
        let again = place.running_job(&["--cpus", "2", "--rerun-if-unknown"], &go);
        for task in tasks {
            kill_all(&runners(&place, task));
        }
        let job = place.until_state(&id, "cancelled");
        assert!(job["reason"].as_str().unwrap().contains("how is not known"), "{job:#}");
        assert_eq!((&job["runs"], &job["exit_code"]), (&1.into(), &Value::Null), "{job:#}");
        assert_eq!(place.says(&["logs", &id]), "one\n", "what it had printed is kept");
        place.until("it is run again", |place| place.job(&again)["runs"] == 2);
        fs::write(&go, "").unwrap();
        let job = place.until_state(&again, "complete");
        assert_eq!((&job["runs"], &job["attempts"]), (&2.into(), &2.into()), "{job:#}");
        assert!(place.history(&again).contains("how is not known"), "{job:#}");
        assert_eq!(place.says(&["logs", &again]), "one\ntwo\n");
        place.ends_with_nothing_left();
    }
}

#[test]
fn workers_that_lose_all_processes_at_once_do_not_lose_jobs() {
    let mut place = Place::serving(&brisk());
    let go = place.path().join("go");
    let id = place.running_job(&["--rerun-if-unknown"], &go);
    let worker = place.job(&id)["instance"].as_str().unwrap().to_owned();
    let of_worker: Vec<Pid> =
        processes_of(&place.state().join("loopback").join(&worker)).iter().map(|line| pid(line)).collect();
    assert!(of_worker.len() >= 3, "runner, keeper, job: {of_worker:?}");
    for pid in of_worker {
        // Some end with others.
        let _ = kill_process(pid, Signal::KILL);
    }
    place.until("it is run again", |place| place.job(&id)["runs"] == 2);
    fs::write(&go, "").unwrap();
    place.until_state(&id, "complete");
    place.ends_with_nothing_left();
}

/// The workers that a job was given to.
fn given_to(job: &Value) -> BTreeSet<String> {
    let details = job["history"].as_array().unwrap().iter().map(|line| line["detail"].as_str().unwrap());
    let given = details.filter_map(|detail| detail.strip_prefix("given to "));
    given.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_job_whose_worker_vanishes_is_run_on_another() {
    let config = format!(
        "{}\n[driver]\nname = \"loopback\"\n[[driver.options.faults.machines]]\nnth = 1\nvanish_after = \"3s\"\n",
        brisk()
    );
    let mut place = Place::serving(&config);
    let go = place.path().join("go");
    let id = place.submit(&[], &["sh", "-c", &script(&go)]);
    place.until("there is a worker", |place| place.json(&["instances"])[0]["id"].is_string());
    let first = place.json(&["instances"])[0]["id"].clone();
    place.until("it runs on another", |place| {
        let job = place.job(&id);
        job["state"] == "running" && job["instance"] != first
    });
    fs::write(&go, "").unwrap();
    let job = place.until_state(&id, "complete");
    // On a slow machine the first may vanish before it gets the job.
    assert_eq!((&job["attempts"], &job["runs"]), (&given_to(&job).len().into(), &job["attempts"]), "{job:#}");
    assert_eq!(place.says(&["logs", &id]), "one\ntwo\n");
    place.ends_with_nothing_left();
}

impl Place {
    /// Takes the worker away from a job that runs, and waits until that is known.
    #[track_caller]
    fn take_worker_away(&mut self, id: &str, run: u32) {
        self.until(&format!("run {run} has begun"), |place| {
            let job = place.job(id);
            job["state"] == "running" && job["runs"] == run
        });
        let worker = self.job(id)["instance"].as_str().unwrap().to_owned();
        self.says(&["kill-instance", &worker]);
        self.until("the run is over", |place| {
            let job = place.job(id);
            job["state"] != "running" || job["runs"] != run
        });
    }
}

#[test]
fn p52_a_job_whose_workers_go_is_run_again_so_often_as_it_may_and_no_more() {
    let mut place = Place::serving(&brisk());
    let script = "echo run; sleep 600";
    let three = place.submit(&["--cpus", "2"], &["sh", "-c", script]);
    let one = place.submit(&["--cpus", "2", "--attempts", "1"], &["sh", "-c", script]);
    place.take_worker_away(&one, 1);
    let job = place.until_state(&one, "cancelled");
    assert_eq!(
        (&job["runs"], &job["attempts"], &job["output"]),
        (&1.into(), &1.into(), &"incomplete".into())
    );
    assert!(job["reason"].as_str().unwrap().contains("1 of 1 attempts: its worker is gone"), "{job:#}");

    for run in 1..=3 {
        place.take_worker_away(&three, run);
    }
    let job = place.until_state(&three, "cancelled");
    assert_eq!((&job["runs"], &job["attempts"], &job["preemptions"]), (&3.into(), &3.into(), &0.into()));
    assert!(job["reason"].as_str().unwrap().contains("3 of 3 attempts"), "{job:#}");
    assert_eq!(given_to(&job).len(), 3, "each time to another: {job:#}");
    place.ends_with_nothing_left();
}

#[test]
fn a_worker_that_breaks_ends_its_jobs_work_and_gets_no_more() {
    let mut place = Place::serving(&brisk());
    let go = place.path().join("go");
    let id = place.running_job(&[], &go);
    let first = place.job(&id)["instance"].clone();
    let root = place.state().join("loopback").join(first.as_str().unwrap()).join("root");
    fs::write(root.join("broken"), "its disk smells").unwrap();
    place.until("it says that it is broken", |place| {
        let instances = place.json(&["instances"]);
        instances
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["id"] == first && row["reason"] == "its disk smells")
    });
    let next = place.submit(&[], &["true"]);
    let next = place.until_state(&next, "complete");
    assert_ne!(next["instance"], first);
    fs::write(&go, "").unwrap();
    let job = place.until_state(&id, "complete");
    assert_eq!((&job["runs"], &job["instance"]), (&1.into(), &first), "{job:#}");
    place.ends_with_nothing_left();
}

#[test]
fn p51_preemptions_use_no_attempts_and_are_bounded_apart() {
    let config = format!(
        "{}\n[[pool.instance_types]]\nname = \"spot\"\nprovider_type = \"loop.spot\"\nvcpus = 2\nmemory = \"2 GiB\"\n\
         price = 0.001\npreemptible = true\n[scheduler]\nmax_preemptions = 2\n",
        brisk()
    );
    let mut place = Place::serving(&config);
    let go = place.path().join("go");
    let id = place.submit(&["--preemptible", "--attempts", "1"], &["sh", "-c", &script(&go)]);
    place.take_worker_away(&id, 1);
    place.take_worker_away(&id, 2);
    place.until("it runs where it is not taken away", |place| {
        let job = place.job(&id);
        job["state"] == "running" && job["instance_type"] == "small"
    });
    fs::write(&go, "").unwrap();
    let job = place.until_state(&id, "complete");
    assert_eq!(
        (&job["runs"], &job["attempts"], &job["preemptions"]),
        (&3.into(), &1.into(), &2.into()),
        "{job:#}"
    );
    assert!(place.history(&id).contains("preemptible worker is gone"), "{}", place.history(&id));
    place.ends_with_nothing_left();
}

#[test]
fn a_serve_that_stood_still_for_longer_than_any_probe_may_take_gives_up_no_worker() {
    let config = brisk()
        .replace("probe_interval = \"1s\"", "probe_interval = \"500ms\"\ntimeout_probe = \"2s\"")
        .replace("max_instances = 8", "max_instances = 1");
    let mut place = Place::serving(&config);
    let go = place.path().join("go");
    let id = place.running_job(&[], &go);
    // It waits for the one instance that there may be, so that this never idles long enough to go.
    let next = place.submit(&[], &["true"]);
    let serve = Pid::from_raw(place.pid().cast_signed()).unwrap();
    kill_process(serve, Signal::STOP).unwrap();
    // What is tested is that so much time passes.
    thread::sleep(Duration::from_secs(5));
    kill_process(serve, Signal::CONT).unwrap();
    fs::write(&go, "").unwrap();
    let job = place.until_state(&id, "complete");
    assert_eq!((&job["runs"], &job["attempts"]), (&1.into(), &1.into()), "{job:#}");
    assert_eq!(place.says(&["logs", &id]), "one\ntwo\n");
    assert_eq!(place.until_state(&next, "complete")["instance"], job["instance"], "it is used as before");
    place.ends_with_nothing_left();
}

#[test]
fn a_sigterm_amid_submits_loses_none_that_was_printed() {
    let mut place = Place::serving(&brisk());
    let submit = place
        .command(&["submit", "--priority", "0", "--array", "5000", "--", "true"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    place.until("some are there", |place| place.json(&["status"])["jobs"]["queued"] != Value::Null);
    assert_eq!(place.stop(), Some(0), "{}", place.log());
    place.serve();
    let output = submit.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut printed: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect();
    let mut there: Vec<String> =
        place.jobs().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    printed.sort();
    there.sort();
    assert_eq!((printed.len(), printed == there), (5000, true));
}

#[test]
fn a_stop_as_soon_as_the_socket_is_there_is_as_clean_as_any() {
    let mut place = Place::new(&brisk());
    let socket = place.state().join("run/poold.sock");
    for _ in 0..3 {
        place.start();
        while !socket.exists() {
            thread::yield_now();
        }
        assert_eq!(place.stop(), Some(0), "{}", place.log());
        assert!(!socket.exists());
    }
}

#[test]
fn destroy_all_refuses_while_it_is_served_asks_and_empties_and_the_jobs_run_again() {
    let mut place = Place::serving(&brisk());
    let go = place.path().join("go");
    let id = place.running_job(&[], &go);
    let config = place.config();
    let destroy = ["destroy-all", "--config", config.to_str().unwrap()];
    let said = place.fails(2, &[&destroy[..], &["--yes"]].concat());
    assert!(said.contains(&place.pid().to_string()), "it says who serves: {said}");
    assert_eq!(place.job(&id)["state"], "running");
    assert_eq!(place.stop(), Some(0), "{}", place.log());

    let said = place.fails(2, &destroy);
    assert!(said.contains("--yes"), "nobody can be asked: {said}");
    let other = place.path().join("other.toml");
    fs::write(&other, brisk().replace("instance_set = \"test\"", "instance_set = \"another-set\"")).unwrap();
    let said = place.fails(2, &["destroy-all", "--config", other.to_str().unwrap(), "--yes"]);
    assert!(said.contains("loopback/another-set") && said.contains("--config FILE"), "{said}");
    let line = format!("{} {}", env!("CARGO_BIN_EXE_poold"), destroy.join(" "));
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("POOLD_STATE_DIR", place.state());
    let mut asked = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut asked.stdin.take().unwrap(), b"n\n").unwrap();
    let output = asked.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Destroy these 1 instances") && said.contains("nothing was destroyed"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!runners(&place, "keep").is_empty(), "the job runs");

    let destroyed = place.says(&[&destroy[..], &["--yes", "--json"]].concat());
    assert_eq!(destroyed, "{\"destroyed\":1}\n");
    assert_eq!(processes_of(&place.state()), Vec::<String>::new());
    assert_eq!(place.says(&[&destroy[..], &["--yes"]].concat()), "there was no instance\n");

    place.serve();
    place.until("it runs again", |place| {
        let job = place.job(&id);
        job["state"] == "running" && job["runs"] == 2
    });
    fs::write(&go, "").unwrap();
    let job = place.until_state(&id, "complete");
    assert_eq!(job["attempts"], 2, "{job:#}");
    assert_eq!(place.says(&["logs", &id]), "one\ntwo\n");
    assert_eq!(place.says(&["logs", "--run", "1", &id]), "one\n");
    place.ends_with_nothing_left();
}
