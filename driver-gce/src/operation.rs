//! Following an operation that Compute Engine has accepted.

use crate::{
    GceError,
    error::{Calls, unreadable},
    set::Shared,
};
use google_cloud_compute_v1::model::{Operation, operation::Status};
use std::time::Duration;

/// Between two waits, where Compute Engine has answered that the operation is not done yet. It answers so after 2
/// minutes, but may do so at once: <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations/wait>,
/// "best-effort basis".
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until an operation is done.
///
/// # Errors
/// What the operation has failed with, as if the call had answered it. Where the operation cannot be followed to its end,
/// [`GceError::NotFollowed`]: the call was accepted, and what becomes of it is not known.
pub(crate) async fn done(
    shared: &Shared,
    call: &'static str,
    zone: &str,
    accepted: Operation,
) -> Result<(), GceError> {
    let Some(name) = accepted.name.clone() else {
        return Err(unreadable(call, "the operation has no name"));
    };
    let limit = shared.config.operation_timeout;
    let end = tokio::time::timeout(limit, wait(shared, zone, &name, accepted)).await;
    let last = match end {
        Ok(Ok(last)) => last,
        Ok(Err(error)) => return Err(GceError::not_followed(call, name, error)),
        Err(_) => return Err(GceError::OperationNotDone { call, operation: name, limit }),
    };
    match shared.calls().of_operation(call, last) {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

async fn wait(shared: &Shared, zone: &str, name: &str, accepted: Operation) -> Result<Operation, GceError> {
    let mut latest = accepted;
    let mut asked = false;
    while latest.status != Some(Status::Done) {
        if asked {
            tokio::time::sleep(PAUSE).await;
        }
        asked = true;
        let call = shared.clients.operations.wait();
        let call = call.set_project(&shared.config.project).set_zone(zone).set_operation(name);
        latest = call.send().await.map_err(|error| shared.calls().failed("zoneOperations.wait", error))?;
    }
    Ok(latest)
}

impl Shared {
    /// How failures are read in this configuration.
    pub(crate) fn calls(&self) -> Calls {
        Calls { one_region: self.config.single_region().is_some() }
    }
}
