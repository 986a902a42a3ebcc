//! Hosts that are not there, do not speak, die, freeze, change or misbehave.

mod support;

use bytes::Bytes;
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{ChannelEvent, Command, Executor, ExecutorError, ExitStatus, Privilege};
use rustix::process::Signal;
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use support::{
    PATIENCE, Verdict, Verifier, assert_lost, chain, eventually, executor, impatient,
    server::{Behaviour, Server},
    sshd::{self, Sshd},
    target, text,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};

fn own(sshd: &Sshd) -> pool_api::Target {
    target(&sshd.address, &sshd::own_name(), Privilege::Own)
}

fn root(address: &str) -> pool_api::Target {
    target(address, "root", Privilege::Own)
}

#[tokio::test]
async fn without_an_address_or_with_a_bad_one_nothing_is_tried() {
    let config = Arc::new(SshConfig::new(PrivateKey::generate()));
    let executor = SshExecutor::new(config, None, Verifier::new(Verdict::Accept));
    assert!(matches!(executor.execute(Command::new("true")).await, Err(ExecutorError::NoAddress)));
    executor.set_target(Some(root("no/host")));
    let error = executor.execute(Command::new("true")).await.unwrap_err();
    assert!(matches!(&error, ExecutorError::BadAddress { address } if address == "no/host"), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let executor = executor(&PrivateKey::generate(), root(&address));
    let error = executor.execute(Command::new("true")).await.unwrap_err();
    assert!(
        matches!(&error, ExecutorError::Connect { address: named, .. } if *named == address),
        "{error:?}"
    );
    assert!(chain(&error).contains("refused"), "{}", chain(&error));
}

/// A listener whose queue is full: the kernel drops what else comes, as a host that is off would.
#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
    }
    let mut config = SshConfig::new(PrivateKey::generate());
    config.connect_timeout = Duration::from_millis(300);
    let target = Some(root(&address.to_string()));
    let executor = SshExecutor::new(Arc::new(config), target, Verifier::new(Verdict::Accept));
    let error = executor.execute(Command::new("true")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::TimedOut { what: "connect", .. }), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_given_up_and_let_go() {
    for greeting in ["", "SSH-2.0-silent\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut config = SshConfig::new(PrivateKey::generate());
        config.handshake_timeout = Duration::from_millis(300);
        let verifier = Verifier::new(Verdict::Accept);
        let executor = SshExecutor::new(Arc::new(config), Some(root(&address)), verifier);
        let peer = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting.as_bytes()).await.unwrap();
            // Ends when the client has closed the connection, also in the middle of a key exchange.
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard).await;
            heard
        });
        let start = Instant::now();
        let error = executor.execute(Command::new("true")).await.unwrap_err();
        assert!(matches!(error, ExecutorError::TimedOut { what: "handshake", .. }), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
        let heard = timeout(Duration::from_secs(5), peer).await.expect("the connection stays open").unwrap();
        assert!(heard.starts_with(b"SSH-2.0-"));
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_no_refused_key() {
    let key = PrivateKey::generate();
    let behaviour = Behaviour { hangs_up_at_login: true, ..Behaviour::new(&key) };
    let server = Server::start_with(behaviour).await;
    let during_login = executor(&key, root(&server.address));
    let error = during_login.execute(Command::new("true")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::Connect { .. }), "{error:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let before = executor(&key, root(&address));
    let error = before.execute(Command::new("true")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn p43_a_wrong_secret_closes_the_connection() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let verdict = Verdict::Secret { line: "echo wrong".into(), expected: "right\n".into() };
    let config = Arc::new(SshConfig::new(key));
    let executor = SshExecutor::new(config, Some(root(&server.address)), Verifier::new(verdict));
    let error = executor.execute(Command::new("echo never")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::HostRefused(_)), "{error:?}");
    eventually("the connection is closed", || server.seen.alive.load(Ordering::SeqCst) == 0).await;
    assert_eq!(server.lines(), ["echo wrong"]);
}

#[tokio::test]
async fn a_verifier_that_does_not_answer_is_given_up() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let mut config = SshConfig::new(key);
    config.verify_timeout = Duration::from_millis(200);
    let executor =
        SshExecutor::new(Arc::new(config), Some(root(&server.address)), Verifier::new(Verdict::Hang));
    let error = executor.execute(Command::new("true")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::TimedOut { what: "host verification", .. }), "{error:?}");
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn the_time_limit_covers_the_connection() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let config = Arc::new(SshConfig::new(key));
    let executor = SshExecutor::new(config, Some(root(&server.address)), Verifier::new(Verdict::Hang));
    let limit = Duration::from_millis(200);
    let error = executor.execute(Command::new("true").time_limit(limit)).await.unwrap_err();
    assert!(
        matches!(error, ExecutorError::TimedOut { what: "command", limit: l } if l == limit),
        "{error:?}"
    );
    assert_eq!(server.lines(), [""; 0]);
    // Others may still wait for that attempt; closing ends it.
    let waiting = executor.execute(Command::new("true"));
    let closing = async { executor.close() };
    let (result, ()) = tokio::join!(waiting, closing);
    assert!(matches!(result, Err(ExecutorError::Closed)), "{result:?}");
}

