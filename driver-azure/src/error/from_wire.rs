//! From what the SDK hands over to our errors.

use super::AzureError;
use crate::{credentials::TokenError, wire::WireError};
use azure_core::error::{Error as SdkError, ErrorKind};
use pool_api::one_line;

/// An answer that is none of what Azure documents.
pub(crate) fn unreadable(call: &'static str, problem: &'static str) -> AzureError {
    AzureError::BadAnswer { call, source: problem.into() }
}

/// What has come in place of a good answer.
pub(crate) fn failed(call: &'static str, error: SdkError) -> AzureError {
    let error = match error.into_downcast::<WireError>() {
        Ok(error) => return of_wire(call, error),
        Err(error) => error,
    };
    let error = match error.into_downcast::<TokenError>() {
        Ok(error) => {
            return AzureError::NoCredentials { call, passes: error.passes(), source: error.into() };
        }
        Err(error) => error,
    };
    // Their text alone: the SDK's errors may show whole answers.
    let text = one_line(&error.to_string());
    match error.kind() {
        ErrorKind::Credential => AzureError::NoCredentials { call, passes: false, source: text.into() },
        ErrorKind::DataConversion => AzureError::BadAnswer { call, source: text.into() },
        _ => AzureError::ConnectionLost { call, source: text.into() },
    }
}

fn of_wire(call: &'static str, error: WireError) -> AzureError {
    match error {
        WireError::Answered { code, message, status, retry_after } => {
            AzureError::Answered { call, code, message, status, retry_after }
        }
        WireError::NoCode { text, status, retry_after } => {
            AzureError::NoCode { call, status, retry_after, source: text.into() }
        }
        WireError::TimedOut(limit) => AzureError::TimedOut { call, limit },
        error @ WireError::NotConnected(_) => AzureError::NotConnected { call, source: error.into() },
        error @ WireError::Lost(_) => AzureError::ConnectionLost { call, source: error.into() },
        error @ WireError::Foreign(_) => AzureError::BadAnswer { call, source: error.into() },
    }
}
