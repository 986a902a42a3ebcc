//! What is asked for when a job is submitted.

use crate::api::{
    numbers::{optional_size, optional_whole_number, size, whole_number},
    schemas::{CpusSchema, DurationSchema, SizeSchema},
};
use pool_core::{ByteSize, Cpus, FieldProblem, JobGroup, JobSpec, Resources};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};
use utoipa::ToSchema;

/// The priority of a job that names none.
pub(crate) const DEFAULT_PRIORITY: u32 = 100;
const MAX_PRIORITY: u32 = 1_000_000;
const MAX_ATTEMPTS: u32 = 100;
const MAX_NAME: usize = 200;
const MAX_LABELS: usize = 32;
const MAX_LABEL: usize = 200;
/// Longest single argument or variable with its name: what Linux takes (MAX_ARG_STRLEN, execve(2)), its final zero
/// included.
const MAX_ARGUMENT: usize = 128 * 1024 - 1;
/// Longest job altogether, as JSON. It must fit into a frame to the runner with room to spare.
pub(crate) const MAX_JOB_SIZE: usize = 512 * 1024;

/// A job as it is submitted: one JSON object, of which only `command` is required.
///
/// `Debug` shows the names of environment variables, never their values: people put secrets there.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobRequest {
    /// The program and its arguments. Not a shell line.
    #[schema(value_type = Vec<String>, min_items = 1)]
    pub(crate) command: Vec<String>,
    /// For people; need not be unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub(crate) name: Option<String>,
    /// Jobs of one group can be bounded together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = r"^[A-Za-z0-9_][A-Za-z0-9._\-]{0,62}$")]
    pub(crate) group: Option<JobGroup>,
    /// For people and their programs, to find jobs by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: BTreeMap<String, String>,
    /// The directory on the worker that it starts in; none: a fresh one of its own, deleted with the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<String>,
    /// CPUs that it reserves; fractions are allowed.
    #[serde(default)]
    #[schema(value_type = CpusSchema)]
    pub(crate) cpus: Cpus,
    /// Memory that it reserves.
    #[serde(default, serialize_with = "bytes", deserialize_with = "size")]
    #[schema(value_type = SizeSchema)]
    pub(crate) memory: ByteSize,
    /// Scratch space that it reserves.
    #[serde(default, serialize_with = "bytes", deserialize_with = "size")]
    #[schema(value_type = SizeSchema)]
    pub(crate) scratch: ByteSize,
    /// Graphics processors that it reserves.
    #[serde(default, deserialize_with = "whole_number")]
    pub(crate) gpus: u32,
    /// Whether it may run on instances that the provider may take away.
    #[serde(default)]
    pub(crate) preemptible: bool,
    /// More goes first. 0: it is not started, and stopped if it runs.
    #[serde(default = "default_priority", deserialize_with = "whole_number")]
    #[schema(maximum = 1000000)]
    pub(crate) priority: u32,
    /// After this long the job is ended.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DurationSchema>)]
    pub(crate) time_limit: Option<Duration>,
    /// How much is kept of its standard output and of its standard error, each; none: what the program's configuration
    /// says.
    #[serde(
        default,
        serialize_with = "optional_bytes",
        deserialize_with = "optional_size",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<SizeSchema>)]
    pub(crate) output_limit: Option<ByteSize>,
    /// How often it may be given to a worker that is then lost; none: what the program's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_whole_number")]
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) attempts: Option<u32>,
    /// Whether it is run again when nobody can tell how it ended (its processes and their keeper were killed).
    #[serde(default)]
    pub(crate) rerun_if_unknown: bool,
}

fn default_priority() -> u32 {
    DEFAULT_PRIORITY
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn bytes<S: serde::Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(size.0)
}

#[expect(clippy::ref_option, reason = "serde wants it so")]
fn optional_bytes<S: serde::Serializer>(size: &Option<ByteSize>, serializer: S) -> Result<S::Ok, S::Error> {
    size.map(|size| size.0).serialize(serializer)
}

impl fmt::Debug for JobRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobRequest")
            .field("command", &self.command)
            .field("name", &self.name)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .field("resources", &self.resources())
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

