//! What holds for every host, tried on OpenSSH's own server and on another one in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{ChannelEvent, Command, Executor, ExecutorError, ExitStatus, Privilege, Target, VerifyError};
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use support::{
    PATIENCE, Verdict, Verifier, assert_lost, chain, executor,
    server::Server,
    sshd::{self, Sshd},
    target, text,
};
use tokio::{task::JoinSet, time::timeout};

/// A host of either kind.
enum Host {
    OpenSsh(Sshd),
    InProcess(Server),
}

impl Host {
    fn target(&self) -> Target {
        match self {
            Self::OpenSsh(sshd) => target(&sshd.address, &sshd::own_name(), Privilege::Own),
            Self::InProcess(server) => target(&server.address, "root", Privilege::Own),
        }
    }

    fn connections(&self) -> usize {
        match self {
            Self::OpenSsh(sshd) => sshd.connections(),
            Self::InProcess(server) => server.seen.connections.load(Ordering::SeqCst),
        }
    }
}

/// Makes one test of each kind of host out of each case.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod openssh {
            $(#[tokio::test]
            async fn $case() {
                let key = super::PrivateKey::generate();
                let host = super::Host::OpenSsh(super::Sshd::start(&key, "").await);
                super::timeout(super::PATIENCE, super::$case(host, key)).await.expect("the test hangs");
            })+
        }
        mod in_process {
            $(#[tokio::test]
            async fn $case() {
                let key = super::PrivateKey::generate();
                let host = super::Host::InProcess(super::Server::start(&key).await);
                super::timeout(super::PATIENCE, super::$case(host, key)).await.expect("the test hangs");
            })+
        }
    };
}

on_both! {
    a_command_has_its_output_and_exit_code,
    a_hundred_commands_share_one_connection,
    ten_megabytes_go_in_while_others_come_out,
    output_is_cut_and_the_command_still_ends,
    a_command_that_does_not_read_its_input_ends,
    a_command_that_takes_too_long_is_given_up_and_others_go_on,
    a_dropped_command_leaves_its_place,
    another_key_is_refused,
    p43_a_refused_host_runs_nothing,
    p43_the_secret_is_read_before_anything_else,
    a_conversation_goes_both_ways,
    a_conversation_gets_its_first_input_first,
    conversations_and_commands_leave_each_other_room,
    closing_ends_everything,
    another_target_ends_what_runs,
    the_same_target_changes_nothing,
}

async fn a_command_has_its_output_and_exit_code(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let output = executor.execute(Command::new("echo out; echo err >&2; exit 7")).await.unwrap();
    assert_eq!(output.status, ExitStatus::Code(7));
    assert_eq!((text(&output), &output.stderr[..], output.truncated), ("out\n", &b"err\n"[..], false));

    let output = executor.execute(Command::new("exit 0")).await.unwrap();
    assert!(output.status.is_success() && output.stdout.is_empty() && output.stderr.is_empty());
    assert_eq!(host.connections(), 1);
}

async fn a_hundred_commands_share_one_connection(host: Host, key: PrivateKey) {
    let executor = Arc::new(executor(&key, host.target()));
    let mut commands = JoinSet::new();
    for number in 0..100 {
        let executor = Arc::clone(&executor);
        commands.spawn(async move {
            let output = executor.execute(Command::new(format!("echo {number}"))).await.unwrap();
            text(&output).trim().parse::<usize>().unwrap()
        });
    }
    let numbers: HashSet<usize> = commands.join_all().await.into_iter().collect();
    assert_eq!(numbers, (0..100).collect());
    assert_eq!(host.connections(), 1);
}

async fn ten_megabytes_go_in_while_others_come_out(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let bytes: Vec<u8> = (0..10_000_000u32).map(|number| (number % 251) as u8).collect();
    let bytes = Bytes::from(bytes);

    let count = Command::new("wc -c").stdin(bytes.clone());
    assert_eq!(text(&executor.execute(count).await.unwrap()).trim(), "10000000");

    // Everything comes back while it is still being sent: neither side may wait for the other.
    let cat = Command::new("cat").stdin(bytes.clone()).output_limit(20_000_000);
    assert!(executor.execute(cat).await.unwrap().stdout == bytes);

    // Writes much more than any buffer holds before it reads.
    let line = "head -c 8000000 /dev/zero; wc -c >&2";
    let output = executor.execute(Command::new(line).stdin(bytes).output_limit(9_000_000)).await.unwrap();
    assert_eq!((output.stdout.len(), &output.stderr[..]), (8_000_000, &b"10000000\n"[..]));
}

async fn output_is_cut_and_the_command_still_ends(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let line = "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 3";
    let output = executor.execute(Command::new(line).output_limit(1000)).await.unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (1000, 1000));
    assert!(output.truncated);
    assert_eq!(output.status, ExitStatus::Code(3));

    let exact = executor.execute(Command::new("printf 1234").output_limit(4)).await.unwrap();
    assert_eq!((text(&exact), exact.truncated), ("1234", false));
    let none = executor.execute(Command::new("printf 1234").output_limit(0)).await.unwrap();
    assert_eq!((text(&none), none.truncated), ("", true));
}

