//! `poold simulate`: what a configuration makes of a list of jobs, in simulated time.
//!
//! The pool, the scheduler and the queue are the real ones ([`simulation`](crate::simulation)); only the provider and its
//! machines are made up. What is measured is taken from what the simulated world does and from what becomes durable.

mod answer;
mod arguments;
mod job_list;
mod job_problems;
mod ledger;
mod observer;
mod progress;
mod provider;
mod run;
mod series;
mod text;
mod types;
mod waiting;

#[cfg(test)]
mod tests;

pub(crate) use arguments::SimulateArguments;
