//! From the SDK's errors to ours.

use super::GceError;
use google_cloud_compute_v1::{errors::OperationError, model::Operation};
use google_cloud_gax::error::{CredentialsError, rpc::StatusDetails};
use pool_api::one_line;
use std::{error::Error, time::Duration};

/// What the SDK says of a failed call.
pub(crate) use google_cloud_gax::error::Error as SdkError;

/// A quoted text in a message that is longer is no name: Compute Engine has quoted what was sent, and that may be the
/// metadata, with the instance's secret.
const LONGEST_QUOTED: usize = 300;

/// An answer that is none of what Compute Engine documents.
pub(crate) fn unreadable(call: &'static str, problem: &'static str) -> GceError {
    GceError::BadAnswer { call, source: problem.into() }
}

/// How failures are read in one configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failures {
    /// Whether all configured zones are in one region.
    pub(crate) one_region: bool,
}

impl Failures {
    /// What the SDK says of a failed call.
    pub(crate) fn of_call(self, call: &'static str, error: SdkError) -> GceError {
        if let Some(status) = error.status() {
            let reasons = status.details.iter().filter_map(|detail| match detail {
                StatusDetails::ErrorInfo(info) => Some(info.reason.as_str()),
                _ => None,
            });
            let reason = reasons.filter(|reason| !reason.is_empty()).map(str::to_owned).next();
            let http_status = error.http_status_code().unwrap_or_default();
            return GceError::Answered {
                call,
                // The canonical code says less than a reason, and more than nothing.
                code: reason.unwrap_or_else(|| status.code.to_string()),
                message: shown(&status.message),
                status: http_status,
                retry_after: retry_after(&error),
                one_region: self.one_region,
            };
        }
        if error.is_authentication() {
            let passes = chain(&error)
                .find_map(|error| error.downcast_ref::<CredentialsError>())
                .is_some_and(CredentialsError::is_transient);
            return GceError::NoCredentials { call, passes, source: error.into() };
        }
        if error.is_connect() {
            GceError::NotConnected { call, source: error.into() }
        } else if error.is_serialization() || error.is_binding() {
            GceError::NotSent { call, source: error.into() }
        } else if error.is_deserialization() {
            GceError::BadAnswer { call, source: error.into() }
        } else if let Some(status) = error.http_status_code().filter(|status| *status >= 400) {
            GceError::NoCode {
                call,
                status,
                retry_after: retry_after(&error),
                source: shown(&error.to_string()).into(),
            }
        } else {
            GceError::ConnectionLost { call, source: error.into() }
        }
    }

    /// What an operation has failed with; none when it has not.
    pub(crate) fn of_operation(self, call: &'static str, done: Operation) -> Option<GceError> {
        let error = match done.to_result() {
            Ok(_) => return None,
            Err(OperationError::Generic(error)) => error,
            Err(_) => return Some(unreadable(call, "the operation is another than was asked for")),
        };
        let first = error.details.and_then(|details| details.errors.into_iter().next()).unwrap_or_default();
        let status = error.status_code.and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
        let message = first.message.or(error.message).unwrap_or_else(|| "no message".to_owned());
        Some(GceError::Answered {
            call,
            code: first.code.unwrap_or_default(),
            message: shown(&message),
            status,
            retry_after: None,
            one_region: self.one_region,
        })
    }
}

/// In one line of bounded length, and without what was sent.
fn shown(message: &str) -> String {
    let mut line = one_line(message);
    for quote in ['\'', '"'] {
        let parts: Vec<&str> = line.split(quote).collect();
        let cut = |(at, part): (usize, &&str)| match at % 2 == 1 && part.len() > LONGEST_QUOTED {
            true => "…".to_owned(),
            false => (*part).to_owned(),
        };
        line = parts.iter().enumerate().map(cut).collect::<Vec<_>>().join(&quote.to_string());
    }
    line
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// In seconds (RFC 9110).
fn retry_after(error: &SdkError) -> Option<Duration> {
    let text = error.http_headers()?.get("retry-after")?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use google_cloud_compute_v1::model::operation::{self, error::Errors};

    const FAILURES: Failures = Failures { one_region: true };

    fn failed_with(code: &str, message: &str) -> Operation {
        let error = Errors::new().set_code(code).set_message(message);
        Operation::new()
            .set_http_error_status_code(403)
            .set_http_error_message("FORBIDDEN")
            .set_error(operation::Error::new().set_errors([error]))
    }

    #[test]
    fn what_was_sent_is_not_shown() {
        let secret = "x".repeat(400);
        for quote in ["'", "\""] {
            let message = format!("Invalid value for field 'resource.metadata': {quote}{secret}{quote}. No.");
            let expected = format!("Invalid value for field 'resource.metadata': {quote}…{quote}. No.");
            assert_eq!(shown(&message), expected);
        }
        let name = "The resource 'projects/p/zones/z/machineTypes/m' was not found";
        assert_eq!(shown(name), name);
        assert_eq!(shown("it's one that isn't\n quoted"), "it's one that isn't quoted");
    }

    #[test]
    fn an_operation_fails_with_its_first_error() {
        assert!(FAILURES.of_operation("instances.insert", Operation::new()).is_none());
        let error = FAILURES
            .of_operation("instances.insert", failed_with("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded."));
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            Some("instances.insert: Quota 'CPUS' exceeded. (QUOTA_EXCEEDED)")
        );
    }

    #[test]
    fn an_operation_that_gives_no_reason_has_failed_too() {
        let silent = Operation::new().set_http_error_status_code(500).set_http_error_message("INTERNAL");
        let error = FAILURES.of_operation("instances.insert", silent).unwrap();
        assert_eq!(error.to_string(), "instances.insert: INTERNAL ()");
        assert_eq!(pool_api::CloudError::effect(&error), pool_api::Effect::Unknown);
    }
}
