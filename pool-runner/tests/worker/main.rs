//! The runner as a pool sees it: real processes of the real program, spoken to through `attach`.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod client;
mod command_line;
mod endings;
mod keepers;
mod latency;
mod orphans;
mod output;
mod runs;
mod sessions;
mod survival;
