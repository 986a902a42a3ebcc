//! The addresses of what a page shows beside jobs.

use super::{
    fake::{Fake, Serving, instance},
    requests::ask,
};
use crate::{
    api::{Service as _, Submission},
    job::{Finish, JobRequest},
};
use pool_core::OutputStream;
use serde_json::{Value, json};

async fn get(serving: &Serving, path: &str) -> Value {
    let (status, _, body) = ask(serving, "GET", path, b"").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn types_hold_offs_and_series_are_told_in_the_agreed_shape() {
    let serving = Serving::new(&Fake::new());
    let hold_off = json!({
        "kind": "capacity", "covers": "type small", "types": ["small"], "operation": null, "placement": null,
        "until": "2025-11-24T16:00:00.000Z", "until_fewer_than": null,
    });
    assert_eq!(get(&serving, "/v1/hold-offs").await, json!([hold_off]));
    let row = json!({
        "name": "small", "provider_type": "loop.small", "vcpus": 4.0, "memory": 1 << 30, "scratch": 0, "gpus": 0,
        "price": 0.04, "preemptible": false, "instances": {"idle": 3}, "at_capacity": true, "at_quota": false,
        "hold_offs": [hold_off],
    });
    assert_eq!(get(&serving, "/v1/types").await, json!([row]));
    assert_eq!(get(&serving, "/v1/series").await, json!({"step_seconds": 3600.0, "points": []}));
    assert_eq!(get(&serving, "/v1/series?seconds=60").await["step_seconds"], 60.0);
    let (status, ..) = ask(&serving, "GET", "/v1/series?seconds=-1", b"").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn events_come_as_a_browser_reads_them() {
    let serving = Serving::new(&Fake::new());
    let (status, head, body) = ask(&serving, "GET", "/v1/events", b"").await;
    assert_eq!(status, 200);
    assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
    let events: Vec<&str> = body.split("\n\n").collect();
    assert!(events[0].starts_with("event: status\ndata: {\"release\""), "{body}");
    assert_eq!(events[1], "event: missed\ndata: {}");
}

#[tokio::test]
async fn instances_are_shown_by_state_and_type() {
    let fake = Fake::new();
    fake.change(|state| state.instances = vec![instance("i-1"), instance("i-2")]);
    fake.change(|state| state.instances[1].worker_state = "booting".to_owned());
    let serving = Serving::new(&fake);
    for (query, count) in [
        ("", 2),
        ("?state=idle", 1),
        ("?state=idle,booting", 2),
        ("?state=running", 0),
        ("?type=small", 2),
        ("?type=other", 0),
        ("?type=small&state=booting", 1),
    ] {
        let rows = get(&serving, &format!("/v1/instances{query}")).await;
        assert_eq!(rows.as_array().unwrap().len(), count, "{query}");
    }
    let (status, _, body) = ask(&serving, "GET", "/v1/instances?state=lazy", b"").await;
    assert!(status == 400 && body.contains("lazy"), "{status} {body}");
}

#[tokio::test]
async fn of_an_output_as_much_is_sent_as_was_asked_for() {
    let fake = Fake::new();
    let jobs = vec![JobRequest::new(["true"])];
    fake.submit(Submission { request_id: None, jobs }).await.unwrap();
    fake.begin(1);
    fake.print(1, OutputStream::Stdout, b"0123456789abcdefghij");
    fake.end(1, Finish::Exited { code: 0 });
    let serving = Serving::new(&fake);
    for (query, expected) in [
        ("length=3", "012"),
        ("length=0", ""),
        ("length=10&offset=5", "56789abcde"),
        ("length=15&follow=true", "0123456789abcde"),
        ("length=99", "0123456789abcdefghij"),
    ] {
        let (status, _, body) = ask(&serving, "GET", &format!("/v1/jobs/1/output/stdout?{query}"), b"").await;
        assert_eq!((status, body.as_str()), (200, expected), "{query}");
    }
}
