//! The commands that ask a running `poold serve`.

mod change;
mod console;
mod ending;
mod explain;
mod failure;
pub(crate) mod harmless;
mod instances;
mod jobs;
mod logs;
mod output;
mod place;
mod print;
mod requests;
mod run;
mod status;
mod submission;
mod submit;
#[cfg(test)]
mod tests;
mod wait;

pub(crate) use change::{KillArguments, PriorityArguments};
pub(crate) use console::Console;
pub(crate) use explain::{ExplainArguments, JobArguments};
pub(crate) use failure::Failure;
pub(crate) use harmless::harmless_line;
pub(crate) use instances::{ActArguments, InstancesArguments, KillInstanceArguments};
pub(crate) use jobs::JobsArguments;
pub(crate) use logs::LogsArguments;
pub(crate) use print::{duration, table};
pub(crate) use run::{bad_command_line, run};
pub(crate) use status::StatusArguments;
pub(crate) use submit::SubmitArguments;
pub(crate) use wait::WaitArguments;
