//! Root, and a user that becomes root through sudo, on OpenSSH's own server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use executor_ssh::PrivateKey;
use pool_api::{ChannelEvent, Command, Executor, ExecutorError, ExitStatus, Privilege};
use std::{fs, os::unix::fs::PermissionsExt, process};
use support::{
    executor,
    sshd::{Sshd, is_root},
    target, text,
};

/// Made by the tests, and left there: making it is not worth repeating.
const USER: &str = "pooltest";

/// False, with a word why, where these tests cannot run; a failure where they must.
fn can_add_users() -> bool {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(is_root() || !ci, "these tests add a user and log in as root: CI must run them as root");
    if !is_root() {
        eprintln!("NOT TESTED: logging in as root and through sudo needs a run as root");
    }
    is_root()
}

/// A user without password who may do everything through sudo. May be called at the same time by many.
fn add_user() {
    assert!(
        fs::exists("/usr/bin/sudo").unwrap(),
        "sudo is missing: install it (apt-get install sudo, dnf install sudo)"
    );
    // `*` instead of the default `!`: no password fits either, but the account is not locked for sshd.
    let arguments = ["--system", "--shell", "/bin/sh", "--password", "*", "--home-dir", "/tmp", USER];
    let output = process::Command::new("useradd").args(arguments).output().unwrap();
    // useradd(8): 9 says that it exists already, 1 that another useradd holds the lock.
    let exists = || process::Command::new("id").arg(USER).output().unwrap().status.success();
    let known = output.status.success() || output.status.code() == Some(9) || exists();
    assert!(known, "{}", String::from_utf8_lossy(&output.stderr));

    let own = format!("/etc/sudoers.d/.{USER}-{}-{:?}", process::id(), std::thread::current().id());
    fs::write(&own, format!("{USER} ALL=(ALL) NOPASSWD: ALL\n")).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o440)).unwrap();
    // sudo ignores names with a dot; this one it reads whole or not at all.
    fs::rename(&own, format!("/etc/sudoers.d/{USER}")).unwrap();
}

#[tokio::test]
async fn commands_run_as_root() {
    if !can_add_users() {
        return;
    }
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let executor = executor(&key, target(&sshd.address, "root", Privilege::Own));
    assert_eq!(text(&executor.execute(Command::new("id -un")).await.unwrap()), "root\n");
}

#[tokio::test]
async fn sudo_runs_lines_as_they_are() {
    if !can_add_users() {
        return;
    }
    add_user();
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let own = executor(&key, target(&sshd.address, USER, Privilege::Own));
    assert_eq!(text(&own.execute(Command::new("id -un")).await.unwrap()), format!("{USER}\n"));

    let sudo = executor(&key, target(&sshd.address, USER, Privilege::Sudo));
    assert_eq!(text(&sudo.execute(Command::new("id -un")).await.unwrap()), "root\n");

    // The same text through both, so that quoting is seen to change nothing.
    let line =
        "x='a  \"b'\necho \"$x\" \\$HOME \\\\ '`echo c`' 'it'\"'\"'s' $((1 + 2)) *nothing* | cat; exit 3";
    let (direct, through) =
        (own.execute(Command::new(line)).await.unwrap(), sudo.execute(Command::new(line)).await.unwrap());
    assert_eq!(direct, through);
    assert_eq!(text(&direct), "a  \"b $HOME \\ `echo c` it's 3 *nothing*\n");
    assert_eq!(direct.status, ExitStatus::Code(3));

    let output = sudo.execute(Command::new("wc -c").stdin(vec![0; 1_000_000])).await.unwrap();
    assert_eq!(text(&output).trim(), "1000000");

    let mut channel = sudo.open(Command::new("id -u; cat")).await.unwrap();
    assert_eq!(channel.reader.next().await, Some(ChannelEvent::Stdout("0\n".into())));
    channel.writer.send(Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(channel.reader.next().await, Some(ChannelEvent::Stdout("x".into())));
}

#[tokio::test]
async fn an_unknown_user_is_refused() {
    if !can_add_users() {
        return;
    }
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let executor = executor(&key, target(&sshd.address, "nobody-of-this-name", Privilege::Own));
    let error = executor.execute(Command::new("true")).await.unwrap_err();
    assert!(matches!(&error, ExecutorError::Auth { user, .. } if user == "nobody-of-this-name"), "{error:?}");
}
