//! The command line.

#[cfg(feature = "loopback")]
use crate::simulate::SimulateArguments;
use crate::{
    commands::{
        ActArguments, ExplainArguments, InstancesArguments, JobArguments, JobsArguments, KillArguments,
        KillInstanceArguments, LogsArguments, PriorityArguments, StatusArguments, SubmitArguments,
        WaitArguments, bad_command_line, run as ask,
    },
    config::commands::ConfigCommand,
    demo::{self, DemoEnd, DemoOptions, RestartError},
    manual::{CompletionsArguments, ManArguments},
    operate::{DestroyArguments, ServeArguments},
    say::say,
    token_commands::TokenCommand,
};
use clap::{CommandFactory as _, Parser, Subcommand};
use std::{error::Error, path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// All went as it should.
pub(crate) const OK: u8 = 0;
/// It ran, and something went wrong.
pub(crate) const FAILED: u8 = 1;
/// The command line, the configuration or the state directory cannot be used. Nothing was started.
pub(crate) const BAD_INPUT: u8 = 2;
/// `poold serve`: another program has taken the instances over. Started again, it would take them back, and so on.
pub(crate) const SUPERSEDED: u8 = 4;
/// It was interrupted, and cleaned up.
pub(crate) const INTERRUPTED: u8 = 130;

/// An elastic pool of cloud workers.
#[derive(Parser, Debug)]
#[command(
    name = "poold",
    version,
    about,
    after_help = "\
Exit codes: 0 all went as it should; 1 something went wrong; 2 the command line, an input, the configuration or the state \
directory cannot be used, and nothing was done; 3 poold serve does not run or does not answer; 4 poold serve was superseded; 124 not within --timeout; \
125 the job was cancelled; 130 interrupted, and cleaned up. Commands that wait for jobs have more: see their --help."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs the queue and the pool until it is told to stop
    Serve(ServeArguments),
    /// Destroys every instance of the instance set, after a question
    DestroyAll(DestroyArguments),
    /// Shows the pool at work: a cloud on this machine, a mixed load, a summary
    Demo(DemoArguments),
    /// Says what a list of jobs would take and cost with a configuration, in simulated time
    #[cfg(feature = "loopback")]
    Simulate(SimulateArguments),
    /// Puts jobs into the queue: a command, or many as JSON lines
    Submit(Box<SubmitArguments>),
    /// Lists jobs, the newest first
    Jobs(JobsArguments),
    /// Shows all about one job, with its history
    Job(JobArguments),
    /// Waits until jobs have ended
    Wait(WaitArguments),
    /// Prints what a job has printed
    Logs(LogsArguments),
    /// Ends jobs, or takes them out of the queue
    Kill(KillArguments),
    /// Gives jobs another priority
    Priority(PriorityArguments),
    /// Says why a job waits, and what would let it run
    Explain(ExplainArguments),
    /// Lists the instances
    Instances(InstancesArguments),
    /// Lets instances get no more jobs, and keeps them
    Hold(ActArguments),
    /// Lets instances get no more jobs, and destroys them when they have none
    Drain(ActArguments),
    /// Lets instances get jobs again
    Run(ActArguments),
    /// Destroys instances at once
    KillInstance(KillInstanceArguments),
    /// Says in short how all stands
    Status(StatusArguments),
    /// Prints the built-in configuration, or checks one
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Makes, lists and revokes tokens: who may ask over the network
    #[command(subcommand)]
    Token(TokenCommand),
    /// Prints completions of this command line for a shell
    Completions(CompletionsArguments),
    /// Prints the manual page, or writes one for each command
    Man(ManArguments),
    /// Serves as the runner on a worker (called by the pool, not by people)
    #[command(hide = true, disable_help_flag = true)]
    Runner {
        /// Handled before the command line is parsed.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _arguments: Vec<String>,
    },
}

#[derive(clap::Args, Debug)]
struct DemoArguments {
    /// A configuration in place of the built-in one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prints the built-in configuration, to be changed and given with --config
    #[arg(long, exclusive = true)]
    print_config: bool,
    /// Where instances, inputs and outputs are kept [default: a new directory for temporary files]
    #[arg(long, value_name = "DIR", env = "POOLD_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Shows instead what SIGKILL does to a running `poold serve` and its jobs: nothing
    #[arg(long, conflicts_with = "config")]
    restart: bool,
    /// Prints the summary as JSON
    #[arg(long)]
    json: bool,
    /// What is logged to standard error, as in `info` or `pool_core=debug`
    #[arg(long, value_name = "FILTER", env = "POOLD_LOG", default_value = "error")]
    log: String,
}

/// Parses the command line and does what it says.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed this way too.
            if !error.use_stderr() {
                drop(error.print());
                return ExitCode::from(OK);
            }
            return bad_command_line(&error.render().to_string());
        }
    };
    match cli.command {
        Command::Serve(arguments) => arguments.run(),
        Command::DestroyAll(arguments) => arguments.run(),
        Command::Submit(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Jobs(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Job(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Wait(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Logs(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Kill(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Priority(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Explain(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Instances(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Hold(all) => ask(all.place.clone(), |client| all.run("hold", client)),
        Command::Drain(all) => ask(all.place.clone(), |client| all.run("drain", client)),
        Command::Run(all) => ask(all.place.clone(), |client| all.run("run", client)),
        Command::KillInstance(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Status(all) => ask(all.place.clone(), |client| all.run(client)),
        Command::Demo(arguments) => run_demo(arguments),
        #[cfg(feature = "loopback")]
        Command::Simulate(arguments) => arguments.run(),
        Command::Config(command) => command.run(),
        Command::Token(command) => command.run(),
        Command::Completions(arguments) => arguments.run(&Cli::command()),
        Command::Man(arguments) => arguments.run(&Cli::command()),
        Command::Runner { .. } => {
            say("poold: `runner` must be the first argument");
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn run_demo(arguments: DemoArguments) -> ExitCode {
    if arguments.print_config {
        print!("{}", demo::DEFAULT_CONFIG);
        return ExitCode::from(OK);
    }
    let Ok(filter) = EnvFilter::builder().parse(&arguments.log) else {
        say(format!(
            "poold: --log {:?} is not a filter: use one like `info` or `pool_core=debug`",
            arguments.log
        ));
        return ExitCode::from(BAD_INPUT);
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &error),
    };
    if arguments.restart {
        return match runtime.block_on(demo::restart(arguments.state_dir.as_deref(), arguments.json)) {
            Ok(end) => demo_code(end),
            Err(RestartError::Input(error)) => fail(BAD_INPUT, &error),
            Err(error) => fail(FAILED, &error),
        };
    }
    let options =
        DemoOptions { config: arguments.config, state_dir: arguments.state_dir, json: arguments.json };
    runtime.block_on(demo::run(options)).map_or_else(|error| fail(BAD_INPUT, &error), demo_code)
}

fn demo_code(end: DemoEnd) -> ExitCode {
    ExitCode::from(match (end.interrupted, end.as_expected) {
        (true, _) => INTERRUPTED,
        (false, true) => OK,
        (false, false) => FAILED,
    })
}

/// Says what went wrong and why, and gives the exit code.
pub(crate) fn fail(code: u8, error: &dyn Error) -> ExitCode {
    say(format!("poold: {error}"));
    let mut source = error.source();
    while let Some(error) = source {
        say(format!("  because: {error}"));
        source = error.source();
    }
    ExitCode::from(code)
}
