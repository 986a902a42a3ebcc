//! The command line.

use crate::{
    config::commands::ConfigCommand,
    demo::{self, DemoOptions},
};
use clap::{Parser, Subcommand};
use std::{error::Error, path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// All went as it should.
const OK: u8 = 0;
/// It ran, and something went wrong.
const FAILED: u8 = 1;
/// The command line, the configuration or the state directory cannot be used. Nothing was started.
const BAD_INPUT: u8 = 2;
/// It was interrupted, and cleaned up.
const INTERRUPTED: u8 = 130;

/// An elastic pool of cloud workers.
#[derive(Parser, Debug)]
#[command(
    name = "poold",
    version,
    about,
    after_help = "\
Exit codes: 0 all went as it should; 1 something went wrong; 2 the command line, the configuration or the state \
directory cannot be used, and nothing was started; 130 interrupted, and cleaned up."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Shows the pool at work: a cloud on this machine, a mixed load, a summary
    Demo(DemoArguments),
    /// Prints the built-in configuration, or checks one
    #[command(subcommand)]
    Config(ConfigCommand),
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
            let code = if error.use_stderr() { BAD_INPUT } else { OK };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    match cli.command {
        Command::Demo(arguments) => run_demo(arguments),
        Command::Config(command) => command.run(),
        Command::Runner { .. } => {
            eprintln!("poold: `runner` must be the first argument");
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
        eprintln!(
            "poold: --log {:?} is not a filter: use one like `info` or `pool_core=debug`",
            arguments.log
        );
        return ExitCode::from(BAD_INPUT);
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options =
        DemoOptions { config: arguments.config, state_dir: arguments.state_dir, json: arguments.json };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &error),
    };
    match runtime.block_on(demo::run(options)) {
        Ok(end) if end.interrupted => ExitCode::from(INTERRUPTED),
        Ok(end) if end.as_expected => ExitCode::from(OK),
        Ok(_) => ExitCode::from(FAILED),
        Err(error) => fail(BAD_INPUT, &error),
    }
}

fn fail(code: u8, error: &dyn Error) -> ExitCode {
    eprintln!("poold: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        eprintln!("  because: {error}");
        source = error.source();
    }
    ExitCode::from(code)
}
