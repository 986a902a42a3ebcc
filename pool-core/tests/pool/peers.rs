//! Runners that do not keep the protocol. None of them may do harm: the next probe fails, and a runner that keeps it
//! again is used again.

use crate::support::{
    config, idle_instance, ready_instance,
    scripted::{Peer, Script, Scripted, good, hello, script},
    shell, small, soon,
};
use bytes::Bytes;
use pool_core::{ChannelEvent, ExitStatus, JobEnd, Notice, Resources, RunId};
use pool_protocol::{PROTOCOL_VERSION, Refusal, RunReport, RunStatus, ToPool, ToRunner};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The reasons that probes give for failing, and then a good runner brings the worker into use.
async fn fails_then_recovers(bad: Script, expected: &[&str]) {
    let scripted = Scripted::new(bad);
    let pool = scripted.pool(config());
    pool.count_workers().await;
    let mut notices = pool.notices();
    pool.create(&small()).unwrap();
    let mut said = Vec::new();
    let found = tokio::time::timeout(crate::support::PATIENCE, async {
        while let Ok(notice) = notices.recv().await {
            match notice {
                Notice::ProbeFailed { reason, .. } => {
                    let hit = expected.iter().all(|part| reason.contains(part));
                    said.push(reason);
                    if hit {
                        return;
                    }
                }
                Notice::Shutdown { reason, .. } => panic!("shut down: {reason:?}"),
                _ => {}
            }
        }
    })
    .await;
    assert!(found.is_ok(), "no probe failed for {expected:?}: {said:#?}");
    scripted.host.set_script(good());
    idle_instance(&pool).await;
    pool.stop().await;
}

/// A session that begins well, and then this.
fn after_hello<F: Future<Output = ()> + Send + 'static>(
    act: impl Fn(Peer) -> F + Clone + Send + Sync + 'static,
) -> Script {
    script(move |mut peer| {
        let act = act.clone();
        async move {
            peer.greet().await;
            act(peer).await;
        }
    })
}

/// What comes in place of the answer to the first request.
fn instead_of_an_answer(bytes: impl Into<Bytes>) -> Script {
    let bytes = bytes.into();
    after_hello(move |mut peer| {
        let bytes = bytes.clone();
        async move {
            peer.hear().await;
            peer.emit(ChannelEvent::Stdout(bytes)).await;
            peer.closed().await;
        }
    })
}

#[tokio::test]
async fn what_is_not_a_frame_ends_the_session() {
    let not_frames: [&[u8]; 5] = [
        b"{\n",
        b"garbage\n",
        b"{\"t\":\"no_such_kind\"}\n",
        b"\xff\xfe\n",
        b"{\"t\":\"done\",\"request\":-1}\n",
    ];
    for bytes in not_frames {
        fails_then_recovers(instead_of_an_answer(bytes), &["not a frame of this protocol"]).await;
    }
}

#[tokio::test]
async fn a_line_of_a_gigabyte_is_refused_before_it_is_kept() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let endless = after_hello(move |mut peer| {
        let taken = counter.clone();
        async move {
            peer.hear().await;
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            for _ in 0..16 * 1024 {
                if !peer.emit(ChannelEvent::Stdout(piece.clone())).await {
                    break;
                }
                taken.fetch_add(piece.len(), Ordering::Relaxed);
            }
        }
    });
    fails_then_recovers(endless, &["a frame is longer than"]).await;
    let sessions = 4;
    let most = (pool_protocol::MAX_FRAME + 8 * 64 * 1024) * sessions;
    assert!(taken.load(Ordering::Relaxed) <= most, "{taken:?} bytes were taken");
}

#[tokio::test]
async fn another_version_is_refused() {
    let newer = script(|mut peer| async move {
        peer.hear().await;
        peer.say(&ToPool::Hello(hello(PROTOCOL_VERSION + 1))).await;
        peer.closed().await;
    });
    fails_then_recovers(newer, &["protocol 2", "does not speak"]).await;
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let cases: [(Refusal, &[&str]); 4] = [
        // Nonsense: ours is 0, and so not stale.
        (Refusal::StaleEpoch { highest: 0 }, &["epoch 0", "only one of the two"]),
        (Refusal::OtherInstanceSet { instance_set: "theirs".parse().unwrap() }, &["instance set theirs"]),
        (Refusal::Version { newest: 9, oldest: 8 }, &["8 to 9", "up to date"]),
        (Refusal::NoHello, &["hello"]),
    ];
    for (refusal, expected) in cases {
        let refusing = script(move |mut peer: Peer| {
            let refusal = refusal.clone();
            async move {
                peer.hear().await;
                peer.say(&ToPool::Refused { refusal }).await;
                peer.closed().await;
            }
        });
        fails_then_recovers(refusing, expected).await;
    }
}

#[tokio::test]
async fn something_else_than_a_hello_is_refused() {
    let rude = script(|mut peer| async move {
        peer.hear().await;
        peer.say(&ToPool::Heartbeat).await;
        peer.closed().await;
    });
    fails_then_recovers(rude, &["before its hello"]).await;
}

