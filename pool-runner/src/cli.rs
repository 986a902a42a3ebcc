//! The command line. By hand: five words and one option do not need a parser that is larger than the runner.

use crate::{
    attach, daemon,
    error::{self, RunnerError},
    keeper,
    layout::Layout,
    program,
};
use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

const USAGE: &str = "\
usage: pool-runner [runner] COMMAND
  attach --root DIR   join standard input and output to the worker's daemon; start it if there is none
  daemon --root DIR   be that daemon (attach starts it)
  hash                print the SHA-256 of this program
  --version           print the release
  --help              print this
DIR is the worker's own directory; everything that the runner keeps is in it.";

static CAN_RUN_SELF: AtomicBool = AtomicBool::new(false);

/// For programs that want to be their own runner: call this first thing in `main`.
///
/// If the program was started as `PROGRAM runner …`, this does the work of a runner and ends the process; it never
/// returns then. Else it returns at once, and [`can_run_self`] is true from then on.
pub fn run_if_asked() {
    CAN_RUN_SELF.store(true, Ordering::Relaxed);
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == "runner") {
        std::process::exit(execute(args).into());
    }
}

/// Whether this program has called [`run_if_asked`], so that it understands `runner` as its first argument. A program
/// that has not must not be started so: it would do its usual work, perhaps start itself again, and never stop.
pub fn can_run_self() -> bool {
    CAN_RUN_SELF.load(Ordering::Relaxed)
}

/// Does what the arguments ask for, the program's name not among them. A leading `runner` is passed over.
///
/// Exit codes: 0 done; 1 failed, the reason is on standard error; 2 the arguments make no sense.
///
/// Blocks until the command is done: for `attach` and `daemon` that may be days.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    execute(args).into()
}

fn execute(args: impl IntoIterator<Item = OsString>) -> u8 {
    match Command::parse(args) {
        Ok(command) => match command.run() {
            Ok(()) => 0,
            Err(error) => {
                complain(&error::chain(&error));
                1
            }
        },
        Err(message) => {
            complain(&format!("{message}\n{USAGE}"));
            2
        }
    }
}

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Attach {
        root: PathBuf,
    },
    Daemon {
        root: PathBuf,
    },
    /// Started by the daemon only: orders come through standard input, runs through standard output.
    Keep {
        root: PathBuf,
    },
    Hash,
    Version,
    Help,
}

impl Command {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args.into_iter().peekable();
        args.next_if(|word| word == "runner");
        let face = args.next().ok_or("a command is missing")?;
        let mut root = None;
        while let Some(arg) = args.next() {
            let slot = match arg.to_str() {
                Some("--root") => &mut root,
                _ => return Err(format!("unknown argument {}", arg.display())),
            };
            let value = args.next().ok_or_else(|| format!("{} needs a value", arg.display()))?;
            if slot.replace(value).is_some() {
                return Err(format!("{} is given twice", arg.display()));
            }
        }
        let has_root = root.is_some();
        let mut root = move || root.take().map(PathBuf::from).ok_or("--root DIR is missing");
        let command = match face.to_str() {
            Some("attach") => Self::Attach { root: root()? },
            Some("daemon") => Self::Daemon { root: root()? },
            Some("keep") => Self::Keep { root: root()? },
            Some("hash") if !has_root => Self::Hash,
            Some("--version") if !has_root => Self::Version,
            Some("--help") if !has_root => Self::Help,
            Some("hash" | "--version" | "--help") => return Err("unknown argument --root".into()),
            _ => return Err(format!("unknown command {}", face.display())),
        };
        Ok(command)
    }

    fn run(self) -> Result<(), RunnerError> {
        let layout = |root: &Path| Layout::new(root);
        match self {
            Self::Attach { root } => attach::run(&layout(&root)?),
            Self::Daemon { root } => daemon::run(layout(&root)?),
            Self::Keep { root } => keeper::run(&layout(&root)?),
            Self::Hash => say(&program::hash()?),
            Self::Version => say(&format!("pool-runner {}", env!("CARGO_PKG_VERSION"))),
            Self::Help => say(USAGE),
        }
    }
}

fn say(line: &str) -> Result<(), RunnerError> {
    writeln!(std::io::stdout(), "{line}").map_err(RunnerError::system("write to standard output"))
}

/// Standard error may be closed; that is no reason to panic.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "pool-runner: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_word_runner_may_lead() {
        let attach = Ok(Command::Attach { root: "/d".into() });
        assert_eq!(parse("attach --root /d"), attach);
        assert_eq!(parse("runner attach --root /d"), attach);
        assert_eq!(parse("runner --version"), Ok(Command::Version));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "",
            "runner",
            "runner runner hash",
            "attach",
            "attach --root",
            "attach --root a --root b",
            "attach --root a b",
            "attach --run x --root a",
            "keep",
            "hash --root a",
            "start",
        ] {
            assert!(parse(line).is_err(), "{line:?} was taken");
        }
    }

    #[test]
    fn this_test_program_cannot_be_its_own_runner() {
        assert!(!can_run_self());
        let layout = Layout::new(Path::new("/nowhere")).unwrap();
        assert!(matches!(program::command("daemon", &layout), Err(RunnerError::CannotRunSelf)));
    }
}
