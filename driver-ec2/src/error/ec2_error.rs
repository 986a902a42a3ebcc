//! Why a call of the driver failed.

use super::codes::{Class, class, is_refusal};
use pool_api::{
    CapacityError, CloudError, Effect, ErrorKind, FailureScope, QuotaError, RateLimit, RateLimitError,
};
use std::{error::Error, time::Duration};

type Source = Box<dyn Error + Send + Sync>;

/// Why a call of the EC2 driver failed. The first word of each text is the API's name of the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ec2Error {
    /// EC2 answered with an error.
    #[error("{call}: {message} ({code})")]
    Answered {
        /// The API's name of the call.
        call: &'static str,
        /// EC2's code.
        code: String,
        /// EC2's message, in one line, cut to 2,000 characters.
        message: String,
        /// The HTTP status.
        status: u16,
        /// How long to wait, where the answer says so.
        retry_after: Option<Duration>,
    },
    /// What answered was not EC2's API: an HTTP error without one of its codes.
    #[error("{call}: HTTP status {status} without an error code of EC2's")]
    NoCode {
        /// The API's name of the call.
        call: &'static str,
        /// The HTTP status.
        status: u16,
        /// How long to wait, where the answer says so.
        retry_after: Option<Duration>,
        /// What could not be read.
        #[source]
        source: Source,
    },
    /// The answer is not whole, or not what it should be.
    #[error("{call}: the answer cannot be read")]
    BadAnswer {
        /// The API's name of the call.
        call: &'static str,
        /// Why not.
        #[source]
        source: Source,
    },
    /// There was no answer within `call_timeout`, or no connection within `connect_timeout`.
    #[error("{call}: no answer in time")]
    TimedOut {
        /// The API's name of the call.
        call: &'static str,
        /// Which time limit.
        #[source]
        source: Source,
    },
    /// There was no connection: nothing was sent.
    #[error("{call}: no connection to EC2's API")]
    NotConnected {
        /// The API's name of the call.
        call: &'static str,
        /// Why not.
        #[source]
        source: Source,
    },
    /// The connection broke before the answer was there.
    #[error("{call}: the connection broke before there was an answer")]
    ConnectionLost {
        /// The API's name of the call.
        call: &'static str,
        /// How.
        #[source]
        source: Source,
    },
    /// No credentials could be found: nothing was sent.
    #[error("{call}: no usable AWS credentials")]
    NoCredentials {
        /// The API's name of the call.
        call: &'static str,
        /// What was tried.
        #[source]
        source: Source,
    },
    /// The SDK did not send the request.
    #[error("{call}: the request cannot be made")]
    NotSent {
        /// The API's name of the call.
        call: &'static str,
        /// Why not.
        #[source]
        source: Source,
    },
    /// What was asked for cannot be had on EC2: nothing was sent.
    #[error("{field}: {problem}")]
    BadRequest {
        /// What part of the request.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Ec2Error {
    pub(crate) fn bad_request(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::BadRequest { field: field.into(), problem: problem.into() }
    }

    fn class(&self) -> Class {
        match self {
            Self::Answered { code, message, status, .. } => class(code, message, *status),
            Self::NoCode { status, .. } => class("", "", *status),
            Self::BadAnswer { .. }
            | Self::TimedOut { .. }
            | Self::NotConnected { .. }
            | Self::ConnectionLost { .. } => Class::Transient,
            Self::NoCredentials { .. } => Class::Auth,
            Self::NotSent { .. } | Self::BadRequest { .. } => Class::InvalidRequest,
        }
    }

    /// True when this is the answer that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// True when EC2 answered with this code.
    pub(crate) fn is_code(&self, wanted: &str) -> bool {
        self.provider_code() == Some(wanted)
    }
}

impl QuotaError for Ec2Error {
    fn quota(&self) -> Option<FailureScope> {
        match self.class() {
            Class::Quota(scope) => Some(scope),
            _ => None,
        }
    }
}

impl CapacityError for Ec2Error {
    fn capacity(&self) -> Option<FailureScope> {
        match self.class() {
            Class::Capacity(scope) => Some(scope),
            _ => None,
        }
    }
}

impl RateLimitError for Ec2Error {
    fn rate_limit(&self) -> Option<RateLimit> {
        let (Self::Answered { retry_after, .. } | Self::NoCode { retry_after, .. }) = self else {
            return None;
        };
        (self.class() == Class::RateLimit).then_some(RateLimit { retry_after: *retry_after })
    }
}

impl CloudError for Ec2Error {
    fn kind(&self) -> ErrorKind {
        self.class().kind()
    }

    fn effect(&self) -> Effect {
        let refused = match self {
            Self::Answered { status, .. } | Self::NoCode { status, .. } => is_refusal(self.class(), *status),
            Self::BadAnswer { .. } | Self::TimedOut { .. } | Self::ConnectionLost { .. } => false,
            Self::NotConnected { .. }
            | Self::NoCredentials { .. }
            | Self::NotSent { .. }
            | Self::BadRequest { .. } => true,
        };
        if refused { Effect::NotDone } else { Effect::Unknown }
    }

    fn provider_code(&self) -> Option<&str> {
        match self {
            Self::Answered { code, .. } => Some(code),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str, status: u16) -> Ec2Error {
        Ec2Error::Answered {
            call: "RunInstances",
            code: code.into(),
            message: "no room".into(),
            status,
            retry_after: Some(Duration::from_secs(7)),
        }
    }

    #[test]
    fn the_provider_s_message_and_code_are_kept() {
        let error = answered("InsufficientInstanceCapacity", 500);
        assert_eq!(error.to_string(), "RunInstances: no room (InsufficientInstanceCapacity)");
        assert_eq!(error.provider_code(), Some("InsufficientInstanceCapacity"));
        assert!(error.capacity().is_some());
        assert_eq!((error.quota(), error.rate_limit()), (None, None));
        assert_eq!(error.effect(), Effect::NotDone);
    }

    #[test]
    fn only_a_rate_limit_says_when_to_come_again() {
        let wait = Some(RateLimit { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(answered("RequestLimitExceeded", 503).rate_limit(), wait);
        assert_eq!(answered("InternalError", 500).rate_limit(), None);
    }

    #[test]
    fn what_was_not_answered_may_have_been_done_unless_nothing_was_sent() {
        let source = || -> Source { "x".into() };
        let call = "RunInstances";
        let open = [
            Ec2Error::TimedOut { call, source: source() },
            Ec2Error::ConnectionLost { call, source: source() },
            Ec2Error::BadAnswer { call, source: source() },
            answered("InternalError", 500),
            Ec2Error::NoCode { call, status: 502, retry_after: None, source: source() },
        ];
        for error in open {
            assert_eq!((error.effect(), error.kind()), (Effect::Unknown, ErrorKind::Transient), "{error}");
        }
        let certain = [
            (Ec2Error::NotConnected { call, source: source() }, ErrorKind::Transient),
            (Ec2Error::NoCredentials { call, source: source() }, ErrorKind::Auth),
            (Ec2Error::bad_request("image", "is missing"), ErrorKind::InvalidRequest),
        ];
        for (error, kind) in certain {
            assert_eq!((error.effect(), error.kind()), (Effect::NotDone, kind), "{error}");
        }
    }
}
