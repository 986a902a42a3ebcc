//! The jobs: what `poold submit --file` takes, and how long each of them runs, when it comes and how it ends.

use super::job_problems::JobProblems;
use crate::{
    config::ServeConfig,
    job::{JobRequest, MAX_JOB_SIZE},
};
use pool_core::fits;
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
    time::Duration,
};

/// Most jobs of one simulation, copies counted.
pub(super) const MAX_JOBS: usize = 100_000;
/// Longest line, in bytes: a job with all its white space.
const MAX_LINE: usize = 4 * MAX_JOB_SIZE;
/// Longest time that may be asked for.
pub(super) const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why there are no jobs.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobListError {
    #[error("{0}")]
    Bad(JobProblems),
    #[error("{name} cannot be read")]
    Unreadable {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("{0} has no jobs: give one JSON object a line")]
    Empty(String),
}

/// A line of the file.
#[derive(Clone, Debug)]
pub(super) struct JobLine {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) request: JobRequest,
    /// How long each run of it takes.
    pub(super) takes: Duration,
    /// When it is submitted, from the start.
    pub(super) at: Duration,
    pub(super) copies: usize,
    pub(super) exit_code: i32,
}

/// Checked jobs.
#[derive(Clone, Debug)]
pub(super) struct JobList {
    /// What the file is called.
    pub(super) file: String,
    pub(super) lines: Vec<JobLine>,
}

impl JobList {
    /// Reads a file of JSON lines; `-` is standard input.
    ///
    /// # Errors
    /// All that is wrong with any line.
    pub(super) fn read(path: &Path, takes: Duration, config: &ServeConfig) -> Result<Self, JobListError> {
        if path.as_os_str() == "-" {
            return Self::from_lines(io::stdin().lock(), "standard input", takes, config);
        }
        let name = path.display().to_string();
        let file =
            File::open(path).map_err(|source| JobListError::Unreadable { name: name.clone(), source })?;
        Self::from_lines(BufReader::new(file), &name, takes, config)
    }

    /// Reads JSON lines.
    ///
    /// # Errors
    /// All that is wrong with any line.
    pub(super) fn from_lines(
        mut from: impl BufRead,
        name: &str,
        takes: Duration,
        config: &ServeConfig,
    ) -> Result<Self, JobListError> {
        let mut lines: Vec<JobLine> = Vec::new();
        let mut problems = JobProblems::default();
        let mut jobs = 0_usize;
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            // One more than is allowed, to know that there is more.
            let read = from.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut text);
            let length = read.map_err(|source| JobListError::Unreadable { name: name.to_owned(), source })?;
            if length == 0 {
                break;
            }
            if length > MAX_LINE {
                problems.add(name, line, "", format!("the line has more than {MAX_LINE} bytes"));
                // The rest of it would be taken for lines.
                break;
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let job = parse(&text, line, takes, config, &mut |field, problem| {
                problems.add(name, line, field, problem);
            });
            let Some(job) = job else { continue };
            jobs = jobs.saturating_add(job.copies);
            if jobs > MAX_JOBS {
                let problem = format!("more than {MAX_JOBS} jobs, copies counted: simulate them in parts");
                problems.add(name, line, "", problem);
                break;
            }
            lines.push(job);
        }
        if !problems.is_empty() {
            return Err(JobListError::Bad(problems));
        }
        if lines.is_empty() {
            return Err(JobListError::Empty(name.to_owned()));
        }
        Ok(Self { file: name.to_owned(), lines })
    }

    /// Where the job at this place was read. Copies stand one after the other.
    pub(super) fn where_is(&self, place: usize) -> String {
        let mut before = 0;
        let line = self.lines.iter().find(|line| {
            before += line.copies;
            place < before
        });
        let line = line.map_or(0, |line| line.line);
        format!("{}:{line}", self.file)
    }

    /// How many jobs there are.
    pub(super) fn jobs(&self) -> usize {
        self.lines.iter().map(|line| line.copies).sum()
    }
}

/// A line's job, if nothing is wrong with it.
fn parse(
    text: &[u8],
    line: usize,
    default_takes: Duration,
    config: &ServeConfig,
    wrong: &mut dyn FnMut(&str, String),
) -> Option<JobLine> {
    let mut all_well = true;
    let mut wrong = |field: &str, problem: String| {
        all_well = false;
        wrong(field, problem);
    };
    let mut fields: Map<String, Value> = match serde_json::from_slice(text) {
        Ok(fields) => fields,
        Err(error) => {
            wrong("", without_line(&error));
            return None;
        }
    };
    let takes = take(&mut fields, "takes", &mut wrong, duration).unwrap_or(default_takes);
    let at = take(&mut fields, "at", &mut wrong, duration).unwrap_or_default();
    let copies = take(&mut fields, "copies", &mut wrong, copies).unwrap_or(1);
    let exit_code = take(&mut fields, "exit_code", &mut wrong, exit_code).unwrap_or(0);
    let request: Option<JobRequest> = match serde_path_to_error::deserialize(Value::Object(fields)) {
        Ok(request) => Some(request),
        Err(error) => {
            let path = error.path().to_string();
            wrong(if path == "." { "" } else { &path }, error.into_inner().to_string());
            None
        }
    };
    if let Some(request) = &request {
        check(request, config, &mut wrong);
    }
    let request = request.filter(|_| all_well)?;
    Some(JobLine { line, request, takes, at, copies, exit_code })
}

/// What `poold serve` would refuse too.
fn check(request: &JobRequest, config: &ServeConfig, wrong: &mut dyn FnMut(&str, String)) {
    for problem in request.problems() {
        wrong(&problem.field, problem.problem);
    }
    if let Err(no_fit) = fits(&config.pool.instance_types, &request.resources(), request.preemptible) {
        wrong("resources", no_fit.to_string());
    }
    let most = config.queue.max_output_limit;
    if request.output_limit.is_some_and(|limit| limit > most) {
        wrong("output_limit", format!("more than the {most} that is kept (queue.max_output_limit)"));
    }
}

/// One of our own fields.
fn take<T>(
    fields: &mut Map<String, Value>,
    name: &str,
    wrong: &mut dyn FnMut(&str, String),
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Option<T> {
    match read(&fields.remove(name)?) {
        Ok(value) => Some(value),
        Err(problem) => {
            wrong(name, problem);
            None
        }
    }
}

fn duration(value: &Value) -> Result<Duration, String> {
    let text =
        value.as_str().ok_or_else(|| format!("{value} is no text: write a duration as in \"1h 30m\""))?;
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is no duration ({error}): write it as in \"1h 30m\""))?;
    if duration > MAX_TIME { Err("more than a year of 365 days".to_owned()) } else { Ok(duration) }
}

fn copies(value: &Value) -> Result<usize, String> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    let good = count.filter(|count| (1..=MAX_JOBS).contains(count));
    good.ok_or_else(|| format!("{value}: give a whole number from 1 to {MAX_JOBS}"))
}

fn exit_code(value: &Value) -> Result<i32, String> {
    let code = value.as_i64().filter(|code| (0..=255).contains(code));
    code.and_then(|code| i32::try_from(code).ok())
        .ok_or_else(|| format!("{value}: give a whole number from 0 to 255"))
}

/// The line is always the first; the file's line is said elsewhere.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((problem, _)) if error.column() > 0 => format!("{problem} (column {})", error.column()),
        _ => text,
    }
}
