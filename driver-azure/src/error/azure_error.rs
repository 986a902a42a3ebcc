//! Why a call of the driver failed.

use super::codes::{Class, class, is_refusal};
use pool_api::{
    CapacityError, CloudError, Effect, ErrorKind, FailureScope, QuotaError, RateLimit, RateLimitError,
};
use std::{error::Error, time::Duration};

type Source = Box<dyn Error + Send + Sync>;

/// Why a call of the Azure driver failed. The first words of each text are what was tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AzureError {
    /// Azure answered with an error, or the operation that it had accepted ended with one.
    #[error("{call}: {message} ({code})")]
    Answered {
        /// What was tried.
        call: &'static str,
        /// Azure's code.
        code: String,
        /// Azure's message, in one line, cut to 2,000 characters.
        message: String,
        /// The HTTP status; 0 for an operation.
        status: u16,
        /// How long to wait, where the answer says so.
        retry_after: Option<Duration>,
    },
    /// What answered was not the Resource Manager: an HTTP error without one of its codes.
    #[error("{call}: HTTP status {status} without a code of Azure's")]
    NoCode {
        /// What was tried.
        call: &'static str,
        /// The HTTP status.
        status: u16,
        /// How long to wait, where the answer says so.
        retry_after: Option<Duration>,
        /// What came, in one line.
        #[source]
        source: Source,
    },
    /// The answer is not whole, or not what it should be.
    #[error("{call}: the answer cannot be read")]
    BadAnswer {
        /// What was tried.
        call: &'static str,
        /// Why not.
        #[source]
        source: Source,
    },
    /// There was no answer within `call_timeout`.
    #[error("{call}: no answer within {limit:?}")]
    TimedOut {
        /// What was tried.
        call: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// There was no connection: nothing was sent.
    #[error("{call}: no connection to Azure")]
    NotConnected {
        /// What was tried.
        call: &'static str,
        /// Why not.
        #[source]
        source: Source,
    },
    /// The connection broke before the answer was there.
    #[error("{call}: the connection broke before there was an answer")]
    ConnectionLost {
        /// What was tried.
        call: &'static str,
        /// How.
        #[source]
        source: Source,
    },
    /// No access token could be had: nothing was sent.
    #[error("{call}: no usable credentials")]
    NoCredentials {
        /// What was tried.
        call: &'static str,
        /// Whether that may pass by itself: the server of tokens did not answer.
        passes: bool,
        /// Why not.
        #[source]
        source: Source,
    },
    /// What was asked for cannot be had on Azure: nothing was sent.
    #[error("{field}: {problem}")]
    BadRequest {
        /// What part of the request.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The call was accepted, and what has become of it could not be asked.
    #[error("{call}: accepted, but it is not known what has become of {name}")]
    NotFollowed {
        /// What was tried.
        call: &'static str,
        /// What it is about.
        name: String,
        /// Why not.
        #[source]
        source: Box<AzureError>,
    },
    /// The call was accepted, and its operation did not end within `operation_timeout`.
    #[error("{call}: {name} was accepted and is not done after {limit:?}")]
    OperationNotDone {
        /// What was tried.
        call: &'static str,
        /// What it is about.
        name: String,
        /// For how long it was followed.
        limit: Duration,
    },
}

impl AzureError {
    pub(crate) fn bad_request(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::BadRequest { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn not_followed(call: &'static str, name: &str, source: Self) -> Self {
        Self::NotFollowed { call, name: name.to_owned(), source: Box::new(source) }
    }

    fn class(&self) -> Class {
        match self {
            Self::Answered { code, message, status, .. } => class(code, message, *status),
            Self::NoCode { status, .. } => class("", "", *status),
            Self::BadAnswer { .. }
            | Self::TimedOut { .. }
            | Self::NotConnected { .. }
            | Self::ConnectionLost { .. }
            | Self::NoCredentials { passes: true, .. }
            | Self::OperationNotDone { .. } => Class::Transient,
            Self::NoCredentials { passes: false, .. } => Class::Auth,
            Self::BadRequest { .. } => Class::InvalidRequest,
            // To follow it is no create: what was refused there is no quota and no capacity.
            Self::NotFollowed { source, .. } => match source.class() {
                class @ (Class::RateLimit | Class::Auth) => class,
                _ => Class::Transient,
            },
        }
    }

    /// True when this is the answer that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }
}

impl QuotaError for AzureError {
    fn quota(&self) -> Option<FailureScope> {
        match self.class() {
            Class::Quota(scope) => Some(scope),
            _ => None,
        }
    }
}

impl CapacityError for AzureError {
    fn capacity(&self) -> Option<FailureScope> {
        match self.class() {
            Class::Capacity(scope) => Some(scope),
            _ => None,
        }
    }
}

impl RateLimitError for AzureError {
    fn rate_limit(&self) -> Option<RateLimit> {
        let retry_after = match self {
            Self::Answered { retry_after, .. } | Self::NoCode { retry_after, .. } => *retry_after,
            Self::NotFollowed { source, .. } => return source.rate_limit(),
            _ => return None,
        };
        (self.class() == Class::RateLimit).then_some(RateLimit { retry_after })
    }
}

impl CloudError for AzureError {
    fn kind(&self) -> ErrorKind {
        self.class().kind()
    }

    fn effect(&self) -> Effect {
        let refused = match self {
            Self::Answered { status, .. } | Self::NoCode { status, .. } => is_refusal(self.class(), *status),
            Self::BadAnswer { .. }
            | Self::TimedOut { .. }
            | Self::ConnectionLost { .. }
            | Self::NotFollowed { .. }
            | Self::OperationNotDone { .. } => false,
            Self::NotConnected { .. } | Self::NoCredentials { .. } | Self::BadRequest { .. } => true,
        };
        if refused { Effect::NotDone } else { Effect::Unknown }
    }

    fn provider_code(&self) -> Option<&str> {
        match self {
            Self::Answered { code, .. } => Some(code),
            Self::NotFollowed { source, .. } => source.provider_code(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str, message: &str, status: u16) -> AzureError {
        AzureError::Answered {
            call: "create",
            code: code.into(),
            message: message.into(),
            status,
            retry_after: Some(Duration::from_secs(7)),
        }
    }

    #[test]
    fn the_provider_s_message_and_code_are_kept() {
        let error = answered("SkuNotAvailable", "no room", 409);
        assert_eq!(error.to_string(), "create: no room (SkuNotAvailable)");
        assert_eq!(error.provider_code(), Some("SkuNotAvailable"));
        assert!(error.capacity().is_some());
        assert_eq!((error.quota(), error.rate_limit(), error.effect()), (None, None, Effect::NotDone));
    }

    #[test]
    fn only_a_rate_limit_says_when_to_come_again() {
        let wait = Some(RateLimit { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(answered("TooManyRequests", "", 429).rate_limit(), wait);
        assert_eq!(answered("InternalServerError", "", 500).rate_limit(), None);
    }

    #[test]
    fn what_was_accepted_and_cannot_be_followed_is_of_unknown_effect_whatever_the_reason() {
        let reasons = [
            (answered("TooManyRequests", "", 429), ErrorKind::RateLimit),
            (answered("SkuNotAvailable", "", 409), ErrorKind::Transient),
            (answered("ResourceNotFound", "", 404), ErrorKind::Transient),
            (answered("AuthorizationFailed", "", 403), ErrorKind::Auth),
        ];
        for (reason, kind) in reasons {
            let error = AzureError::not_followed("create", "pool-1", reason);
            assert_eq!((error.kind(), error.effect()), (kind, Effect::Unknown), "{error}");
            assert_eq!((error.quota(), error.capacity()), (None, None));
        }
    }

    #[test]
    fn what_was_not_answered_may_have_been_done_unless_nothing_was_sent() {
        let source = || -> Source { "x".into() };
        let (call, limit) = ("create", Duration::from_secs(1));
        let open = [
            AzureError::TimedOut { call, limit },
            AzureError::ConnectionLost { call, source: source() },
            AzureError::BadAnswer { call, source: source() },
            AzureError::OperationNotDone { call, name: "pool-1".into(), limit },
            answered("InternalServerError", "", 500),
            AzureError::NoCode { call, status: 502, retry_after: None, source: source() },
        ];
        for error in open {
            assert_eq!((error.effect(), error.kind()), (Effect::Unknown, ErrorKind::Transient), "{error}");
        }
        let certain = [
            (AzureError::NotConnected { call, source: source() }, ErrorKind::Transient),
            (AzureError::NoCredentials { call, passes: false, source: source() }, ErrorKind::Auth),
            (AzureError::NoCredentials { call, passes: true, source: source() }, ErrorKind::Transient),
            (AzureError::bad_request("image", "is missing"), ErrorKind::InvalidRequest),
        ];
        for (error, kind) in certain {
            assert_eq!((error.effect(), error.kind()), (Effect::NotDone, kind), "{error}");
        }
    }
}
