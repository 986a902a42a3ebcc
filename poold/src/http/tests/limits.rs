//! Clients that are slow, idle or many.

use super::fake::{Fake, MAX_CONNECTIONS, Serving};
use crate::{
    api::{Service as _, Submission},
    http::socket_path,
    job::JobRequest,
};
use pool_core::OutputStream;
use std::{future::poll_fn, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

const PING: &[u8] = b"GET /_health/ping HTTP/1.1\r\nhost: poold\r\nconnection: close\r\n\r\n";

/// For whatever is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any limit of the server.
const LONG: Duration = Duration::from_secs(3600);

async fn connect(serving: &Serving) -> UnixStream {
    UnixStream::connect(socket_path(serving.dir.path())).await.unwrap()
}

async fn rest(mut stream: UnixStream) -> String {
    let mut text = String::new();
    timeout(LONG, stream.read_to_string(&mut text)).await.expect("the server ends it").unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn who_asks_nothing_is_let_go() {
    let serving = Serving::new(&Fake::new());
    // The clock jumps to the next limit, for nothing else happens.
    let silent = connect(&serving).await;
    assert_eq!(rest(silent).await, "");
    let mut asks_once = connect(&serving).await;
    asks_once.write_all(b"GET /_health/ping HTTP/1.1\r\nhost: poold\r\n\r\n").await.unwrap();
    let answer = rest(asks_once).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "then it was idle: {answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_awaited_for_ever() {
    let serving = Serving::new(&Fake::new());
    let mut stream = connect(&serving).await;
    stream.write_all(b"POST /v1/jobs HTTP/1.1\r\nhost: poold\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("no answer within"), "{answer}");
}

#[tokio::test]
async fn more_clients_than_are_served_at_once_wait_for_their_turn() {
    let serving = Serving::new(&Fake::new());
    let mut served = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        served.push(connect(&serving).await);
    }
    let mut next = connect(&serving).await;
    next.write_all(PING).await.unwrap();
    // One that is served answers while the next one waits.
    let mut last = served.pop().unwrap();
    last.write_all(b"GET /_health/ping HTTP/1.1\r\nhost: poold\r\n\r\n").await.unwrap();
    let mut some = [0; 8];
    last.read_exact(&mut some).await.unwrap();
    let mut buffer = [0; 1];
    let mut buffer = tokio::io::ReadBuf::new(&mut buffer);
    let polled = poll_fn(|context| {
        std::task::Poll::Ready(tokio::io::AsyncRead::poll_read(
            std::pin::Pin::new(&mut next),
            context,
            &mut buffer,
        ))
    });
    assert!(polled.await.is_pending(), "the 257th is not served yet");
    drop(served.pop());
    let answer = rest(next).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn what_nobody_waits_for_any_longer_is_given_up() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let submission = Submission { request_id: None, jobs: vec![JobRequest::new(["true"])] };
    fake.submit(submission).await.unwrap();
    fake.begin(1);
    fake.print(1, OutputStream::Stdout, b"begun");
    for path in ["/v1/jobs/1/wait", "/v1/jobs/1/output/stdout?follow=true"] {
        let mut stream = connect(&serving).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: poold\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        fake.until_waiting(1).await;
        drop(stream);
        timeout(PATIENCE, fake.until_waiting(0)).await.expect(path);
    }
}
