//! What a command finds when it starts on an instance.

use super::InstanceDir;
use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::Stdio,
};
use tokio::process::Command;

/// The variable that marks the processes of an instance; its value is the instance's directory. Whatever a process
/// starts inherits it, so that all of them are found when the instance is destroyed.
pub(super) const MARKER: &str = "POOL_LOOPBACK_INSTANCE";

/// Where programs are looked for if the driver's own process does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment and working directory of all commands of an instance.
///
/// Nothing else of the driver's own environment comes through: it may hold the pool's credentials.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    variables: Vec<(&'static str, OsString)>,
    root: PathBuf,
}

impl Environment {
    pub(crate) fn new(dir: &InstanceDir, user: &str) -> Self {
        let root = dir.root();
        let variables = vec![
            (MARKER, dir.path().into()),
            (pool_api::ROOT_VARIABLE, root.clone().into()),
            ("HOME", root.clone().into()),
            ("TMPDIR", dir.tmp().into()),
            ("USER", user.into()),
            ("LOGNAME", user.into()),
            ("SHELL", "/bin/sh".into()),
            ("PATH", std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())),
        ];
        Self { variables, root }
    }

    /// The shell with these arguments, in a process group of its own, with no input and no output yet.
    pub(crate) fn shell<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.root)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}
