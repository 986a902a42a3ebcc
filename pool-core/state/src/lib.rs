//! Every decision of an elastic pool of cloud workers.
//!
//! No I/O, no clock, no randomness, no runtime: [`PoolState`] is told what happened and when, and says what
//! to do. The same calls give the same answers, so that any run can be replayed.
//!
//! * Public operations (create, start a job, hold, …) are methods that take `now` and return values.
//! * What happens outside comes in through [`PoolState::handle`] as an [`Event`].
//! * What is to be done outside comes out of [`PoolState::poll_effect`] as an [`Effect`].
//! * [`PoolState::poll_timeout`] says when [`PoolState::handle_timeout`] is due.
//!
//! The scheduler's [`plan`](plan()) is a pure function of a queue and a view of the pool.

mod boots;
mod calls;
mod creates;
mod events;
mod holdoff;
mod holdoff_view;
mod job_log;
mod listing;
mod phase;
mod plan;
mod policies;
mod pool;
mod probing;
mod rate;
mod retire;
mod runs;
mod scope;
mod settings;
mod superseded;
mod tags;
mod time;
mod timers;
mod views;
mod worker;

#[cfg(test)]
mod tests;

pub use boots::FailingBoots;
pub use creates::{CreateRefusal, FreshInstance};
pub use events::{
    BootOutcome, CallKind, CreateInstance, Effect, Event, Failure, FailureClass, Notice, Observation,
    ProbeResult, RunList, StartAnswer,
};
pub use holdoff_view::{Covered, CoveredTypes, HeldOff, HoldOffEnd, HoldOffView};
pub use job_log::{JobChanges, JobCursor};
pub use phase::{Input, Phase, ShutdownReason, next};
pub use plan::{
    Missing, NoFit, Plan, PlanOptions, QueuedJob, QuotaScope, Shortage, WaitReason, WaitingJobs, fits, plan,
};
pub use pool::{OpId, PoolSetup, PoolState, ProbeId};
pub use retire::InstanceRefusal;
pub use runs::{JobStart, StartRefusal};
pub use settings::Settings;
pub use tags::{ForeignInstance, IdleBehavior, IdleBehaviorError, SecretHash, TagNames};
pub use time::Time;
pub use views::{
    Category, Gauges, HoldOffCounts, InstanceCounts, InstanceView, JobStatus, PoolView, TypeView, WorkerView,
};
pub use worker::{JobEnd, ListedInstance};
