//! What came of it.

use super::{
    dispatcher::Dispatcher,
    instances::{InstanceLife, seconds},
    load::COUNT_WORDS,
    queue::{Job, JobResult, Stage},
};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// The summary, as `--json` prints it. Times are in seconds, counted from the demo's start.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Whether every job ended as it was meant to, and nothing else went wrong.
    pub(crate) as_expected: bool,
    pub(crate) interrupted: bool,
    #[serde(serialize_with = "seconds", rename = "seconds")]
    took: Duration,
    jobs: Vec<JobRow>,
    outcomes: BTreeMap<String, usize>,
    wait: Option<Spread>,
    run: Option<Spread>,
    instances: BTreeMap<String, InstanceLife>,
    instances_by_type: BTreeMap<String, usize>,
    cost: f64,
    failed_calls: BTreeMap<String, usize>,
    words: Words,
    outputs: PathBuf,
    pub(crate) problems: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct JobRow {
    id: String,
    result: JobResult,
    as_expected: bool,
    instance: Option<String>,
    attempt: u32,
    started: Option<f64>,
    ended: Option<f64>,
    peak_memory: Option<u64>,
}

/// Smallest, middle and largest, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self { min: *values.first()?, median: values[values.len() / 2], max: *values.last()? })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s shortest, {:.2} s median, {:.2} s longest", self.min, self.median, self.max)
    }
}

/// What the jobs have computed: the words of all files together.
#[derive(Clone, Debug, Default, Serialize)]
struct Words {
    files: usize,
    words: u64,
    most_frequent: Vec<(String, u64)>,
}

impl Words {
    /// Adds up what the counting jobs have printed: a count and a word a line.
    fn of(jobs: &[&Job], outputs: &Path) -> Self {
        let mut words = Self::default();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for job in
            jobs.iter().filter(|job| job.load.id.as_str().starts_with(COUNT_WORDS) && job.is_as_expected())
        {
            let Ok(text) = std::fs::read_to_string(outputs.join(format!("{}.stdout", job.load.id))) else {
                continue;
            };
            words.files += 1;
            for (count, word) in text.lines().filter_map(|line| line.trim().split_once(' ')) {
                let count = count.parse().unwrap_or(0);
                words.words += count;
                *counts.entry(word.to_owned()).or_default() += count;
            }
        }
        let mut ranked: Vec<(String, u64)> = counts.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        ranked.truncate(5);
        words.most_frequent = ranked;
        words
    }
}

impl Summary {
    pub(crate) fn of(dispatcher: &Dispatcher, outputs: &Path) -> Self {
        let jobs: Vec<&Job> = dispatcher.queue.iter().collect();
        let (mut outcomes, mut waits, mut runs) = (BTreeMap::new(), Vec::new(), Vec::new());
        let rows: Vec<JobRow> = jobs
            .iter()
            .filter_map(|job| {
                let Stage::Final { instance, times, result } = &job.stage else { return None };
                *outcomes.entry(result.to_string()).or_default() += 1;
                if let Some((started, ended)) = times {
                    waits.push(started.as_secs_f64());
                    runs.push(ended.saturating_sub(*started).as_secs_f64());
                }
                Some(JobRow {
                    id: job.load.id.to_string(),
                    result: result.clone(),
                    as_expected: job.is_as_expected(),
                    instance: instance.as_ref().map(ToString::to_string),
                    attempt: job.attempt,
                    started: times.map(|(started, _)| started.as_secs_f64()),
                    ended: times.map(|(_, ended)| ended.as_secs_f64()),
                    peak_memory: job.peak_memory,
                })
            })
            .collect();
        let instances = &dispatcher.instances;
        let lives = instances.lives.iter().map(|(id, life)| (id.to_string(), life.clone())).collect();
        Self {
            as_expected: dispatcher.problems.is_empty() && rows.iter().all(|row| row.as_expected),
            interrupted: dispatcher.interrupted,
            took: dispatcher.now(),
            jobs: rows,
            outcomes,
            wait: Spread::of(waits),
            run: Spread::of(runs),
            cost: instances.lives.values().map(|life| life.cost).sum(),
            instances: lives,
            instances_by_type: instances
                .by_type()
                .into_iter()
                .map(|(name, n)| (name.to_string(), n))
                .collect(),
            failed_calls: instances.refused.clone(),
            words: Words::of(&jobs, outputs),
            outputs: outputs.to_owned(),
            problems: dispatcher.problems.clone(),
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String never fails.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\nJobs: {} in {:.1} s", self.jobs.len(), self.took.as_secs_f64())?;
        let mut table = table(["jobs", "outcome", "which"]);
        for (outcome, count) in &self.outcomes {
            let which: Vec<&str> = self
                .jobs
                .iter()
                .filter(|job| job.result.to_string() == *outcome)
                .map(|job| job.id.as_str())
                .collect();
            table.add_row([count.to_string(), outcome.clone(), shorten(&which)]);
        }
        right(&mut table, &[0]);
        writeln!(out, "{table}")?;
        if let (Some(wait), Some(run)) = (&self.wait, &self.run) {
            writeln!(out, "Waited: {wait}\nRan:    {run}")?;
        }

        let types: Vec<String> =
            self.instances_by_type.iter().map(|(name, n)| format!("{n} {name}")).collect();
        writeln!(out, "\nInstances: {} ({})", self.instances.len(), types.join(", "))?;
        let mut table = self::table([
            "instance",
            "type",
            "placement",
            "made",
            "ready",
            "gone",
            "jobs",
            "cost",
            "destroyed because",
        ]);
        let at = |time: Option<Duration>| time.map_or("-".into(), |t| format!("{:.1} s", t.as_secs_f64()));
        for (id, life) in &self.instances {
            let mut why = life.destroyed.clone().unwrap_or_else(|| "-".into());
            if let Some(broken) = &life.broken {
                let _ = write!(why, " (broken: {broken})");
            }
            table.add_row([
                id.clone(),
                life.instance_type.clone(),
                life.placement.clone(),
                at(Some(life.created)),
                at(life.ready),
                at(life.gone),
                life.jobs.to_string(),
                format!("{:.6}", life.cost),
                why,
            ]);
        }
        right(&mut table, &[3, 4, 5, 6, 7]);
        writeln!(out, "{table}")?;
        writeln!(out, "Cost by the price table: {:.6}", self.cost)?;
        for (message, count) in &self.failed_calls {
            writeln!(out, "Refused by the cloud: {message} ({count} times)")?;
        }

        if self.words.files > 0 {
            let frequent: Vec<String> =
                self.words.most_frequent.iter().map(|(word, count)| format!("{word} {count}")).collect();
            writeln!(
                out,
                "\nResult: {} words in {} files; most frequent: {}",
                self.words.words,
                self.words.files,
                frequent.join(", ")
            )?;
        }
        writeln!(out, "Outputs: {}", self.outputs.display())?;
        for problem in &self.problems {
            writeln!(out, "Problem: {problem}")?;
        }
        for job in self.jobs.iter().filter(|job| !job.as_expected) {
            writeln!(out, "Problem: job {} was not meant to end so: {}", job.id, job.result)?;
        }
        if self.as_expected {
            writeln!(out, "All jobs ended as they were meant to.")?;
        }
        Ok(())
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The first few names, and how many more.
fn shorten(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        n if n > SHOWN => format!("{}, … {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}
