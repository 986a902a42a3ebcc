use super::group;
use crate::error::TaskError;
use crate::process::not_started;

/// The bench that counts instructions, and knows itself how many there may be.
const BENCH: &str = "gate";

/// Runs it on this terminal. Its exit code, which means what this task's does; none if it cannot be built.
pub(super) fn run() -> Result<Option<u8>, TaskError> {
    let Some(mut command) = group::bench(BENCH)? else { return Ok(None) };
    let status = command.status().map_err(|source| not_started(&command, source))?;
    // None: it was killed.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.unwrap_or(1)))
}
