//! The demo, as a newcomer runs it, and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

fn demo(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poold"));
    command.args(["demo", "--json", "--state-dir"]).arg(state).env_remove("POOLD_LOG");
    command
}

/// Processes that have this text in their command line, environment or current directory.
fn processes_of(state: &Path) -> Vec<String> {
    let needle = state.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        if name == *std::process::id().to_string()
            || !name.to_string_lossy().bytes().all(|b| b.is_ascii_digit())
        {
            continue;
        }
        let text =
            |file: &str| fs::read(entry.path().join(file)).map(|b| String::from_utf8_lossy(&b).into_owned());
        let link = |file: &str| fs::read_link(entry.path().join(file)).map(|p| p.display().to_string());
        let all = [text("cmdline"), text("environ"), link("cwd"), link("exe")].map(Result::unwrap_or_default);
        if all.iter().any(|part| part.contains(needle)) {
            found.push(format!("{} {}", name.display(), all[0].replace('\0', " ")));
        }
    }
    found
}

fn instance_directories(state: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(state.join("loopback")) else { return Vec::new() };
    entries
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| n.starts_with("i-"))
        .collect()
}

#[test]
fn it_shows_every_kind_of_end_and_leaves_nothing_but_its_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let output = demo(&state).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(output.status.code(), Some(0), "{said}\n{summary:#}");
    assert_eq!(summary["as_expected"], true);

    let jobs = summary["jobs"].as_array().unwrap();
    let of_kind = |kind: &str| jobs.iter().filter(|job| job["result"]["is"] == kind).count();
    assert!(of_kind("succeeded") >= 25 && of_kind("failed") == 3, "{summary:#}");
    assert_eq!((of_kind("killed"), of_kind("not_started")), (2, 1), "one by the demo, one by its time limit");
    assert!(jobs.iter().all(|job| job["as_expected"] == true));

    let instances = summary["instances"].as_object().unwrap();
    assert!(instances.values().all(|i| i["gone"].is_number() && i["destroyed"].is_string()), "{summary:#}");
    assert_eq!(instances.values().filter(|i| i["broken"].is_string()).count(), 1, "one breaks on the way");
    assert!(instances.values().all(|i| i["instance_type"] != "scarce"), "the cheapest has no capacity");
    assert!(!summary["failed_calls"].as_object().unwrap().is_empty(), "its refusals are counted");
    let cost: f64 = instances.values().map(|i| i["cost"].as_f64().unwrap()).sum();
    assert!(cost > 0.0 && (summary["cost"].as_f64().unwrap() - cost).abs() < 1e-9);

    // The result is what any other program would count.
    let texts = fs::read_dir(state.join("inputs")).unwrap().flatten();
    let words: usize = texts
        .map(|file| {
            let text = fs::read_to_string(file.path()).unwrap();
            text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).count()
        })
        .sum();
    assert_eq!(summary["words"]["files"], 12);
    // `tr` prints an empty line for each file that begins with something else than a letter.
    let counted = usize::try_from(summary["words"]["words"].as_u64().unwrap()).unwrap();
    assert!((words..=words + 12).contains(&counted), "{counted} counted, {words} there");

    assert!(state.join("outputs/sum-01.stdout").exists());
    assert_eq!(fs::read_to_string(state.join("outputs/sum-01.stderr")).unwrap(), "");
    let failed = fs::read_to_string(state.join("outputs/fail-04.stderr")).unwrap();
    assert!(failed.contains("no such column"), "{failed}");
    assert_eq!(instance_directories(&state), Vec::<String>::new());
    assert_eq!(processes_of(&state), Vec::<String>::new());
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits for something that no event tells of, in another program.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_demo_that_is_killed_is_cleaned_up_by_the_next_in_the_same_directory() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut first = KillOnDrop(demo(&state).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = first.0.stderr.take().unwrap();
    let mut said = String::new();
    until("a ready instance", || {
        let mut bytes = [0; 512];
        let count = log.read(&mut bytes).unwrap();
        said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        said.contains(" ready")
    });
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert_ne!(instance_directories(&state), Vec::<String>::new(), "it left instances behind");

    let second = demo(&state).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(0), "{said}");
    assert_eq!(instance_directories(&state), Vec::<String>::new());
    assert_eq!(processes_of(&state), Vec::<String>::new());
}

#[test]
fn an_interrupted_demo_destroys_its_instances() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut child = KillOnDrop(demo(&state).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = child.0.stderr.take().unwrap();
    let mut said = String::new();
    until("a ready instance", || {
        let mut bytes = [0; 512];
        let count = log.read(&mut bytes).unwrap();
        said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        said.contains(" ready")
    });
    let pid = child.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    // Read to the end, so that it is never held up by a full pipe.
    log.read_to_string(&mut said).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(130), "{said}");
    assert_eq!(instance_directories(&state), Vec::<String>::new());
    assert_eq!(processes_of(&state), Vec::<String>::new());
}

#[test]
fn with_restart_it_kills_the_dispatcher_and_shows_that_nothing_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let output = demo(&state).arg("--restart").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(output.status.code(), Some(0), "{said}\n{summary:#}");
    assert!(summary["running"].as_u64().unwrap() > 0, "it was killed while jobs ran");
    assert_eq!(summary["taken_up"], summary["running"]);
    assert_eq!(summary["complete"], summary["jobs"]);
    assert_eq!((&summary["begun_again"], &summary["ran_twice_at_once"]), (&0.into(), &0.into()));
    assert_eq!(processes_of(&state), Vec::<String>::new());
}
