//! One command after the other.

use super::support::{CONFIG, Place};
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

#[test]
fn a_job_runs_and_its_output_can_be_read() {
    let mut place = Place::serving(CONFIG);
    let id = place.says(&[
        "submit",
        "--name",
        "greet",
        "--env",
        "WHO=world",
        "--",
        "sh",
        "-c",
        "echo hello $WHO; echo oh >&2",
    ]);
    let id = id.trim();
    place.says(&["wait", id]);
    assert_eq!(place.says(&["logs", "--stream", "stdout", id]), "hello world\n");
    assert_eq!(place.says(&["logs", "--stream", "stderr", id]), "oh\n");
    let jobs = place.jobs();
    let job = &jobs[0];
    assert_eq!(
        (&job["id"], &job["name"], &job["state"], &job["exit_code"], &job["attempts"]),
        (&id.into(), &"greet".into(), &"complete".into(), &0.into(), &1.into()),
        "{job:#}"
    );
    for time in ["submitted_at", "locked_at", "started_at", "ended_at"] {
        assert!(job[time].is_string(), "{time}: {job:#}");
    }
    let instances = place.json(&["instances"]);
    let instance = &instances[0];
    assert_eq!(instance["id"], job["instance"], "{instances:#}");
    assert_eq!((&instance["instance_type"], &instance["price"]), (&"small".into(), &0.01.into()));
    assert_eq!((&instance["worker_state"], &instance["idle_behavior"]), (&"idle".into(), &"run".into()));
    place.until_no_instance_is_left();
    place.ends_with_nothing_left();
}