async fn a_command_that_does_not_read_its_input_ends(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let command = Command::new("exit 4").stdin(vec![b'x'; 10_000_000]);
    assert_eq!(executor.execute(command).await.unwrap().status, ExitStatus::Code(4));
    assert_eq!(text(&executor.execute(Command::new("echo next")).await.unwrap()), "next\n");
}

async fn a_command_that_takes_too_long_is_given_up_and_others_go_on(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let limit = Duration::from_millis(300);
    let (slow, fast) = tokio::join!(
        executor.execute(Command::new("sleep 20").time_limit(limit)),
        executor.execute(Command::new("sleep 1; echo done")),
    );
    let slow = slow.unwrap_err();
    assert!(matches!(slow, ExecutorError::TimedOut { what: "command", limit: l } if l == limit), "{slow:?}");
    assert_eq!(text(&fast.unwrap()), "done\n");
    assert_eq!(host.connections(), 1);
}

/// More commands are dropped than there are places.
async fn a_dropped_command_leaves_its_place(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    for _ in 0..20 {
        // Ends by itself once its output has nowhere to go.
        let mut running = Box::pin(executor.execute(Command::new("while echo; do :; done")));
        assert!(timeout(Duration::from_millis(50), &mut running).await.is_err());
    }
    assert_eq!(text(&executor.execute(Command::new("echo next")).await.unwrap()), "next\n");
    assert_eq!(host.connections(), 1);
}

async fn another_key_is_refused(host: Host, _: PrivateKey) {
    let target = host.target();
    let executor = executor(&PrivateKey::generate(), target.clone());
    let error = executor.execute(Command::new("true")).await.unwrap_err();
    match &error {
        ExecutorError::Auth { address, user } => {
            assert_eq!((address, user), (&target.address, &target.user.name));
        }
        other => panic!("{other:?}"),
    }
}

async fn p43_a_refused_host_runs_nothing(host: Host, key: PrivateKey) {
    let proof = tempfile::tempdir().unwrap();
    let line = format!("touch {}/ran", proof.path().display());
    let verifier = Verifier::new(Verdict::Refuse);
    let config = Arc::new(SshConfig::new(key));
    let executor = Arc::new(SshExecutor::new(config, Some(host.target()), verifier.clone()));

    let mut commands = JoinSet::new();
    for _ in 0..10 {
        let (executor, command) = (Arc::clone(&executor), Command::new(line.clone()));
        commands.spawn(async move { executor.execute(command).await });
    }
    for result in commands.join_all().await {
        let refused = matches!(result, Err(ExecutorError::HostRefused(VerifyError::WrongSecret)));
        assert!(refused, "{result:?}");
    }
    // All ten waited for the same attempt.
    assert_eq!((verifier.fingerprints().len(), host.connections()), (1, 1));
    let opened = executor.open(Command::new(line.clone())).await;
    assert!(matches!(opened, Err(ExecutorError::HostRefused(_))), "{opened:?}");
    assert_eq!(host.connections(), 2);
    assert!(!proof.path().join("ran").exists());

    // The next call makes the next attempt.
    verifier.set(Verdict::Accept);
    executor.execute(Command::new(line)).await.unwrap();
    assert!(proof.path().join("ran").exists());
}

async fn p43_the_secret_is_read_before_anything_else(host: Host, key: PrivateKey) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("secret"), "5ec3e7").unwrap();
    let secret = |expected: &str| Verdict::Secret {
        line: format!("test ! -e {} && cat {}", path("ran"), path("secret")),
        expected: expected.to_owned(),
    };
    let verifier = Verifier::new(secret("another"));
    let config = Arc::new(SshConfig::new(key));
    let executor = SshExecutor::new(config, Some(host.target()), verifier.clone());
    let touch = || Command::new(format!("touch {}", path("ran")));
    let refused = executor.execute(touch()).await;
    assert!(matches!(refused, Err(ExecutorError::HostRefused(VerifyError::WrongSecret))), "{refused:?}");
    assert!(!std::fs::exists(path("ran")).unwrap());

    verifier.set(secret("5ec3e7"));
    executor.execute(touch()).await.unwrap();
    assert!(std::fs::exists(path("ran")).unwrap());
}

async fn a_conversation_goes_both_ways(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let mut channel = executor.open(Command::new("cat; echo end >&2; exit 5")).await.unwrap();
    for line in ["one\n", "two\n"] {
        channel.writer.send(Bytes::from_static(line.as_bytes())).await.unwrap();
        assert_eq!(channel.reader.next().await, Some(ChannelEvent::Stdout(line.into())));
    }
    channel.writer.close().await.unwrap();
    assert_eq!(channel.reader.next().await, Some(ChannelEvent::Stderr("end\n".into())));
    assert_eq!(channel.reader.next().await, Some(ChannelEvent::Exit(ExitStatus::Code(5))));
    assert_eq!(channel.reader.next().await, None);
    assert_lost(&channel.writer.send("three\n".into()).await);
}