/// Who waits for a connection to the former target gets one to the new target.
#[tokio::test]
async fn another_target_during_the_attempt_is_followed() {
    let key = PrivateKey::generate();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&silent.local_addr().unwrap().to_string()));
    let moving = async {
        let (_stream, _) = silent.accept().await.unwrap();
        executor.set_target(Some(root(&server.address)));
    };
    let (result, ()) = tokio::join!(executor.execute(Command::new("echo moved")), moving);
    assert_eq!(text(&result.unwrap()), "moved\n");
}

#[tokio::test]
async fn a_killed_server_is_noticed_at_once_and_found_again() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let executor = executor(&key, own(&sshd));
    let mut channel = executor.open(Command::new("cat")).await.unwrap();
    let running = executor.execute(Command::new("sleep 30"));
    let killing = async {
        // Answered after the other one was asked for.
        executor.execute(Command::new("true")).await.unwrap();
        sshd.signal(Signal::KILL);
    };
    let start = Instant::now();
    let (result, ()) = tokio::join!(running, killing);
    assert_lost(&result);
    assert_eq!(channel.reader.next().await, None);
    assert_lost(&channel.writer.send("x".into()).await);
    assert!(start.elapsed() < Duration::from_secs(5));

    assert_eq!(text(&executor.execute(Command::new("echo again")).await.unwrap()), "again\n");
    assert_eq!(sshd.connections(), 2);
}

#[tokio::test]
async fn a_frozen_server_is_noticed_by_its_silence() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let config = Arc::new(impatient(&key));
    let executor = SshExecutor::new(config, Some(own(&sshd)), Verifier::new(Verdict::Accept));
    executor.execute(Command::new("true")).await.unwrap();
    sshd.signal(Signal::STOP);
    let start = Instant::now();
    let result = executor.execute(Command::new("sleep 30")).await;
    assert_lost(&result);
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}, of 600 ms");
    assert!(chain(&result.unwrap_err()).contains("Keepalive"));
}

/// While the peer's buffers are full, no question of ours reaches it either.
#[tokio::test]
async fn a_frozen_server_is_noticed_while_it_is_sent_to() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let config = Arc::new(impatient(&key));
    let executor = SshExecutor::new(config, Some(own(&sshd)), Verifier::new(Verdict::Accept));
    let mut channels = Vec::new();
    // Each may send 2 MiB before it must hear from the peer: together more than the kernel's buffers hold.
    for _ in 0..6 {
        channels.push(executor.open(Command::new("cat > /dev/null")).await.unwrap());
    }
    sshd.signal(Signal::STOP);
    let start = Instant::now();
    let mut sending = JoinSet::new();
    for mut channel in channels {
        sending.spawn(async move { channel.writer.send(Bytes::from(vec![0; 50_000_000])).await });
    }
    for result in timeout(PATIENCE, sending.join_all()).await.expect("not noticed") {
        assert_lost(&result);
    }
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}, of 600 ms");
}

