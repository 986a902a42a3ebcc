//! The real server on TCP with tokens, over the scripted service, with the addresses that the script lacks.

use super::browser::Browser;
use crate::{
    access::Role,
    api::{InstanceAction, JobRow, Service as _, Submission},
    config::{ApiConfig, Listening},
    http::{
        NetworkListener,
        tests::fake::{self, Fake, instance},
    },
    job::{JobRequest, JobState, Moment},
};
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Query, Request},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::stream;
use pool_core::InstanceId;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tempfile::TempDir;
use thirtyfour::Key;
use tokio::{
    sync::{broadcast, oneshot, watch},
    task::JoinHandle,
};
use tower::ServiceExt as _;

const MAX_CONNECTIONS: usize = 64;
/// The bytes of the one line that the job with this number prints.
pub(super) const LONG_LINE: usize = 10 * 1024 * 1024;
const LONG_LINE_JOB: &str = "/v1/jobs/1/output/stdout";

/// What is served, and what the test says of it.
pub(super) struct Site {
    pub(super) origin: String,
    pub(super) fake: Arc<Fake>,
    pub(super) dir: TempDir,
    events: broadcast::Sender<String>,
    connected: Arc<watch::Sender<bool>>,
    reachable: Arc<AtomicBool>,
    _stop: oneshot::Sender<()>,
    _task: JoinHandle<()>,
}

impl Site {
    pub(super) async fn new() -> Self {
        let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new());
        let listening = Listening { address: "127.0.0.1:0".parse().unwrap(), tls: None };
        let listener = NetworkListener::bind(&listening).await.unwrap();
        let origin = format!("http://{}", listener.address().unwrap());
        let (events, connected) = (broadcast::Sender::new(64), Arc::new(watch::Sender::new(true)));
        let reachable = Arc::new(AtomicBool::new(true));
        let inner = fake::router(&fake, dir.path(), &ApiConfig::default());
        let router = contract(inner, &events, &connected, &reachable);
        let (stop, task) = fake::on_network(router, listener, MAX_CONNECTIONS);
        Self { origin, fake, dir, events, connected, reachable, _stop: stop, _task: task }
    }

    /// With two jobs that run. The first job of all is the site's own.
    pub(super) async fn with_two_running() -> (Self, [u64; 2]) {
        let site = Self::new().await;
        site.job("served by the site itself", JobState::Complete).await;
        let running = [site.job("one", JobState::Queued).await, site.job("other", JobState::Queued).await];
        for job in running {
            site.fake.begin(job);
        }
        (site, running)
    }

    pub(super) fn token(&self, name: &str, role: Role) -> String {
        fake::token(self.dir.path(), name, role, None)
    }

    /// Opens the page and logs in as who may do everything.
    pub(super) async fn log_in(&self, browser: &Browser) {
        let token = self.token("alice", Role::Admin);
        browser.open("/").await;
        browser.until("document.activeElement.id === 'token'").await;
        browser.write(&token).await;
        browser.press(&[Key::Enter]).await;
        browser.until_text("alice admin").await;
    }

    /// Sends an event to whoever listens.
    pub(super) fn event(&self, name: &str, data: &Value) {
        // Nobody may be listening.
        drop(self.events.send(format!("event: {name}\ndata: {data}\n\n")));
    }

    /// Breaks all streams of events off, and lets none begin.
    pub(super) fn disconnect(&self) {
        self.reachable.store(false, Ordering::SeqCst);
        self.connected.send_replace(false);
    }

    pub(super) fn connect(&self) {
        self.connected.send_replace(true);
        self.reachable.store(true, Ordering::SeqCst);
    }

    /// The instances as events say them.
    pub(super) fn tell_instances(&self) {
        let rows = self.fake.look(|state| state.instances.clone());
        self.event("instances", &json!({"changed": rows, "gone": [], "creating": []}));
    }

    /// A job as events say it.
    pub(super) fn tell_job(&self, number: u64) {
        let row = self.fake.look(|state| JobRow::from(&state.jobs[number as usize - 1]));
        self.event("jobs", &json!({"changed": [row]}));
    }

    /// So many workers in all states, of three types in two zones, and as many are created as a tenth of them.
    pub(super) fn fill(&self, workers: usize) {
        let states = ["running", "running", "running", "idle", "idle", "booting", "unknown", "shutdown"];
        let types = [("small", 0.096), ("large", 1.536), ("gpu", 1.212)];
        let rows = (0..workers).map(|n| {
            let mut row = instance(&format!("i-{n:05}"));
            let (name, price) = types[n % 7 % 3];
            row.instance_type = name.try_into().unwrap();
            row.provider_type = format!("cloud.{name}");
            row.placement = format!("zone-{}", ["a", "b"][n / 3 % 2]);
            row.worker_state = states[n % states.len()].to_owned();
            row.idle_behavior = ["run", "hold", "drain"][if n % 11 == 0 { 1 + n % 2 } else { 0 }].to_owned();
            row.price = Some(price);
            row.address = Some(format!("10.0.{}.{}", n / 250, n % 250));
            row.idle_seconds = (row.worker_state == "idle").then_some(75.0);
            if row.worker_state == "running" {
                row.running_jobs = vec![format!("job-{n}").try_into().unwrap()];
            }
            row.reason = (n % 29 == 5).then(|| "its probe fails: connection refused".to_owned());
            row
        });
        let rows: Vec<_> = rows.collect();
        self.fake.change(|state| state.instances = rows);
    }

    /// Adds a job, whatever its name is.
    pub(super) async fn job(&self, name: &str, state: JobState) -> u64 {
        let jobs = vec![JobRequest::new(["sh", "-c", "echo hello"])];
        self.fake.submit(Submission { request_id: None, jobs }).await.unwrap();
        self.fake.change(|all| {
            let job = all.jobs.last_mut().unwrap();
            Arc::make_mut(&mut job.request).name = Some(name.to_owned());
            job.record.state = state;
            job.number
        })
    }

    /// What was done to an instance.
    pub(super) fn was_done(&self, id: &str) -> Vec<InstanceAction> {
        let id = InstanceId::new(id).unwrap();
        let of = |actions: &[(InstanceId, _)]| {
            actions.iter().filter(|(of, _)| *of == id).map(|(_, action)| action).cloned().collect()
        };
        self.fake.look(|state| of(&state.actions))
    }
}

