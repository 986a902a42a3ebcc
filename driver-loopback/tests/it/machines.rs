//! Machines that go wrong by themselves, and boots that do.

use super::common::{
    self, Cloud, PATIENCE,
    client::{Client, End, collect},
    file, is_alive,
};
use pool_api::{HostKey, HostKeyVerdict, InstanceSet, Lifecycle};
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt, time::timeout};

#[tokio::test]
async fn only_the_machine_that_is_meant_breaks() {
    let cloud = Cloud::new(json!({ "faults": { "machines": [{ "nth": 2, "break_after": "50ms" }] } })).await;
    let first = cloud.running("").await;
    let second = cloud.running("").await;
    let said = file(&Path::new(second.root()).join("broken")).await;
    assert!(said.contains("breaks"), "{said}");
    assert!(!Path::new(first.root()).join("broken").exists());
}

#[tokio::test]
async fn a_machine_vanishes_with_its_processes_and_files() {
    let faults = json!({ "machines": [{ "provider_type": "small", "vanish_after": "1s" }] });
    let cloud = Cloud::new(json!({ "faults": faults })).await;
    let instance = cloud.running("sleep 300 & echo $! > pid").await;
    let pid = common::pid(&Path::new(instance.root()).join("pid")).await;
    cloud.until_gone(instance.id().as_str()).await;
    assert!(!is_alive(pid));
    assert!(!Path::new(instance.root()).exists());
    instance.destroy().await.unwrap();
}

#[tokio::test]
async fn a_machine_that_is_stopped_stays_listed_without_processes_also_for_the_next_program() {
    let faults = json!({ "machines": [{ "stop_after": "1s" }] });
    let cloud = Cloud::new(json!({ "faults": faults })).await;
    let instance = cloud.running("sleep 300 & echo $! > pid").await;
    let pid = common::pid(&Path::new(instance.root()).join("pid")).await;
    let id = instance.id().as_str();
    let stopped = cloud.until(id, |instance| instance.lifecycle() == Lifecycle::Stopped).await;
    assert!(!is_alive(pid));
    assert!(Path::new(stopped.root()).exists());
    let cloud = cloud.reopen(json!({})).await;
    let listed = cloud.list().await;
    assert_eq!(listed[0].lifecycle(), Lifecycle::Stopped);
    assert_eq!(listed[0].address(), None);
    listed[0].destroy().await.unwrap();
    assert!(cloud.list().await.is_empty());
}

#[tokio::test]
async fn a_machine_hangs_on_old_and_new_connections_and_can_be_destroyed() {
    let cloud = Cloud::new(json!({ "faults": { "machines": [{ "hang_after": "1500ms" }] } })).await;
    let instance = cloud.running("").await;
    let client = cloud.connect(&*instance).await;
    assert_eq!(client.run("echo here").await.text(), "here\n");
    let address = instance.address().unwrap().to_owned();
    // Hanging has begun when a new connection gets no greeting.
    let silent = async {
        loop {
            let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
            let mut greeting = [0; 4];
            match timeout(Duration::from_millis(300), stream.read_exact(&mut greeting)).await {
                Err(_) => return stream,
                Ok(read) => assert!(read.is_ok() && &greeting == b"SSH-"),
            }
        }
    };
    let mut stream = timeout(PATIENCE, silent).await.unwrap();
    let stuck = timeout(Duration::from_millis(300), client.handle.channel_open_session()).await;
    assert!(stuck.is_err(), "an old connection still answers");
    instance.destroy().await.unwrap();
    assert!(cloud.list().await.is_empty());
    // And those who wait learn of its end.
    assert!(!matches!(timeout(PATIENCE, stream.read(&mut [0])).await.unwrap(), Ok(1..)));
}

#[tokio::test]
async fn a_machine_drops_its_connections_once() {
    let cloud = Cloud::new(json!({ "faults": { "machines": [{ "drop_connections_after": "1s" }] } })).await;
    let instance = cloud.running("").await;
    let client = cloud.connect(&*instance).await;
    let channel = client.start("cat; echo ended > ended").await;
    let (mut reader, _writer) = channel.split();
    let output = timeout(PATIENCE, collect(&mut reader)).await.unwrap();
    assert_eq!(output.end, End::None);
    assert_eq!(file(&Path::new(instance.root()).join("ended")).await, "ended");
    assert_eq!(cloud.connect(&*instance).await.run("echo here").await.text(), "here\n");
}