#[tokio::test]
async fn an_early_end_keeps_what_the_runner_said_of_it() {
    let dying = script(|peer| async move {
        peer.emit(ChannelEvent::Stderr("no space left on device\n".into())).await;
        peer.emit(ChannelEvent::Stderr(vec![b'x'; 1 << 20].into())).await;
        peer.emit(ChannelEvent::Exit(ExitStatus::Code(1))).await;
    });
    fails_then_recovers(dying, &["exit code 1", "no space left on device"]).await;
    let lost = after_hello(|mut peer| async move {
        peer.hear().await;
    });
    fails_then_recovers(lost, &["the connection was lost"]).await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_the_session() {
    let unasked = after_hello(|peer| async move {
        peer.say(&ToPool::Done { request: 999 }).await;
        peer.closed().await;
    });
    fails_then_recovers(unasked, &["what was not asked, or twice"]).await;
    let twice = after_hello(|mut peer| async move {
        let ToRunner::List { request } = peer.hear().await else { panic!("no list") };
        // The first is not the worker's word any more when the second shows that it does not keep the protocol.
        let answer = ToPool::Runs { request, runs: Vec::new(), broken: None };
        peer.say(&answer).await;
        peer.say(&answer).await;
        peer.closed().await;
    });
    fails_then_recovers(twice, &["what was not asked, or twice"]).await;
    let another_kind = after_hello(|mut peer| async move {
        let ToRunner::List { request } = peer.hear().await else { panic!("no list") };
        peer.say(&ToPool::Done { request }).await;
        peer.closed().await;
    });
    fails_then_recovers(another_kind, &["another kind of frame"]).await;
}

/// In paused time, which goes on when nothing else can.
#[tokio::test(start_paused = true)]
async fn a_silent_runner_is_given_up_and_attached_to_anew() {
    let before_hello = script(|peer| async move { peer.closed().await });
    fails_then_recovers(before_hello, &["no answer from the runner within 30s"]).await;
    let after = after_hello(|peer| async move { peer.closed().await });
    fails_then_recovers(after, &["no answer from the runner within 30s"]).await;
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    let scripted = Scripted::new(good());
    let pool = scripted.pool(config());
    let id = ready_instance(&pool).await;
    pool.stop().await;
    let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
    scripted.host.set_script(after_hello(move |mut peer| {
        let starts = starts.clone();
        async move {
            let mut held = Vec::new();
            loop {
                match peer.hear().await {
                    ToRunner::List { request } => {
                        peer.say(&ToPool::Runs { request, runs: Vec::new(), broken: None }).await;
                    }
                    ToRunner::Start { request, run, .. } => {
                        held.push(request);
                        starts.send(run).unwrap();
                        if held.len() == 3 {
                            for request in held.drain(..).rev() {
                                peer.say(&ToPool::Done { request }).await;
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }));
    let pool = scripted.pool(config());
    assert_eq!(idle_instance(&pool).await, id);
    for name in ["a", "b", "c"] {
        let mut start = shell(name, "true");
        start.spec.resources.cpus = pool_core::Cpus::whole(1);
        pool.start_job(&id, start).unwrap();
        assert_eq!(soon("the start", started.recv()).await.unwrap().job.as_str(), name);
    }
    for name in ["a", "b", "c"] {
        crate::support::running(&pool, name).await;
    }
    pool.stop().await;
}

fn report(set: &str, job: &str) -> RunReport {
    RunReport {
        instance_set: set.parse().unwrap(),
        run: RunId::new(job.parse().unwrap(), 1),
        resources: Resources::default(),
        status: RunStatus::Running { started_ms: 0 },
    }
}

#[tokio::test]
async fn p40_runs_of_other_instance_sets_are_ignored() {
    let scripted = Scripted::new(after_hello(|mut peer| async move {
        peer.serve(&[report("other", "theirs"), report("test", "ours")]).await;
    }));
    let pool = scripted.pool(config());
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    crate::support::running(&pool, "ours").await;
    assert_eq!(pool.running().len(), 1, "{:?}", pool.running());
    pool.stop().await;
}

#[tokio::test]
async fn an_invalid_job_id_ends_the_session() {
    let line = r#"{"t":"runs","request":1,"runs":[{"instance_set":"test","run":{"job":"../../etc","attempt":1},
        "resources":{},"status":{"is":"stale"}}],"broken":null}"#;
    let line = line.replace('\n', " ") + "\n";
    fails_then_recovers(instead_of_an_answer(line), &["not a frame of this protocol", "job id"]).await;
}

#[tokio::test]
async fn a_flood_of_events_about_unknown_jobs_does_no_harm() {
    let scripted = Scripted::new(after_hello(|mut peer| async move {
        for number in 0..20_000 {
            let run = RunId::new(format!("job-{number}").parse().unwrap(), 1);
            peer.say(&ToPool::Started { run }).await;
            peer.say(&ToPool::Heartbeat).await;
        }
        peer.serve(&[]).await;
    }));
    let pool = scripted.pool(config());
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    idle_instance(&pool).await;
    assert!(pool.running().is_empty());
    pool.stop().await;
}

/// The start's answer never came, and the session was lost: it may run. The next list, which lacks it, tells.
#[tokio::test]
async fn a_start_whose_answer_is_lost_is_judged_by_the_next_list() {
    let scripted = Scripted::new(after_hello(|mut peer| async move {
        loop {
            match peer.hear().await {
                ToRunner::List { request } => {
                    peer.say(&ToPool::Runs { request, runs: Vec::new(), broken: None }).await;
                }
                ToRunner::Start { .. } => return,
                _ => {}
            }
        }
    }));
    let pool = scripted.pool(config());
    let id = ready_instance(&pool).await;
    pool.start_job(&id, shell("a", "true")).unwrap();
    let JobEnd::NotStarted { reason } = crate::support::ended(&pool, "a").await else { panic!("it started") };
    assert!(reason.contains("does not know the run"), "{reason}");
    pool.stop().await;
}
