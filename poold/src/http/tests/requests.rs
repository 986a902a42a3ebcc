//! Raw requests and what is answered, as any HTTP client sees it.

use super::fake::{Fake, Serving};
use crate::{
    api::{Problem, ServiceError},
    http::socket_path,
    job::{Finish, JobRequest},
};
use pool_core::OutputStream;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// Status, head and body.
async fn ask(serving: &Serving, method: &str, path: &str, body: &[u8]) -> (u16, String, String) {
    let mut stream = UnixStream::connect(socket_path(serving.dir.path())).await.unwrap();
    let length = body.len();
    // HTTP/1.0: the answer's body is not in chunks.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: poold\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses what is too long need not read it.
    drop(stream.write_all(body).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

async fn refusal(serving: &Serving, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let (status, _, body) = ask(serving, method, path, body).await;
    let problem: Problem = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    (status, ServiceError::from(problem).to_string())
}

#[tokio::test]
async fn every_error_is_json_with_its_status_and_says_what_is_wrong() {
    let serving = Serving::new(&Fake::new());
    let job = |field: &str, value: Value| {
        let mut job = json!({"command": ["true"]});
        job[field] = value;
        json!({"jobs": [{"command": ["true"]}, job]}).to_string().into_bytes()
    };
    let cases: Vec<(&str, &str, Vec<u8>, u16, &str)> = vec![
        ("GET", "/v2/jobs", vec![], 404, "/v2/jobs"),
        ("DELETE", "/v1/jobs", vec![], 405, "DELETE"),
        ("GET", "/v1/jobs/7", vec![], 404, "there is no job 7"),
        ("GET", "/v1/jobs/%20", vec![], 400, "the job in the address"),
        ("GET", "/v1/jobs/%ff", vec![], 400, "the address"),
        ("GET", "/v1/jobs?limit=many", vec![], 400, "limit"),
        ("GET", "/v1/jobs?limt=1", vec![], 400, "limt"),
        ("GET", "/v1/jobs/1/wait?seconds=-1", vec![], 400, "seconds"),
        ("GET", "/v1/jobs/1/output/stdin", vec![], 400, "stdin"),
        ("POST", "/v1/jobs", b"{".to_vec(), 400, "EOF"),
        ("POST", "/v1/jobs", b"{\"jobs\":[]} x".to_vec(), 400, "trailing"),
        ("POST", "/v1/jobs", job("cpus", json!("many")), 400, "jobs[1].cpus"),
        ("POST", "/v1/jobs", job("cpu", json!(1)), 400, "jobs[1].cpu"),
        ("POST", "/v1/jobs", job("name", json!("a\u{1b}[2J")), 422, "control characters"),
        ("POST", "/v1/jobs", job("command", json!(["echo", "x".repeat(1 << 20)])), 422, "command[1]"),
        ("POST", "/v1/jobs/1/priority", b"{\"priority\":-1}".to_vec(), 400, "priority"),
        ("POST", "/v1/jobs/1/kill", b"{\"reason\":\"\\u001b\"}".to_vec(), 400, "reason"),
        ("POST", "/v1/instances/i-1/reboot", vec![], 404, "reboot"),
        ("POST", "/v1/instances/i-1/hold", vec![], 404, "i-1"),
    ];
    for (method, path, body, status, part) in cases {
        let (code, message) = refusal(&serving, method, path, &body).await;
        assert_eq!(code, status, "{method} {path}: {message}");
        assert!(message.contains(part), "{method} {path}: {message}");
        assert!(message.len() < 500, "{message}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_server_goes_on() {
    let serving = Serving::new(&Fake::new());
    let (status, message) = refusal(&serving, "POST", "/v1/jobs", &vec![b' '; (8 << 20) + 1]).await;
    assert!(status == 413 && message.contains("8388608"), "{status} {message}");
    assert_eq!(ask(&serving, "GET", "/_health/ping", b"").await.0, 200);
}

#[tokio::test]
async fn metrics_are_text_and_a_job_goes_all_the_way() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let (status, head, body) = ask(&serving, "GET", "/metrics", b"").await;
    assert!(status == 200 && head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(body, "pool_jobs 2\n");
    let submission = json!({"jobs": [JobRequest::new(["true"])], "request_id": "r"}).to_string();
    let (status, _, first) = ask(&serving, "POST", "/v1/jobs", submission.as_bytes()).await;
    let (_, _, again) = ask(&serving, "POST", "/v1/jobs", submission.as_bytes()).await;
    assert_eq!((status, &first), (200, &again));
    assert_eq!(fake.look(|state| state.jobs.len()), 1);
    let id = serde_json::from_str::<Value>(&first).unwrap()["ids"][0].as_str().unwrap().to_owned();
    let (status, _, body) = ask(&serving, "POST", &format!("/v1/jobs/{id}/kill"), b"").await;
    let row: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &row["state"], &row["reason"]),
        (200, &"cancelled".into(), &"killed by a user".into())
    );
    let (_, _, body) = ask(&serving, "GET", &format!("/v1/jobs/{id}/wait"), b"").await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), row);
    assert_eq!(ask(&serving, "POST", &format!("/v1/jobs/{id}/kill"), b"").await.0, 409);
}

#[tokio::test]
async fn output_names_its_run_and_is_whole_from_an_offset() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let submission = json!({"jobs": [{"command": ["true"]}]}).to_string();
    ask(&serving, "POST", "/v1/jobs", submission.as_bytes()).await;
    let (status, head, body) = ask(&serving, "GET", "/v1/jobs/1/output/stdout", b"").await;
    assert!(status == 200 && !head.contains("x-pool-run") && body.is_empty(), "{head}");
    fake.begin(1);
    fake.print(1, OutputStream::Stdout, b"the first run's output");
    fake.begin(1);
    fake.print(1, OutputStream::Stdout, b"the second run's output");
    let (_, head, body) = ask(&serving, "GET", "/v1/jobs/1/output/stdout?offset=4", b"").await;
    assert!(head.contains("x-pool-run: 2") && body == "second run's output", "{head} {body}");
    let (_, head, body) = ask(&serving, "GET", "/v1/jobs/1/output/stdout?run=1&follow=true", b"").await;
    assert!(head.contains("x-pool-run: 1") && body == "the first run's output", "{head} {body}");
    fake.end(1, Finish::Exited { code: 0 });
    let (_, _, body) = ask(&serving, "GET", "/v1/jobs/1/output/stdout?follow=true", b"").await;
    assert_eq!(body, "the second run's output");
}
