//! From the command line to a client, and from what came of it to an exit code.

use super::{
    console::Console,
    failure::{BAD_INPUT, FAILED, Failure},
};
use crate::{client::Client, state_dir};
use clap::Args;
use std::{future::Future, path::PathBuf, process::ExitCode};

/// What all commands have.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// The state directory of the `poold serve` to ask [default: $XDG_STATE_HOME/poold or ~/.local/state/poold]
    #[arg(long, value_name = "DIR", env = "POOLD_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Prints JSON, errors on standard error too
    #[arg(long)]
    pub(super) json: bool,
    #[arg(skip)]
    pub(super) console: Console,
}

/// Says what is wrong with a command line, and is its exit code.
pub(crate) fn bad_command_line(text: &str) -> ExitCode {
    // What is after `--` is another program's.
    let json = std::env::args_os()
        .skip(1)
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json");
    let text = text.trim_end();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    Console::Process.report(&Failure::Input(text.to_owned()), json);
    ExitCode::from(BAD_INPUT)
}

/// Runs a command to its exit code.
pub(crate) fn run<F>(place: Place, command: impl FnOnce(Client) -> F) -> ExitCode
where
    F: Future<Output = Result<u8, Failure>>,
{
    let Place { state_dir, json, console } = place;
    let Some(dir) = state_dir.or_else(state_dir::default_path) else {
        console.say("there is no home directory: say with --state-dir where poold serve keeps its state");
        return ExitCode::from(BAD_INPUT);
    };
    // One thread: a command starts in a millisecond.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.say(&format!("it cannot be begun: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(command(Client::new(dir))).unwrap_or_else(|failure| {
        console.report(&failure, json);
        failure.exit_code()
    });
    // Standard input may be read by a thread that cannot be stopped.
    runtime.shutdown_background();
    ExitCode::from(code)
}
