//! Which `poold serve` a command asks, from its options and variables.

use super::{console::Console, failure::Failure};
use crate::{
    client::{Server, Target, read_token, token},
    state_dir,
};
use clap::Args;
use secrecy::SecretString;
use std::{ffi::OsString, path::PathBuf};

const STATE_DIR: &str = "POOLD_STATE_DIR";
const SERVER: &str = "POOLD_SERVER";
const TOKEN_FILE: &str = "POOLD_TOKEN_FILE";
const TOKEN: &str = "POOLD_TOKEN";
const CA_FILE: &str = "POOLD_CA_FILE";

/// What all commands have. Variables are not clap's: what the command line says must win over them, also where
/// options exclude each other.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// The state directory of the `poold serve` to ask [env: POOLD_STATE_DIR] [default: $XDG_STATE_HOME/poold or
    /// ~/.local/state/poold]
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["server", "token_file", "ca_file", "insecure_http"])]
    state_dir: Option<PathBuf>,
    /// Asks a `poold serve` on a network, as in https://pool.example:8600 [env: POOLD_SERVER]
    #[arg(long, value_name = "URL", help_heading = HEADING)]
    server: Option<String>,
    /// The file with the token for it [env: POOLD_TOKEN_FILE, or the token itself in POOLD_TOKEN]
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    token_file: Option<PathBuf>,
    /// Certificate authorities for it (PEM), in place of the system's [env: POOLD_CA_FILE]
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    ca_file: Option<PathBuf>,
    /// Lets http:// leave this machine: whoever stands between can read and use the token
    #[arg(long, help_heading = HEADING)]
    insecure_http: bool,
    /// Prints JSON, errors on standard error too
    #[arg(long)]
    pub(super) json: bool,
    #[arg(skip)]
    pub(super) console: Console,
}

const HEADING: &str = "Which poold serve";

fn bad(text: impl Into<String>) -> Failure {
    Failure::Input(text.into())
}

impl Place {
    /// Whom to ask, by the command line, else by the variables, else by default.
    ///
    /// # Errors
    /// [`Failure::Input`]: nothing was asked.
    pub(super) fn target(self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Target, Failure> {
        // An empty one is none, as for most programs.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| variable(name).map(PathBuf::from);
        let server = match (self.server, &self.state_dir) {
            (Some(server), _) => Some(server),
            (None, Some(_)) => None,
            (None, None) => match (variable(SERVER), variable(STATE_DIR)) {
                (Some(_), Some(_)) => {
                    return Err(bad(format!(
                        "{SERVER} and {STATE_DIR} are both set: say with --server or --state-dir which of them is meant, \
                         or unset one"
                    )));
                }
                (Some(server), None) => Some(
                    server
                        .into_string()
                        .map_err(|_| bad(format!("{SERVER} is no address: it is not UTF-8")))?,
                ),
                (None, _) => None,
            },
        };
        let Some(server) = server else {
            if self.token_file.is_some() || self.ca_file.is_some() || self.insecure_http {
                return Err(bad(
                    "--token-file, --ca-file and --insecure-http are for a --server, and none is named",
                ));
            }
            let dir = self.state_dir.or_else(|| path(STATE_DIR)).or_else(state_dir::default_path);
            return dir.map(Target::Socket).ok_or_else(|| {
                bad("there is no home directory: say with --state-dir where poold serve keeps its state")
            });
        };
        let token = find_token(self.token_file, variable)?;
        let ca_file = self.ca_file.or_else(|| path(CA_FILE));
        let server = Server::new(&server, token, ca_file, self.insecure_http);
        Ok(Target::Server(server.map_err(Failure::Server)?))
    }
}

fn find_token(
    file: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<SecretString>, Failure> {
    let found = match (file, variable(TOKEN_FILE), variable(TOKEN)) {
        (Some(file), ..) => read_token(&file),
        (None, Some(_), Some(_)) => {
            return Err(bad(format!(
                "{TOKEN_FILE} and {TOKEN} are both set: unset one, or give --token-file"
            )));
        }
        (None, Some(file), None) => read_token(&PathBuf::from(file)),
        // What is not UTF-8 is refused as what it is not: a token.
        (None, None, Some(text)) => token(&text.into_string().unwrap_or_default(), TOKEN),
        (None, None, None) => return Ok(None),
    };
    found.map(Some).map_err(Failure::Server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::parse;
    use std::fs;

    fn target(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Target, String> {
        let place: Place = parse(arguments)?;
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        place.target(variable).map_err(|failure| {
            assert_eq!(failure.exit_code(), 2);
            failure.text()
        })
    }

    #[track_caller]
    fn socket(arguments: &[&str], variables: &[(&str, &str)]) -> String {
        match target(arguments, variables).unwrap() {
            Target::Socket(dir) => dir.display().to_string(),
            other @ Target::Server(_) => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn server(arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        match target(arguments, variables).unwrap() {
            Target::Server(server) => server,
            other @ Target::Socket(_) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_wins_over_variables() {
        let both = [("POOLD_SERVER", "https://b"), ("POOLD_STATE_DIR", "/b")];
        assert_eq!(socket(&["--state-dir", "/a"], &both), "/a");
        assert!(format!("{:?}", server(&["--server", "https://a"], &both)).contains("\"a\""));
        assert!(target(&[], &both).unwrap_err().contains("are both set"));
        assert_eq!(socket(&[], &[("POOLD_STATE_DIR", "/b"), ("POOLD_SERVER", "")]), "/b");
        assert!(format!("{:?}", server(&[], &both[..1])).contains("\"b\""));
        let error = target(&["--state-dir", "/a", "--server", "https://a"], &[]).unwrap_err();
        assert!(error.contains("cannot be used with"), "{error}");
    }

    #[test]
    fn a_token_comes_from_one_place_and_never_from_the_command_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "from-file\n").unwrap();
        let file = file.to_str().unwrap();
        let shown = |arguments: &[&str], variables: &[(&str, &str)]| {
            let all = [&["--server", "https://a"], arguments].concat();
            let server = server(&all, variables);
            assert!(!format!("{server:?}").contains("from-"));
            server.authorization().map(|value| value.to_str().unwrap().to_owned())
        };
        let variable = [("POOLD_TOKEN", "from-variable")];
        assert_eq!(shown(&[], &[]), None);
        assert_eq!(shown(&[], &variable).as_deref(), Some("Bearer from-variable"));
        assert_eq!(shown(&["--token-file", file], &variable).as_deref(), Some("Bearer from-file"));
        assert_eq!(shown(&[], &[("POOLD_TOKEN_FILE", file)]).as_deref(), Some("Bearer from-file"));
        let two = [("POOLD_TOKEN_FILE", file), ("POOLD_TOKEN", "x"), ("POOLD_SERVER", "https://a")];
        assert!(target(&[], &two).unwrap_err().contains("POOLD_TOKEN are both set"));
        let bad = target(&[], &[("POOLD_TOKEN", "no token"), ("POOLD_SERVER", "https://a")]).unwrap_err();
        assert!(bad.contains("POOLD_TOKEN") && !bad.contains("no token\""), "{bad}");
        assert!(target(&["--token-file", file], &[]).unwrap_err().contains("--server"));
        assert!(target(&["--token", "x"], &[]).is_err());
    }

    #[test]
    fn far_servers_are_asked_over_tls() {
        let error = target(&["--server", "http://pool.example"], &[]).unwrap_err();
        assert!(error.contains("--insecure-http"), "{error}");
        server(&["--server", "http://pool.example", "--insecure-http"], &[]);
    }
}
