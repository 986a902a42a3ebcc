//! `poold submit`.

use super::kept::{Kept, parse, run};
use crate::{
    commands::{SubmitArguments, failure::Failure, requests::Requests},
    http::tests::fake::{Fake, Serving},
    job::Finish,
};
use pool_core::OutputStream;
use std::fs;

const EXITED: Finish = Finish::Exited { code: 0 };

#[tokio::test]
async fn one_id_a_line_and_every_option_arrives() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let came = run!(
        SubmitArguments,
        &serving,
        Kept::default(),
        [
            "--name",
            "n",
            "--group",
            "g",
            "--label",
            "a=1",
            "--label",
            "b=x=y",
            "--env",
            "V=w=x",
            "--env",
            "PATH",
            "--directory",
            "/tmp",
            "--cpus",
            "0.5",
            "--memory",
            "1GiB",
            "--scratch",
            "2 MB",
            "--gpus",
            "1",
            "--preemptible",
            "--priority",
            "7",
            "--time-limit",
            "1m 30s",
            "--output-limit",
            "1MiB",
            "--attempts",
            "2",
            "--rerun-if-unknown",
            "--",
            "sh",
            "-c",
            "--name"
        ]
    );
    assert_eq!((came.code, came.stdout.lines().count(), came.stderr.as_str()), (0, 1, ""));
    let request = fake.look(|state| state.jobs[0].request.clone());
    let mut expected: serde_json::Value = serde_json::from_str(
        r#"{"command":["sh","-c","--name"],"name":"n","group":"g","labels":{"a":"1","b":"x=y"},
            "environment":{"V":"w=x"},"directory":"/tmp","cpus":0.5,"memory":1073741824,"scratch":2000000,"gpus":1,
            "preemptible":true,"priority":7,"time_limit":"1m 30s","output_limit":1048576,"attempts":2,
            "rerun_if_unknown":true}"#,
    )
    .unwrap();
    expected["environment"]["PATH"] = std::env::var("PATH").unwrap().into();
    assert_eq!(serde_json::to_value(&*request).unwrap(), expected);
}

#[tokio::test]
async fn an_array_tells_each_job_its_place() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let came = run!(SubmitArguments, &serving, Kept::default(), ["--array", "2500", "--json", "--", "true"]);
    assert_eq!(came.json()["ids"].as_array().unwrap().len(), 2500);
    fake.look(|state| {
        let sizes: Vec<usize> = state.submissions.iter().map(|(_, numbers)| numbers.len()).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
        let environment = &state.jobs[2499].request.environment;
        assert_eq!((&*environment["POOL_ARRAY_INDEX"], &*environment["POOL_ARRAY_SIZE"]), ("2499", "2500"));
    });
}

