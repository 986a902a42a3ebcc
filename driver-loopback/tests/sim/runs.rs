//! Sessions with runners, and runs.

use crate::support::{MS, Program, SECOND, World, hello, options, run};
use driver_loopback::sim::{SimEvent, Strike, sim_byte, sim_output};
use pool_api::{ByteSize, JobSpec, Lifecycle};
use pool_protocol::{
    KillTimes, Outcome, OutputChunk, OutputStream, Refusal, RequestError, RunStatus, StreamSize, ToPool,
    ToRunner,
};
use serde_json::json;
use tokio::time::{sleep, timeout};

#[test]
fn a_run_is_started_once_ends_and_is_told_of_until_it_is_forgotten() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        assert_eq!(world.only_machine().session, Some((1, 1)));
        assert!(matches!(session.start("a", "10s").await, ToPool::Done { .. }));
        assert!(matches!(session.start("a", "10s").await, ToPool::Done { .. }));
        let runs = session.list().await;
        assert!(matches!(runs[0].status, RunStatus::Running { .. }), "{runs:?}");
        let still = session.forget("a").await;
        assert!(matches!(still, ToPool::Failed { error: RequestError::StillRunning, .. }));
        let end = session.end_of("a").await;
        assert_eq!((end.outcome.clone(), end.killed.clone()), (Outcome::Exited { code: 0 }, None));
        assert_eq!(end.ended_ms - end.started_ms.unwrap(), 10_000);
        drop(session);

        let mut session = program.session(&*instance, 1).await;
        assert_eq!(session.end_of("a").await, end);
        assert!(matches!(session.forget("a").await, ToPool::Done { .. }));
        assert!(session.list().await.is_empty());
        assert!(matches!(session.forget("a").await, ToPool::Done { .. }));
    });
    assert_eq!(world.count(|event| matches!(event, SimEvent::RunStarted { .. })), 1);
    assert_eq!(world.count(|event| matches!(event, SimEvent::RunEnded { killed: false, .. })), 1);
    assert_eq!(world.count(|event| matches!(event, SimEvent::RunForgotten { known: true, .. })), 1);
}

#[test]
fn a_job_that_ignores_term_is_killed_in_the_end() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        session.start("polite", "500s").await;
        session.start("stubborn", "500s ignore").await;
        session.start("quick", "4s ignore").await;
        for name in ["polite", "stubborn", "quick"] {
            assert!(matches!(session.kill(name).await, ToPool::Done { .. }));
        }
        let mut ends = Vec::new();
        let begun = world.cloud.now();
        for name in ["polite", "quick", "stubborn"] {
            let end = session.end_of(name).await;
            assert_eq!(end.killed.as_deref(), Some("cancelled"));
            ends.push((end.outcome, (world.cloud.now() - begun).as_secs()));
        }
        let by = |signal: &str| Outcome::Signaled { signal: signal.into() };
        assert_eq!(ends[0], (by("TERM"), 0));
        // It ends by itself before it is killed, and was being killed all the same.
        assert!(matches!(ends[1], (Outcome::Exited { code: 0 }, 3 | 4)), "{ends:?}");
        assert!(matches!(&ends[2], (outcome, 9 | 10) if *outcome == by("KILL")), "{ends:?}");
        assert!(matches!(session.kill("polite").await, ToPool::Done { .. }));
        let unknown = session.kill("nobody").await;
        assert!(matches!(unknown, ToPool::Failed { error: RequestError::UnknownRun, .. }));
    });
}

#[test]
fn a_time_limit_and_a_start_that_fails_end_runs() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        let mut limited = JobSpec::new(["500s"]);
        limited.time_limit = Some(3 * SECOND);
        session.start_spec("limited", limited).await;
        let end = session.end_of("limited").await;
        assert_eq!(end.killed.as_deref(), Some("time limit of 3s reached"));

        assert!(matches!(session.start("none", "fail").await, ToPool::Done { .. }));
        let end = session.end_of("none").await;
        assert_eq!(end.outcome, Outcome::NotStarted { reason: "no such program".into() });
        assert_eq!(end.started_ms, None);
        let nonsense = session.start_spec("nonsense", JobSpec::new([""])).await;
        assert!(matches!(nonsense, ToPool::Failed { error: RequestError::Invalid { .. }, .. }));
    });
}

