//! What the program says to its clients and they to it: JSON over HTTP.

mod error;
mod event;
pub(crate) mod numbers;
pub(crate) mod routes;
pub(crate) mod schemas;
mod series;
mod service;
mod shapes;
mod types;

pub(crate) use error::{ErrorCode, Problem, ServiceError};
pub(crate) use event::{EventKind, EventMessage, EventStream, InstancesChanged, JobsChanged};
pub(crate) use series::{Series, SeriesPoint, SeriesQuery};
pub(crate) use service::{InstanceAction, OutputPiece, OutputRead, Service};
pub(crate) use shapes::{
    Explanation, Health, InstanceQuery, InstanceRow, JobDetail, JobPage, JobQuery, JobRow, KillRequest,
    PoolStatus, PriorityRequest, Reason, Submission, Submitted, WORKER_STATES,
};
pub(crate) use types::{HoldOff, HoldOffKind, TypeRow};