#[test]
fn submit_wait_exits_as_the_job_did() {
    let place = Place::serving(CONFIG);
    let code = |script: &str| place.run(&["submit", "--wait", "--", "sh", "-c", script]).status.code();
    assert_eq!((code("exit 0"), code("exit 7")), (Some(0), Some(7)));
    assert_eq!(code("kill -9 $$"), Some(137));
    let output = place.run(&["submit", "--wait", "--time-limit", "300ms", "--", "sleep", "60"]);
    assert_eq!(output.status.code(), Some(125), "{}", String::from_utf8_lossy(&output.stderr));
    let output = place.run(&["submit", "--wait", "--", "no-such-program"]);
    assert_eq!(output.status.code(), Some(127), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_job_that_waits_says_why_and_can_be_killed() {
    let mut place = Place::serving(CONFIG);
    let blocker = place.says(&["submit", "--array", "8", "--cpus", "8", "--", "sleep", "600"]);
    let waits = place.says(&["submit", "--cpus", "2", "--", "true"]);
    let waits = waits.trim();
    place.until("the blockers run", |place| {
        place.jobs().iter().filter(|job| job["state"] == "running").count() == 8
    });
    place.until("it waits for room", |place| place.json(&["explain", waits])["reason"] == "making_room");
    let text = place.says(&["explain", waits]);
    assert!(
        text.contains("as many instances as are allowed") && text.contains("raise max_instances"),
        "{text}"
    );
    let running = blocker.lines().next().unwrap();
    place.says(&["kill", "--reason", "enough", running, waits]);
    place.until("both are cancelled", |place| {
        let state = |id: &str| place.json(&["job", id])["state"] == "cancelled";
        state(running) && state(waits)
    });
    assert_eq!(place.json(&["job", running])["reason"], "enough");
    assert!(place.fails(1, &["kill", waits]).contains("cancelled already"));
    let others: Vec<&str> = blocker.lines().skip(1).collect();
    place.says(&[&["kill"], &others[..]].concat());
    place.ends_with_nothing_left();
}

#[test]
fn instances_are_held_drained_and_killed() {
    let mut place = Place::serving(CONFIG);
    assert_eq!(place.run(&["submit", "--wait", "--", "true"]).status.code(), Some(0));
    let instance = place.json(&["instances"])[0]["id"].as_str().unwrap().to_owned();
    place.says(&["hold", &instance]);
    assert_eq!(place.json(&["instances"])[0]["idle_behavior"], "hold");
    // A held one takes no job: another is made.
    let job = place.says(&["submit", "--", "sleep", "600"]);
    place.until("the job runs", |place| place.json(&["job", job.trim()])["state"] == "running");
    let worker = place.json(&["job", job.trim()])["instance"].as_str().unwrap().to_owned();
    assert_ne!(worker, instance);
    // Its tag survives the program.
    place.kill();
    place.serve();
    place.until("it is held still", |place| {
        let instances = place.json(&["instances"]);
        let held = |row: &&serde_json::Value| row["id"] == *instance && row["idle_behavior"] == "hold";
        instances.as_array().unwrap().iter().filter(held).count() == 1
    });
    place.until("the job is taken up", |place| place.json(&["explain", job.trim()])["reason"] == "running");
    place.says(&["run", &instance]);
    place.says(&["drain", &instance]);
    place.says(&["kill-instance", &worker]);
    place.until("the job is queued again, and runs again", |place| {
        let detail = place.json(&["job", job.trim()]);
        detail["state"] == "running" && detail["runs"] == 2
    });
    place.says(&["kill", job.trim()]);
    assert!(place.fails(1, &["hold", "i-nothere"]).contains("i-nothere"));
    place.ends_with_nothing_left();
}

#[test]
fn output_is_followed_while_it_comes_and_kept_when_the_worker_is_lost() {
    let mut place = Place::serving(CONFIG);
    let script = "echo one; while [ ! -e \"$GO\" ]; do sleep 0.05; done; echo two; sleep 600";
    let go = place.path().join("go");
    let env = format!("GO={}", go.display());
    let id = place.says(&["submit", "--attempts", "1", "--env", &env, "--", "sh", "-c", script]);
    let id = id.trim();
    let mut follow = place.command(&["logs", "-f", id]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(follow.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "one");
    fs::write(&go, "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "two");
    let worker = place.json(&["job", id])["instance"].as_str().unwrap().to_owned();
    place.says(&["kill-instance", &worker]);
    assert!(lines.next().is_none(), "the end of the job is the end of its output");
    follow.wait().unwrap();
    place.until("it is given up", |place| place.json(&["job", id])["state"] == "cancelled");
    assert_eq!(place.json(&["job", id])["output"], "incomplete");
    let output = place.run(&["logs", id]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\ntwo\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("incomplete"), "and it is said");
    place.ends_with_nothing_left();
}

#[test]
fn p54_a_second_serve_says_who_has_the_lock_and_ends() {
    let place = Place::serving(CONFIG);
    let config = place.config();
    let said = place.fails(2, &["serve", "--config", config.to_str().unwrap()]);
    assert!(
        said.contains(&place.pid().to_string()) && said.contains("\"test\"") || said.contains("test"),
        "{said}"
    );
    assert_eq!(place.run(&["status"]).status.code(), Some(0), "the first one serves on");
}

#[test]
fn only_the_owner_can_reach_the_socket_and_commands_say_when_nobody_serves() {
    let mut place = Place::serving(CONFIG);
    let run = place.state().join("run");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&run), mode(&run.join("poold.sock"))), (0o700, 0o600));
    assert_eq!(place.stop(), Some(0), "{}", place.log());
    let said = place.fails(3, &["jobs"]);
    assert!(said.contains("poold serve"), "{said}");
}

#[test]
fn a_stop_lets_jobs_go_on_and_the_next_start_takes_them_up() {
    let mut place = Place::serving(CONFIG);
    let id = place.says(&["submit", "--", "sh", "-c", "sleep 2; echo survived"]);
    let id = id.trim();
    place.until("it runs", |place| place.json(&["job", id])["state"] == "running");
    assert_eq!(place.stop(), Some(0), "{}", place.log());
    std::thread::sleep(Duration::from_secs(2));
    place.serve();
    place.says(&["wait", id]);
    assert_eq!(place.says(&["logs", id]), "survived\n");
    assert_eq!(place.json(&["job", id])["attempts"], 1);
    place.ends_with_nothing_left();
}
