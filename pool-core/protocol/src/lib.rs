//! The frames that a pool and the runner on a worker exchange.
//!
//! One **session** is one byte stream in each direction (over SSH: the standard input and output of
//! `pool-runner attach`). Each frame is one line of JSON with a `t` that names its kind, at most
//! [`MAX_FRAME`] bytes long. The pool speaks first ([`ToRunner::Hello`]); the runner answers with
//! [`ToPool::Hello`] or [`ToPool::Refused`]. From then on the pool sends requests, each with a number of its own
//! choice, and the runner answers each with a frame of the same number, in any order. Beside the answers the
//! runner sends events: [`ToPool::Started`], [`ToPool::Exited`], [`ToPool::Broken`], [`ToPool::Heartbeat`].
//!
//! # What each side may rely on
//! * What the runner says of a run is on its disk before it says it.
//! * [`ToRunner::Start`] of a run that is known is answered like the first time and starts nothing.
//! * After each hello the runner sends [`ToPool::Exited`] for every run that has ended and was not forgotten. So a
//!   lost connection loses nothing, and the pool must expect to hear of an end twice.
//! * A session with a higher epoch closes all that have a lower one, for good.
//! * Times are milliseconds since the Unix epoch by the worker's clock: to be shown, not to be compared with
//!   another machine's.
//!
//! There is no I/O here: [`FrameBuffer`] takes bytes as they come and gives frames.

mod codec;
mod frames;
mod rules;

pub use codec::{FrameBuffer, FrameError, MAX_FRAME, encode};
pub use frames::{
    HelloToPool, HelloToRunner, KillTimes, Outcome, OutputChunk, OutputStream, Refusal, RequestError,
    RequestId, RunEnd, RunReport, RunStatus, StreamSize, ToPool, ToRunner,
};
pub use rules::check_spec;

/// The protocol that this crate describes.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest protocol that a pool built with this crate still speaks.
pub const OLDEST_PROTOCOL_VERSION: u32 = 1;

/// How often a runner sends [`ToPool::Heartbeat`] on a session on which it has nothing else to say.
pub const HEARTBEAT_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);

/// Most bytes of output that one [`ToRunner::Read`] is answered with.
pub const MAX_READ: u64 = 256 * 1024;
