//! Why something is to be done.

use super::answer::Refusal;
use crate::api::KillRequest;

/// Longest reason, in characters.
const MAX_REASON: usize = 1000;
const DEFAULT_REASON: &str = "killed by a user";

/// The reason that was given, if it is one.
pub(super) fn given(request: &KillRequest) -> Result<Option<&str>, Refusal> {
    let Some(reason) = request.reason.as_deref() else { return Ok(None) };
    if !(1..=MAX_REASON).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        let message =
            format!("reason: give 1 to {MAX_REASON} characters, none of which controls anything, or none");
        return Err(Refusal::invalid(message));
    }
    Ok(Some(reason))
}

/// The same, or that it was a user's wish.
pub(super) fn to_kill(request: KillRequest) -> Result<String, Refusal> {
    given(&request)?;
    Ok(request.reason.unwrap_or_else(|| DEFAULT_REASON.to_owned()))
}
