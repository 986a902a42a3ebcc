//! Following what Azure has accepted:
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>.

use crate::{
    AzureError,
    arm::Arm,
    error::{failed, unreadable},
    wire::{of_operation, seconds},
};
use azure_core::{
    Response, Url,
    headers::{HeaderName, Headers},
};
use serde::{Deserialize, de::IgnoredAny};
use std::time::Duration;

/// Until an operation is looked at again, where Azure does not say when.
const PAUSE: Duration = Duration::from_secs(5);
/// However short Azure says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// However long Azure says.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A call that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    call: &'static str,
    name: String,
    /// Where its operation can be looked at; none when it is done already.
    operation: Option<Place>,
    pause: Duration,
}

/// Where an operation can be looked at, by the form in which it is shown.
#[derive(Clone, Debug)]
enum Place {
    /// Its state is in the body.
    Status(Url),
    /// Its state is the HTTP status: 202 until it is done.
    Location(Url),
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: serde_json::Value,
}

impl Accepted {
    /// From the answer to a call about this resource.
    ///
    /// # Errors
    /// [`AzureError::BadAnswer`] when it leads nowhere, or is not the Resource Manager's: that is always JSON, or nothing.
    pub(crate) async fn of(call: &'static str, name: &str, answer: Response) -> Result<Self, AzureError> {
        let (_, headers, body) = answer.deconstruct();
        let body = body.collect().await.map_err(|error| failed(call, error))?;
        if !body.is_empty() {
            serde_json::from_slice::<IgnoredAny>(&body)
                .map_err(|source| AzureError::BadAnswer { call, source: source.into() })?;
        }
        let url = |header: &'static str| {
            let text = headers.get_optional_str(&HeaderName::from_static(header))?;
            Some(text.parse::<Url>().map_err(|_| unreadable(call, "its operation has no URL")))
        };
        let operation = match url("azure-asyncoperation").transpose()? {
            Some(url) => Some(Place::Status(url)),
            None => url("location").transpose()?.map(Place::Location),
        };
        Ok(Self { call, name: name.to_owned(), operation, pause: pause(&headers) })
    }

    /// Waits until the operation is done.
    ///
    /// # Errors
    /// What the operation has failed with, as if the call had answered it. Where it cannot be followed to its end,
    /// [`AzureError::NotFollowed`]: the call was accepted, and what becomes of it is not known.
    pub(crate) async fn done(self, arm: &Arm, limit: Duration) -> Result<(), AzureError> {
        let (call, name) = (self.call, self.name.clone());
        match tokio::time::timeout(limit, self.follow(arm)).await {
            Ok(Ok(end)) => end,
            Ok(Err(error)) => Err(AzureError::not_followed(call, &name, error)),
            Err(_) => Err(AzureError::OperationNotDone { call, name, limit }),
        }
    }

    /// How it has ended, or why that cannot be seen.
    async fn follow(mut self, arm: &Arm) -> Result<Result<(), AzureError>, AzureError> {
        const CALL: &str = "look at the operation";
        while let Some(place) = self.operation.clone() {
            tokio::time::sleep(self.pause).await;
            match place {
                Place::Status(url) => {
                    let (shown, headers) = arm.read::<Shown>(CALL, url).await?;
                    self.pause = pause(&headers);
                    match shown.status.to_ascii_lowercase().as_str() {
                        "succeeded" => return Ok(Ok(())),
                        "failed" | "canceled" => return Ok(Err(self.failure(&shown))),
                        _ => {}
                    }
                }
                Place::Location(url) => {
                    let (status, headers) = match arm.look(CALL, url).await {
                        Ok(shown) => shown,
                        Err(AzureError::Answered { code, message, status, .. }) if is_end(status) => {
                            let call = self.call;
                            let end =
                                AzureError::Answered { call, code, message, status: 0, retry_after: None };
                            return Ok(Err(end));
                        }
                        Err(error) => return Err(error),
                    };
                    self.pause = pause(&headers);
                    if status != azure_core::StatusCode::Accepted {
                        return Ok(Ok(()));
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    fn failure(&self, shown: &Shown) -> AzureError {
        let (code, message) = of_operation(&shown.error);
        let code = if code.is_empty() { shown.status.clone() } else { code };
        AzureError::Answered { call: self.call, code, message, status: 0, retry_after: None }
    }
}

/// Whether an error of the form with the HTTP status is how the operation has ended, and not why it cannot be looked at:
/// that is so with 404 too, of an operation that was forgotten.
fn is_end(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 401 | 403 | 404 | 408 | 429)
}

fn pause(headers: &Headers) -> Duration {
    seconds(headers, "retry-after").unwrap_or(PAUSE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}
