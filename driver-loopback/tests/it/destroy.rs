//! What destroying an instance ends, and what it leaves alone.

use super::common::{self, Cloud, is_alive};
use pool_api::{Instance, InstanceSet, Lifecycle, Tags};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

/// An instance on which this has been run, and the process whose number that has written to `pid`. The command has
/// ended when the number is there, unless it says otherwise.
async fn with_process(cloud: &Cloud, line: &str) -> (Arc<dyn Instance>, u32) {
    let instance = cloud.running("").await;
    let client = cloud.connect(&*instance).await;
    let channel = client.start(line).await;
    let pid = common::pid(&Path::new(instance.root()).join("pid")).await;
    assert!(is_alive(pid));
    drop(channel);
    client.disconnect().await;
    (instance, pid)
}

fn dir_of(instance: &dyn Instance) -> PathBuf {
    Path::new(instance.root()).parent().unwrap().to_owned()
}

/// A process of the test's own, which must survive.
struct Bystander(Child);

impl Bystander {
    fn new(dir: &Path, marker: Option<&Path>) -> Self {
        let mut command = Command::new("sleep");
        command.arg("300").current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(marker) = marker {
            command.env("POOL_LOOPBACK_INSTANCE", marker);
        }
        Self(command.spawn().unwrap())
    }

    fn is_alive(&self) -> bool {
        is_alive(self.0.id())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

const QUIET: &str = "</dev/null >/dev/null 2>&1";

#[tokio::test]
async fn destroy_ends_every_kind_of_process_and_removes_every_file() {
    // Each is one way to be left alone.
    let ways = [
        ("in the foreground", "echo $$ > pid.new; mv pid.new pid; exec sleep 300".to_owned()),
        ("in the background", format!("sleep 300 {QUIET} & echo $! > pid")),
        ("deaf", format!("sh -c 'trap \"\" HUP INT TERM; echo $$ > pid; while :; do sleep 300; done' {QUIET} &")),
        ("in a session of its own", format!("setsid sh -c 'echo $$ > pid; exec sleep 300' {QUIET} &")),
        (
            "a daemon elsewhere",
            format!("(setsid sh -c 'd=$PWD; cd /; sleep 300 & echo $! > $d/pid' {QUIET} &)"),
        ),
        (
            "without environment, child of a living process",
            format!("sh -c 'd=$PWD; cd /; env -i setsid sleep 300 & echo $! > $d/pid; sleep 300' {QUIET} &"),
        ),
        (
            "without environment, orphan, in the directory",
            format!("env -i setsid sh -c 'sleep 300 & echo $! > pid' {QUIET} &"),
        ),
        (
            "without environment, orphan, elsewhere, with a file open",
            "touch open; env -i setsid sh -c 'd=$PWD; cd /; sleep 300 & echo $! > $d/pid' </dev/null >/dev/null 2>open &"
                .to_owned(),
        ),
        (
            "without environment, orphan, elsewhere, in the group of a living process",
            // The kernel sends HUP to a group that loses its leader while members are stopped.
            format!("trap '' HUP; d=$PWD; cd /; (env -i sleep 300 {QUIET} & echo $! > $d/pid); sleep 300"),
        ),
        (
            "without environment, orphan, elsewhere, its program in the directory",
            // Until it is that program, nothing connects it with the instance.
            format!(
                "cp /bin/sleep ./zzz; env -i setsid sh -c 'd=$PWD; cd /; $d/zzz 300 & p=$!; \
                 until readlink /proc/$p/exe | grep -q /zzz; do :; done; echo $p > $d/pid' {QUIET} &"
            ),
        ),
        ("with others coming all the time", format!("sh -c 'echo $$ > pid; while :; do sleep 300 & sleep 0.01; done' {QUIET} &")),
    ];
    let cloud = Cloud::new(Value::Null).await;
    for (what, line) in ways {
        let (instance, pid) = with_process(&cloud, &line).await;
        instance.destroy().await.unwrap();
        assert!(!is_alive(pid), "{what}");
        assert!(!dir_of(&*instance).exists(), "{what}");
        assert!(processes_of(&dir_of(&*instance)).is_empty(), "{what}");
    }
    assert!(cloud.list().await.is_empty());
    let left: Vec<_> = fs::read_dir(cloud.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the marker and the lock: {left:?}");
}

/// By the marker alone, independently of the driver's own search.
fn processes_of(dir: &Path) -> Vec<u32> {
    let marker = format!("POOL_LOOPBACK_INSTANCE={}", dir.display());
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|v| v == marker.as_bytes()) && is_alive(*pid)
    })
    .collect()
}

