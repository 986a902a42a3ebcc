//! What a job asks for and what is run.

use crate::{ByteSize, Cpus, quantities::exact_bytes};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// What a job reserves on a worker, or what a worker has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Virtual CPUs.
    #[serde(default)]
    pub cpus: Cpus,
    /// Memory.
    #[serde(default, serialize_with = "exact_bytes")]
    pub memory: ByteSize,
    /// Scratch space.
    #[serde(default, serialize_with = "exact_bytes")]
    pub scratch: ByteSize,
    /// Graphics processors.
    #[serde(default)]
    pub gpus: u32,
}

impl Resources {
    /// True when each amount is at most that of `available`.
    pub fn fits_in(&self, available: &Resources) -> bool {
        self.cpus <= available.cpus
            && self.memory <= available.memory
            && self.scratch <= available.scratch
            && self.gpus <= available.gpus
    }

    /// What remains when `used` is taken away; each amount at least zero.
    #[must_use]
    pub fn saturating_sub(&self, used: &Resources) -> Resources {
        Resources {
            cpus: self.cpus.saturating_sub(used.cpus),
            memory: ByteSize(self.memory.0.saturating_sub(used.memory.0)),
            scratch: ByteSize(self.scratch.0.saturating_sub(used.scratch.0)),
            gpus: self.gpus.saturating_sub(used.gpus),
        }
    }

    /// The sum of both.
    #[must_use]
    pub fn saturating_add(&self, other: &Resources) -> Resources {
        Resources {
            cpus: self.cpus + other.cpus,
            memory: ByteSize(self.memory.0.saturating_add(other.memory.0)),
            scratch: ByteSize(self.scratch.0.saturating_add(other.scratch.0)),
            gpus: self.gpus.saturating_add(other.gpus),
        }
    }
}

/// A job as a worker runs it.
///
/// `Debug` shows the names of environment variables, never their values: people put secrets there.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// The program and its arguments. Not a shell line: use `["sh", "-c", "…"]` for one.
    pub command: Vec<String>,
    /// Environment variables, beside `PATH`, `HOME`, `TMPDIR` and the `POOL_…` ones that the runner sets.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The directory that the job starts in; none: a fresh one of its own, deleted with the job.
    #[serde(default)]
    pub directory: Option<String>,
    /// After this long the runner ends the job. None: no limit.
    #[serde(default, with = "optional_millis")]
    pub time_limit: Option<Duration>,
    /// Largest size of standard output and of standard error, each. What is over is cut, and a note says so.
    #[serde(default = "JobSpec::default_output_limit", serialize_with = "exact_bytes")]
    pub output_limit: ByteSize,
    /// What it reserves.
    #[serde(default)]
    pub resources: Resources,
}

impl JobSpec {
    /// A job that runs a program with arguments, and asks for nothing in particular.
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            directory: None,
            time_limit: None,
            output_limit: Self::default_output_limit(),
            resources: Resources::default(),
        }
    }

    /// 64 MiB for each of the two streams.
    pub fn default_output_limit() -> ByteSize {
        ByteSize::mib(64)
    }
}

impl fmt::Debug for JobSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSpec")
            .field("command", &self.command)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .field("directory", &self.directory)
            .field("time_limit", &self.time_limit)
            .field("output_limit", &self.output_limit)
            .field("resources", &self.resources)
            .finish()
    }
}

mod optional_millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_environment_value() {
        let mut spec = JobSpec::new(["true"]);
        spec.environment.insert("TOKEN".into(), "hunter2".into());
        let shown = format!("{spec:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_spec_survives_the_wire() {
        let mut spec = JobSpec::new(["sh", "-c", "echo hi"]);
        spec.time_limit = Some(Duration::from_millis(1500));
        spec.output_limit = ByteSize(100_000);
        spec.resources.memory = ByteSize(1_234_567_891);
        spec.resources.scratch = ByteSize(u64::MAX);
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn fitting_looks_at_every_resource() {
        let has =
            Resources { cpus: Cpus::whole(2), memory: ByteSize::gib(4), scratch: ByteSize::gib(1), gpus: 1 };
        assert!(has.fits_in(&has));
        for more in [
            Resources { cpus: Cpus::whole(3), ..has },
            Resources { memory: ByteSize::gib(5), ..has },
            Resources { scratch: ByteSize::gib(2), ..has },
            Resources { gpus: 2, ..has },
        ] {
            assert!(!more.fits_in(&has), "{more:?}");
        }
    }
}
