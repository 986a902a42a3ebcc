//! What every runner decides alike: whom it accepts, and what it starts.

use crate::{HelloToRunner, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, Refusal, RequestError};
use pool_api::{InstanceSetId, JobSpec};

impl HelloToRunner {
    /// Whether a runner accepts a pool that introduces itself so, and the protocol that they speak. `told` is the
    /// instance set and the highest epoch that the runner knows; none before the first hello.
    ///
    /// # Errors
    /// [`Refusal`]: what the pool is told.
    pub fn accept(&self, told: Option<(&InstanceSetId, u64)>) -> Result<u32, Refusal> {
        let version = self.version.min(PROTOCOL_VERSION);
        if version < self.oldest_version.max(OLDEST_PROTOCOL_VERSION) {
            return Err(Refusal::Version { newest: PROTOCOL_VERSION, oldest: OLDEST_PROTOCOL_VERSION });
        }
        if let Some((instance_set, highest)) = told {
            if *instance_set != self.instance_set {
                return Err(Refusal::OtherInstanceSet { instance_set: instance_set.clone() });
            }
            if self.epoch < highest {
                return Err(Refusal::StaleEpoch { highest });
            }
        }
        Ok(version)
    }
}

/// Whether a worker could ever start this: what none could is refused before it is recorded.
///
/// # Errors
/// [`RequestError::Invalid`]. It names environment variables, but no values: people put secrets there.
pub fn check_spec(spec: &JobSpec) -> Result<(), RequestError> {
    let invalid = |detail: String| Err(RequestError::Invalid { detail });
    if spec.command.first().is_none_or(String::is_empty) {
        return invalid("the command is empty".into());
    }
    if spec.command.iter().chain(&spec.directory).any(|text| text.contains('\0')) {
        return invalid("the command or the directory holds a zero byte".into());
    }
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return invalid(format!("the environment variable {name:?} cannot be set"));
        }
    }
    Ok(())
}