#[tokio::test]
async fn destroy_leaves_others_alone() {
    let cloud = Cloud::new(Value::Null).await;
    let other_cloud = Cloud::new(Value::Null).await;
    let (instance, pid) = with_process(&cloud, &format!("sleep 300 {QUIET} & echo $! > pid")).await;
    let dir = dir_of(&*instance);
    let (neighbour, neighbours) = with_process(&cloud, &format!("sleep 300 {QUIET} & echo $! > pid")).await;
    let (stranger, strangers) =
        with_process(&other_cloud, &format!("sleep 300 {QUIET} & echo $! > pid")).await;
    let elsewhere = Bystander::new(Path::new("/"), None);
    let visitor = Bystander::new(&dir, Some(&dir_of(&*neighbour)));
    // This very process holds a file of the instance, as a pool that runs on the same machine may.
    let held = fs::File::open(dir.join("instance.json")).unwrap();

    instance.destroy().await.unwrap();
    assert!(!is_alive(pid));
    assert!(is_alive(neighbours));
    assert!(is_alive(strangers));
    assert!(elsewhere.is_alive());
    assert!(visitor.is_alive(), "a process of another instance is that instance's");
    drop(held);
    assert_eq!(cloud.list().await.len(), 1);
    assert_eq!(other_cloud.list().await.len(), 1);
    assert!(dir_of(&*neighbour).exists());
    assert_eq!(cloud.connect(&*neighbour).await.run("echo here").await.text(), "here\n");
    drop(visitor);
    neighbour.destroy().await.unwrap();
    stranger.destroy().await.unwrap();
    assert!(elsewhere.is_alive());
}

#[tokio::test]
async fn destroy_can_be_asked_again_at_once_later_and_of_what_never_booted() {
    let cloud = Cloud::new(json!({ "boot_time": "1h" })).await;
    let pending = cloud.set.create(cloud.request("")).await.unwrap();
    let all = tokio::join!(pending.destroy(), pending.destroy(), pending.destroy());
    all.0.and(all.1).and(all.2).unwrap();
    pending.destroy().await.unwrap();
    assert!(cloud.list().await.is_empty());
    let error = pending.set_tags(&Tags::new()).await.unwrap_err();
    assert_eq!(error.kind(), pool_api::ErrorKind::NotFound);
}

#[tokio::test]
async fn an_init_command_that_never_ends_is_ended_too() {
    let cloud = Cloud::new(Value::Null).await;
    let created = cloud.set.create(cloud.request("echo $$ > pid; sleep 300")).await.unwrap();
    let pid = common::pid(&Path::new(created.root()).join("pid")).await;
    assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Pending);
    created.destroy().await.unwrap();
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_slow_shutdown_is_listed_as_stopping_while_jobs_go_on() {
    let config = json!({ "shutdown_time": "1s" });
    let cloud = Cloud::new(config).await;
    let (instance, pid) = with_process(&cloud, &format!("sleep 300 {QUIET} & echo $! > pid")).await;
    instance.destroy().await.unwrap();
    instance.destroy().await.unwrap();
    assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Stopping);
    assert!(is_alive(pid));
    assert_eq!(cloud.connect(&*instance).await.run("echo here").await.text(), "here\n");
    cloud.until_gone(instance.id().as_str()).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_destroy_that_a_restart_cut_short_is_finished() {
    let cloud = Cloud::new(json!({ "shutdown_time": "1h" })).await;
    let (instance, pid) = with_process(&cloud, &format!("sleep 300 {QUIET} & echo $! > pid")).await;
    instance.destroy().await.unwrap();
    let cloud = cloud.reopen(json!({ "shutdown_time": "1h" })).await;
    cloud.until_gone(instance.id().as_str()).await;
    assert!(!is_alive(pid));
    assert!(!dir_of(&*instance).exists());
}

#[tokio::test]
async fn dropping_a_destroy_does_not_stop_it() {
    let cloud = Cloud::new(Value::Null).await;
    let (instance, pid) = with_process(&cloud, &format!("sleep 300 {QUIET} & echo $! > pid")).await;
    {
        let mut destroying = instance.destroy();
        let once =
            std::future::poll_fn(|cx| std::task::Poll::Ready(destroying.as_mut().poll(cx).is_pending()));
        assert!(once.await, "it was not waiting for anything");
    }
    cloud.until_gone(instance.id().as_str()).await;
    assert!(!is_alive(pid));
}
