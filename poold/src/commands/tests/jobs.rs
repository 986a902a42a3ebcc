//! Commands that look at jobs and instances, or change them.

use super::kept::{Kept, parse, run};
use crate::{
    api::InstanceAction,
    commands::{
        ActArguments, ExplainArguments, InstancesArguments, JobArguments, JobsArguments, KillArguments,
        KillInstanceArguments, LogsArguments, PriorityArguments, StatusArguments, SubmitArguments,
        WaitArguments,
    },
    http::tests::fake::{Fake, Serving, instance},
    job::{Finish, OutputKept},
};
use pool_core::{InstanceId, OutputStream};
use std::sync::Arc;

async fn with_jobs(count: &str) -> (Arc<Fake>, Serving) {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let came = run!(
        SubmitArguments,
        &serving,
        Kept::default(),
        ["--array", count, "--name", "n", "--", "echo", "a b"]
    );
    assert_eq!(came.code, 0, "{came:?}");
    (fake, serving)
}

#[tokio::test]
async fn jobs_are_a_table_or_an_array() {
    let (fake, serving) = with_jobs("2200").await;
    fake.begin(2200);
    fake.end(2200, Finish::Signaled { signal: "KILL".into() });
    let came = run!(JobsArguments, &serving, Kept::default(), ["--limit", "2"]);
    let lines: Vec<Vec<&str>> = came.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((came.code, lines.len(), lines[0][0]), (0, 3, "ID"));
    assert_eq!((lines[1][2], lines[1][3], lines[2][2]), ("complete", "KILL", "queued"));
    assert!(came.stderr.contains("--all"), "{}", came.stderr);
    let came = run!(JobsArguments, &serving, Kept::default(), ["--all", "--json"]);
    let jobs = came.json();
    let jobs = jobs.as_array().unwrap();
    assert_eq!((jobs.len(), &jobs[0]["number"], &jobs[2199]["number"]), (2200, &2200.into(), &1.into()));
    let fields = [
        "id",
        "name",
        "state",
        "exit_code",
        "attempts",
        "instance",
        "submitted_at",
        "started_at",
        "ended_at",
    ];
    for field in fields {
        assert!(jobs[1].get(field).is_some(), "{field}");
    }
    let came = run!(JobsArguments, &serving, Kept::default(), ["--name", "other", "--json"]);
    assert_eq!((came.code, came.json()), (0, serde_json::json!([])));
    let kept = Kept { closes_after: Some(0), ..Kept::default() };
    let came = run!(JobsArguments, &serving, kept, ["--all"]);
    assert_eq!((came.code, came.stderr.as_str()), (0, ""), "a closed pipe is no error");
}