#[tokio::test]
async fn a_quiet_connection_stays() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let config = Arc::new(impatient(&key));
    let executor = SshExecutor::new(config, Some(own(&sshd)), Verifier::new(Verdict::Accept));
    // Several times as long as a silent peer is waited for.
    executor.execute(Command::new("sleep 3")).await.unwrap();
    executor.execute(Command::new("true")).await.unwrap();
    assert_eq!(sshd.connections(), 1);
}

#[tokio::test]
async fn p43_every_connection_is_verified_and_a_changed_key_is_seen() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let first = sshd.set_host_key(&PrivateKey::generate());
    let verifier = Verifier::new(Verdict::Accept);
    let config = Arc::new(SshConfig::new(key));
    let executor = SshExecutor::new(config, Some(own(&sshd)), verifier.clone());
    executor.execute(Command::new("true")).await.unwrap();
    executor.execute(Command::new("true")).await.unwrap();
    assert_eq!(verifier.fingerprints(), std::slice::from_ref(&first));

    let second = sshd.set_host_key(&PrivateKey::generate());
    verifier.set(Verdict::Refuse);
    sshd.signal(Signal::KILL);
    // The loss itself may or may not have been noticed yet.
    let mut result = executor.execute(Command::new("true")).await;
    if matches!(result, Err(ExecutorError::Lost(_))) {
        result = executor.execute(Command::new("true")).await;
    }
    assert!(matches!(result, Err(ExecutorError::HostRefused(_))), "{result:?}");
    assert_eq!(verifier.fingerprints(), [first, second]);
    let seen = verifier.seen.lock().unwrap()[1].clone();
    assert!(seen.openssh.starts_with("ssh-ed25519 AAAA") && seen.openssh.split(' ').count() == 2, "{seen:?}");
}

/// OpenSSH exchanges new keys after this much data; nothing may be lost or doubled by it.
#[tokio::test]
async fn new_session_keys_are_exchanged_under_load() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "RekeyLimit 1M\nLogLevel DEBUG").await;
    let executor = executor(&key, own(&sshd));
    let bytes: Vec<u8> = (0..8_000_000u32).map(|number| (number % 251) as u8).collect();
    let command = Command::new("cat").stdin(bytes.clone()).output_limit(10_000_000);
    assert!(executor.execute(command).await.unwrap().stdout == bytes);
    // Once for each direction when the connection is made; the others are what this test is about.
    assert!(sshd.log().matches("set_newkeys").count() > 4, "{}", sshd.log());
    assert_eq!(sshd.connections(), 1);
}

#[tokio::test]
async fn the_host_may_open_nothing() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&server.address));
    for kind in ["tcpip", "streamlocal", "agent", "x11", "session", "direct-tcpip"] {
        let output = executor.execute(Command::new(format!("%forward {kind}"))).await.unwrap();
        assert!(text(&output).contains("AdministrativelyProhibited"), "{kind}: {}", text(&output));
    }
}

#[tokio::test]
async fn a_host_with_fewer_places_than_ours_is_enough() {
    for max_sessions in [1, 3] {
        let key = PrivateKey::generate();
        let sshd = Sshd::start(&key, &format!("MaxSessions {max_sessions}")).await;
        let executor = Arc::new(executor(&key, own(&sshd)));
        let mut commands = JoinSet::new();
        for number in 0..30 {
            let executor = Arc::clone(&executor);
            let line = format!("echo {number}");
            commands.spawn(async move { executor.execute(Command::new(line)).await.unwrap() });
        }
        assert_eq!(commands.join_all().await.len(), 30);
        assert_eq!(sshd.connections(), 1);
    }
}

