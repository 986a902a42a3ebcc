//! Connections: how they are made, verified and lost.

use crate::support::{MS, Program, SECOND, SECRET, World, config, options, run};
use driver_loopback::sim::{SimEvent, Strike};
use pool_api::{Command, Executor, ExecutorError, ExitStatus, Lifecycle, VerifyError};
use pool_protocol::{ToPool, ToRunner};
use serde_json::json;
use tokio::time::{sleep, timeout};

async fn look(executor: &dyn Executor) -> Result<ExitStatus, ExecutorError> {
    executor.execute(Command::new("cloud-init status --wait")).await.map(|output| output.status)
}

#[test]
fn a_machine_that_boots_refuses_and_one_that_has_booted_is_verified_once() {
    let world = World::calm();
    world.live(async {
        let program = Program::new(&world, 1);
        program.set.create(program.request(1)).await.unwrap();
        sleep(12 * SECOND).await;
        let instance = program.instance().await;
        let (executor, verifier) = program.executor(&*instance);
        assert!(matches!(look(&*executor).await, Err(ExecutorError::Connect { .. })));
        sleep(10 * SECOND).await;
        assert_eq!(look(&*executor).await.unwrap(), ExitStatus::Code(0));
        assert_eq!(look(&*executor).await.unwrap(), ExitStatus::Code(0));
        let seen = verifier.seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].1, SECRET);
        executor.set_target(None);
        assert!(matches!(look(&*executor).await, Err(ExecutorError::NoAddress)));
        executor.close();
        assert!(matches!(look(&*executor).await, Err(ExecutorError::Closed)));
    });
    let commands: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|(_, event)| match event {
            SimEvent::Commanded { verified, genuine: true, what, .. } => Some((what, verified)),
            _ => None,
        })
        .collect();
    assert_eq!(commands, [("secret", false), ("probe", true), ("probe", true)]);
}

#[test]
fn another_host_is_found_out() {
    let world = World::new(json!({ "faults": { "boots": { "wrong_host_rate": 1.0 } } }), options());
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let (executor, verifier) = program.executor(&*instance);
        let refused = look(&*executor).await.unwrap_err();
        assert!(matches!(refused, ExecutorError::HostRefused(VerifyError::WrongSecret)), "{refused}");
        let read = verifier.seen.lock().unwrap()[0].1.clone();
        assert!(read.len() == SECRET.len() && read != SECRET, "{read}");
        assert!(!world.only_machine().genuine);
    });
    assert_eq!(world.count(|event| matches!(event, SimEvent::Commanded { genuine: false, .. })), 1);
}

#[test]
fn the_driver_vouches_for_keys_if_it_is_to() {
    use pool_api::HostKeyVerdict::{Forged, Genuine, Unsupported};
    for (vouches, before, after) in [(false, Unsupported, Unsupported), (true, Genuine, Forged)] {
        let world = World::new(json!({ "vouch_for_host_keys": vouches }), options());
        world.live(async {
            let (program, instance) = world.booted(1).await;
            assert_eq!(program.set.capabilities().host_keys, vouches);
            let (executor, verifier) = program.executor(&*instance);
            look(&*executor).await.unwrap();
            let key = verifier.seen.lock().unwrap()[0].0.clone();
            assert_eq!(instance.verify_host_key(&key).await.unwrap(), before);
            world.cloud.strike(instance.id(), Strike::ChangeHostKey);
            // The connection that is there stays; the next one finds another key.
            look(&*executor).await.unwrap();
            world.cloud.strike(instance.id(), Strike::DropConnections);
            sleep(SECOND).await;
            look(&*executor).await.unwrap();
            let seen = verifier.seen.lock().unwrap().clone();
            assert_ne!(seen[0].0.fingerprint, seen[1].0.fingerprint);
            assert_eq!(instance.verify_host_key(&key).await.unwrap(), after);
        });
    }
}

