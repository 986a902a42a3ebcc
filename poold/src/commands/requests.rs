//! Jobs from the command line or from a file, checked.

use super::failure::Failure;
use crate::job::{DEFAULT_PRIORITY, JobRequest, MAX_JOB_SIZE};
use clap::Args;
use pool_core::{ByteSize, Cpus, JobGroup};
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
    time::Duration,
};

/// Most jobs of one command.
pub(super) const MAX_JOBS: u32 = 100_000;
/// Problems that one error tells of.
const MAX_PROBLEMS: usize = 20;
/// Longest line, in bytes: a job with all its white space.
const MAX_LINE: usize = 4 * MAX_JOB_SIZE;

/// Which job.
#[derive(Args, Clone, Debug)]
pub(crate) struct JobOptions {
    /// For people; need not be unique
    #[arg(long)]
    name: Option<String>,
    /// Jobs of one group can be bounded together
    #[arg(long)]
    group: Option<JobGroup>,
    /// To find jobs by; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// An environment variable, or the name of one to take along; may be repeated
    #[arg(long = "env", value_name = "KEY[=VALUE]", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// Where it starts on the worker, absolute [default: a fresh directory of its own]
    #[arg(long, value_name = "DIR")]
    directory: Option<String>,
    /// CPUs that it reserves; fractions are allowed
    #[arg(long, value_parser = cpus, allow_negative_numbers = true)]
    cpus: Option<Cpus>,
    /// Memory that it reserves, as in `500MB` or `4GiB`
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Scratch space that it reserves
    #[arg(long, value_name = "SIZE")]
    scratch: Option<ByteSize>,
    /// Graphics processors that it reserves
    #[arg(long, default_value_t = 0, hide_default_value = true, allow_negative_numbers = true)]
    gpus: u32,
    /// It may run where the provider may take the machine away
    #[arg(long)]
    preemptible: bool,
    /// More goes first; 0: it is not started
    #[arg(long, default_value_t = DEFAULT_PRIORITY, allow_negative_numbers = true)]
    priority: u32,
    /// After this long it is ended, as in `90s` or `2h 30m`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    time_limit: Option<Duration>,
    /// How much is kept of its standard output and of its standard error, each
    #[arg(long, value_name = "SIZE")]
    output_limit: Option<ByteSize>,
    /// How often it may be given to a worker that is then lost
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    attempts: Option<u32>,
    /// Run it again when nobody can tell how it ended
    #[arg(long)]
    rerun_if_unknown: bool,
    /// So many jobs, which find POOL_ARRAY_INDEX (from 0) and POOL_ARRAY_SIZE in their environment; at most 100000
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_JOBS)))]
    array: Option<u32>,
    /// The program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    if text.contains('=') {
        return pair(text);
    }
    if text.is_empty() || text.contains('\0') {
        return Err("give KEY=VALUE, or the name of a variable".to_owned());
    }
    let value = std::env::var(text).map_err(|error| format!("{error}: give KEY=VALUE"))?;
    Ok((text.to_owned(), value))
}

fn cpus(text: &str) -> Result<Cpus, String> {
    let number: f64 = text.parse().map_err(|error: std::num::ParseFloatError| error.to_string())?;
    Cpus::try_from(number).map_err(|error| error.to_string())
}

/// Where a job was described.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    CommandLine,
    /// By a line, counted from 1, of what is called so.
    Line(String, usize),
}

/// A job as it is sent.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) json: Box<RawValue>,
    /// The line in the file; 0 for the command line.
    pub(super) line: usize,
}

/// Checked jobs.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) jobs: Vec<Written>,
    /// What the file is called; none: the command line.
    file: Option<String>,
}

impl Requests {
    pub(super) fn origin(&self, job: usize) -> Origin {
        match (&self.file, self.jobs.get(job)) {
            (Some(file), Some(job)) => Origin::Line(file.clone(), job.line),
            _ => Origin::CommandLine,
        }
    }

    /// The job or jobs of a command line.
    pub(super) fn from_options(options: &JobOptions) -> Result<Self, Failure> {
        if options.command.is_empty() {
            let message = "give a command after `--`, or a file of jobs with --file";
            return Err(Failure::Input(message.to_owned()));
        }
        let mut request = options.request();
        if let Some(size) = options.array {
            // The longest, to be checked for all.
            set_index(&mut request, size - 1, size);
        }
        let problems: Vec<String> = request.problems().iter().map(ToString::to_string).collect();
        if !problems.is_empty() {
            return Err(Failure::Input(format!("the job was refused\n  {}", problems.join("\n  "))));
        }
        let mut jobs = Vec::new();
        for index in 0..options.array.unwrap_or(1) {
            if let Some(size) = options.array {
                set_index(&mut request, index, size);
            }
            jobs.push(Written { json: write(&request)?, line: 0 });
        }
        Ok(Self { jobs, file: None })
    }