/// OpenSSH counts a command until its process ends, even when we have given it up.
#[tokio::test]
async fn commands_that_were_given_up_are_waited_for() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "MaxSessions 2").await;
    let executor = executor(&key, own(&sshd));
    let directory = tempfile::tempdir().unwrap();
    let end = directory.path().join("end");
    for _ in 0..2 {
        let line = format!("echo begun; until test -e {}; do sleep 0.05; done", end.display());
        let mut given_up = executor.open(Command::new(line)).await.unwrap();
        assert_eq!(given_up.reader.next().await, Some(ChannelEvent::Stdout("begun\n".into())));
    }
    let ending = async {
        eventually("a refusal", || sshd.log().contains("no more sessions")).await;
        std::fs::write(&end, "").unwrap();
    };
    let (next, ()) = tokio::join!(executor.execute(Command::new("echo next")), ending);
    assert_eq!(text(&next.unwrap()), "next\n");
    assert_eq!(sshd.connections(), 1);
}

#[tokio::test]
async fn a_host_without_any_place_refuses() {
    let key = PrivateKey::generate();
    let behaviour = Behaviour { max_sessions: 0, ..Behaviour::new(&key) };
    let server = Server::start_with(behaviour).await;
    let executor = executor(&key, root(&server.address));
    assert!(matches!(executor.execute(Command::new("true")).await, Err(ExecutorError::Refused)));
    assert!(matches!(executor.open(Command::new("true")).await, Err(ExecutorError::Refused)));
}

#[tokio::test]
async fn commands_in_the_queue_wait_within_their_time_limit() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let mut config = SshConfig::new(key);
    config.max_channels = 3;
    let target = Some(root(&server.address));
    let executor = Arc::new(SshExecutor::new(Arc::new(config), target, Verifier::new(Verdict::Accept)));
    let mut running = JoinSet::new();
    for _ in 0..2 {
        let executor = Arc::clone(&executor);
        running.spawn(async move { executor.execute(Command::new("%hang")).await });
    }
    server.seen.hanging.notified().await;
    eventually("both hang", || server.seen.channels.load(Ordering::SeqCst) == 2).await;
    let queued = executor.execute(Command::new("echo late").time_limit(Duration::from_millis(200))).await;
    assert!(matches!(queued, Err(ExecutorError::TimedOut { what: "command", .. })), "{queued:?}");
    assert_eq!(server.lines(), ["%hang", "%hang"]);
    running.abort_all();
    assert_eq!(text(&executor.execute(Command::new("echo next")).await.unwrap()), "next\n");
}

#[tokio::test]
async fn never_more_channels_than_configured() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = Arc::new(executor(&key, root(&server.address)));
    let mut commands = JoinSet::new();
    for _ in 0..40 {
        let executor = Arc::clone(&executor);
        commands.spawn(async move { executor.execute(Command::new("sleep 0.02")).await.unwrap() });
    }
    commands.join_all().await;
    let most = server.seen.most_channels.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most}");
}

#[tokio::test]
async fn a_channel_that_ends_without_a_word_is_lost_and_the_others_are_not() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&server.address));
    assert!(matches!(executor.execute(Command::new("%close")).await, Err(ExecutorError::Lost(None))));
    assert!(matches!(executor.execute(Command::new("%refuse")).await, Err(ExecutorError::Refused)));
    assert!(matches!(executor.open(Command::new("%refuse")).await, Err(ExecutorError::Refused)));
    let mut channel = executor.open(Command::new("%close")).await.unwrap();
    assert_eq!(channel.reader.next().await, None);
    assert_lost(&channel.writer.send("x".into()).await);
    assert_lost(&channel.writer.close().await);
    executor.execute(Command::new("true")).await.unwrap();
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
}

/// OpenSSH says how a command ended before it has sent all that the command printed.
#[tokio::test]
async fn a_status_without_an_end_is_a_loss() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&server.address));
    let mut channel = executor.open(Command::new("%status")).await.unwrap();
    server.seen.hanging.notified().await;
    let running = executor.execute(Command::new("%status"));
    let hanging_up = async {
        server.seen.hanging.notified().await;
        // What is answered after the status has come after it.
        executor.execute(Command::new("true")).await.unwrap();
        server.seen.hang_up.notify_waiters();
    };
    let (result, ()) = tokio::join!(running, hanging_up);
    assert_lost(&result);
    assert_eq!(channel.reader.next().await, None);
}