#[tokio::test]
async fn a_machine_changes_its_host_key_for_good() {
    let faults = json!({ "machines": [{ "change_host_key_after": "1s" }] });
    let config = json!({ "vouch_for_host_keys": true, "faults": faults });
    let cloud = Cloud::new(config.clone()).await;
    let instance = cloud.running("").await;
    let client = cloud.connect(&*instance).await;
    let channel = client.start("cat").await;
    let (mut reader, _writer) = channel.split();
    timeout(PATIENCE, collect(&mut reader)).await.unwrap();
    let changed = cloud.connect(&*instance).await.host_key;
    assert_ne!(changed, client.host_key);
    let key = HostKey { openssh: changed.to_openssh().unwrap(), fingerprint: String::new() };
    assert_eq!(instance.verify_host_key(&key).await.unwrap(), HostKeyVerdict::Genuine);

    let cloud = cloud.reopen(config).await;
    let instance = &cloud.list().await[0];
    assert_eq!(cloud.connect(&**instance).await.host_key, changed);
}

#[tokio::test]
async fn a_machine_reboots_once_and_keeps_its_files() {
    let config = json!({ "faults": { "machines": [{ "nth": 1, "reboot_after": "1s" }] } });
    let cloud = Cloud::new(config.clone()).await;
    let instance = cloud.running("echo ran >> ran; setsid sleep 300 > /dev/null 2>&1 & echo $! > pid").await;
    let spared = cloud.running("sleep 300 > /dev/null 2>&1 & echo $! > pid").await;
    let root = Path::new(instance.root());
    let pid = common::pid(&root.join("pid")).await;
    let channel = cloud.connect(&*instance).await.start("sleep 300").await;
    let (mut reader, _writer) = channel.split();
    timeout(PATIENCE, collect(&mut reader)).await.unwrap();
    // It has rebooted when it lets us in again, and does not before.
    let rebooted = async {
        loop {
            match Client::connect(&*instance, &cloud.key).await {
                Ok(client) => return client,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let client = timeout(PATIENCE, rebooted).await.unwrap();
    assert!(!is_alive(pid));
    client.run("sleep 300 > /dev/null 2>&1 & echo $! > second").await;
    let second = common::pid(&root.join("second")).await;
    assert!(is_alive(common::pid(&Path::new(spared.root()).join("pid")).await));

    let cloud = cloud.reopen(config).await;
    let again = cloud.until(instance.id().as_str(), |_| true).await;
    assert_eq!(cloud.connect(&*again).await.run("cat ran").await.text(), "ran\n");
    assert!(is_alive(second), "it has rebooted again");
    for instance in cloud.list().await {
        instance.destroy().await.unwrap();
    }
}

/// What a runner has on a worker, in little: a daemon, and a keeper in a session of its own with a job that is in no
/// directory of the instance.
const RUNNER: &str = r#"
mkdir -p runner/runs/a#1/work && cd runner && mkfifo runs/a#1/control
setsid sleep 300 > /dev/null 2>&1 & echo $! > ../daemon
setsid sh -c '
    (cd runs/a#1/work && exec env -i sleep 300) > /dev/null 2>&1 & echo $! > ../job
    (cd / && exec env -i sleep 300) > /dev/null 2>&1 & echo $! > ../elsewhere
    wait
' <> runs/a#1/control > /dev/null 2>&1 & echo $! > ../keeper
"#;

#[tokio::test]
async fn the_runs_of_a_machine_are_killed_and_nothing_else() {
    let cloud =
        Cloud::new(json!({ "faults": { "machines": [{ "nth": 1, "kill_jobs_after": "1s" }] } })).await;
    let instance = cloud.running(RUNNER).await;
    let spared = cloud.running(RUNNER).await;
    let pid = async |instance: &dyn pool_api::Instance, name: &str| {
        common::pid(&Path::new(instance.root()).join(name)).await
    };
    let client = cloud.connect(&*instance).await;
    let channel = client.start("cd runner && exec cat").await;
    for name in ["keeper", "job", "elsewhere"] {
        let pid = pid(&*instance, name).await;
        let ended = async {
            while is_alive(pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("the {name} is alive"));
    }
    assert!(is_alive(pid(&*instance, "daemon").await));
    for name in ["keeper", "job", "elsewhere", "daemon"] {
        assert!(is_alive(pid(&*spared, name).await), "the {name} of another instance");
    }
    let (mut reader, writer) = channel.split();
    writer.data_bytes(b"still here".to_vec()).await.unwrap();
    writer.eof().await.unwrap();
    assert_eq!(timeout(PATIENCE, collect(&mut reader)).await.unwrap().text(), "still here");
    for instance in cloud.list().await {
        instance.destroy().await.unwrap();
    }
}

#[tokio::test]
async fn no_runner_can_be_put_on_a_machine_that_is_to_be_without_one() {
    let cloud = Cloud::new(json!({ "faults": { "machines": [{ "nth": 2, "without_runner": true }] } })).await;
    for (number, takes) in [(1, true), (2, false)] {
        let instance = cloud.running("echo ran > ran").await;
        assert_eq!(file(&Path::new(instance.root()).join("ran")).await, "ran", "all else is well");
        let client = cloud.connect(&*instance).await;
        for directory in ["bin", "runner"] {
            let made = client.run(format!("mkdir -p {}/{directory}", instance.root())).await;
            assert_eq!(made.end == End::Code(0), takes, "{directory} of instance {number}: {made:?}");
        }
        instance.destroy().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_boot_is_listed_as_failed_and_can_be_destroyed() {
    let cloud = Cloud::new(json!({ "faults": { "boots": { "failed_boot_rate": 1.0 } } })).await;
    let created = cloud.set.create(cloud.request("echo ran > ran")).await.unwrap();
    let failed = cloud.until(created.id().as_str(), |i| i.lifecycle() == Lifecycle::Failed).await;
    assert_eq!(failed.address(), None);
    assert!(!Path::new(failed.root()).join("ran").exists());
    let cloud = cloud.reopen(json!({})).await;
    let failed = &cloud.list().await[0];
    assert_eq!((failed.lifecycle(), failed.address()), (Lifecycle::Failed, None));
    failed.destroy().await.unwrap();
    assert!(cloud.list().await.is_empty());
}

#[tokio::test]
async fn slow_boots_take_as_much_longer_as_configured() {
    let boots = json!({ "slow_boot_rate": 1.0, "slow_boot": "200ms" });
    let cloud = Cloud::new(json!({ "boot_time": "100ms", "faults": { "boots": boots } })).await;
    let began = Instant::now();
    cloud.running("").await;
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_wrong_host_has_another_key_and_another_secret_also_after_a_restart() {
    let secret = "8c1f".repeat(10);
    let faults = json!({ "boots": { "wrong_host_rate": 1.0 } });
    let config = json!({ "vouch_for_host_keys": true, "faults": faults });
    let cloud = Cloud::new(config.clone()).await;
    let instance = cloud.running(&format!("echo {secret} > secret")).await;
    let found = file(&Path::new(instance.root()).join("secret")).await;
    assert_ne!(found, secret);
    assert_eq!(found.len(), secret.len());
    let shown = cloud.connect(&*instance).await.host_key;
    let key = HostKey { openssh: shown.to_openssh().unwrap(), fingerprint: String::new() };
    assert_eq!(instance.verify_host_key(&key).await.unwrap(), HostKeyVerdict::Forged);

    let cloud = cloud.reopen(config).await;
    let instance = &cloud.list().await[0];
    assert_eq!(cloud.connect(&**instance).await.host_key, shown);
}

#[tokio::test]
async fn a_boot_that_a_restart_cut_short_is_done_by_the_next_process() {
    let cloud = Cloud::new(json!({ "boot_time": "1h" })).await;
    let created = cloud.set.create(cloud.request("echo ran >> ran")).await.unwrap();
    let waiting = cloud.reopen(json!({})).await;
    // How long it takes was decided when it was created.
    assert_eq!(waiting.list().await[0].lifecycle(), Lifecycle::Pending);
    created.destroy().await.unwrap_err();

    let cloud = Cloud::new(json!({ "boot_time": "1s" })).await;
    let created = cloud.set.create(cloud.request("echo ran >> ran")).await.unwrap();
    let cloud = cloud.reopen(json!({})).await;
    let running = cloud.until(created.id().as_str(), |i| i.lifecycle() == Lifecycle::Running).await;
    assert_eq!(file(&Path::new(running.root()).join("ran")).await, "ran");
    assert!(Client::connect(&*running, &cloud.key).await.is_ok());
}