#[test]
fn a_lower_epoch_is_refused_and_a_newer_session_ends_the_older() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut first = program.session(&*instance, 4).await;
        let other = Program::new(&world, 2);
        let mut second = other.session(&*instance, 5).await;
        assert!(first.next().await.is_none());
        let mut late = program.attach(&*instance).await;
        late.send(&ToRunner::Hello(hello(4))).await;
        let refused = late.next().await;
        assert_eq!(refused, Some(ToPool::Refused { refusal: Refusal::StaleEpoch { highest: 5 } }));
        assert!(late.next().await.is_none());
        // What it knows is on its disk.
        world.cloud.strike(instance.id(), Strike::Reboot);
        assert!(second.next().await.is_none());
        let mut late = program.attach(&*instance).await;
        late.send(&ToRunner::Hello(hello(4))).await;
        assert!(matches!(late.next().await, Some(ToPool::Refused { .. })));
        let mut foreign = program.attach(&*instance).await;
        let hello = pool_protocol::HelloToRunner { instance_set: "else".parse().unwrap(), ..hello(9) };
        foreign.send(&ToRunner::Hello(hello)).await;
        let refusal = foreign.next().await;
        assert!(matches!(refusal, Some(ToPool::Refused { refusal: Refusal::OtherInstanceSet { .. } })));
    });
    assert_eq!(world.count(|event| matches!(event, SimEvent::SessionRefused { .. })), 3);
}

#[test]
fn output_comes_evenly_and_a_read_can_wait_for_it() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        let mut spec = JobSpec::new(["100s", "print"]);
        spec.output_limit = ByteSize(600);
        session.start_spec("a", spec).await;
        let mut read = Vec::new();
        let mut times = Vec::new();
        loop {
            let (offset, stream) = (read.len() as u64, OutputStream::Stdout);
            let make =
                |request| ToRunner::Read { request, run: run("a"), stream, offset, limit: 7, wait: true };
            let ToPool::Output { chunk: OutputChunk { offset: from, data, last }, .. } =
                session.ask(make).await
            else {
                panic!("no output");
            };
            assert_eq!(from, offset);
            read.extend(data);
            times.push(world.cloud.now());
            if last {
                break;
            }
        }
        assert_eq!(read, sim_output(&run("a"), OutputStream::Stdout, 0..600));
        assert_eq!(read[599], sim_byte(&run("a"), OutputStream::Stdout, 599));
        assert!(read.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'\n'));
        // It is asked again as soon as there was something: some hundred times, and once at the end.
        assert!(times.len() > 300, "{}", times.len());
        let end = session.end_of("a").await;
        assert_eq!(end.stdout, StreamSize { kept: 600, cut: 400 });
        assert_eq!(end.stderr, StreamSize { kept: 10, cut: 0 });
    });
}

#[test]
fn nobody_knows_how_killed_jobs_have_ended() {
    let faults = json!({ "machines": [{ "kill_jobs_after": "1m" }] });
    let world = World::new(json!({ "faults": faults }), options());
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        session.start("a", "500s").await;
        session.start("b", "1s").await;
        assert_eq!(session.end_of("b").await.outcome, Outcome::Exited { code: 0 });
        assert_eq!(session.end_of("a").await.outcome, Outcome::Unknown);
        // After a reboot it is the same, but for that there is no session that could tell.
        session.start("c", "500s").await;
        world.cloud.strike(instance.id(), Strike::Reboot);
        while let Some(frame) = session.next().await {
            assert!(matches!(frame, ToPool::Started { .. }), "{frame:?}");
        }
        let mut session = program.session(&*instance, 1).await;
        assert_eq!(session.end_of("c").await.outcome, Outcome::Unknown);
    });
}

#[test]
fn a_machine_says_that_it_is_broken_once_and_in_every_list() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        world.cloud.strike(instance.id(), Strike::Break("disk".into()));
        assert_eq!(session.next().await, Some(ToPool::Broken { reason: "disk".into() }));
        let listed = session.ask(|request| ToRunner::List { request }).await;
        assert!(matches!(listed, ToPool::Runs { broken: Some(_), .. }));
        assert!(session.told.is_empty());
    });
}