#[tokio::test]
async fn signals_are_named() {
    let key = PrivateKey::generate();
    let sshd = Sshd::start(&key, "").await;
    let executor = executor(&key, own(&sshd));
    for name in ["TERM", "KILL", "USR1"] {
        let output =
            executor.execute(Command::new(format!("echo first; kill -{name} $$; sleep 5"))).await.unwrap();
        assert_eq!(output.status, ExitStatus::Signal(name.into()));
        assert_eq!(text(&output), "first\n");
    }
    let mut channel = executor.open(Command::new("kill -TERM $$; sleep 5")).await.unwrap();
    assert_eq!(channel.reader.next().await, Some(ChannelEvent::Exit(ExitStatus::Signal("TERM".into()))));

    let server = Server::start(&key).await;
    executor.set_target(Some(root(&server.address)));
    let output = executor.execute(Command::new("%signal SIGXCPU")).await.unwrap();
    assert_eq!(output.status, ExitStatus::Signal("XCPU".into()));
}

/// Waits until `%flood` has come to a stand because nobody takes what it sends.
async fn held_back(server: &Server) {
    let mut last = 0;
    loop {
        // That nothing happens has no event: it is seen by waiting.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = server.seen.flooded.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return;
        }
        // Our buffers hold some 3.3 MiB, the kernel's and the server's some more.
        assert!(now < 50_000_000, "{now} bytes and no end");
        last = now;
    }
}

/// What nobody reads does not fill the memory, and does not stay in the way of the others for ever.
#[tokio::test]
async fn an_endless_stream_that_nobody_reads_is_held_back() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&server.address));
    let channel = executor.open(Command::new("%flood")).await.unwrap();
    held_back(&server).await;
    // The documented price: the others wait.
    let waiting = executor.execute(Command::new("echo x").time_limit(Duration::from_millis(200))).await;
    assert!(matches!(waiting, Err(ExecutorError::TimedOut { .. })), "{waiting:?}");
    drop(channel.reader);
    let output = executor.execute(Command::new("echo free")).await.unwrap();
    assert_eq!(text(&output), "free\n");
    drop(channel.writer);
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_reader_that_does_not_read() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&server.address));
    let mut channel = executor.open(Command::new("%flood")).await.unwrap();
    held_back(&server).await;
    executor.close();
    let sending = timeout(Duration::from_secs(5), channel.writer.send("x".into())).await.expect("stuck");
    assert!(matches!(sending, Err(ExecutorError::Closed)), "{sending:?}");
    // What had come before is still there; then it ends.
    let draining = async { while channel.reader.next().await.is_some() {} };
    timeout(Duration::from_secs(5), draining).await.expect("no end");
}

#[tokio::test]
async fn a_dropped_conversation_is_closed_at_the_host() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&server.address));
    let channel = executor.open(Command::new("%wait")).await.unwrap();
    eventually("it is open", || server.seen.channels.load(Ordering::SeqCst) == 1).await;
    drop(channel);
    eventually("it is closed", || server.seen.channels.load(Ordering::SeqCst) == 0).await;

    let mut opening = Box::pin(executor.execute(Command::new("%wait")));
    assert!(timeout(Duration::from_millis(100), &mut opening).await.is_err());
    assert_eq!(server.seen.channels.load(Ordering::SeqCst), 1);
    drop(opening);
    eventually("the command is closed too", || server.seen.channels.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_dropped_executor_hangs_up() {
    let key = PrivateKey::generate();
    let server = Server::start(&key).await;
    let executor = executor(&key, root(&server.address));
    let mut channel = executor.open(Command::new("%wait")).await.unwrap();
    drop(executor);
    assert_eq!(channel.reader.next().await, None);
    eventually("the connection has ended", || server.seen.channels.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let key = PrivateKey::generate();
    let config = SshConfig::new(key.clone());
    let executor = executor(&key, root("127.0.0.1:1"));
    let shown = format!("{config:?} {executor:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
    assert!(shown.contains("127.0.0.1:1") && shown.contains("idle"), "{shown}");
}
