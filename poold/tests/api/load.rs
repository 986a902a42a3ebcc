//! Clients that are many, slow, greedy or gone: what others ask is answered all the same.

use crate::network::Network;
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

const CLIENTS: usize = 1000;
/// For one answer. Machines that run the tests may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(network: &Network) -> TcpStream {
    let stream = TcpStream::connect(&network.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn head(network: &Network, method: &str, path: &str) -> String {
    let (address, token) = (&network.address, &network.admin);
    format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n")
}

fn send(network: &Network, stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("{}\r\n", head(network, "GET", path)).as_bytes()).unwrap();
}

/// The first line of an answer.
fn status(stream: &mut TcpStream) -> String {
    let mut line = [0; 15];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8_lossy(&line).into_owned()
}

/// A job goes all the way, by the socket.
fn a_job_runs(network: &Network) {
    let began = Instant::now();
    // It finds no program to run: that is its end, too.
    let output = network.place.command(&["submit", "--wait", "--json", "--", "true"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("\"complete\""), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn a_thousand_clients_are_served_at_once() {
    let network = Network::serving("max_requests_per_second = 0");
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(&network)).collect();
    for client in &mut clients {
        send(&network, client, "/v1/status");
    }
    for client in &mut clients {
        assert_eq!(status(client), "HTTP/1.1 200 OK");
    }
    // They all stay, and one more is served.
    a_job_runs(&network);
    let mut next = connect(&network);
    send(&network, &mut next, "/v1/instances");
    assert_eq!(status(&mut next), "HTTP/1.1 200 OK");
}

#[test]
fn clients_that_are_slow_or_gone_hinder_nobody() {
    let network = Network::serving("max_requests_per_second = 0");
    let output = network.place.command(&["submit", "--priority", "0", "--", "true"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut held = Vec::new();
    for client in 0..200 {
        let mut stream = connect(&network);
        match client % 4 {
            // Half a head.
            0 => stream.write_all(head(&network, "GET", "/v1/jobs").as_bytes()).unwrap(),
            // Half a body.
            1 => {
                let head = head(&network, "POST", "/v1/jobs");
                let rest = "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"jobs\":[";
                stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
            }
            // A follower who never reads, of a job that never begins.
            2 => send(&network, &mut stream, "/v1/jobs/1/output/stdout?follow=true"),
            // A reader of events who never reads.
            _ => send(&network, &mut stream, "/v1/events"),
        }
        held.push(stream);
    }
    a_job_runs(&network);
    // Half of them are gone without a word.
    held.truncate(100);
    a_job_runs(&network);
    let mut client = connect(&network);
    send(&network, &mut client, "/v1/status");
    assert_eq!(status(&mut client), "HTTP/1.1 200 OK");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_all_there() {
    let network = Network::serving("");
    let mut client = connect(&network);
    let length = 1_u64 << 40;
    let rest = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    client.write_all(format!("{}{rest}", head(&network, "POST", "/v1/jobs")).as_bytes()).unwrap();
    let piece = vec![b' '; 1 << 20];
    let mut sent = 0;
    // Until it is refused: whoever sends on finds nobody who reads.
    while sent < 64 << 20 {
        match client.write(&piece) {
            Ok(count) => sent += count,
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "{error}"
                );
                break;
            }
        }
    }
    assert!(sent < 64 << 20, "it read all of it");
    // A head without end.
    let mut client = connect(&network);
    client.write_all(head(&network, "GET", "/v1/status").as_bytes()).unwrap();
    let field = format!("x-long: {}\r\n", "x".repeat(8000));
    let refused = (0..1000).any(|_| client.write_all(field.as_bytes()).is_err());
    assert!(refused, "it read a head of 8 MB");
    a_job_runs(&network);
}
