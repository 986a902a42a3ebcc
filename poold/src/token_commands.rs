//! `poold token`: who may ask over the network.

use crate::{
    access::{self, Role, Tokens, TokensError},
    cli::{BAD_INPUT, FAILED, OK, fail},
    commands::table,
    job::Moment,
    say::say,
    state_dir::{self, StateDirError},
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// What is done to tokens.
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
A running poold serve goes by the change at once.

Exit codes: 0 it was done; 1 it did not work; 2 the command line or the state directory cannot be used, and nothing was changed.")]
pub(crate) enum TokenCommand {
    /// Makes a token and prints it: this once, for only its hash is kept
    Create(CreateArguments),
    /// Lists tokens: names and roles, never the tokens themselves
    List(ListArguments),
    /// Makes a token count no longer, and ends the log-ins that were made with it
    Revoke(RevokeArguments),
}

/// Which tokens.
#[derive(Args, Clone, Debug)]
struct Place {
    /// The state directory of the poold serve [default: $XDG_STATE_HOME/poold or ~/.local/state/poold]
    #[arg(long, value_name = "DIR", env = "POOLD_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// `poold token create`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CreateArguments {
    #[command(flatten)]
    place: Place,
    /// Names who has it, in lists and in the audit log
    name: String,
    /// What it allows: each role allows also what those before it allow
    #[arg(long, value_enum)]
    role: Role,
    /// It counts for this long, as in `30d` [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
}

/// `poold token list`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    place: Place,
}

/// `poold token revoke`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RevokeArguments {
    #[command(flatten)]
    place: Place,
    /// Which
    name: String,
}

#[derive(Debug, thiserror::Error)]
enum TokenError {
    #[error("there is no home directory: say with --state-dir where poold serve keeps its state")]
    NoHome,
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    #[error(transparent)]
    Tokens(#[from] TokensError),
    #[error("standard output cannot be written")]
    Output(#[from] io::Error),
}

impl TokenCommand {
    pub(crate) fn run(self) -> ExitCode {
        let done = match self {
            Self::Create(arguments) => arguments.run(),
            Self::List(arguments) => arguments.run(),
            Self::Revoke(arguments) => arguments.run(),
        };
        match done {
            Ok(()) => ExitCode::from(OK),
            Err(error @ (TokenError::Output(_) | TokenError::Tokens(TokensError::Write { .. }))) => {
                fail(FAILED, &error)
            }
            Err(error) => fail(BAD_INPUT, &error),
        }
    }
}

impl Place {
    fn open(&self) -> Result<PathBuf, TokenError> {
        let path = self.state_dir.clone().or_else(state_dir::default_path).ok_or(TokenError::NoHome)?;
        Ok(state_dir::open(&path)?)
    }
}

fn print(text: impl std::fmt::Display) -> Result<(), TokenError> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

impl CreateArguments {
    fn run(self) -> Result<(), TokenError> {
        let Self { place, name, role, expires } = self;
        let now = Moment::now();
        let expires = expires
            .map(|after| Moment(now.0.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))));
        let create = |entries: &mut Vec<_>| access::create(entries, &name, role, now, expires);
        let token = access::change(&place.open()?, create)?;
        if place.json {
            return print(json!({"name": name, "role": role, "expires": expires, "token": token.reveal()}));
        }
        print(token.reveal())?;
        say(format!("poold: this is the token of {name} (role {role}). Keep it: it is not shown again"));
        Ok(())
    }
}

impl ListArguments {
    fn run(self) -> Result<(), TokenError> {
        let entries = Tokens::of(&self.place.open()?).all()?;
        let now = Moment::now();
        if self.place.json {
            let line = |entry: &access::Entry| {
                json!({"name": entry.name, "role": entry.role, "created": entry.created, "expires": entry.expires,
                    "expired": entry.is_expired(now)})
            };
            return print(serde_json::Value::from_iter(entries.iter().map(line)));
        }
        if entries.is_empty() {
            say("poold: no tokens");
            return Ok(());
        }
        let mut table = table(&["NAME", "ROLE", "CREATED", "EXPIRES"]);
        for entry in &entries {
            let expires = match entry.expires {
                None => "never".to_owned(),
                Some(at) if entry.is_expired(now) => format!("{at} (expired)"),
                Some(at) => at.to_string(),
            };
            table.add_row([entry.name.clone(), entry.role.to_string(), entry.created.to_string(), expires]);
        }
        print(table.trim_fmt())
    }
}

impl RevokeArguments {
    fn run(self) -> Result<(), TokenError> {
        let Self { place, name } = self;
        access::change(&place.open()?, |entries| access::revoke(entries, &name))?;
        if place.json { print(json!({"revoked": name})) } else { print(format!("{name} is revoked")) }
    }
}
