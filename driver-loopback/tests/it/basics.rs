//! An instance from its creation to its end.

use super::common::{
    self, Cloud,
    client::{Client, End},
    file, open, tags,
};
use pool_api::{InstanceSet, Lifecycle, ROOT_VARIABLE, Tags};
use russh::keys::{Algorithm, PrivateKey};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

#[tokio::test]
async fn an_instance_is_listed_at_once_and_runs_commands_when_it_has_booted() {
    let cloud = Cloud::new(json!({ "boot_time": "50ms" })).await;
    let created = cloud.set.create(cloud.request("")).await.unwrap();
    assert_eq!(created.lifecycle(), Lifecycle::Pending);
    assert_eq!(created.address(), None);
    let listed = cloud.list().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id(), created.id());
    assert_eq!(listed[0].tags(), &tags(&[("set", "test")]));
    assert_eq!(listed[0].power_off(), None);

    let running = cloud.until(created.id().as_str(), |i| i.lifecycle() == Lifecycle::Running).await;
    let client = cloud.connect(&*running).await;
    let output = client.run(format!("pwd; echo ${ROOT_VARIABLE}; echo oops >&2; exit 3")).await;
    assert_eq!(output.text(), format!("{0}\n{0}\n", running.root()));
    assert_eq!(output.stderr, b"oops\n");
    assert_eq!(output.end, End::Code(3));
    assert!(output.accepted);

    running.destroy().await.unwrap();
    assert!(client.handle.channel_open_session().await.is_err());
    assert!(Client::connect(&*running, &cloud.key).await.is_err());
    assert!(cloud.list().await.is_empty());
    assert!(!Path::new(running.root()).parent().unwrap().exists());
}

#[tokio::test]
async fn only_the_key_and_the_user_of_the_create_are_let_in() {
    let cloud = Cloud::new(json!({ "user": "pool-user" })).await;
    let instance = cloud.running("").await;
    let other = Arc::new(PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap());
    let refused = |result: Result<Client, russh::Error>| match result {
        Err(russh::Error::NotAuthenticated) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("was let in"),
    };
    refused(Client::connect(&*instance, &other).await);
    refused(Client::connect_as(&*instance, "root", &cloud.key).await);
    assert_eq!(cloud.connect(&*instance).await.run("true").await.end, End::Code(0));
}

#[tokio::test]
async fn the_init_command_runs_once_and_byte_for_byte() {
    let odd = "tab\t'single' \"double\" $HOME `id` \\n \\\\ é ☃ \u{1}\u{7f} %s !x * ~ # ;";
    let init = format!(
        "cat > \"${ROOT_VARIABLE}/odd\" <<'END'\n{odd}\nEND\necho once >> \"${ROOT_VARIABLE}/runs\"\necho said; pwd >&2\n"
    );
    let cloud = Cloud::new(Value::Null).await;
    let instance = cloud.running(&init).await;
    let root = Path::new(instance.root()).to_owned();
    assert_eq!(fs::read_to_string(root.join("odd")).unwrap(), format!("{odd}\n"));
    let log = fs::read_to_string(root.parent().unwrap().join("boot.log")).unwrap();
    assert_eq!(log, format!("said\n{}\n", instance.root()));
    // It held the secret.
    assert!(!root.parent().unwrap().join("init").exists());

    let cloud = cloud.reopen(Value::Null).await;
    cloud.until(instance.id().as_str(), |i| i.lifecycle() == Lifecycle::Running).await;
    assert_eq!(fs::read_to_string(root.join("runs")).unwrap(), "once\n");
}

#[tokio::test]
async fn the_same_token_makes_one_instance_also_at_once_and_after_a_restart() {
    let cloud = Cloud::new(Value::Null).await;
    let request = cloud.request("");
    let all = tokio::join!(
        cloud.set.create(request.clone()),
        cloud.set.create(request.clone()),
        cloud.set.create(request.clone()),
    );
    let ids = [all.0, all.1, all.2].map(|created| created.unwrap().id().clone());
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_ne!(cloud.set.create(cloud.request("")).await.unwrap().id(), &ids[0]);

    let cloud = cloud.reopen(Value::Null).await;
    assert_eq!(cloud.set.create(request).await.unwrap().id(), &ids[0]);
    assert_eq!(cloud.list().await.len(), 2);
}

