//! The commands that run the pool rather than ask it.

use crate::{
    cli::{BAD_INPUT, FAILED, OK, SUPERSEDED, fail},
    destroy_all::{self, DestroyError, DestroyOptions},
    dispatcher::DispatchError,
    say::{say, with_causes},
    serve::{self, ServeError, ServeOptions},
    state_dir,
};
use clap::{Args, ValueEnum};
use std::{
    fmt::Display,
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

/// What both have.
#[derive(Args, Clone, Debug)]
struct Common {
    /// The configuration [default: a built-in one, which `poold config default` prints]
    #[arg(long, value_name = "FILE", env = "POOLD_CONFIG")]
    config: Option<PathBuf>,
    /// Where all state is kept [default: $XDG_STATE_HOME/poold or ~/.local/state/poold]
    #[arg(long, value_name = "DIR", env = "POOLD_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// What is logged to standard error, as in `info` or `pool_core=debug`
    #[arg(long, value_name = "FILTER", env = "POOLD_LOG", default_value = "warn,poold=info,pool_core=info")]
    log: String,
}

/// `poold serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Exit codes: 0 it was told to stop; 1 something went wrong while it ran: another start takes up what there is; 2 the configuration \
or the state directory cannot be used, and nothing was started; 4 another program has taken the instances over: to start this one \
again would take them back. Jobs and instances go on, whatever the code.")]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    common: Common,
    /// As what is logged: `json` is one object a line, and nothing else is written to standard error then
    #[arg(long, value_enum, value_name = "FORMAT", env = "POOLD_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// The same as --log-format json
    #[arg(long, conflicts_with = "log_format")]
    log_json: bool,
}

/// As what is logged.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `poold destroy-all`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DestroyArguments {
    #[command(flatten)]
    common: Common,
    /// Destroys without a question
    #[arg(long)]
    yes: bool,
    /// Prints how many were destroyed as JSON
    #[arg(long)]
    json: bool,
}

impl ServeArguments {
    /// Serves until it is told to stop.
    pub(crate) fn run(self) -> ExitCode {
        let Self { common, log_format, log_json } = self;
        let only_log = log_json || log_format == LogFormat::Json;
        let (runtime, state_dir) = match common.prepare(only_log) {
            Ok(ready) => ready,
            Err(code) => return code,
        };
        let options = ServeOptions { config: common.config, state_dir, only_log };
        let Err(error) = runtime.block_on(serve::run(&options)) else { return ExitCode::from(OK) };
        let code = match &error {
            ServeError::Dispatch(DispatchError::Superseded { .. }) => SUPERSEDED,
            error if error.is_bad_input() => BAD_INPUT,
            _ => FAILED,
        };
        if only_log {
            tracing::error!(error = with_causes(&error), exit_code = code, "poold serve has ended");
            return ExitCode::from(code);
        }
        fail(code, &error)
    }
}

impl DestroyArguments {
    /// Destroys every instance, after a question.
    pub(crate) fn run(self) -> ExitCode {
        let Self { common, yes, json } = self;
        let (runtime, state_dir) = match common.prepare(false) {
            Ok(ready) => ready,
            Err(code) => return code,
        };
        let options = DestroyOptions { config: common.config, state_dir, yes, json };
        match runtime.block_on(destroy_all::run(&options)) {
            Ok(destroyed) if json => print(&serde_json::json!({ "destroyed": destroyed })),
            Ok(0) => print(&"there was no instance"),
            Ok(destroyed) => print(&format!("{destroyed} instances are destroyed")),
            Err(
                error @ (DestroyError::Input(_) | DestroyError::OtherCloud { .. } | DestroyError::CannotAsk),
            ) => fail(BAD_INPUT, &error),
            Err(error) => fail(FAILED, &error),
        }
    }
}

impl Common {
    /// Logging, a runtime and a state directory's path; or the exit code.
    fn prepare(&self, log_json: bool) -> Result<(tokio::runtime::Runtime, PathBuf), ExitCode> {
        let Ok(filter) = EnvFilter::builder().parse(&self.log) else {
            say(format!(
                "poold: --log {:?} is not a filter: use one like `info` or `pool_core=debug`",
                self.log
            ));
            return Err(ExitCode::from(BAD_INPUT));
        };
        let logging = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            // It would be told by a panic, in whatever has something to say.
            .log_internal_errors(false);
        if log_json {
            logging.json().init();
        } else {
            logging.init();
        }
        let Some(state_dir) = self.state_dir.clone().or_else(state_dir::default_path) else {
            say("poold: there is no home directory: say with --state-dir where state is to be kept");
            return Err(ExitCode::from(BAD_INPUT));
        };
        let runtime = tokio::runtime::Runtime::new().map_err(|error| fail(FAILED, &error))?;
        Ok((runtime, state_dir))
    }
}

fn print(line: &dyn Display) -> ExitCode {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::from(OK),
        Err(error) => fail(FAILED, &error),
    }
}
