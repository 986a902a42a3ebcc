//! What the scheduler would do now: [`plan`](plan()), a pure function of the waiting jobs and a view of the pool.
//!
//! # Words
//! * A job's **rank** is its priority (more goes first), then its place in the queue.
//! * Jobs that ask for the same, allow the same and belong to the same group are one **class**. What the first of a class
//!   cannot have, no later one can: so a plan looks at classes, not at each of a hundred thousand jobs.
//! * A job's **types** are those that are large enough (CPUs, memory, scratch, GPUs) and, unless it allows them, not
//!   preemptible; of these the cheapest, and those up to the price factor dearer.
//! * A worker is **ready** (it takes jobs now) or **coming** (it is booting, or its create is in flight).
//!
//! # The rules
//! Jobs are served by rank. Each gets the first of these that there is, of the cheapest of its types that has it:
//!
//! 1. room on a ready worker that has jobs, the one with the least room first;
//! 2. a ready worker without jobs, the one that was busy last first;
//! 3. room on a worker that is coming: the job waits for it, and nobody else gets that room;
//! 4. a new instance, if no limit is in the way.
//!
//! A job that says nothing of its size (all zero) has a worker to itself. Who gets none of these is *blocked*, and with it
//! all of its class; the plan goes on with the next class, so that others run in the room that is left (backfill). A class
//! whose group has as many jobs as it may is out too. Jobs of priority 0 are not looked at.
//!
//! After the jobs come the instances that are to be idle (`min_idle`). They pass no limit and take nothing that a blocked
//! job waits for.
//!
//! Limits: capacity by type; the provider's quota by type, quota group or in all; `max_instances`; how many creates are in
//! flight, and their rate; the spend cap. Each counts what the plan itself asks for.
//!
//! # How a large job gets its turn
//! Where small jobs never stop coming, room for a large one never comes by itself. So something is kept for the first
//! blocked job of each set of types (for at most eight sets at a time: later ones have their turn when these have theirs):
//!
//! * **A worker to run on.** Of the ready workers of its types the one on which the least is missing takes no further jobs
//!   in this plan. It drains, and the job gets it.
//! * **Room for an instance.** If there is no worker of its types, ready or coming, and the end of another instance would
//!   lift the limit (any, for `max_instances` and a quota of all; one of the quota group or type, for theirs; one that costs
//!   something, for the spend cap), then the one with the least to do takes no further jobs, and is shut down once it is
//!   idle. One at a time: while one is being destroyed whose end will do, no other goes.
//! * **Money.** No job of lower rank and no `min_idle` asks for an instance while the spend cap is what blocks it, unless
//!   its type costs more than the cap will ever leave.
//!
//! An idle worker of another type that no job of the plan takes is shut down for a blocked job too, one in each plan.
//!
//! Why this ends: a plan remembers nothing of the one before, but the same worker is kept again, or another on which less
//! is missing. What is missing never grows while the worker is kept, for it takes no jobs; and each of its jobs ends some
//! time. So the job starts, or a job of a higher rank does in its place; and once none comes before it, it is next. Higher
//! priorities may starve lower ones for ever: that is what priority means.
//!
//! A job that waits for an instance that boots keeps nothing: that one is its. While the cloud has not answered the create,
//! it may come to nothing (no capacity, say), so a ready worker is kept for the job as well. A type whose instances are
//! created but never get ready can keep a job waiting.
//!
//! A quota of one group blocks that group only: a job that waits for a GPU keeps nothing that has none.
//!
//! # What always holds
//! * A job is started on a worker with room for it, of one of its types, and once at most.
//! * No job is started where one of a higher rank that is not started would fit, unless the limit of its group bars that.
//! * No limit is passed. The same input gives the same plan.
//! * Each job that is not started has a [reason](WaitReason): [`Plan::why`] tells it when it is asked, so that no plan
//!   has to list a hundred thousand of them.
//!
//! # What it costs
//! About (starts + creates + classes) × types, with a logarithm of the number of workers: what is free on them is kept in
//! a tree. When nothing is left that any job could take, the rest is not looked at.

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
