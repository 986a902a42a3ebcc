//! Which job goes where and when, as the configuration says.

use super::support::{CONFIG, Place, brisk};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn with(options: &str) -> String {
    brisk().replace("instance_set =", &format!("{options}\ninstance_set ="))
}

fn only(instances: u32) -> String {
    brisk().replace("max_instances = 8", &format!("max_instances = {instances}"))
}

/// Waits until a file is there, and then says in another that it was.
fn waits_for(go: &Path) -> String {
    format!("while [ ! -e {} ]; do sleep 0.05; done", go.display())
}

impl Place {
    fn go(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn instances(&self) -> Vec<Value> {
        let Value::Array(rows) = self.json(&["instances"]) else { panic!("no array") };
        rows
    }

    #[track_caller]
    fn reason(&self, id: &str) -> String {
        self.json(&["explain", id])["reason"].as_str().unwrap().to_owned()
    }
}

#[test]
fn p51_jobs_go_by_priority_and_then_by_age() {
    let mut place = Place::serving(&only(1));
    let go = place.go("go");
    let blocks = place.submit(&["--cpus", "8"], &["sh", "-c", &waits_for(&go)]);
    place.until_state(&blocks, "running");
    let order = place.path().join("order");
    let mut ids = Vec::new();
    for (name, priority) in
        [("low", "1"), ("first", "100"), ("high", "900"), ("second", "100"), ("never", "0")]
    {
        let say = format!("echo {name} >> {}", order.display());
        ids.push(place.submit(&["--cpus", "8", "--priority", priority, "--name", name], &["sh", "-c", &say]));
    }
    assert_eq!(place.json(&["explain", &ids[0]])["ahead"], 3, "those that come before it, and not the last");
    // The last comes first, but for the one that is not to run.
    place.says(&["priority", "1000", &ids[0]]);
    fs::write(&go, "").unwrap();
    for id in &ids[..4] {
        place.until_state(id, "complete");
    }
    assert_eq!(fs::read_to_string(&order).unwrap(), "low\nhigh\nfirst\nsecond\n");
    assert_eq!(place.job(&ids[4])["state"], "queued");
    let why = place.says(&["explain", &ids[4]]);
    assert!(why.contains("priority"), "{why}");
    place.ends_with_nothing_left();
}

#[test]
fn a_groups_limit_holds_back_its_own_jobs_and_no_others() {
    let mut place = Place::serving(&format!("{}\n[scheduler.groups.night]\nmax_jobs = 1\n", brisk()));
    let go = place.go("go");
    let script = waits_for(&go);
    let first = place.submit(&["--group", "night"], &["sh", "-c", &script]);
    place.until_state(&first, "running");
    let second = place.submit(&["--group", "night"], &["sh", "-c", &script]);
    let other = place.submit(&["--group", "day"], &["true"]);
    place.until_state(&other, "complete");
    place.until("its group holds it back", |place| place.reason(&second) == "group_limit");
    let why = place.says(&["explain", &second]);
    assert!(why.contains("night"), "{why}");
    fs::write(&go, "").unwrap();
    let first = place.until_state(&first, "complete");
    let second = place.until_state(&second, "complete");
    assert!(second["locked_at"].as_str() >= first["ended_at"].as_str(), "{first:#} {second:#}");
    place.ends_with_nothing_left();
}

#[test]
fn several_jobs_share_an_instance_that_has_room_for_them() {
    let mut place = Place::serving(&only(1));
    let go = place.go("go");
    let ids = place.says(&["submit", "--cpus", "2", "--array", "5", "--", "sh", "-c", &waits_for(&go)]);
    let ids: Vec<&str> = ids.lines().collect();
    // Of the only instance, whichever type it has, all that fit run, and no more.
    place.until("it is full", |place| {
        let instances = place.instances();
        let [instance] = &instances[..] else { return false };
        let cpus = if instance["instance_type"] == "large" { 4 } else { 1 };
        instance["running_jobs"].as_array().unwrap().len() == cpus
    });
    fs::write(&go, "").unwrap();
    for id in ids {
        place.until_state(id, "complete");
    }
    place.ends_with_nothing_left();
}

#[test]
fn with_one_job_an_instance_each_job_has_a_fresh_one() {
    let mut place = Place::serving(&with("max_jobs_per_instance = 1"));
    let ids = place.says(&["submit", "--array", "4", "--", "true"]);
    let mut instances = BTreeSet::new();
    for id in ids.lines() {
        let job = place.until_state(id, "complete");
        instances.insert(job["instance"].as_str().unwrap().to_owned());
    }
    assert_eq!(instances.len(), 4, "{instances:?}");
    place.ends_with_nothing_left();
}

#[test]
fn min_idle_keeps_workers_longer_than_they_may_idle_and_no_more_of_them() {
    let mut place = Place::serving(&with("min_idle = { small = 2 }"));
    place.until("two are there without a job, and stay", |place| {
        let instances = place.instances();
        let stay = |row: &Value| row["instance_type"] == "small" && row["idle_seconds"].as_f64() > Some(2.0);
        instances.len() == 2 && instances.iter().all(stay)
    });
    let large = place.submit(&["--cpus", "8"], &["true"]);
    place.until_state(&large, "complete");
    place.until("the other one goes", |place| place.instances().len() == 2);
    assert!(place.instances().iter().all(|row| row["instance_type"] == "small"));
    assert_eq!(place.stop(), Some(0), "{}", place.log());
    place.configure(&brisk());
    place.serve();
    place.ends_with_nothing_left();
}

#[test]
fn no_more_is_spent_an_hour_than_allowed() {
    // Two small ones, or none of the large.
    let mut place = Place::serving(&with("max_price_per_hour = 0.025"));
    let go = place.go("go");
    let ids = place.says(&["submit", "--cpus", "2", "--array", "4", "--", "sh", "-c", &waits_for(&go)]);
    let ids: Vec<&str> = ids.lines().collect();
    place.until_state(ids[0], "running");
    place.until_state(ids[1], "running");
    place.until("the spending holds them back", |place| {
        let price = place.json(&["status"])["price_per_hour"].as_f64().unwrap();
        assert!(price <= 0.025, "{price}");
        place.reason(ids[3]) == "price_cap"
    });
    let large = place.submit(&["--cpus", "8"], &["true"]);
    place.until("so they do what could not run at all", |place| place.reason(&large) == "price_cap");
    place.says(&["kill", &large]);
    fs::write(&go, "").unwrap();
    for id in ids {
        assert_eq!(place.until_state(id, "complete")["instance_type"], "small");
    }
    place.ends_with_nothing_left();
}

#[test]
fn an_instance_that_is_too_old_ends_its_job_and_gets_no_other() {
    let mut place = Place::new(&with("max_lifetime = \"2s\"")).with_small_runner();
    place.serve();
    let go = place.go("go");
    let old = place.submit(&["--cpus", "1"], &["sh", "-c", &waits_for(&go)]);
    place.until_state(&old, "running");
    let instance = place.job(&old)["instance"].clone();
    place.until("it is too old", |place| {
        place.instances().iter().any(|row| row["id"] == instance && row["idle_behavior"] == "drain")
            || place.says(&["instances"]).contains("old")
    });
    let new = place.submit(&["--cpus", "1"], &["true"]);
    assert_ne!(place.until_state(&new, "complete")["instance"], instance);
    fs::write(&go, "").unwrap();
    let job = place.until_state(&old, "complete");
    assert_eq!((&job["runs"], &job["instance"]), (&1.into(), &instance), "{job:#}");
    place.ends_with_nothing_left();
}

#[test]
fn a_drained_instance_ends_its_job_and_goes() {
    let mut place = Place::serving(&CONFIG.replace("timeout_idle = \"2s\"", "timeout_idle = \"1h\""));
    let go = place.go("go");
    let id = place.submit(&["--cpus", "1"], &["sh", "-c", &waits_for(&go)]);
    let instance = place.until_state(&id, "running")["instance"].as_str().unwrap().to_owned();
    place.says(&["drain", &instance]);
    let other = place.submit(&["--cpus", "1"], &["true"]);
    let other = place.until_state(&other, "complete")["instance"].clone();
    assert_ne!(other, *instance, "it gets no more");
    assert_eq!(place.job(&id)["state"], "running");
    fs::write(&go, "").unwrap();
    assert_eq!(place.until_state(&id, "complete")["runs"], 1);
    place.until("it goes", |place| place.instances().iter().all(|row| row["id"] != *instance));
    // The other would stay for an hour.
    place.says(&["drain", other.as_str().unwrap()]);
    place.ends_with_nothing_left();
}

#[test]
fn variables_win_over_the_configuration() {
    let mut place = Place::new(&brisk())
        .with_variable("POOLD__POOL__MAX_INSTANCES", "1")
        .with_variable("POOLD__QUEUE__MAX_JOBS", "3");
    place.serve();
    let go = place.go("go");
    let ids = place.says(&["submit", "--cpus", "8", "--array", "2", "--", "sh", "-c", &waits_for(&go)]);
    let ids: Vec<&str> = ids.lines().collect();
    place.until_state(ids[0], "running");
    place.until("it waits for the only instance", |place| {
        place.says(&["explain", ids[1]]).contains("max_instances")
    });
    let said = place.fails(1, &["submit", "--array", "2", "--", "true"]);
    assert!(said.contains("room for 1 more") && said.contains("queue.max_jobs"), "{said}");
    fs::write(&go, "").unwrap();
    for id in ids {
        place.until_state(id, "complete");
    }
    place.ends_with_nothing_left();

    let place = Place::new(&brisk()).with_variable("POOLD__POOL__MAX_INSTANCES", "many");
    let config = place.config();
    let said = place.fails(2, &["serve", "--config", config.to_str().unwrap()]);
    assert!(said.contains("POOLD__POOL__MAX_INSTANCES"), "{said}");
}
