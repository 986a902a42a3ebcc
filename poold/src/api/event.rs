//! What changes, as it changes.

use super::{InstanceRow, JobRow};
use futures_util::stream::BoxStream;
use pool_core::InstanceId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Events until the program ends, the first one at once.
pub(crate) type EventStream = BoxStream<'static, EventMessage>;

/// An event as it is sent: written once, however many read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EventMessage {
    pub(crate) event: EventKind,
    /// JSON, in one line.
    pub(crate) data: Arc<str>,
}

/// What an event tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EventKind {
    /// [`PoolStatus`](super::PoolStatus).
    Status,
    /// [`JobsChanged`].
    Jobs,
    /// [`InstancesChanged`].
    Instances,
    /// A list of [`HoldOff`](super::HoldOff): all that there are now.
    HoldOffs,
    /// An empty object. Some events are missing: read everything again.
    Missed,
}

impl EventKind {
    /// Its name on the line `event:`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Jobs => "jobs",
            Self::Instances => "instances",
            Self::HoldOffs => "hold_offs",
            Self::Missed => "missed",
        }
    }
}

/// Jobs as they are now, durably. Why one waits may change without an event. A command of more than 2000 bytes is cut, with
/// `…` at its end: the job itself has all of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobsChanged {
    pub(crate) changed: Vec<JobRow>,
}

/// What has become of instances. A change of `idle_seconds` alone is none.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct InstancesChanged {
    /// New ones and others, as they are now.
    pub(crate) changed: Vec<InstanceRow>,
    /// Those that are no more.
    #[schema(value_type = Vec<String>)]
    pub(crate) gone: Vec<InstanceId>,
    /// All creates in flight: they have no id.
    pub(crate) creating: Vec<InstanceRow>,
}
