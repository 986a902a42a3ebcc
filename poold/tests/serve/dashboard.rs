//! The dashboard, the alerts and the example configuration of Prometheus, against Prometheus itself and a real scrape.

use super::{
    scrape::{Families, families, promtool, repository, scrape, tool},
    support::{PATIENCE, Place, brisk},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

const ALERTS: &str = "contrib/prometheus/alerts.yml";
const DASHBOARD: &str = "contrib/grafana/poold.json";

#[track_caller]
fn tool_is_content(arguments: &[&str]) {
    let output = promtool(arguments, "");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[test]
fn the_alerts_are_valid_and_each_fires_when_it_should_and_only_then() {
    let alerts = repository(ALERTS);
    tool_is_content(&["check", "rules", "--lint-fatal", alerts.to_str().unwrap()]);
    let tests = repository("contrib/prometheus/alerts_test.yml");
    tool_is_content(&["test", "rules", tests.to_str().unwrap()]);
    let (rules, cases) = (fs::read_to_string(alerts).unwrap(), fs::read_to_string(tests).unwrap());
    let guide = fs::read_to_string(repository("docs/operating.md")).unwrap();
    let all = after_each(&rules, "- alert: ");
    assert!(all.len() >= 10, "{all:?}");
    for alert in &all {
        for what in ["fires", "does not fire"] {
            assert!(cases.contains(&format!("- name: {alert} {what}\n")), "no case for {alert} {what}");
        }
    }
    for part in ["severity: ", "summary: ", "description: ", "runbook_url: "] {
        assert_eq!(after_each(&rules, part).len(), all.len(), "{part}");
    }
    for link in after_each(&rules, "runbook_url: ") {
        let (file, anchor) = link.split_once('#').unwrap();
        assert_eq!(file, "docs/operating.md");
        let there = guide.lines().filter_map(|line| line.strip_prefix("## "));
        assert!(
            there.map(|title| title.to_lowercase().replace(' ', "-")).any(|title| title == anchor),
            "{link}"
        );
    }
}

/// What stands behind a word, on the lines that begin with it.
fn after_each(text: &str, word: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix(word))
        .map(|rest| rest.trim().to_owned())
        .collect()
}

#[test]
fn the_example_configuration_of_prometheus_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    tool_is_content(&["check", "config", config.to_str().unwrap()]);
}

/// The example, in a directory with all that it names.
fn configuration(dir: &Path) -> std::path::PathBuf {
    for file in ["prometheus.yml", "alerts.yml"] {
        fs::copy(repository("contrib/prometheus").join(file), dir.join(file)).unwrap();
    }
    for file in ["poold.token", "poold-ca.pem"].iter().filter(|file| !dir.join(file).exists()) {
        fs::write(dir.join(file), "").unwrap();
    }
    dir.join("prometheus.yml")
}

/// An expression of a panel, and the panel's title.
struct Panel {
    title: String,
    expression: String,
    legend: String,
}

fn dashboard() -> Vec<Panel> {
    let dashboard: Value = serde_json::from_slice(&fs::read(repository(DASHBOARD)).unwrap()).unwrap();
    let mut panels = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap().to_owned();
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            let text = |field: &str| target[field].as_str().unwrap().to_owned();
            panels.push(Panel {
                title: title.clone(),
                expression: text("expr"),
                legend: text("legendFormat"),
            });
        }
    }
    panels
}

#[test]
fn the_dashboards_panels_have_places_and_names_of_their_own() {
    let dashboard: Value = serde_json::from_slice(&fs::read(repository(DASHBOARD)).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        for cell in
            (at("y")..at("y") + at("h")).flat_map(|y| (at("x")..at("x") + at("w")).map(move |x| (x, y)))
        {
            assert!(cell.0 < 24 && taken.insert(cell), "{} overlaps at {cell:?}", panel["title"]);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance_set"]);
}

/// The metrics that an expression names, each with what stands in its braces.
fn named(expression: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = expression;
    while let Some(start) = rest.find(is_word) {
        let word_and_rest = &rest[start..];
        let end = word_and_rest.find(|c| !is_word(c)).unwrap_or(word_and_rest.len());
        let (word, after) = word_and_rest.split_at(end);
        rest = after;
        if ["pool_", "poold_", "process_"].iter().any(|prefix| word.starts_with(prefix)) {
            let inside = after.strip_prefix('{').map_or("", |after| {
                let end = after.find('}').unwrap();
                rest = &after[end..];
                &after[..end]
            });
            found.push((word.to_owned(), inside.to_owned()));
        }
    }
    found
}

/// The words in the parentheses after `by`, `on` and `group_left`.
fn grouped(expression: &str) -> Vec<String> {
    let parts = ["by (", "on (", "group_left ("].into_iter().flat_map(|word| expression.split(word).skip(1));
    parts
        .flat_map(|part| part.split(')').next().unwrap().split(','))
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty())
        .collect()
}

#[track_caller]
fn is_known(families: &Families, what: &str, expression: &str) {
    let parts_of = |name: &str| {
        let whole = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        whole.filter(|whole| families.contains_key(*whole)).unwrap_or(name).to_owned()
    };
    let mut all: BTreeSet<String> = ["le", "job", "instance"].map(str::to_owned).into();
    let names = named(expression);
    assert!(!names.is_empty() || expression.starts_with("up{"), "{what} names no metric: {expression}");
    for (name, inside) in names {
        let labels = families.get(&parts_of(&name)).unwrap_or_else(|| panic!("{what}: there is no {name}"));
        all.extend(labels.iter().cloned());
        let inside =
            inside.split("\",").filter_map(|pair| pair.split_once(['=', '!'])).map(|(label, _)| label);
        for label in inside.filter(|label| *label != "job") {
            assert!(labels.contains(label), "{what}: {name} has no label {label:?}, it has {labels:?}");
        }
    }
    for label in grouped(expression) {
        assert!(all.contains(&label), "{what}: there is no label {label}: {expression}");
    }
}

/// A place with a door on the network as Prometheus wants it, and what it needs to come in, in `dir`.
fn place_with_a_door(dir: &Path) -> (Place, SocketAddr) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    fs::write(dir.join("poold-ca.pem"), certificate.pem()).unwrap();
    fs::write(dir.join("poold.key"), key.serialize_pem()).unwrap();
    let path = |file: &str| dir.join(file).display().to_string();
    let api = format!(
        "\n[api]\nlisten = \"127.0.0.1:0\"\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
        path("poold-ca.pem"),
        path("poold.key")
    );
    let mut place = Place::new(&(brisk() + &api)).with_small_runner();
    let token = place.says(&["token", "create", "prometheus", "--role", "read"]);
    fs::write(dir.join("poold.token"), token.trim()).unwrap();
    place.serve();
    let log = place.log();
    let (_, address) = log.split_once("https://").unwrap_or_else(|| panic!("no address: {log}"));
    let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap();
    let address = address[..end].parse().unwrap();
    (place, address)
}