    /// The jobs of a file of JSON lines; `-` is standard input.
    pub(super) fn from_file(path: &Path) -> Result<Self, Failure> {
        let unreadable =
            |error: io::Error| Failure::Input(format!("{} cannot be read: {error}", path.display()));
        if path.as_os_str() == "-" {
            return Self::from_lines(io::stdin().lock(), "standard input");
        }
        let file = File::open(path).map_err(unreadable)?;
        Self::from_lines(BufReader::new(file), &path.display().to_string())
    }

    pub(super) fn from_lines(mut lines: impl BufRead, name: &str) -> Result<Self, Failure> {
        let mut jobs = Vec::new();
        let mut problems = Vec::new();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            // One more than is allowed, to know that there is more.
            let read = lines.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line);
            let length = read.map_err(|error| Failure::Input(format!("{name} cannot be read: {error}")))?;
            if length == 0 {
                break;
            }
            if length > MAX_LINE {
                // The rest of it would be taken for lines.
                problems.push(format!("{name}:{number}: the line has more than {MAX_LINE} bytes"));
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match parse(&line) {
                Ok(json) => jobs.push(Written { json, line: number }),
                Err(found) => {
                    problems.extend(found.into_iter().map(|found| format!("{name}:{number}: {found}")));
                }
            }
            if jobs.len() > MAX_JOBS as usize {
                problems.push(format!("{name}: more than {MAX_JOBS} jobs: submit them in parts"));
            }
            if problems.len() >= MAX_PROBLEMS {
                problems.push("…".to_owned());
                break;
            }
            if jobs.len() > MAX_JOBS as usize {
                break;
            }
        }
        if !problems.is_empty() {
            return Err(Failure::Input(format!("nothing was submitted\n  {}", problems.join("\n  "))));
        }
        if jobs.is_empty() {
            return Err(Failure::Input(format!("{name} has no jobs: give one JSON object a line")));
        }
        Ok(Self { jobs, file: Some(name.to_owned()) })
    }
}

impl JobOptions {
    pub(super) fn is_array(&self) -> bool {
        self.array.is_some()
    }

    fn request(&self) -> JobRequest {
        JobRequest {
            name: self.name.clone(),
            group: self.group.clone(),
            labels: self.labels.iter().cloned().collect(),
            environment: self.environment.iter().cloned().collect::<BTreeMap<_, _>>(),
            directory: self.directory.clone(),
            cpus: self.cpus.unwrap_or_default(),
            memory: self.memory.unwrap_or_default(),
            scratch: self.scratch.unwrap_or_default(),
            gpus: self.gpus,
            preemptible: self.preemptible,
            priority: self.priority,
            time_limit: self.time_limit,
            output_limit: self.output_limit,
            attempts: self.attempts,
            rerun_if_unknown: self.rerun_if_unknown,
            ..JobRequest::new(self.command.clone())
        }
    }
}

fn set_index(request: &mut JobRequest, index: u32, size: u32) {
    request.environment.insert("POOL_ARRAY_INDEX".to_owned(), index.to_string());
    request.environment.insert("POOL_ARRAY_SIZE".to_owned(), size.to_string());
}

/// A line's job, or all that is wrong with it.
fn parse(line: &[u8]) -> Result<Box<RawValue>, Vec<String>> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let request: JobRequest = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let problem = without_line(error.inner());
        vec![if path == "." { problem } else { format!("{path}: {problem}") }]
    })?;
    json.end().map_err(|error| vec![without_line(&error)])?;
    let problems: Vec<String> = request.problems().iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    write(&request).map_err(|failure| vec![failure.to_string()])
}

/// The line is always the first; the file's line is said elsewhere.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((problem, _)) if error.column() > 0 => format!("{problem} (column {})", error.column()),
        _ => text,
    }
}

fn write(request: &JobRequest) -> Result<Box<RawValue>, Failure> {
    serde_json::value::to_raw_value(request).map_err(|error| Failure::Input(format!("the job: {error}")))
}
