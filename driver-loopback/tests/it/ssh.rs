//! The instances' SSH servers.

use super::common::{
    self, Cloud, PATIENCE,
    client::{Client, End, collect},
    file, is_alive,
};
use pool_api::Instance;
use russh::ChannelMsg;
use serde_json::Value;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::time::timeout;

async fn client() -> (Cloud, Arc<dyn Instance>, Client) {
    let cloud = Cloud::new(Value::Null).await;
    let instance = cloud.running("").await;
    let client = cloud.connect(&*instance).await;
    (cloud, instance, client)
}

#[tokio::test]
async fn an_end_by_a_signal_is_told_as_such() {
    let (_cloud, _, client) = client().await;
    for signal in ["TERM", "KILL", "USR2"] {
        let output = client.run(format!("echo before; kill -{signal} $$")).await;
        assert_eq!(output.end, End::Signal(signal.into()));
        assert_eq!(output.text(), "before\n");
    }
    assert_eq!(client.run("exit 255").await.end, End::Code(255));
    assert_eq!(client.run("no-such-program").await.end, End::Code(127));
}

#[tokio::test(flavor = "multi_thread")]
async fn much_input_and_output_at_once_comes_through_unchanged() {
    let (_cloud, _, client) = client().await;
    let input: Vec<u8> = (0..24_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let output = client.run_with("cat", &input).await;
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
    assert_eq!(output.end, End::Code(0));
    let output = client.run_with("cat >&2", &input[..3_000_000]).await;
    assert!(output.stderr == input[..3_000_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_read_holds_up_no_other() {
    let (_cloud, instance, client) = client().await;
    let deaf = client.start("sleep 300").await;
    timeout(PATIENCE, deaf.data_bytes(vec![0; 20_000_000])).await.unwrap().unwrap();
    assert_eq!(client.run("echo here").await.text(), "here\n");
    instance.destroy().await.unwrap();
}

/// A regression: ended commands that could not send the rest of their output once took all places in the queue to the
/// connection, for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_held_up_goes_on() {
    let (_cloud, instance, client) = client().await;
    let root = Path::new(instance.root());
    let wait_for = |name: &str| format!("while ! test -e {name}; do sleep 0.02; done");
    let mut waiting = Vec::new();
    for n in 0..30 {
        waiting.push(client.start(format!("echo $$ > {n}.pid; {}; echo {n}", wait_for("now"))).await);
    }
    let deaf = client.start(format!("{}; wc -c", wait_for("later"))).await;
    let mut pids = Vec::new();
    for n in 0..30 {
        pids.push(common::pid(&root.join(format!("{n}.pid"))).await);
    }
    // More than the server keeps for a command that does not read: now the whole connection waits for it.
    let (mut deaf_reader, deaf_writer) = deaf.split();
    let size = 70_000_000;
    let sending = tokio::spawn(async move {
        deaf_writer.data_bytes(vec![0; size]).await.unwrap();
        deaf_writer.eof().await.unwrap();
    });
    let held_up = async {
        while timeout(Duration::from_secs(1), client.handle.channel_open_session()).await.is_ok() {}
    };
    timeout(PATIENCE, held_up).await.unwrap();
    std::fs::write(root.join("now"), "").unwrap();
    let ended = async {
        while pids.iter().any(|pid| is_alive(*pid)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, ended).await.unwrap();
    // Longer than the server waits for the rest of a command's output before it reports the end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::fs::write(root.join("later"), "").unwrap();

    timeout(PATIENCE, sending).await.unwrap().unwrap();
    let counted = timeout(PATIENCE, collect(&mut deaf_reader)).await.unwrap();
    assert_eq!(counted.text().trim(), size.to_string());
    for (n, channel) in waiting.into_iter().enumerate() {
        let (mut reader, _writer) = channel.split();
        let output = timeout(PATIENCE, collect(&mut reader)).await.expect("the connection does not go on");
        assert_eq!(output.text(), format!("{n}\n"));
        assert_eq!(output.end, End::Code(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_up_the_command_and_no_other() {
    let (_cloud, instance, client) = client().await;
    let unread = client.start("head -c 30000000 /dev/zero; echo done > done").await;
    assert_eq!(client.run("echo here").await.text(), "here\n");
    assert!(!Path::new(instance.root()).join("done").exists(), "30 MB were buffered somewhere");
    let (mut reader, _writer) = unread.split();
    let output = timeout(PATIENCE, collect(&mut reader)).await.unwrap();
    assert_eq!(output.stdout.len(), 30_000_000);
    assert_eq!(output.end, End::Code(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_sessions_share_a_connection() {
    let (_cloud, _, client) = client().await;
    let client = Arc::new(client);
    let all: Vec<_> = (0..300)
        .map(|n| {
            let client = Arc::clone(&client);
            tokio::spawn(
                async move { client.run_with(format!("cat; echo {n}"), b"in ").await.text().to_owned() },
            )
        })
        .collect();
    for (n, one) in all.into_iter().enumerate() {
        assert_eq!(one.await.unwrap(), format!("in {n}\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_can_be_used_any_number_of_times() {
    let (_cloud, _, client) = client().await;
    let client = Arc::new(client);
    // More than may be open at a time.
    let all: Vec<_> = (0..16)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                for _ in 0..70 {
                    assert_eq!(client.run(":").await.end, End::Code(0));
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn what_a_command_leaves_behind_does_not_hold_up_its_exit_status() {
    let (_cloud, instance, client) = client().await;
    let mut channel = client.start("sleep 300 & echo $!; exit 4").await;
    let status = async {
        loop {
            match channel.wait().await {
                Some(ChannelMsg::ExitStatus { exit_status }) => return exit_status,
                Some(_) => {}
                None => panic!("closed without a status"),
            }
        }
    };
    assert_eq!(timeout(PATIENCE, status).await.unwrap(), 4);
    instance.destroy().await.unwrap();
}

#[tokio::test]
async fn the_input_of_a_command_ends_with_its_channel_and_with_its_connection() {
    let (cloud, instance, client) = client().await;
    let root = Path::new(instance.root());
    // Reads what it can, as a runner's session does, and says when that is over.
    let line = |name: &str| format!("echo $$ > {name}.pid; cat > {name}.in; echo ended > {name}");

    let channel = client.start(line("eof")).await;
    channel.data_bytes("x\n").await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(file(&root.join("eof")).await, "ended");
    assert_eq!(file(&root.join("eof.in")).await, "x");

    let channel = client.start(line("close")).await;
    let pid = common::pid(&root.join("close.pid")).await;
    assert!(is_alive(pid));
    channel.close().await.unwrap();
    assert_eq!(file(&root.join("close")).await, "ended");

    let _channel = client.start(line("gone")).await;
    common::pid(&root.join("gone.pid")).await;
    client.disconnect().await;
    assert_eq!(file(&root.join("gone")).await, "ended");

    // And with the driver.
    let client = cloud.connect(&*instance).await;
    let _channel = client.start(line("stop")).await;
    common::pid(&root.join("stop.pid")).await;
    pool_api::InstanceSet::stop(&cloud.set).await;
    assert_eq!(file(&root.join("stop")).await, "ended");
}

#[tokio::test]
async fn the_output_of_a_command_ends_with_its_channel() {
    let (_cloud, instance, client) = client().await;
    let root = Path::new(instance.root());
    let channel = client.start("echo $$ > pid; yes; echo ended > ended").await;
    common::pid(&root.join("pid")).await;
    channel.close().await.unwrap();
    // `yes` has got the signal PIPE.
    assert_eq!(file(&root.join("ended")).await, "ended");
}

#[tokio::test]
async fn a_command_goes_on_without_its_client() {
    let (_cloud, instance, client) = client().await;
    let root = Path::new(instance.root());
    let _channel =
        client.start("echo $$ > pid; cat; while ! test -e go; do sleep 0.01; done; echo went > went").await;
    common::pid(&root.join("pid")).await;
    client.disconnect().await;
    std::fs::write(root.join("go"), "").unwrap();
    assert_eq!(file(&root.join("went")).await, "went");
}

#[tokio::test]
async fn everything_but_commands_is_refused() {
    let (_cloud, _, client) = client().await;
    let refused =
        async |channel: &mut russh::Channel<russh::client::Msg>| match timeout(PATIENCE, channel.wait())
            .await
            .unwrap()
        {
            Some(ChannelMsg::Failure) => true,
            other => panic!("{other:?}"),
        };
    let mut channel = client.handle.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    assert!(refused(&mut channel).await);
    channel.request_shell(true).await.unwrap();
    assert!(refused(&mut channel).await);
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(refused(&mut channel).await);
    channel.set_env(true, "LD_PRELOAD", "x").await.unwrap();
    assert!(refused(&mut channel).await);
    channel.agent_forward(true).await.unwrap();
    assert!(refused(&mut channel).await);
    channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap();
    assert!(refused(&mut channel).await);
    // It is of use all the same, once.
    channel.exec(true, "cat").await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Success)));
    channel.exec(true, "true").await.unwrap();
    assert!(refused(&mut channel).await);

    assert!(client.handle.channel_open_direct_tcpip("127.0.0.1", 1, "127.0.0.1", 2).await.is_err());
    assert!(client.handle.channel_open_direct_streamlocal("/tmp/x").await.is_err());
    assert!(client.handle.tcpip_forward("127.0.0.1", 0).await.is_err());
}

#[tokio::test]
async fn a_command_does_not_get_the_environment_of_the_driver() {
    let (_cloud, instance, client) = client().await;
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "a variable that must not come through");
    let output = client.run("env | cut -d= -f1 | sort").await;
    let names: Vec<_> =
        output.text().lines().filter(|name| !matches!(*name, "_" | "SHLVL" | "OLDPWD")).collect();
    let expected = [
        "HOME",
        "LOGNAME",
        "PATH",
        "POOL_LOOPBACK_INSTANCE",
        "POOL_WORKER_ROOT",
        "PWD",
        "SHELL",
        "TMPDIR",
        "USER",
    ];
    assert_eq!(names, expected);
    client.run("mktemp").await;
    let tmp = Path::new(instance.root()).parent().unwrap().join("tmp");
    assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 1);
}

#[tokio::test]
async fn a_line_that_cannot_be_run_is_refused() {
    let (_cloud, _, client) = client().await;
    let output = client.run(&b"echo \0"[..]).await;
    assert!(!output.accepted);
    assert_eq!(output.end, End::None);
    let bytes = client.run(&b"printf '\xff\xfe'"[..]).await;
    assert_eq!(bytes.stdout, b"\xff\xfe");
}

#[tokio::test]
async fn a_connection_that_says_nothing_uses_none_of_another() {
    let (_cloud, instance, client) = client().await;
    let address = instance.address().unwrap();
    let silent: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let run = timeout(Duration::from_secs(5), client.run("echo here"));
    assert_eq!(run.await.unwrap().text(), "here\n");
    drop(silent);
}