#[test]
fn a_vanished_machine_is_silent_until_the_program_notices() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        let (executor, _) = program.executor(&*instance);
        look(&*executor).await.unwrap();
        world.cloud.strike(instance.id(), Strike::Vanish);
        assert!(program.list().await.is_empty());
        // No reset: a command runs into its limit, and only then the keepalives tell.
        let limited = executor.execute(Command::new("true").time_limit(20 * SECOND)).await.unwrap_err();
        assert!(matches!(limited, ExecutorError::TimedOut { what: "command", .. }), "{limited}");
        assert!(timeout(5 * SECOND, session.next()).await.is_err());
        assert!(timeout(10 * SECOND, session.next()).await.unwrap().is_none());
        let before = world.cloud.now();
        let gone = look(&*executor).await.unwrap_err();
        assert!(matches!(gone, ExecutorError::TimedOut { what: "connect", .. }), "{gone}");
        assert_eq!(world.cloud.now() - before, 10 * SECOND);
    });
}

#[test]
fn a_stopped_machine_resets_its_connections() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        session.start("long", "500s").await;
        world.cloud.strike(instance.id(), Strike::Stop);
        assert_eq!(program.instance().await.lifecycle(), Lifecycle::Stopping);
        while session.next().await.is_some() {}
        let stopped = program.instance().await;
        assert_eq!((stopped.lifecycle(), stopped.address()), (Lifecycle::Stopped, None));
        assert_eq!(world.only_machine().runs, [(run("long"), false)]);
        stopped.destroy().await.unwrap();
        sleep(4 * SECOND).await;
        assert!(program.list().await.is_empty());
    });
    assert_eq!(world.count(|event| matches!(event, SimEvent::SessionClosed { .. })), 1);
}

#[test]
fn what_was_sent_to_a_machine_that_hangs_arrives_when_it_hangs_no_more() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        world.cloud.strike(instance.id(), Strike::Hang);
        let spec = Box::new(pool_api::JobSpec::new(["5s"]));
        session.send(&ToRunner::Start { request: 1, run: run("late"), spec }).await;
        // Given up, as far as the program knows: what it has sent is still there, and then its end.
        assert!(timeout(40 * SECOND, session.next()).await.unwrap().is_none());
        drop(session);
        sleep(SECOND).await;
        assert!(world.only_machine().runs.is_empty());
        world.cloud.strike(instance.id(), Strike::Unhang);
        assert_eq!(world.only_machine().runs, [(run("late"), true)]);
        assert_eq!(world.only_machine().session, None);

        let mut session = program.session(&*instance, 1).await;
        world.cloud.strike(instance.id(), Strike::Hang);
        sleep(6 * SECOND).await;
        world.cloud.strike(instance.id(), Strike::Unhang);
        assert!(matches!(session.next().await, Some(ToPool::Exited { .. })));
    });
}

#[test]
fn a_machine_that_is_to_have_no_runner_has_none() {
    let faults = json!({ "machines": [{ "nth": 1, "without_runner": true }] });
    let world = World::new(json!({ "faults": faults }), options());
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut channel = program.attach(&*instance).await;
        assert!(matches!(channel.event().await, Some(pool_api::ChannelEvent::Stderr(_))));
        let end = channel.event().await;
        assert_eq!(end, Some(pool_api::ChannelEvent::Exit(ExitStatus::Code(127))));
        assert_eq!(channel.event().await, None);
    });
}

#[test]
fn faults_of_machines_come_at_their_times() {
    let faults = json!({ "machines": [{ "nth": 1, "hang_after": "40s" }, { "vanish_after": "1m" }] });
    assert_eq!(config(json!({ "faults": faults })).faults.machines.len(), 2);
    let world = World::new(json!({ "faults": faults }), options());
    world.live(async {
        let (_, _) = world.booted(1).await;
        sleep(60 * SECOND).await;
    });
    let strikes: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|(at, event)| match event {
            SimEvent::Created { .. } => Some((at, None)),
            SimEvent::Struck { strike, .. } => Some((at, Some(strike))),
            _ => None,
        })
        .collect();
    let created = strikes[0].0;
    assert!(created < 100 * MS);
    assert_eq!(
        strikes[1..],
        [(created + 40 * SECOND, Some(Strike::Hang)), (created + 60 * SECOND, Some(Strike::Vanish))]
    );
}