#[test]
fn bad_arguments_are_named() {
    let cases: [(&[&str], &str); 13] = [
        (&["--array", "1000000", "--", "true"], "100000"),
        (&["--array", "0", "--", "true"], "--array"),
        (&["--cpus", "-1", "--", "true"], "--cpus"),
        (&["--cpus", "NaN", "--", "true"], "--cpus"),
        (&["--memory", "much", "--", "true"], "--memory"),
        (&["--time-limit", "soon", "--", "true"], "--time-limit"),
        (&["--label", "novalue", "--", "true"], "--label"),
        (&["--env", "NO_SUCH_VARIABLE_HERE", "--", "true"], "--env"),
        (&["--priority", "-1", "--", "true"], "--priority"),
        (&["--group", "a b", "--", "true"], "--group"),
        (&["--file", "x", "--", "true"], "--file"),
        (&["--file", "x", "--name", "y"], "--file"),
        (&["--follow", "--array", "2", "--", "true"], "--follow"),
    ];
    for (arguments, part) in cases {
        let error = parse::<SubmitArguments>(arguments).unwrap_err();
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn what_the_client_can_see_is_refused_before_anything_is_sent() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let long = "x".repeat(1 << 20);
    let cases: [(&[&str], &str); 4] = [
        (&["--name", "a\u{1b}[2J", "--", "true"], "name"),
        (&["--", "echo", &long], "command[1]"),
        (&["--directory", "here", "--", "true"], "directory"),
        (&[], "--file"),
    ];
    for (arguments, part) in cases {
        let mut parsed: SubmitArguments = parse(arguments).unwrap();
        let kept = Kept::default();
        parsed.place.console = super::super::console::Console::Kept(kept.clone());
        let result = parsed.run(super::Asked::client(&serving)).await;
        let came = super::kept::came(&kept, false, result);
        assert!(came.code == 2 && came.stderr.contains(part), "{came:?}");
        assert!(!came.stderr.contains('\u{1b}') && came.stderr.len() < 1000, "{came:?}");
    }
    let file = serving.dir.path().join("jobs.jsonl");
    fs::write(
        &file,
        "{\"command\":[\"true\"]}\n\n{\"command\":[\"a\"],\"cpu\":1}\n{\"command\":[]}\nnonsense\n",
    )
    .unwrap();
    let came = run!(SubmitArguments, &serving, Kept::default(), ["--file", file.to_str().unwrap()]);
    assert_eq!((came.code, came.stdout.as_str()), (2, ""));
    for part in ["jobs.jsonl:3: cpu", "jobs.jsonl:4: command", "jobs.jsonl:5: "] {
        assert!(came.stderr.contains(part), "{part}: {}", came.stderr);
    }
    assert_eq!(fake.look(|state| state.jobs.len()), 0);
    let came = run!(SubmitArguments, &serving, Kept::default(), ["--file", "/nonexistent", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&came.stderr).unwrap();
    assert_eq!((came.code, &error["error"]["code"]), (2, &"invalid_input".into()), "{error}");
}

#[test]
fn lines_are_bounded() {
    let refused = |text: &[u8]| match Requests::from_lines(text, "f") {
        Err(Failure::Input(problem)) => problem,
        other => panic!("{other:?}"),
    };
    assert!(refused(b"\n \n").contains("no jobs"));
    let long = [b"{\"command\":[\"".as_slice(), &vec![b'x'; 3 << 20]].concat();
    assert!(refused(&long).contains("f:1: the line has more than"));
    let many = "{\"command\":[\"a\"]}\n".repeat(100_001);
    assert!(refused(many.as_bytes()).contains("more than 100000 jobs"));
    let problems = refused("{}\n".repeat(500).as_bytes());
    assert!(problems.lines().count() < 30 && problems.contains("f:20: "), "{problems}");
    assert!(refused(b"{\"command\":[\"\xff\"]}").contains("f:1: "));
}

#[tokio::test]
async fn waiting_exits_as_the_job_did() {
    let cases = [
        (Finish::Exited { code: 0 }, 0, ""),
        (Finish::Exited { code: 7 }, 7, ""),
        (Finish::Signaled { signal: "KILL".into() }, 137, "KILL"),
        (Finish::NotStarted { reason: "no such program".into() }, 127, "no such program"),
        (Finish::Cancelled { reason: "enough\u{1b}".into() }, 125, "enough\\x1b"),
    ];
    for (finish, code, part) in cases {
        let serving = Serving::new(&Fake::ending(finish.clone()));
        let came = run!(SubmitArguments, &serving, Kept::default(), ["--wait", "--", "true"]);
        assert!(came.code == code && came.stderr.contains(part), "{finish:?}: {came:?}");
        assert_eq!((came.stdout.lines().count(), part.is_empty()), (1, came.stderr.is_empty()));
        let came = run!(SubmitArguments, &serving, Kept::default(), ["--wait", "--json", "--", "true"]);
        assert_eq!((came.code, came.json()["state"].as_str()), (code, Some(finish.state().as_str())));
        let came = run!(
            SubmitArguments,
            &serving,
            Kept::default(),
            ["--wait", "--array", "2", "--json", "--", "true"]
        );
        assert_eq!((came.code, came.json().as_array().unwrap().len()), (u8::from(code != 0), 2));
    }
}

#[tokio::test]
async fn following_prints_both_outputs_across_a_lost_worker_and_a_restart() {
    let fake = Fake::new();
    let mut serving = Serving::new(&fake);
    let kept = Kept { is_terminal: true, ..Kept::default() };
    let mut arguments: SubmitArguments = parse(&["--follow", "--", "true"]).unwrap();
    arguments.place.console = super::super::console::Console::Kept(kept.clone());
    let client = super::Asked::client(&serving);
    let story = async {
        fake.until(|state| state.jobs.len() == 1).await;
        fake.begin(1);
        fake.print(1, OutputStream::Stdout, "one \u{1b}[31mred €uro".as_bytes());
        kept.until(OutputStream::Stdout, "€uro").await;
        serving.stop().await;
        serving.restart(&fake);
        fake.print(1, OutputStream::Stderr, b"oh\n");
        kept.until(OutputStream::Stderr, "oh\n").await;
        fake.begin(1);
        fake.print(1, OutputStream::Stdout, b"again\r\n");
        fake.end(1, Finish::Exited { code: 3 });
    };
    let (code, ()) = tokio::join!(arguments.run(client), story);
    assert_eq!(code.unwrap(), 3);
    assert_eq!(kept.text(OutputStream::Stdout), "one \\x1b[31mred €uroagain\n");
    let stderr = kept.text(OutputStream::Stderr);
    assert!(stderr.contains("oh\n") && stderr.contains("run 1"), "{stderr}");
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_not_submitted_twice() {
    let fake = Fake::ending(EXITED);
    let serving = Serving::new(&fake);
    fake.change(|state| state.lost_answers = 3);
    let came = run!(SubmitArguments, &serving, Kept::default(), ["--array", "1500", "--", "true"]);
    assert_eq!((came.code, came.stdout.lines().count()), (0, 1500), "{}", came.stderr);
    assert_eq!(fake.look(|state| (state.jobs.len(), state.submissions.len())), (1500, 2));
}

#[tokio::test]
async fn a_closed_pipe_ends_the_submission_and_it_is_said_how_far_it_came() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let kept = Kept { closes_after: Some(1), ..Kept::default() };
    let came = run!(SubmitArguments, &serving, kept, ["--array", "3000", "--", "true"]);
    assert_eq!((came.code, came.stdout.lines().count()), (1, 1000));
    assert!(came.stderr.contains("only 2000 of 3000"), "{}", came.stderr);
    assert_eq!(fake.look(|state| state.jobs.len()), 2000);
}

#[tokio::test]
async fn without_a_server_it_says_how_to_start_one() {
    let fake = Fake::new();
    let mut serving = Serving::new(&fake);
    serving.stop().await;
    let dir = serving.dir.path().display().to_string();
    let came = run!(SubmitArguments, &serving, Kept::default(), ["--", "true"]);
    let hint = format!("start it with `poold serve --state-dir {dir}`");
    assert!(came.code == 3 && came.stderr.contains(&hint) && came.stderr.contains("no socket"), "{came:?}");
    let socket = crate::http::socket_path(serving.dir.path());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let came = run!(SubmitArguments, &serving, Kept::default(), ["--", "true"]);
    assert!(came.code == 3 && came.stderr.contains(&hint), "{came:?}");
    let came = run!(SubmitArguments, &serving, Kept::default(), ["--json", "--", "true"]);
    let error: serde_json::Value = serde_json::from_str(&came.stderr).unwrap();
    assert_eq!(error["error"]["code"], "not_serving");
}