#[test]
fn the_record_of_an_ended_run_can_be_locked_for_a_while() {
    let mut options = options();
    options.stale_runs_rate = 1.0;
    options.stale_runs_for = 50 * SECOND;
    let world = World::new(json!({}), options);
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        session.start("a", "5s").await;
        sleep(6 * SECOND).await;
        assert_eq!(session.list().await[0].status, RunStatus::Stale);
        assert_eq!(world.only_machine().runs, [(run("a"), false)]);
        let end = timeout(55 * SECOND, session.end_of("a")).await.unwrap();
        assert_eq!(end.ended_ms - end.started_ms.unwrap(), 5000);
        assert!(matches!(session.list().await[0].status, RunStatus::Ended { .. }));
    });
}

#[test]
fn an_orphaned_runner_stops_its_machine_once_it_has_no_job() {
    let world = World::calm();
    let orphaned_at = |world: &World| {
        let events = world.events();
        events.iter().find(|(_, event)| matches!(event, SimEvent::Orphaned { .. })).map(|(at, _)| *at)
    };
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        session.start("a", "900s").await;
        let begun = world.cloud.now();
        drop(session);
        sleep(890 * SECOND).await;
        assert_eq!(orphaned_at(&world), None, "a job goes on");
        sleep(30 * SECOND).await;
        let after = orphaned_at(&world).unwrap() - begun;
        assert!(after < 901 * SECOND && after > 899 * SECOND, "{after:?}");
        assert_eq!(program.instance().await.lifecycle(), Lifecycle::Stopped);
    });

    // Held, or seen by a program, it is none. Without a way to power off, only the runner ends.
    let mut options = options();
    options.power_off = false;
    let world = World::new(json!({}), options);
    world.live(async {
        let (program, instance) = world.booted(1).await;
        assert_eq!(instance.power_off(), None);
        let mut session = program.attach(&*instance).await;
        let hello = pool_protocol::HelloToRunner { power_off: None, held: true, ..hello(1) };
        session.send(&ToRunner::Hello(hello)).await;
        assert!(matches!(session.next().await, Some(ToPool::Hello(_))));
        drop(session);
        sleep(2000 * SECOND).await;
        assert_eq!(orphaned_at(&world), None, "it is held");
        let mut session = program.attach(&*instance).await;
        let hello = pool_protocol::HelloToRunner { power_off: None, ..crate::support::hello(1) };
        session.send(&ToRunner::Hello(hello)).await;
        sleep(2000 * SECOND).await;
        assert_eq!(orphaned_at(&world), None, "a program is there");
        drop(session);
        let begun = world.cloud.now();
        sleep(601 * SECOND).await;
        assert!(orphaned_at(&world).unwrap() - begun < 600 * SECOND + 10 * MS);
        assert_eq!(program.instance().await.lifecycle(), Lifecycle::Running);
        // The next program starts it again.
        program.session(&*instance, 1).await;
    });
}

#[test]
fn a_runner_ends_when_it_is_asked_to_and_nothing_goes_on() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        session.start("a", "5s").await;
        let exit = |request| ToRunner::Exit { request };
        assert!(matches!(session.ask(exit).await, ToPool::Failed { error: RequestError::StillRunning, .. }));
        session.end_of("a").await;
        assert!(matches!(session.ask(exit).await, ToPool::Done { .. }));
        assert!(session.next().await.is_none());
        let mut session = program.session(&*instance, 1).await;
        session.end_of("a").await;
    });
}

#[test]
fn a_kill_without_patience_is_a_kill() {
    let world = World::calm();
    world.live(async {
        let (program, instance) = world.booted(1).await;
        let mut session = program.session(&*instance, 1).await;
        session.start("a", "500s").await;
        let times = KillTimes { signal_every_ms: 0, kill_after_ms: 0 };
        let kill = |request| ToRunner::Kill { request, run: run("a"), reason: "now".into(), times };
        session.ask(kill).await;
        assert_eq!(session.end_of("a").await.outcome, Outcome::Signaled { signal: "KILL".into() });
    });
}
