//! Parts of the program's configuration, and why it cannot be used.

use pool_core::{
    ConfigError, DriverConfigError, FieldProblem, KeyError, LockError, PrivateKey, RunnerError, RunnerSource,
    StartError, UnknownDriver,
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Which driver, with its own options.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct DriverChoice {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) options: serde_json::Value,
}

impl Default for DriverChoice {
    fn default() -> Self {
        Self { name: "loopback".to_owned(), options: serde_json::Value::Null }
    }
}

/// The key to log in with.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct SshChoice {
    /// None: one is made and kept in the state directory.
    pub(crate) key_file: Option<PathBuf>,
}

/// Where the runner program comes from.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunnerChoice {
    /// None: this program itself.
    pub(crate) program: Option<PathBuf>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// All that is wrong, each with its field.
    #[error("{place} cannot be used:\n  {}", list(.problems))]
    Problems { place: String, problems: Vec<FieldProblem> },
    #[error("driver.name: {0}")]
    Driver(#[from] UnknownDriver),
    #[error("driver.options: {0}")]
    DriverOptions(#[source] DriverConfigError),
    #[error("ssh.key_file")]
    Key(#[from] KeyError),
    #[error("runner.program")]
    Runner(#[source] RunnerError),
    #[error(transparent)]
    StateDir(#[from] crate::state_dir::StateDirError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("the pool cannot be started")]
    Start(#[source] StartError),
    #[error("{path} cannot be written")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

fn list(problems: &[FieldProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

impl InputError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

impl From<StartError> for InputError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(error) => Self::Config(in_section("pool", error)),
            StartError::Runner(error) => Self::Runner(error),
            other => Self::Start(other),
        }
    }
}

/// The same problems, with their fields' paths from the top of the file.
fn in_section(section: &str, error: ConfigError) -> ConfigError {
    match error {
        ConfigError::Invalid(problems) => ConfigError::Invalid(
            problems
                .into_iter()
                .map(|FieldProblem { field, problem }| FieldProblem {
                    field: format!("{section}.{field}"),
                    problem,
                })
                .collect(),
        ),
        other @ ConfigError::Unreadable { .. } => other,
    }
}

impl RunnerChoice {
    pub(crate) fn source(&self) -> RunnerSource {
        self.program.as_ref().map_or(RunnerSource::ThisProgram, RunnerSource::file)
    }
}

impl SshChoice {
    /// Reads the configured key, so that a bad one is found before anything is made.
    pub(crate) fn check(&self) -> Result<(), InputError> {
        if let Some(path) = &self.key_file {
            PrivateKey::from_file(path)?;
        }
        Ok(())
    }

    /// The configured key, or the state directory's own, which is made when it is first needed.
    pub(crate) fn key(&self, state_dir: &Path) -> Result<PrivateKey, InputError> {
        if let Some(path) = &self.key_file {
            return Ok(PrivateKey::from_file(path)?);
        }
        let path = state_dir.join("ssh_key");
        if path.exists() {
            return Ok(PrivateKey::from_file(&path)?);
        }
        let key = PrivateKey::generate();
        write_private(&path, &key).map_err(InputError::file(&path))?;
        Ok(key)
    }
}

fn write_private(path: &Path, key: &PrivateKey) -> std::io::Result<()> {
    use secrecy::ExposeSecret as _;
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let new = path.with_extension("new");
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(key.to_openssh().expose_secret().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(new, path)
}
