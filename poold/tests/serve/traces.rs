//! What a collector of traces gets to see.

use super::support::{PATIENCE, Place, brisk};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message as _;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

const SECRET: &str = "hunter2-hunter2";

/// A collector in this process.
struct Collector {
    port: u16,
    got: Arc<Mutex<Vec<Request>>>,
}

/// A request to it.
#[derive(Clone)]
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Collector {
    /// Answers so many requests with 503 first.
    fn new(mut unwell: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                // One that was killed half-way has asked for nothing.
                let Some(request) = read(&stream) else { continue };
                let status = if unwell > 0 { "503 Service Unavailable" } else { "200 OK" };
                if unwell == 0 {
                    kept.lock().unwrap().push(request);
                }
                unwell = unwell.saturating_sub(1);
                // It may have been killed.
                drop(
                    (&stream).write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()),
                );
            }
        });
        Self { port, got }
    }

    fn requests(&self) -> Vec<Request> {
        self.got.lock().unwrap().clone()
    }

    /// Every span, with whose it is.
    fn spans(&self) -> Vec<(Vec<KeyValue>, Span)> {
        let mut spans = Vec::new();
        for request in self.requests() {
            let message = ExportTraceServiceRequest::decode(&*request.body).unwrap();
            for resource in message.resource_spans {
                let whose = resource.resource.unwrap().attributes;
                let all = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.extend(all.map(|span| (whose.clone(), span)));
            }
        }
        spans
    }

    /// The spans of a job, once the root is among them.
    fn trace(&self, job: &str) -> Vec<Span> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let spans: Vec<Span> = self.spans().into_iter().map(|(_, span)| span).collect();
            let of_job = |span: &&Span| text(&span.attributes, "poold.job.id") == Some(job.to_owned());
            let spans: Vec<Span> = spans.iter().filter(of_job).cloned().collect();
            if spans.iter().any(|span| span.parent_span_id.is_empty()) {
                return spans;
            }
            assert!(Instant::now() < deadline, "no root of {job} within {PATIENCE:?}: {spans:#?}");
            // Another process's requests, which a lock guards.
            thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// A request with a length; none when the connection ends before.
fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.to_lowercase();
    let length = length.split_once("content-length: ").unwrap().1.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        other => panic!("{key}: {other:?}"),
    }
}

