//! What the program says to its clients and they to it: JSON over HTTP.

mod error;
pub(crate) mod numbers;
pub(crate) mod routes;
pub(crate) mod schemas;
mod service;
mod shapes;

pub(crate) use error::{ErrorCode, Problem, ServiceError};
pub(crate) use service::{InstanceAction, OutputPiece, OutputRead, Service};
pub(crate) use shapes::{
    Explanation, Health, InstanceRow, JobDetail, JobPage, JobQuery, JobRow, KillRequest, PoolStatus,
    PriorityRequest, Submission, Submitted,
};
