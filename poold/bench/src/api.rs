//! The HTTP API over TCP, as a program on a network asks it: one connection that is kept, and a token.

use crate::{
    error::BenchError,
    report::{Unit, rate, say},
    serving::Serving,
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Jobs that are submitted one by one.
const ONE_BY_ONE: usize = 2_000;
/// Submissions of many jobs each.
const BATCHES: usize = 100;
const JOBS_A_BATCH: usize = 1_000;
/// Readers that ask without a pause.
const READERS: usize = 4;
/// For how long the dispatcher's passes are looked at.
const WATCHED_FOR: Duration = Duration::from_secs(10);

pub(crate) fn run(dir: &Path) -> Result<(), BenchError> {
    let mut serving = Serving::begin(&dir.join("api"), 1, 1)?;
    let token = String::from_utf8_lossy(&serving.run(&["token", "create", "bench", "--role", "admin"])?)
        .trim()
        .to_owned();
    let address = listen(&mut serving, &dir.join("api"))?;
    let connect = || Connection::open(&address, &token);

    // Jobs of priority 0 wait: nothing else goes on.
    let job = r#"{"command":["true"],"priority":0,"labels":{"of":"bench"}}"#;
    let mut connection = connect()?;
    let one = format!("{{\"jobs\":[{job}]}}");
    let began = Instant::now();
    for _ in 0..ONE_BY_ONE {
        connection.post("/v1/jobs", &one)?;
    }
    rate("api.submit.one_by_one", ONE_BY_ONE, began.elapsed())?;
    let many = format!("{{\"jobs\":[{}]}}", vec![job; JOBS_A_BATCH].join(","));
    let began = Instant::now();
    for _ in 0..BATCHES {
        connection.post("/v1/jobs", &many)?;
    }
    rate("api.submit.batches", BATCHES * JOBS_A_BATCH, began.elapsed())?;

    // A hundred thousand jobs are queued now. A pass is what a submission waits for.
    let alone = mean_pass(&mut connection, &one)?;
    let done = AtomicBool::new(false);
    let beside = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read(connect()?, &done))).collect();
        let beside = mean_pass(&mut connection, &one);
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            match reader.join() {
                Ok(read) => read?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        beside
    })?;
    say("api.pass.alone", alone, Unit::Seconds)?;
    say("api.pass.beside_readers", beside / alone, Unit::Ratio)?;
    Ok(())
}

/// Lets it listen on a port from its next start on, and starts it anew.
fn listen(serving: &mut Serving, dir: &Path) -> Result<String, BenchError> {
    serving.stop()?;
    // A port that nobody has: it is free again when it is asked for.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(BenchError::failed("find a port"))?;
    let config = dir.join("poold.toml");
    let text = fs::read_to_string(&config).map_err(BenchError::failed("read the configuration"))?;
    let text = format!("{text}[api]\nlisten = \"{port}\"\nmax_requests_per_second = 0\n");
    fs::write(&config, text).map_err(BenchError::failed("write the configuration"))?;
    serving.start()?;
    Ok(port.to_string())
}

/// A reader that looks for what is not there, through all jobs.
fn read(mut connection: Connection, done: &AtomicBool) -> Result<(), BenchError> {
    while !done.load(Ordering::Relaxed) {
        connection.get("/v1/jobs?label=of%3Dnobody")?;
        connection.get("/v1/jobs?limit=1000")?;
    }
    Ok(())
}

/// How long the dispatcher's passes take, in seconds, while jobs are submitted one by one.
fn mean_pass(connection: &mut Connection, submission: &str) -> Result<f64, BenchError> {
    let passes = |connection: &mut Connection| -> Result<(f64, f64), BenchError> {
        let text = connection.get("/metrics")?;
        Ok((
            series(&text, "poold_pass_duration_seconds_sum")?,
            series(&text, "poold_pass_duration_seconds_count")?,
        ))
    };
    let (sum, count) = passes(connection)?;
    let began = Instant::now();
    while began.elapsed() < WATCHED_FOR {
        connection.post("/v1/jobs", submission)?;
    }
    let (sum_after, count_after) = passes(connection)?;
    Ok((sum_after - sum) / (count_after - count))
}

fn series(text: &str, name: &str) -> Result<f64, BenchError> {
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok());
    value.ok_or_else(|| BenchError::Wrong(format!("there is no metric {name}")))
}

/// A connection that is kept.
struct Connection {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Connection {
    fn open(address: &str, token: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).map_err(BenchError::failed("connect to poold"))?;
        stream.set_nodelay(true).map_err(BenchError::failed("connect to poold"))?;
        let head =
            format!("host: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        Ok(Self { stream: BufReader::new(stream), head })
    }

    fn get(&mut self, path: &str) -> Result<String, BenchError> {
        self.ask("GET", path, "")
    }

    fn post(&mut self, path: &str, body: &str) -> Result<String, BenchError> {
        self.ask("POST", path, body)
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<String, BenchError> {
        let failed = || BenchError::failed(format!("ask {method} {path}"));
        let request =
            format!("{method} {path} HTTP/1.1\r\n{}content-length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.get_mut().write_all(request.as_bytes()).map_err(failed())?;
        let (mut status, mut length, mut line) = (String::new(), 0, String::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line).map_err(failed())?;
            let text = line.trim_end();
            if status.is_empty() {
                text.clone_into(&mut status);
            }
            if let Some(value) = text.strip_prefix("content-length: ") {
                length = value.parse().map_err(BenchError::failed("read the length of an answer"))?;
            }
            if text.is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).map_err(failed())?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if status.starts_with("HTTP/1.1 200") {
            return Ok(answer);
        }
        Err(BenchError::Wrong(format!("{method} {path}: {status}: {answer}")))
    }
}