#[test]
fn bad_arguments_are_named() {
    for (arguments, part) in [
        (&["--state", "done"][..], "queued, locked"),
        (&["--limit", "0"], "--limit"),
        (&["--label", "x"], "--label"),
        (&["--limit", "3", "--all"], "--all"),
    ] {
        let error = parse::<JobsArguments>(arguments).unwrap_err();
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    assert!(parse::<JobsArguments>(&["--state", "queued,running"]).is_ok());
    assert!(parse::<JobArguments>(&["a b"]).unwrap_err().contains("a b"));
    assert!(parse::<LogsArguments>(&["1", "--run", "0"]).unwrap_err().contains("--run"));
    assert!(parse::<WaitArguments>(&[]).unwrap_err().contains("JOB"));
    assert!(parse::<PriorityArguments>(&["high", "1"]).unwrap_err().contains("high"));
}

#[tokio::test]
async fn a_job_is_shown_and_explained() {
    let (fake, serving) = with_jobs("1").await;
    fake.begin(1);
    fake.end(1, Finish::Cancelled { reason: "bad\u{1b}[2J\nname: fake".into() });
    let came = run!(JobArguments, &serving, Kept::default(), ["1"]);
    assert!(came.code == 0 && came.stdout.contains("echo 'a b'"), "{came:?}");
    assert!(came.stdout.contains(r"bad\x1b[2J\nname: fake") && came.stdout.contains("history:"), "{came:?}");
    let came = run!(JobArguments, &serving, Kept::default(), ["1", "--json"]);
    assert_eq!(
        (&came.json()["state"], &came.json()["history"][0]["detail"]),
        (&"cancelled".into(), &"submitted".into())
    );
    let came = run!(ExplainArguments, &serving, Kept::default(), ["1"]);
    assert!(came.stdout.contains("the quota is used up (at_quota)"), "{came:?}");
    let came = run!(ExplainArguments, &serving, Kept::default(), ["1", "--json"]);
    assert_eq!((&came.json()["reason"], &came.json()["ahead"]), (&"at_quota".into(), &3.into()));
    let came = run!(JobArguments, &serving, Kept::default(), ["77"]);
    assert!(came.code == 1 && came.stderr.contains("there is no job 77"), "{came:?}");
    let came = run!(StatusArguments, &serving, Kept::default(), []);
    assert!(
        came.code == 0 && came.stdout.contains("2 queued") && came.stdout.contains("disk is full"),
        "{came:?}"
    );
}

#[tokio::test]
async fn waiting_has_a_limit_and_an_exit_code() {
    let (fake, serving) = with_jobs("3").await;
    fake.end(1, Finish::Exited { code: 0 });
    fake.end(2, Finish::Exited { code: 4 });
    assert_eq!(run!(WaitArguments, &serving, Kept::default(), ["1"]).code, 0);
    assert_eq!(run!(WaitArguments, &serving, Kept::default(), ["1", "2"]).code, 1);
    let came = run!(WaitArguments, &serving, Kept::default(), ["3", "1", "--timeout", "10ms"]);
    assert!(came.code == 124 && came.stderr.contains("queued still"), "{came:?}");
    let ends = async {
        fake.end(3, Finish::Exited { code: 0 });
    };
    let waits = async { run!(WaitArguments, &serving, Kept::default(), ["3", "--json"]) };
    let (came, ()) = tokio::join!(waits, ends);
    assert_eq!((came.code, &came.json()[0]["exit_code"]), (0, &0.into()));
}

#[tokio::test]
async fn logs_are_raw_in_a_pipe_and_harmless_on_a_terminal() {
    let (fake, serving) = with_jobs("1").await;
    fake.begin(1);
    fake.print(1, OutputStream::Stdout, "bold \u{1b}[1m, €uro\n".as_bytes());
    fake.print(1, OutputStream::Stderr, b"oh\n");
    let terminal = || Kept { is_terminal: true, ..Kept::default() };
    let came = run!(LogsArguments, &serving, Kept::default(), ["1"]);
    assert_eq!((came.stdout.as_str(), came.stderr.as_str()), ("bold \u{1b}[1m, €uro\n", "oh\n"));
    let came = run!(LogsArguments, &serving, Kept::default(), ["1", "--stream", "stderr"]);
    assert_eq!((came.stdout.as_str(), came.stderr.as_str()), ("oh\n", ""));
    let came = run!(LogsArguments, &serving, terminal(), ["1", "--stream", "stdout"]);
    assert_eq!((came.stdout.as_str(), came.stderr.as_str()), ("bold \\x1b[1m, €uro\n", ""));
    let came = run!(LogsArguments, &serving, terminal(), ["1", "--stream", "stdout", "--raw"]);
    assert_eq!(came.stdout, "bold \u{1b}[1m, €uro\n");
    let came = run!(LogsArguments, &serving, Kept::default(), ["1", "--json"]);
    assert_eq!((&came.json()["stderr"], &came.json()["run"]), (&"oh\n".into(), &1.into()));
    fake.end(1, Finish::Cancelled { reason: "lost".into() });
    fake.change(|state| state.jobs[0].record.output = OutputKept::Incomplete);
    let came = run!(LogsArguments, &serving, Kept::default(), ["1", "-f"]);
    assert!(came.code == 0 && came.stderr.contains("incomplete"), "{came:?}");
}

#[tokio::test]
async fn changes_are_made_to_all_that_can_be_changed() {
    let (fake, serving) = with_jobs("3").await;
    let came = run!(PriorityArguments, &serving, Kept::default(), ["9", "1", "2"]);
    assert_eq!((came.code, came.stdout.lines().count()), (0, 2));
    assert_eq!(
        fake.look(|state| state.jobs.iter().map(|job| job.record.priority).collect::<Vec<_>>()),
        [9, 9, 100]
    );
    let came = run!(KillArguments, &serving, Kept::default(), ["1", "77", "2", "--reason", "enough"]);
    assert_eq!((came.code, came.stdout.lines().count()), (1, 2));
    assert!(came.stderr.contains("no job 77"), "{came:?}");
    let came = run!(KillArguments, &serving, Kept::default(), ["1"]);
    assert!(came.code == 1 && came.stderr.contains("cancelled already"), "{came:?}");
    let came = run!(KillArguments, &serving, Kept::default(), ["3", "--json"]);
    assert_eq!((came.code, &came.json()[0]["reason"]), (0, &"killed by a user".into()));
    let came = run!(KillArguments, &serving, Kept::default(), ["3", "--reason", "a\u{1b}b"]);
    assert!(came.code == 2 && came.stderr.contains("reason"), "{came:?}");
}

#[tokio::test]
async fn instances_are_shown_and_changed() {
    let (fake, serving) = with_jobs("1").await;
    let came = run!(InstancesArguments, &serving, Kept::default(), []);
    assert_eq!((came.code, came.stdout.as_str(), came.stderr.as_str()), (0, "", "poold: no instances\n"));
    fake.change(|state| state.instances = vec![instance("i 1/?")]);
    let came = run!(InstancesArguments, &serving, Kept::default(), []);
    assert!(came.stdout.contains("i 1/?") && came.stdout.contains("1m 15s"), "{came:?}");
    let came = run!(InstancesArguments, &serving, Kept::default(), ["--json"]);
    for field in ["id", "instance_type", "worker_state", "idle_behavior", "running_jobs", "price"] {
        assert!(came.json()[0].get(field).is_some(), "{field}");
    }
    for action in ["hold", "drain", "run"] {
        assert_eq!(run!(ActArguments, &serving, Kept::default(), ["i 1/?"], action).code, 0);
    }
    let came = run!(KillInstanceArguments, &serving, Kept::default(), ["i 1/?", "--reason", "old"]);
    assert_eq!(came.code, 0);
    let came = run!(ActArguments, &serving, Kept::default(), ["nosuch", "--json"], "hold");
    assert!(came.code == 1 && came.stderr.contains("nosuch"), "{came:?}");
    let id = InstanceId::new("i 1/?").unwrap();
    let expected = [
        InstanceAction::Hold,
        InstanceAction::Drain,
        InstanceAction::Run,
        InstanceAction::Kill { reason: "old".into() },
    ];
    fake.look(|state| {
        let of: Vec<_> =
            state.actions.iter().filter(|(of, _)| *of == id).map(|(_, action)| action.clone()).collect();
        assert_eq!(of, expected);
    });
}

#[tokio::test]
async fn waiting_goes_on_when_the_server_starts_anew() {
    let (fake, mut serving) = with_jobs("1").await;
    let arguments: WaitArguments = parse(&["1"]).unwrap();
    let client = super::Asked::client(&serving);
    let story = async {
        fake.until_waiting(1).await;
        serving.stop().await;
        serving.restart(&fake);
        fake.end(1, Finish::Exited { code: 0 });
    };
    let (code, ()) = tokio::join!(arguments.run(client), story);
    assert_eq!(code.unwrap(), 0);
}