/// A Prometheus that runs until this is dropped.
struct Prometheus {
    process: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Prometheus {
    /// With the example's configuration, but for the target and the pace.
    fn start(dir: &Path, target: SocketAddr) -> Self {
        let config = configuration(dir);
        let text = fs::read_to_string(&config).unwrap();
        let changed = text.replace("pool.example.org:8600", &target.to_string()).replace("15s", "500ms");
        assert!(changed.contains(&target.to_string()) && changed.contains("interval: 500ms"), "{changed}");
        fs::write(&config, changed).unwrap();
        let mut process = tool("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=logfmt"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut seen = String::new();
        while !seen.contains("Server is ready to receive web requests") {
            assert!(log.read_line(&mut seen).unwrap() > 0, "prometheus has ended:\n{seen}");
        }
        let (_, address) = seen.split_once("\"Listening on\" address=").unwrap();
        let address = address.lines().next().unwrap().trim().parse().unwrap();
        // Else it would stop at a full pipe.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, address }
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nhost: prometheus\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
    }

    /// What an expression says now.
    fn ask(&self, expression: &str) -> Vec<Value> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let answer = self.get(&format!("/api/v1/query?query={query}"));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        assert_eq!(answer["warnings"], Value::Null, "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(expression).is_empty() {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {expression}");
            // Another process's state, which nothing announces.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Panels that show nothing where nothing of their kind has happened, or is wrong.
const MAY_BE_EMPTY: [&str; 1] = ["Refused and failed requests, an hour"];

#[test]
fn prometheus_scrapes_it_and_answers_all_that_the_dashboard_and_the_alerts_ask() {
    let dir = tempfile::tempdir().unwrap();
    let (mut place, address) = place_with_a_door(dir.path());
    let prometheus = Prometheus::start(dir.path(), address);
    prometheus.until("up{job=\"poold\"} == 1");
    for _ in 0..3 {
        let id = place.submit(&[], &["sh", "-c", "echo hello; sleep 0.3"]);
        place.until_state(&id, "complete");
    }
    place.until_no_instance_is_left();
    // Rates need what is before and what is after.
    prometheus.until("poold_jobs_ended_total{outcome=\"exit_zero\"} == 3");
    prometheus.until("rate(pool_instance_time_to_disappear_seconds_count[1m]) > 0");
    prometheus.until("rate(poold_job_run_seconds_count[1m]) > 0");

    let known = families(&scrape(&place));
    for Panel { title, expression, legend } in dashboard() {
        is_known(&known, &title, &expression);
        for label in legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap()) {
            let shown = grouped(&expression).iter().any(|grouped| grouped == label);
            assert!(
                shown || expression.contains("poold_build_info"),
                "{title}: {label} is not in {expression}"
            );
        }
        assert!(expression.contains("instance_set=~\"$instance_set\""), "{title}: {expression}");
        let asked = expression.replace("$instance_set", "test").replace("$__rate_interval", "1m");
        assert!(!asked.contains('$'), "{title}: {asked}");
        let answer = prometheus.ask(&asked);
        assert!(!answer.is_empty() || MAY_BE_EMPTY.contains(&&*title), "{title} shows nothing: {asked}");
    }

    let rules = prometheus.get("/api/v1/rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), after_each(&fs::read_to_string(repository(ALERTS)).unwrap(), "- alert: ").len());
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        is_known(&known, name, rule["query"].as_str().unwrap());
        assert_eq!(rule["lastError"], Value::Null, "{rule}");
        // Pending is what depends on the machine: a disk that is slow or full.
        assert_ne!(rule["state"], "firing", "{rule}");
    }
    drop(prometheus);
    place.ends_with_nothing_left();
}
