//! What went wrong, as clients are told.

use crate::{queue::QueueError, say::with_causes};
use pool_core::FieldProblem;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The kind of an error, by which a program can decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    /// The request makes no sense. HTTP 400.
    InvalidRequest,
    /// A job cannot be taken as it is: its fields are named. HTTP 422.
    InvalidJob,
    /// No such job, instance, run or address. HTTP 404.
    NotFound,
    /// It cannot be done in this state. HTTP 409.
    Conflict,
    /// The queue's disk is full: nothing was changed. HTTP 507.
    DiskFull,
    /// The program is stopping, or has not yet begun: ask again later. HTTP 503.
    Stopping,
    /// Who asks is not known: no token, or a wrong, expired or revoked one. HTTP 401.
    Unauthorized,
    /// Who asks may not do that. HTTP 403.
    Forbidden,
    /// It was asked too often: again after the seconds in `Retry-After`. HTTP 429.
    TooManyRequests,
    /// The body is too large. HTTP 413.
    TooLarge,
    /// The body is not JSON. HTTP 415.
    UnsupportedMediaType,
    /// Anything else. HTTP 500.
    Internal,
}

/// The body of every answer that is an error: `application/problem+json` (RFC 9457).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: what kind it is, `code` says.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status of the answer.
    status: u16,
    /// For people: what is wrong and what to do.
    detail: String,
    code: ErrorCode,
    /// Which fields, where it is about fields. Those of the nth job of a submission begin with `jobs[n]`, from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<BadField>,
}

impl Problem {
    /// `title` is that of the status.
    pub(crate) fn new(status: u16, title: &str, error: ServiceError) -> Self {
        let ServiceError { code, message, fields } = error;
        let kind = "about:blank".to_owned();
        Self { kind, title: title.to_owned(), status, detail: message, code, fields }
    }
}

impl From<Problem> for ServiceError {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code, message: problem.detail, fields: problem.fields }
    }
}

/// Something that was asked for was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServiceError {
    pub(crate) code: ErrorCode,
    /// For people: what is wrong and what to do.
    pub(crate) message: String,
    /// Which fields, where it is about fields.
    pub(crate) fields: Vec<BadField>,
}

/// A field and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BadField {
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl ServiceError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fields: Vec::new() }
    }

    /// About the fields of jobs.
    pub(crate) fn invalid_jobs(problems: Vec<FieldProblem>) -> Self {
        let fields = problems.into_iter().map(|p| BadField { field: p.field, problem: p.problem }).collect();
        Self { code: ErrorCode::InvalidJob, message: "the submission was refused".to_owned(), fields }
    }

    pub(crate) fn not_yet() -> Self {
        Self::new(ErrorCode::Stopping, "the instances have not been listed yet: ask again in a moment")
    }

    pub(crate) fn stopping() -> Self {
        Self::new(ErrorCode::Stopping, "poold is stopping: ask again when it runs")
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for BadField { field, problem } in &self.fields {
            write!(f, "\n  {field}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServiceError {}

impl From<&QueueError> for ServiceError {
    fn from(error: &QueueError) -> Self {
        let code = match error {
            QueueError::DiskFull { .. } => ErrorCode::DiskFull,
            QueueError::Closed { .. } => ErrorCode::Stopping,
            _ => ErrorCode::Internal,
        };
        Self::new(code, with_causes(error))
    }
}
