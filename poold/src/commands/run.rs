//! From the command line to a client, and from what came of it to an exit code.

use super::{
    console::Console,
    failure::{BAD_INPUT, FAILED, Failure},
    place::Place,
};
use crate::client::Client;
use std::{future::Future, process::ExitCode};

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
    let (json, console) = (place.json, place.console.clone());
    let target = match place.target(|name| std::env::var_os(name)) {
        Ok(target) => target,
        Err(failure) => {
            console.report(&failure, json);
            return ExitCode::from(failure.exit_code());
        }
    };
    // One thread: a command starts in a millisecond.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.say(&format!("it cannot be begun: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(command(Client::new(target))).unwrap_or_else(|failure| {
        console.report(&failure, json);
        failure.exit_code()
    });
    // Standard input may be read by a thread that cannot be stopped.
    runtime.shutdown_background();
    ExitCode::from(code)
}
