//! Following an operation that Compute Engine has accepted.

use crate::{GceError, error::unreadable, set::Shared};
use google_cloud_compute_v1::model::{Operation, operation::Status};
use std::time::Duration;

/// How long Compute Engine itself waits for an operation before it answers that it is not done:
/// <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations/wait>, "2 minutes".
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Between two waits. Compute Engine waits on a "best-effort basis" (the same page): it may answer at once that the
/// operation is not done.
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
    let last = match tokio::time::timeout(limit, wait(shared, zone, &name, accepted)).await {
        Ok(Ok(last)) => last,
        Ok(Err(error)) => return Err(GceError::not_followed(call, name, error)),
        Err(_) => return Err(GceError::OperationNotDone { call, operation: name, limit }),
    };
    match shared.calls.failures.of_operation(call, last) {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

async fn wait(shared: &Shared, zone: &str, name: &str, accepted: Operation) -> Result<Operation, GceError> {
    let mut latest = accepted;
    let mut pause = Duration::ZERO;
    while latest.status != Some(Status::Done) {
        tokio::time::sleep(pause).await;
        pause = PAUSE;
        let limit = LONGEST_WAIT + shared.config.call_timeout;
        let wait = shared.calls.make_within(limit, "zoneOperations.wait", |clients| {
            let call = clients.operations.wait().set_project(&shared.config.project);
            call.set_zone(zone).set_operation(name).send()
        });
        latest = wait.await?;
    }
    Ok(latest)
}
