//! What Prometheus would see of a place, and Prometheus' own tools.

use super::support::Place;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The text that a scrape gets.
pub(crate) fn scrape(place: &Place) -> String {
    let mut stream = UnixStream::connect(place.state().join("run/poold.sock")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: poold\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    body.to_owned()
}

/// Metrics by name, each with the names of its labels.
pub(crate) type Families = BTreeMap<String, BTreeSet<String>>;

/// What a scrape has, without the parts that histograms consist of.
pub(crate) fn families(text: &str) -> Families {
    let mut families = Families::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            rest.split(' ').next().unwrap().clone_into(&mut current);
            families.entry(current.clone()).or_default();
        } else if !line.starts_with('#') {
            families.get_mut(&current).unwrap().extend(labels(line));
        }
    }
    families
}

/// The names of the labels in `name{a="…",b="…"} 1`.
fn labels(line: &str) -> Vec<String> {
    let Some((_, rest)) = line.split_once('{') else { return Vec::new() };
    // Values hold neither of these here.
    let (inside, _) = rest.rsplit_once('}').unwrap();
    let names = inside.split("\",").filter_map(|pair| pair.split_once('='));
    names.map(|(name, _)| name.to_owned()).filter(|name| name != "le").collect()
}

/// The sum of all series of a metric that have these labels.
pub(crate) fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let series = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// One of Prometheus' programs. Its absence is a failure: CI must not pass without it.
pub(crate) fn tool(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    assert!(there, "{name} is not installed: apt-get install prometheus (it has promtool, too)");
    Command::new(name)
}

/// Runs `promtool`, with what it reads.
#[track_caller]
pub(crate) fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut tool = tool("promtool");
    tool.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A file of the repository.
pub(crate) fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(file)
}
