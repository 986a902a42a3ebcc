//! What every driver of the pool must do, one trial per behaviour.
//!
//! A driver supplies a [`Harness`]: how to open an instance set, how to see what was really created, how to make
//! things go wrong. A program with nothing but `fn main() -> ExitCode { pool_conformance::main(MyHarness::new()) }`
//! then runs every trial, and is started by `cargo test` when its manifest says `harness = false`.
//!
//! Each trial names the clause of the contract (see [`pool_api`]) that it checks. What a driver cannot do by its
//! [capabilities](pool_api::Capabilities), or a harness cannot show or break, is reported as excluded, with the reason:
//! no trial is dropped silently. After the last trial, two checks follow: that nothing is left in the cloud of what the
//! run has made, and that no secret is in any log line or error of the run.
//!
//! # How a trial works
//! It gets an instance set id of its own, opens the set through the harness, and creates instances that carry the id as
//! a tag. A fault is asked for when a set is opened ([`Harness::open`]); to end it, the trial opens the set again, as
//! another process would. The set that was open is stopped first, so that no id is ever open twice at a time.
//! Whatever is left at the end of a trial is destroyed.

mod account;
mod bench;
mod fault;
mod harness;
mod logs;
mod options;
mod prepared;
mod proxy;
mod report;
mod run;
mod secrets;
mod specification;
mod stop;
mod trials;

pub use account::Account;
pub use fault::{Call, Failure, Fault};
pub use harness::{
    Created, Fixtures, Harness, Interruption, Missing, Opened, Reach, Refusal, Seen, Settings,
};
pub use prepared::{Prepared, Tried};
pub use proxy::{Action, Answer, AnswerChange, Proxy, Request, Rule};
pub use report::{Outcome, Report, Step, TrialReport};
pub use run::{main, report};
