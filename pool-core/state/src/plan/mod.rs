//! What the scheduler would do now: a pure function of the waiting jobs and a view of the pool.

mod fit;
mod limits;
mod options;
mod outlook;
mod pass;
mod queue;
mod reason;
mod reserve;
mod rooms;
mod types;

pub use fit::{Missing, NoFit, Shortage, fits};
pub use options::PlanOptions;
pub use outlook::Plan;
pub use pass::plan;
pub use queue::{QueuedJob, WaitingJobs};
pub use reason::{QuotaScope, WaitReason};
