//! The project's own tasks, so that one command does the same on every machine: `cargo xtask --help`.

mod bench;
mod built;
mod child;
mod ci;
mod ci_template;
mod ci_trees;
mod cli;
mod conformance;
mod error;
mod process;
mod sim;
mod test;
mod test_prerequisites;
mod test_summary;
mod tidy;

fn main() -> std::process::ExitCode {
    cli::run()
}