/// What the script does not answer, as the contract says.
fn contract(
    inner: Router,
    events: &broadcast::Sender<String>,
    connected: &Arc<watch::Sender<bool>>,
    reachable: &Arc<AtomicBool>,
) -> Router {
    let (events, connected, reachable) = (events.clone(), Arc::clone(connected), Arc::clone(reachable));
    let listen = move || {
        let ready = reachable.load(Ordering::SeqCst);
        let stream = event_stream(events.subscribe(), connected.subscribe());
        async move {
            match ready {
                true => ([(CONTENT_TYPE, "text/event-stream")], stream).into_response(),
                false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
    };
    let asked = inner.clone();
    let jobs = move |Query(query): Query<BTreeMap<String, String>>, request: Request| {
        list(asked.clone(), query, request)
    };
    Router::new()
        .route("/v1/events", get(listen))
        .route("/v1/jobs", get(jobs))
        .route("/v1/types", get(async || Json(types())))
        .route("/v1/hold-offs", get(async || Json(hold_offs())))
        .route("/v1/series", get(async || Json(series())))
        .route(LONG_LINE_JOB, get(async || vec![b'x'; LONG_LINE]))
        .fallback_service(inner)
}

fn event_stream(events: broadcast::Receiver<String>, connected: watch::Receiver<bool>) -> Body {
    Body::from_stream(stream::unfold((events, connected), async |(mut events, mut connected)| {
        tokio::select! {
            event = events.recv() => Some(event.ok()?),
            _ = connected.wait_for(|connected| !connected) => None,
        }
        .map(|event| (Ok::<_, Infallible>(event), (events, connected)))
    }))
}

/// Jobs with why they wait, by state: the script knows neither.
async fn list(inner: Router, query: BTreeMap<String, String>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.uri = "/v1/jobs".parse().unwrap();
    let answer = inner.oneshot(Request::from_parts(parts, body)).await.unwrap();
    if answer.status() != StatusCode::OK {
        return answer;
    }
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let mut page: Value = serde_json::from_slice(&bytes).unwrap();
    let jobs = page["jobs"].as_array_mut().unwrap();
    let states = query.get("state").filter(|states| !states.is_empty());
    jobs.retain(|job| states.is_none_or(|states| states.split(',').any(|state| job["state"] == state)));
    for job in jobs.iter_mut().filter(|job| job["state"] == "queued") {
        let text = "the account's quota for vCPUs is used up";
        job["waiting"] =
            json!({"reason": "quota", "text": text, "remedy": "ask the provider for a higher quota"});
    }
    Json(page).into_response()
}

fn types() -> Value {
    let kind = |name: &str, price: f64| {
        json!({"name": name, "provider_type": format!("cloud.{name}"), "vcpus": 4.0, "memory": 1u64 << 34, "scratch": 0, "gpus": 0,
            "price": price, "preemptible": name == "large", "instances": {}, "at_capacity": name == "gpu", "at_quota": name == "small", "hold_offs": []})
    };
    json!([kind("small", 0.096), kind("large", 1.536), kind("gpu", 1.212)])
}

fn hold_offs() -> Value {
    let until = Moment(Moment::now().0 + 600_000);
    json!([
        {"kind": "quota", "covers": "all types of vCPUs", "types": ["small", "large"], "operation": null, "placement": null, "until": until, "until_fewer_than": 48},
        {"kind": "capacity", "covers": "type gpu in zone-a", "types": ["gpu"], "operation": null, "placement": "zone-a", "until": until, "until_fewer_than": null},
    ])
}

fn series() -> Value {
    let now = Moment::now().0;
    let points: Vec<Value> = (0..300u64)
        .map(|n| {
            let (at, many) = (Moment(now - (300 - n) * 10_000), n % 90);
            json!({"at": at, "jobs": {"queued": 90 - many, "locked": 1, "running": many}, "instances": {"idle": 20, "running": many, "booting": 5},
                "price_per_hour": 0.2 * many as f64})
        })
        .collect();
    json!({"step_seconds": 10.0, "points": points})
}