async fn a_conversation_gets_its_first_input_first(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let first = vec![b'1'; 5_000_000];
    let mut channel = executor.open(Command::new("cat").stdin(first.clone())).await.unwrap();
    let writing = async {
        channel.writer.send("2".into()).await.unwrap();
        channel.writer.close().await.unwrap();
    };
    let reading = async {
        let mut all = Vec::new();
        while let Some(event) = channel.reader.next().await {
            match event {
                ChannelEvent::Stdout(bytes) => all.extend_from_slice(&bytes),
                other => assert_eq!(other, ChannelEvent::Exit(ExitStatus::Code(0))),
            }
        }
        all
    };
    let ((), all) = tokio::join!(writing, reading);
    assert!(all == [first, b"2".to_vec()].concat());
}

async fn conversations_and_commands_leave_each_other_room(host: Host, key: PrivateKey) {
    let executor = Arc::new(executor(&key, host.target()));
    // As many as may be open at once; the next one waits.
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(executor.open(Command::new("cat")).await.unwrap());
    }
    let mut seventh = Box::pin(executor.open(Command::new("cat")));
    assert!(timeout(Duration::from_millis(200), &mut seventh).await.is_err());
    assert_eq!(text(&executor.execute(Command::new("echo room")).await.unwrap()), "room\n");
    // Dropping one half is not enough, both are.
    let channel = open.pop().unwrap();
    drop(channel.writer);
    assert!(timeout(Duration::from_millis(200), &mut seventh).await.is_err());
    drop(channel.reader);
    drop(seventh.await.unwrap());
    drop(open);

    let mut commands = JoinSet::new();
    for _ in 0..20 {
        let executor = Arc::clone(&executor);
        commands.spawn(async move { executor.execute(Command::new("sleep 0.2")).await.unwrap() });
    }
    let mut channel = executor.open(Command::new("cat")).await.unwrap();
    channel.writer.send("x".into()).await.unwrap();
    assert_eq!(channel.reader.next().await, Some(ChannelEvent::Stdout("x".into())));
    assert!(!commands.is_empty());
    commands.join_all().await;
    assert_eq!(host.connections(), 1);
}

async fn closing_ends_everything(host: Host, key: PrivateKey) {
    let executor = Arc::new(executor(&key, host.target()));
    let mut channel = executor.open(Command::new("cat")).await.unwrap();
    let running = tokio::spawn({
        let executor = Arc::clone(&executor);
        async move { executor.execute(Command::new("sleep 20")).await }
    });
    // Once this has been answered, the command above is on its way too.
    executor.execute(Command::new("true")).await.unwrap();
    let start = Instant::now();
    executor.close();
    assert!(matches!(running.await.unwrap(), Err(ExecutorError::Closed | ExecutorError::Lost(_))));
    assert_eq!(channel.reader.next().await, None);
    assert!(channel.writer.send("x".into()).await.is_err());
    assert!(matches!(executor.execute(Command::new("true")).await, Err(ExecutorError::Closed)));
    assert!(matches!(executor.open(Command::new("true")).await, Err(ExecutorError::Closed)));
    executor.set_target(Some(target("127.0.0.1:1", "root", Privilege::Own)));
    executor.close();
    assert!(matches!(executor.execute(Command::new("true")).await, Err(ExecutorError::Closed)));
    assert!(start.elapsed() < Duration::from_secs(5));
}

async fn another_target_ends_what_runs(host: Host, key: PrivateKey) {
    let other = Server::start(&key).await;
    let executor = Arc::new(executor(&key, host.target()));
    let mut channel = executor.open(Command::new("cat")).await.unwrap();
    let running = tokio::spawn({
        let executor = Arc::clone(&executor);
        async move { executor.execute(Command::new("sleep 20")).await }
    });
    executor.execute(Command::new("true")).await.unwrap();
    executor.set_target(Some(target(&other.address, "root", Privilege::Own)));
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, ExecutorError::Lost(Some(_))), "{error:?}");
    assert!(chain(&error).contains("another address or user"), "{}", chain(&error));
    assert_eq!(channel.reader.next().await, None);

    executor.execute(Command::new("echo there")).await.unwrap();
    assert_eq!(other.lines(), ["echo there"]);
    assert_eq!(host.connections(), 1);

    executor.set_target(None);
    assert!(matches!(executor.execute(Command::new("true")).await, Err(ExecutorError::NoAddress)));
}

async fn the_same_target_changes_nothing(host: Host, key: PrivateKey) {
    let executor = executor(&key, host.target());
    let mut channel = executor.open(Command::new("cat")).await.unwrap();
    executor.set_target(Some(host.target()));
    channel.writer.send("x".into()).await.unwrap();
    assert_eq!(channel.reader.next().await, Some(ChannelEvent::Stdout("x".into())));
    assert_eq!(host.connections(), 1);
}
