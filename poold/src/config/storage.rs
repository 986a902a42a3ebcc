//! The section `queue`.

use pool_core::{ByteSize, FieldProblem};
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// What is kept, and for how long.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QueueConfig {
    /// Finished jobs are deleted after this long.
    #[serde(with = "humantime_serde")]
    pub(crate) keep_finished: Duration,
    /// Most finished jobs that are kept.
    pub(crate) max_finished: u64,
    /// Most unfinished jobs. More are refused.
    pub(crate) max_jobs: u64,
    /// How much is kept of what a job writes to its standard output and error, each, that names no limit.
    #[serde(serialize_with = "as_text")]
    pub(crate) output_limit: ByteSize,
    /// Jobs that want more are refused.
    #[serde(serialize_with = "as_text")]
    pub(crate) max_output_limit: ByteSize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn as_text<S: Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(size)
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            keep_finished: Duration::from_secs(30 * 24 * 60 * 60),
            max_finished: 100_000,
            max_jobs: 1_000_000,
            output_limit: ByteSize::mib(16),
            max_output_limit: ByteSize::gib(1),
        }
    }
}

impl QueueConfig {
    /// All that types alone cannot say. Where it is not `whole`, a default may stand for a wrong value, and the limits are
    /// not compared.
    pub(crate) fn problems(&self, whole: bool) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, problem: String| {
            problems.push(FieldProblem { field: field.to_owned(), problem });
        };
        if self.max_jobs == 0 {
            wrong("max_jobs", "must be at least 1".to_owned());
        }
        if whole && self.output_limit > self.max_output_limit {
            wrong("output_limit", format!("is more than max_output_limit, {}", self.max_output_limit));
        }
        problems
    }
}