#[tokio::test]
async fn a_restart_finds_instances_with_their_tags_host_keys_and_processes() {
    let cloud = Cloud::new(Value::Null).await;
    let before = cloud.running("").await;
    before.set_tags(&tags(&[("more", "after")])).await.unwrap();
    let client = cloud.connect(&*before).await;
    let host_key = client.host_key.clone();
    client.run("sleep 1000 > /dev/null 2>&1 & echo $! > pid").await;
    let pid = common::pid(&Path::new(before.root()).join("pid")).await;
    client.disconnect().await;

    let cloud = cloud.reopen(Value::Null).await;
    let listed = cloud.list().await;
    assert_eq!(listed.len(), 1);
    let after = &listed[0];
    assert_eq!(after.id(), before.id());
    assert_eq!(after.tags(), &tags(&[("set", "test"), ("more", "after")]));
    assert_eq!(after.address(), before.address(), "nobody else can have taken the port");
    assert_eq!(after.created(), before.created());
    assert_eq!(cloud.connect(&**after).await.host_key, host_key);
    assert!(common::is_alive(pid));
    after.destroy().await.unwrap();
    assert!(!common::is_alive(pid));
}

#[test]
fn a_crash_of_the_program_loses_no_instance() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let before = runtime();
    let (cloud, id, pid) = before.block_on(async {
        let cloud = Cloud::new(Value::Null).await;
        let instance = cloud.running("").await;
        let client = cloud.connect(&*instance).await;
        let root = Path::new(instance.root());
        let _channel = client.start("echo $$ > pid; trap '' PIPE; sleep 300 > /dev/null").await;
        (cloud, instance.id().as_str().to_owned(), common::pid(&root.join("pid")).await)
    });
    // Every task ends where it is; nothing is told to stop.
    before.shutdown_background();
    let Cloud { set, dir, key } = cloud;
    drop(set);
    runtime().block_on(async {
        let cloud = Cloud { set: open(dir.path(), Value::Null).await.unwrap(), dir, key };
        let instance = cloud.until(&id, |i| i.lifecycle() == Lifecycle::Running).await;
        assert!(common::is_alive(pid));
        assert_eq!(cloud.connect(&*instance).await.run("echo here").await.text(), "here\n");
        instance.destroy().await.unwrap();
        assert!(!common::is_alive(pid));
    });
}

#[tokio::test]
async fn an_init_command_that_a_restart_interrupts_goes_on_and_is_not_run_again() {
    let cloud = Cloud::new(Value::Null).await;
    let init = "echo ran >> runs; while ! test -e go; do sleep 0.01; done; echo done > done";
    let created = cloud.set.create(cloud.request(init)).await.unwrap();
    let root = Path::new(created.root());
    file(&root.join("runs")).await;
    let cloud = cloud.reopen(Value::Null).await;
    let instance = cloud.until(created.id().as_str(), |i| i.lifecycle() == Lifecycle::Running).await;
    assert_eq!(cloud.connect(&*instance).await.run("echo > go").await.end, End::Code(0));
    assert_eq!(file(&root.join("done")).await, "done");
    let cloud = cloud.reopen(Value::Null).await;
    assert_eq!(cloud.list().await[0].lifecycle(), Lifecycle::Running);
    assert_eq!(fs::read_to_string(root.join("runs")).unwrap(), "ran\n");
}

#[tokio::test]
async fn what_is_secret_is_readable_by_its_owner_only() {
    let cloud = Cloud::new(json!({ "boot_time": "1h" })).await;
    let created = cloud.set.create(cloud.request("echo secret")).await.unwrap();
    let dir = Path::new(created.root()).parent().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir), 0o700);
    for name in ["init", "ssh_host_ed25519_key", "authorized_keys", "instance.json"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    let record = fs::read_to_string(dir.join("instance.json")).unwrap();
    assert!(!record.contains("echo secret"), "{record}");
}

#[tokio::test]
async fn tags_are_kept_added_and_replaced_and_filter_the_list() {
    let cloud = Cloud::new(Value::Null).await;
    let instance = cloud.running("").await;
    cloud.running("").await;
    let both = tags(&[("set", "other"), ("é \"'\n", "värde")]);
    instance.set_tags(&both).await.unwrap();
    instance.set_tags(&both).await.unwrap();
    instance.set_tags(&Tags::new()).await.unwrap();
    assert_eq!(cloud.list().await.iter().filter(|i| i.tags() == &both).count(), 1);
    let count = async |pairs| cloud.set.instances(&tags(pairs)).await.unwrap().len();
    assert_eq!(count(&[("set", "other")]).await, 1);
    assert_eq!(count(&[("set", "test")]).await, 1);
    assert_eq!(count(&[("set", "none")]).await, 0);
    assert_eq!(count(&[]).await, 2);
}

