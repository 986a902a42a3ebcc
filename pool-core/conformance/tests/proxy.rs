//! What the fault proxy does to requests and answers, seen from both of its sides.

#![cfg(test)]

use pool_conformance::{Action, Answer, Call, Proxy, Request, Rule};
use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

/// A server that repeats what it is sent, in two words.
fn upstream() -> Proxy {
    let echo = |request: &Request| Answer::new(200, "text/plain", format!("you said: {}", request.text()));
    Proxy::start(None, vec![Rule::new(|_| true, Action::AnswerBy(Arc::new(echo)))]).unwrap()
}

fn address(proxy: &Proxy) -> SocketAddr {
    proxy.url().trim_start_matches("http://").parse().unwrap()
}

fn between(upstream: &Proxy, action: Action) -> Proxy {
    Proxy::start(Some(address(upstream)), vec![Rule::new(|request| request.is("POST", "hello"), action)])
        .unwrap()
}

/// Sends a request, and gives back all that comes until the connection ends.
fn send(proxy: &Proxy, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address(proxy))?;
    stream.set_read_timeout(Some(Duration::from_millis(700)))?;
    let length = body.len();
    write!(
        stream,
        "POST /path?q=1 HTTP/1.1\r\nhost: here\r\nx-note: a\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn what_no_rule_is_for_goes_through_and_is_recorded() {
    let upstream = upstream();
    let proxy = between(&upstream, Action::LoseRequest);
    let answer = send(&proxy, "good day").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nyou said: good day"), "{answer}");
    for side in [&proxy, &upstream] {
        let requests = side.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/path?q=1"));
        assert_eq!(requests[0].header("x-note"), Some("a"));
        assert_eq!(requests[0].text(), "good day");
    }
}

#[test]
fn a_lost_request_does_not_arrive_and_a_lost_answer_does() {
    for (action, arrived) in [(Action::LoseRequest, 0), (Action::LoseAnswer, 1), (Action::Repeat, 2)] {
        let upstream = upstream();
        let repeats = matches!(action, Action::Repeat);
        let proxy = between(&upstream, action.clone());
        let answer = send(&proxy, "hello").unwrap();
        assert_eq!(answer.is_empty(), !repeats, "{action:?}: {answer}");
        assert_eq!(upstream.requests().len(), arrived, "{action:?}");
        assert_eq!(proxy.requests().len(), 1, "{action:?}");
    }
}

#[test]
fn a_reset_is_a_reset() {
    let upstream = upstream();
    let proxy = between(&upstream, Action::Reset);
    let error = send(&proxy, "hello").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_cut_answer_promises_more_than_comes() {
    let upstream = upstream();
    let proxy = between(&upstream, Action::CutAnswer);
    let answer = send(&proxy, "hello").unwrap();
    assert!(answer.contains("content-length: 15") && answer.ends_with("\r\n\r\nyou sai"), "{answer}");
}

#[test]
fn a_garbled_answer_has_a_good_status() {
    let upstream = upstream();
    let proxy = between(&upstream, Action::GarbleAnswer("<<<".into()));
    let answer = send(&proxy, "hello").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n<<<"), "{answer}");
}

#[test]
fn requests_and_answers_can_be_changed() {
    let upstream = upstream();
    let change = |request: &mut Request| request.body = "HELLO".into();
    let proxy = between(&upstream, Action::Change(Arc::new(change)));
    assert!(send(&proxy, "hello").unwrap().ends_with("you said: HELLO"));
    let change = |request: &Request, answer: &mut Answer| answer.body = request.body.clone();
    proxy.add(Rule::new(|_| true, Action::ChangeAnswer(Arc::new(change))));
    assert!(send(&proxy, "hello").unwrap().ends_with("\r\n\r\nhello"));
}

#[test]
fn a_hung_request_arrives_and_is_never_answered() {
    let upstream = upstream();
    let proxy = between(&upstream, Action::Hang);
    let error = send(&proxy, "hello").unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_delayed_request_arrives_late() {
    let upstream = upstream();
    let proxy = between(&upstream, Action::Delay(Duration::from_millis(200)));
    let began = Instant::now();
    assert!(send(&proxy, "hello").unwrap().ends_with("you said: hello"));
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_rule_answers_without_a_server_for_as_often_as_it_says() {
    let refuse = Action::Answer(Answer::new(503, "text/xml", "<Error/>").header("retry-after", "7"));
    let proxy = Proxy::start(None, vec![Rule::new(|_| true, refuse).times(Some(1))]).unwrap();
    let count = proxy.counter(|call, request| call == Call::Create && request.is("POST", "hello"));
    let answer = send(&proxy, "hello").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 7"), "{answer}");
    assert!(send(&proxy, "hello").unwrap().starts_with("HTTP/1.1 502"), "the rule is used up");
    assert_eq!((count(Call::Create), count(Call::List)), (2, 0));
    let address = address(&proxy);
    drop(proxy);
    let gone = || TcpStream::connect(address).is_err();
    let deadline = Instant::now() + Duration::from_secs(5);
    while !gone() {
        assert!(Instant::now() < deadline, "the proxy goes on after it was dropped");
        std::thread::yield_now();
    }
}

#[test]
fn a_request_shows_no_header_and_no_body() {
    let request = Request {
        method: "POST".into(),
        path: "/".into(),
        headers: vec![("authorization".into(), "token".into())],
        body: "secret".into(),
    };
    assert_eq!(format!("{request:?}"), "POST / (6 bytes)");
}