fn config(collector: &Collector, more: &str) -> String {
    format!("{}\n[telemetry]\notlp_endpoint = \"http://127.0.0.1:{}\"\n{more}\n", brisk(), collector.port)
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// One tree, whose spans are within their parents.
#[track_caller]
fn is_whole(spans: &[Span]) {
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!((traces.len(), ids.len()), (1, spans.len()), "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_id.len() == 16 && span.span_id.len() == 8));
    assert_eq!(named(spans, "job").len(), 1, "{spans:#?}");
    for span in spans.iter().filter(|span| span.name != "job") {
        let parent = spans.iter().find(|parent| parent.span_id == span.parent_span_id).unwrap();
        let (from, to) = (span.start_time_unix_nano, span.end_time_unix_nano);
        assert!(from <= to && to <= parent.end_time_unix_nano, "{span:#?} in {parent:#?}");
        assert!(from >= parent.start_time_unix_nano, "{span:#?} in {parent:#?}");
    }
}

#[test]
fn a_jobs_trace_is_whole_also_across_a_restart_and_holds_no_secret() {
    let collector = Collector::new(1);
    let mut place = Place::new("").with_small_runner();
    let headers = place.path().join("headers");
    fs::write(&headers, format!("authorization=Bearer%20{SECRET}\n")).unwrap();
    place.configure(&config(&collector, &format!("otlp_headers_file = \"{}\"", headers.display())));
    place.serve();
    let go = place.path().join("go");
    let wait = format!("echo begun; until [ -e {} ]; do sleep 0.05; done; exit 3", go.display());
    let environment = format!("PASSWORD={SECRET}");
    let options = ["--name", "nightly", "--group", "reports", "--cpus", "0.5", "--env", &environment];
    let id = place.submit(&options, &["sh", "-c", &wait]);
    place.until_state(&id, "running");
    let quick = place.submit(&[], &["true"]);
    place.until_state(&quick, "complete");
    collector.trace(&quick);
    place.kill();
    place.serve();
    fs::write(&go, "").unwrap();
    place.until_state(&id, "complete");

    let spans = collector.trace(&id);
    is_whole(&spans);
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["collect output", "job", "queued", "run"]);
    let root = named(&spans, "job")[0];
    assert_eq!(text(&root.attributes, "poold.job.name").as_deref(), Some("nightly"));
    assert_eq!(text(&root.attributes, "poold.group").as_deref(), Some("reports"));
    assert_eq!(text(&root.attributes, "poold.outcome").as_deref(), Some("exit_nonzero"));
    assert_eq!(value(&root.attributes, "poold.cpus"), Some(Value::DoubleValue(0.5)));
    assert_eq!(value(&root.attributes, "process.exit.code"), Some(Value::IntValue(3)));
    assert_eq!(root.status.as_ref().unwrap().code(), StatusCode::Error);
    let run = named(&spans, "run")[0];
    assert_eq!(text(&run.attributes, "poold.instance_type").as_deref(), Some("small"));
    assert!(text(&run.attributes, "poold.instance.id").is_some());
    assert_eq!(run.events[0].name, "started");

    is_whole(&collector.trace(&quick));
    let all = collector.spans();
    let calls: Vec<_> = all.iter().filter(|(_, span)| span.name == "cloud call").collect();
    let create = |span: &Span| text(&span.attributes, "poold.cloud.operation").as_deref() == Some("create");
    let (whose, create) = calls.iter().find(|(_, span)| create(span)).unwrap();
    assert_eq!(text(&create.attributes, "poold.instance_type").as_deref(), Some("small"));
    assert_eq!(text(&create.attributes, "poold.cloud.outcome").as_deref(), Some("ok"));
    assert_eq!(create.kind(), SpanKind::Client);
    assert_eq!(text(whose, "service.name").as_deref(), Some("poold"));
    assert_eq!(text(whose, "poold.instance_set").as_deref(), Some("test"));
    for Request { head, body } in collector.requests() {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        assert!(head.contains(&format!("authorization: Bearer {SECRET}")), "{head}");
        assert!(!body.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "a secret in a span");
    }
    assert!(!place.log().contains(SECRET));
    place.ends_with_nothing_left();
}

#[test]
fn a_run_that_is_lost_is_in_the_trace_and_so_is_what_is_left_when_it_stops() {
    let collector = Collector::new(0);
    let mut place = Place::new(&config(&collector, "service_name = \"night\"")).with_small_runner();
    place.serve();
    let id = place.submit(&[], &["sleep", "1000"]);
    let running = place.until_state(&id, "running");
    place.says(&["kill-instance", running["instance"].as_str().unwrap()]);
    place.until("it has a second run", |place| place.job(&id)["runs"] == 2);
    place.until_state(&id, "running");
    place.says(&["kill", &id]);
    place.until_state(&id, "cancelled");
    // What has just ended is sent before it ends.
    assert_eq!(place.stop(), Some(0));
    let spans = collector.trace(&id);
    is_whole(&spans);
    assert_eq!([named(&spans, "queued").len(), named(&spans, "run").len()], [2, 2]);
    let outcomes: BTreeSet<_> =
        named(&spans, "run").iter().map(|run| text(&run.attributes, "poold.outcome").unwrap()).collect();
    assert_eq!(outcomes, ["cancelled", "worker_gone"].map(str::to_owned).into());
    let (whose, _) = &collector.spans()[0];
    assert_eq!(text(whose, "service.name").as_deref(), Some("night"));
    place.serve();
    place.ends_with_nothing_left();
}

#[test]
fn no_collector_is_no_trouble() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = Collector { port: taken.local_addr().unwrap().port(), got: Arc::default() };
    drop(taken);
    let mut place = Place::new(&config(&nobody, "")).with_small_runner();
    place.serve();
    let id = place.submit(&[], &["true"]);
    place.until_state(&id, "complete");
    place.until("it is said", |place| place.log().contains("the collector of traces does not take them"));
    place.ends_with_nothing_left();
}
