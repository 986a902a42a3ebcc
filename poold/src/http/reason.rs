//! Why something is to be done.

use super::answer::Refusal;
use crate::api::KillRequest;

/// Longest reason, in bytes.
const MAX_REASON: usize = 1000;
const DEFAULT_REASON: &str = "killed by a user";

/// The reason that was given, if it is one.
pub(super) fn given(request: &KillRequest) -> Result<Option<&str>, Refusal> {
    let Some(reason) = request.reason.as_deref() else { return Ok(None) };
    if reason.trim().is_empty() || reason.len() > MAX_REASON || reason.chars().any(char::is_control) {
        let message = format!("reason: give 1 to {MAX_REASON} bytes without control characters, or none");
        return Err(Refusal::invalid(message));
    }
    Ok(Some(reason))
}

/// The same, or that it was a user's wish.
pub(super) fn to_kill(request: KillRequest) -> Result<String, Refusal> {
    given(&request)?;
    Ok(request.reason.unwrap_or_else(|| DEFAULT_REASON.to_owned()))
}
