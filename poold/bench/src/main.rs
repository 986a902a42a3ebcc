//! Measures the program and its parts as they are used, with the machine's own yardsticks beside them.
//! `cargo xtask bench` runs it; docs/performance.md says what each figure is.

mod api;
mod connections;
mod conversation;
mod error;
mod executor;
mod host;
mod idle_server;
mod jobs;
mod reconcile;
mod report;
mod serving;
mod sessions;
mod yardsticks;

use clap::{CommandFactory, Parser, Subcommand};
use error::BenchError;
use std::{
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// Measures the program and its parts, and prints a JSON object a line.
///
/// Exit codes: 0 all was measured; 1 something could not be measured; 2 the command line is wrong.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    group: Group,
}

/// What is measured together.
#[derive(Clone, Debug, Subcommand)]
enum Group {
    /// What the machine itself can do: processes, commits
    Yardsticks,
    /// Commands over SSH, beside OpenSSH's own multiplexing client
    Executor,
    /// Jobs through the whole program: how many a second, how soon, and its start
    Jobs,
    /// The HTTP API over TCP: submissions, and whether readers slow the dispatcher
    Api,
    /// Frames between a pool and a worker's daemon
    Sessions,
    /// The memory of open connections
    Connections,
    /// Ten thousand workers that are found at start: how soon all are in service
    Reconcile,
    /// What `connections` connects to
    #[command(hide = true)]
    Instances { dir: PathBuf, key_file: PathBuf, count: usize },
    /// The names of all others, with what they measure after a tab, one a line
    #[command(hide = true)]
    Groups,
}

fn main() -> ExitCode {
    pool_runner::run_if_asked();
    match run(Cli::parse().group) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let sources = std::iter::successors(error.source(), |&error| error.source());
            let sources: String = sources.map(|source| format!(": {source}")).collect();
            eprintln!("error: {error}{sources}");
            ExitCode::FAILURE
        }
    }
}

fn run(group: Group) -> Result<(), BenchError> {
    // On the disk that is built on, for the system's own folder may be in memory.
    let dir = tempfile::tempdir_in(target_dir()).map_err(BenchError::failed("make a folder to work in"))?;
    match group {
        Group::Yardsticks => yardsticks::run(dir.path()),
        Group::Jobs => jobs::run(dir.path()),
        Group::Api => api::run(dir.path()),
        Group::Executor => executor::run(dir.path()),
        Group::Sessions => sessions::run(dir.path()),
        Group::Connections => connections::run(dir.path()),
        Group::Instances { dir, key_file, count } => connections::serve(&dir, &key_file, count),
        Group::Reconcile => reconcile::run(dir.path()),
        Group::Groups => Ok(groups()?),
    }
}

fn groups() -> io::Result<()> {
    for group in Cli::command().get_subcommands().filter(|group| !group.is_hide_set()) {
        let about = group.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(io::stdout(), "{}\t{about}", group.get_name())?;
    }
    Ok(())
}

/// Where this program was built.
fn target_dir() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(2).unwrap_or(&program).to_owned()
}
