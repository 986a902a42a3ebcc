//! The demo's load: jobs that compute something, and jobs that go wrong.

use pool_core::{ByteSize, ConfigError, Cpus, FieldProblem, JobId, JobSpec, Resources};
use serde::Deserialize;
use std::{path::Path, time::Duration};

/// The `demo` section of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DemoConfig {
    /// Seeds the contents of the files.
    pub(crate) seed: u64,
    /// How many files there are to work on.
    pub(crate) files: usize,
    /// How large each is.
    pub(crate) file_size: ByteSize,
}

impl DemoConfig {
    /// Checks what types alone cannot say.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, problem: &str| {
            problems.push(FieldProblem { field: field.to_owned(), problem: problem.to_owned() });
        };
        if !(1..=1000).contains(&self.files) {
            wrong("files", "must be from 1 to 1000");
        }
        if self.file_size.0 == 0 || self.file_size > ByteSize::gib(1) {
            wrong("file_size", "must be more than 0 and at most 1 GiB");
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(problems)) }
    }
}

/// How a job should end if all goes well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// With exit code 0.
    Success,
    /// With this exit code, on purpose.
    Code(i32),
    /// It cannot be started, on purpose.
    NotStarted,
    /// The demo ends it after this long.
    KilledAfter(Duration),
    /// Its time limit ends it.
    TimeLimit,
}

/// One job of the load.
#[derive(Clone, Debug)]
pub(crate) struct LoadJob {
    pub(crate) id: JobId,
    pub(crate) spec: JobSpec,
    pub(crate) expected: Expected,
}

/// Jobs whose outputs are added up at the end.
pub(crate) const COUNT_WORDS: &str = "words-";

/// All jobs over these files.
pub(crate) fn jobs(files: &[std::path::PathBuf]) -> Vec<LoadJob> {
    let mut jobs = Vec::new();
    let mut add = |name: String, cpus: u64, memory: ByteSize, expected: Expected, spec: JobSpec| {
        // Names are made of these constants and numbers.
        let Ok(id) = JobId::new(&name) else { return };
        let resources = Resources { cpus: Cpus::from_millis(cpus), memory, ..Resources::default() };
        jobs.push(LoadJob { id, spec: JobSpec { resources, ..spec }, expected });
    };
    let half_gib = ByteSize::mib(512);
    // First, so that there is time to watch it before it is killed.
    let patience = Duration::from_secs(3);
    add("sleeper".into(), 500, half_gib, Expected::KilledAfter(patience), shell("exec sleep 3600", None));
    let limited =
        JobSpec { time_limit: Some(Duration::from_secs(2)), ..shell("while :; do sleep 1; done", None) };
    add("endless".into(), 500, half_gib, Expected::TimeLimit, limited);
    for (number, file) in (1..).zip(files) {
        let file = Some(file.as_path());
        let count = "tr -cs A-Za-z '\\n' < \"$INPUT\" | tr A-Z a-z | sort | uniq -c | sort -rn";
        add(
            format!("{COUNT_WORDS}{number:02}"),
            1000,
            ByteSize::gib(1),
            Expected::Success,
            shell(count, file),
        );
        add(
            format!("sum-{number:02}"),
            500,
            half_gib,
            Expected::Success,
            shell("sha256sum < \"$INPUT\"", file),
        );
        if number % 3 == 0 {
            let pack = "gzip -9 < \"$INPUT\" | wc -c";
            add(format!("pack-{number:02}"), 2000, ByteSize::gib(2), Expected::Success, shell(pack, file));
        }
        if number % 4 == 0 {
            let fail = "echo \"no such column in $INPUT\" >&2; exit 3";
            add(format!("fail-{number:02}"), 500, half_gib, Expected::Code(3), shell(fail, file));
        }
    }
    let all = "cat \"$INPUT\"/*.txt | tr -cs A-Za-z '\\n' | awk '!seen[$0]++' | wc -l";
    let directory = files.first().and_then(|file| file.parent());
    add("distinct".into(), 4000, ByteSize::gib(8), Expected::Success, shell(all, directory));
    add("no-program".into(), 500, half_gib, Expected::NotStarted, JobSpec::new(["/no/such/program"]));
    jobs
}

fn shell(script: &str, input: Option<&Path>) -> JobSpec {
    let mut spec = JobSpec::new(["sh", "-c", script]);
    // Sorts by bytes: the same result, and several times as fast, in every language.
    spec.environment.insert("LC_ALL".into(), "C".into());
    if let Some(input) = input {
        spec.environment.insert("INPUT".into(), input.display().to_string());
    }
    spec
}
