//! Puts the runner program on a worker.

use crate::program::{RunnerError, RunnerProgram};
use pool_api::{Command, Executor, ExecutorError};
use std::time::Duration;

/// Tens of megabytes over a slow line.
const COPY_LIMIT: Duration = Duration::from_secs(300);
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// How many digits of the hash name the file: enough to tell releases apart; all of it is compared.
const NAME_DIGITS: usize = 16;

/// Why the runner program is not on a worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeployError {
    #[error("the runner program cannot be loaded")]
    Program(#[from] RunnerError),
    #[error("the runner program could not be copied")]
    Executor(#[from] ExecutorError),
    #[error("the worker could not store the runner program: {0}")]
    Store(String),
    #[error("the runner program arrived damaged")]
    Damaged,
}

/// Copies the program unless it is there with the same hash. Returns its path.
pub(crate) async fn deploy(
    executor: &dyn Executor,
    program: &RunnerProgram,
    root: &str,
) -> Result<String, DeployError> {
    let (bytes, hash) = match program {
        RunnerProgram::Installed(path) => return Ok(path.clone()),
        RunnerProgram::Copy { bytes, hash } => (bytes, hash),
    };
    let path = format!("{root}/bin/pool-runner-{}", &hash[..NAME_DIGITS]);
    let quoted = quote(&path)?;
    let look = Command::new(format!("sha256sum {quoted} 2>/dev/null || true")).time_limit(LOOK_LIMIT);
    if starts_with_hash(&executor.execute(look).await?.stdout, hash) {
        return Ok(path);
    }
    // Its mode is set while it is empty, so that there is no moment at which anybody else could change what
    // will run; it gets its name when it is complete; two copies at once do not mix.
    let directory = quote(&format!("{root}/bin"))?;
    let copy = format!(
        "umask 077 && mkdir -p {directory} && new=$(mktemp {directory}/new.XXXXXX) && chmod 0700 \"$new\" && \
         cat > \"$new\" && sha256sum \"$new\" && mv -f \"$new\" {quoted}"
    );
    let output = executor.execute(Command::new(copy).stdin(bytes.clone()).time_limit(COPY_LIMIT)).await?;
    if !output.status.is_success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(DeployError::Store(format!("{}: {}", output.status, said.trim())));
    }
    if starts_with_hash(&output.stdout, hash) { Ok(path) } else { Err(DeployError::Damaged) }
}

fn starts_with_hash(printed: &[u8], hash: &str) -> bool {
    // GNU sha256sum begins the line with a backslash when the name has odd characters.
    printed.strip_prefix(b"\\").unwrap_or(printed).starts_with(hash.as_bytes())
}

/// A word for the remote shell.
pub(crate) fn quote(text: &str) -> Result<String, DeployError> {
    shlex::try_quote(text)
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| DeployError::Store(format!("{text:?} cannot be a path")))
}