#[tokio::test]
async fn a_directory_is_served_once_at_a_time() {
    let cloud = Cloud::new(Value::Null).await;
    let error = open(cloud.dir.path(), Value::Null).await.unwrap_err();
    assert!(error.problem.contains("served by another process"), "{error}");
    assert_eq!(error.field, cloud.dir.path().canonicalize().unwrap().display().to_string());
    drop(cloud.set);
    open(cloud.dir.path(), Value::Null).await.unwrap();
}

#[tokio::test]
async fn foreign_directories_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
    let error = open(dir.path(), Value::Null).await.unwrap_err();
    assert!(error.problem.contains("not empty") && error.problem.contains("LOOPBACK"), "{error}");
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.txt"]);

    let ours = Cloud::new(Value::Null).await;
    drop(ours.set);
    let mut other = common::context(ours.dir.path());
    other.instance_set = "other".try_into().unwrap();
    let error =
        driver_loopback::LoopbackInstanceSet::open(common::config(Value::Null), other).await.unwrap_err();
    assert!(error.problem.contains("the instance set test, not of other"), "{error}");

    fs::write(ours.dir.path().join("LOOPBACK"), r#"{"format":9,"instance_set":"test"}"#).unwrap();
    let error = open(ours.dir.path(), Value::Null).await.unwrap_err();
    assert!(error.problem.contains("format 9"), "{error}");
    fs::write(ours.dir.path().join("LOOPBACK"), "x").unwrap();
    assert!(open(ours.dir.path(), Value::Null).await.unwrap_err().field.ends_with("/LOOPBACK"));
}

#[tokio::test]
async fn a_create_that_a_crash_cut_short_leaves_nothing() {
    let cloud = Cloud::new(Value::Null).await;
    cloud.set.stop().await;
    drop(cloud.set);
    let half = cloud.dir.path().join("i-0123456789ab");
    fs::create_dir_all(half.join("root")).unwrap();
    let unrelated = cloud.dir.path().join("i-notes");
    fs::create_dir(&unrelated).unwrap();
    let set = open(cloud.dir.path(), Value::Null).await.unwrap();
    assert!(set.instances(&Tags::new()).await.unwrap().is_empty());
    assert!(!half.exists());
    assert!(unrelated.exists());
}

#[tokio::test]
async fn host_keys_are_vouched_for_when_configured() {
    use pool_api::{HostKey, HostKeyVerdict};
    let key_of = |key: &russh::keys::PublicKey| HostKey {
        openssh: key.to_openssh().unwrap(),
        fingerprint: key.fingerprint(russh::keys::HashAlg::Sha256).to_string(),
    };
    let cloud = Cloud::new(json!({ "vouch_for_host_keys": true })).await;
    assert!(cloud.set.capabilities().host_keys);
    let instance = cloud.running("").await;
    let own = cloud.connect(&*instance).await.host_key;
    assert_eq!(instance.verify_host_key(&key_of(&own)).await.unwrap(), HostKeyVerdict::Genuine);
    let other = key_of(cloud.key.public_key());
    assert_eq!(instance.verify_host_key(&other).await.unwrap(), HostKeyVerdict::Forged);

    let cloud = cloud.reopen(Value::Null).await;
    assert!(!cloud.set.capabilities().host_keys);
    let instance = &cloud.list().await[0];
    assert_eq!(instance.verify_host_key(&key_of(&own)).await.unwrap(), HostKeyVerdict::Unsupported);
}

#[tokio::test]
async fn after_stop_everything_is_refused_and_nothing_listens() {
    let cloud = Cloud::new(Value::Null).await;
    let instance = cloud.running("echo up > up").await;
    assert_eq!(file(&Path::new(instance.root()).join("up")).await, "up");
    cloud.set.stop().await;
    let error = instance.destroy().await.unwrap_err();
    assert_eq!(error.provider_code(), Some("Stopped"));
    assert!(Path::new(instance.root()).exists());
    assert!(Client::connect(&*instance, &cloud.key).await.is_err());
}