impl JobRequest {
    /// A job that runs a program with arguments, and asks for nothing in particular.
    pub(crate) fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            name: None,
            group: None,
            labels: BTreeMap::new(),
            environment: BTreeMap::new(),
            directory: None,
            cpus: Cpus::ZERO,
            memory: ByteSize(0),
            scratch: ByteSize(0),
            gpus: 0,
            preemptible: false,
            priority: DEFAULT_PRIORITY,
            time_limit: None,
            output_limit: None,
            attempts: None,
            rerun_if_unknown: false,
        }
    }

    /// What it reserves on a worker.
    pub(crate) fn resources(&self) -> Resources {
        Resources { cpus: self.cpus, memory: self.memory, scratch: self.scratch, gpus: self.gpus }
    }

    /// The same as a worker runs it.
    pub(crate) fn spec(&self, default_output_limit: ByteSize) -> JobSpec {
        JobSpec {
            command: self.command.clone(),
            environment: self.environment.clone(),
            directory: self.directory.clone(),
            time_limit: self.time_limit,
            output_limit: self.output_limit.unwrap_or(default_output_limit),
            resources: self.resources(),
        }
    }

    /// All that is wrong with it by itself; whether a configured type fits is another question.
    pub(crate) fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, problem: String| {
            problems.push(FieldProblem { field: field.to_owned(), problem });
        };
        match self.command.first().map(String::as_str) {
            None => wrong("command", "it is empty: give a program and its arguments".to_owned()),
            Some("") => wrong("command[0]", "it is empty: give the program's name".to_owned()),
            Some(_) => {}
        }
        for (at, argument) in self.command.iter().enumerate() {
            if let Some(problem) = argument_problem(argument, 0) {
                wrong(&format!("command[{at}]"), problem);
            }
        }
        if let Some(name) = &self.name
            && let Some(problem) = text_problem(name, MAX_NAME)
        {
            wrong("name", problem);
        }
        if self.labels.len() > MAX_LABELS {
            wrong("labels", format!("{} of them: at most {MAX_LABELS}", self.labels.len()));
        }
        for (label, value) in &self.labels {
            let empty = label.is_empty().then(|| "its name is empty".to_owned());
            let problem = empty.or_else(|| text_problem(label, MAX_LABEL));
            if let Some(problem) = problem.or_else(|| text_problem(value, MAX_LABEL)) {
                wrong(&format!("labels.{}", label.escape_debug()), problem);
            }
        }
        for (name, value) in &self.environment {
            let bad_name = (name.is_empty() || name.contains('='))
                .then(|| "a variable's name is not empty and holds no =".to_owned());
            if let Some(problem) = bad_name
                .or_else(|| argument_problem(name, 0))
                .or_else(|| argument_problem(value, name.len() + 1))
            {
                wrong(&format!("environment.{}", name.escape_debug()), problem);
            }
        }
        if let Some(directory) = &self.directory
            && (!directory.starts_with('/') || directory.contains('\0'))
        {
            wrong("directory", format!("{directory:?} is not absolute: begin it with /"));
        }
        if self.priority > MAX_PRIORITY {
            wrong("priority", format!("{} is too high: at most {MAX_PRIORITY}", self.priority));
        }
        if self.time_limit.is_some_and(|limit| limit.is_zero()) {
            wrong("time_limit", "it is zero: leave it out for no limit".to_owned());
        }
        if self.attempts.is_some_and(|attempts| !(1..=MAX_ATTEMPTS).contains(&attempts)) {
            wrong("attempts", format!("give 1 to {MAX_ATTEMPTS}"));
        }
        let size = serde_json::to_vec(self).map_or(usize::MAX, |text| text.len());
        if size > MAX_JOB_SIZE {
            let most = ByteSize(MAX_JOB_SIZE as u64);
            let problem = format!(
                "the job has {}, more than {most}: pass large inputs as files",
                ByteSize(size as u64)
            );
            wrong("command", problem);
        }
        problems
    }
}

/// `beside`: what counts to the same limit.
fn argument_problem(text: &str, beside: usize) -> Option<String> {
    let length = text.len() + beside;
    if text.contains('\0') {
        Some("it holds a zero byte, which no argument or variable can".to_owned())
    } else if length > MAX_ARGUMENT {
        Some(format!(
            "it has {length} bytes, more than the {MAX_ARGUMENT} that a program can be given: pass it as a file"
        ))
    } else {
        None
    }
}

fn text_problem(text: &str, longest: usize) -> Option<String> {
    if text.chars().any(char::is_control) {
        Some(format!("{:?} holds control characters", text.chars().take(40).collect::<String>()))
    } else if text.len() > longest {
        Some(format!("it has {} bytes: at most {longest}", text.len()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(request: &JobRequest) -> Vec<String> {
        request.problems().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_line_with_all_fields_is_read_and_written_back_the_same() {
        let text = r#"{"command":["sh","-c","echo hi"],"name":"greet","group":"night","labels":{"run":"7"},
            "environment":{"A":"1"},"directory":"/tmp","cpus":0.5,"memory":"1 GiB","scratch":"2 GB","gpus":1,
            "preemptible":true,"priority":7,"time_limit":"1m 30s","output_limit":"1 MiB","attempts":2,
            "rerun_if_unknown":true}"#;
        let request: JobRequest = serde_json::from_str(text).unwrap();
        assert_eq!(request.time_limit, Some(Duration::from_secs(90)));
        assert_eq!(request.scratch, ByteSize(2_000_000_000));
        assert!(request.problems().is_empty());
        let again = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<JobRequest>(&again).unwrap(), request);
        let unknown = serde_json::from_str::<JobRequest>(r#"{"command":["a"],"cpu":1}"#).unwrap_err();
        assert!(unknown.to_string().contains("`cpu`"), "{unknown}");
    }

    #[test]
    fn each_bad_field_is_named() {
        let good = JobRequest::new(["true"]);
        assert!(good.problems().is_empty());
        let mut bad = JobRequest::new(Vec::<String>::new());
        bad.name = Some("a\x1b[2Jb".into());
        bad.labels.insert("k".into(), "x".repeat(201));
        bad.environment.insert("A=B".into(), String::new());
        bad.directory = Some("here".into());
        bad.priority = u32::MAX;
        bad.time_limit = Some(Duration::ZERO);
        bad.attempts = Some(0);
        let expected = [
            "command",
            "name",
            "labels.k",
            "environment.A=B",
            "directory",
            "priority",
            "time_limit",
            "attempts",
        ];
        assert_eq!(fields(&bad), expected);
    }

    #[test]
    fn a_command_of_a_megabyte_is_refused_in_one_argument_or_in_many() {
        let one = JobRequest::new(["echo".to_owned(), "x".repeat(1 << 20)]);
        assert_eq!(fields(&one), ["command[1]", "command"]);
        let many = JobRequest::new(std::iter::repeat_n("x".repeat(1 << 10), 1 << 10));
        assert_eq!(fields(&many), ["command"]);
    }

    #[test]
    fn debug_shows_no_environment_value() {
        let mut request = JobRequest::new(["true"]);
        request.environment.insert("TOKEN".into(), "hunter2".into());
        let shown = format!("{request:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }
}
