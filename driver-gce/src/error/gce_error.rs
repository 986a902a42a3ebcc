//! Why a call of the driver failed.

use super::codes::{Area, Class, class, is_refusal};
use pool_api::{
    CapacityError, CloudError, Effect, ErrorKind, FailureScope, PlacementReach, QuotaError, RateLimit,
    RateLimitError, Reach,
};
use std::{error::Error, time::Duration};

type Source = Box<dyn Error + Send + Sync>;

/// Why a call of the Compute Engine driver failed. The first word of each text is the API's name of the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GceError {
    /// Compute Engine answered with an error, or the operation that it had accepted ended with one.
    #[error("{call}: {message} ({code})")]
    Answered {
        /// The API's name of the call.
        call: &'static str,
        /// The reason that the answer gives, or the code that the operation ended with.
        code: String,
        /// Compute Engine's message, in one line, cut to 2,000 characters.
        message: String,
        /// The HTTP status; that of the operation; 0 if there was none.
        status: u16,
        /// How long to wait, where the answer says so.
        retry_after: Option<Duration>,
        /// Whether all configured zones are in one region, so that what holds in a region holds everywhere.
        one_region: bool,
    },
    /// What answered was not Compute Engine's API: an HTTP error without one of its reasons.
    #[error("{call}: HTTP status {status} without a reason of Compute Engine's")]
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
    /// A zone was left out of a list.
    #[error("{call}: the list is not whole: nothing was heard of {zone}")]
    Partial {
        /// The API's name of the call.
        call: &'static str,
        /// Which zone.
        zone: String,
    },
    /// There was no answer within `call_timeout`, or no access token to make the call with.
    #[error("{call}: no answer within {limit:?}")]
    TimedOut {
        /// The API's name of the call.
        call: &'static str,
        /// The time limit.
        limit: Duration,
        /// What says so.
        #[source]
        source: Source,
    },
    /// There was no connection: nothing was sent.
    #[error("{call}: no connection to Compute Engine's API")]
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
    /// No access token could be had: nothing was sent.
    #[error("{call}: no usable credentials")]
    NoCredentials {
        /// The API's name of the call.
        call: &'static str,
        /// Whether that may pass by itself: a token's server did not answer.
        passes: bool,
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
    /// What was asked for cannot be had on Compute Engine: nothing was sent.
    #[error("{field}: {problem}")]
    BadRequest {
        /// What part of the request.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The call was accepted, and what has become of it could not be asked.
    #[error("{call}: accepted, but it is not known what has become of {operation}")]
    NotFollowed {
        /// The API's name of the call.
        call: &'static str,
        /// The operation, or the instance that it is about.
        operation: String,
        /// Why not.
        #[source]
        source: Box<GceError>,
    },
    /// The call was accepted, and its operation did not end within `operation_timeout`.
    #[error("{call}: {operation} was accepted and is not done after {limit:?}")]
    OperationNotDone {
        /// The API's name of the call.
        call: &'static str,
        /// The operation.
        operation: String,
        /// For how long it was followed.
        limit: Duration,
    },
}

impl GceError {
    pub(crate) fn bad_request(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::BadRequest { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn partial(call: &'static str, zone: &str) -> Self {
        Self::Partial { call, zone: zone.chars().take(200).collect() }
    }

    pub(crate) fn not_followed(call: &'static str, operation: String, source: Self) -> Self {
        Self::NotFollowed { call, operation, source: Box::new(source) }
    }

    fn class(&self) -> Class {
        match self {
            Self::Answered { code, message, status, .. } => class(code, message, *status),
            Self::NoCode { status, .. } => class("", "", *status),
            Self::BadAnswer { .. }
            | Self::Partial { .. }
            | Self::TimedOut { .. }
            | Self::NotConnected { .. }
            | Self::ConnectionLost { .. }
            | Self::NoCredentials { passes: true, .. }
            | Self::OperationNotDone { .. } => Class::Transient,
            Self::NoCredentials { passes: false, .. } => Class::Auth,
            Self::NotSent { .. } | Self::BadRequest { .. } => Class::InvalidRequest,
            // To follow it is no create: what was refused there is no quota and no capacity.
            Self::NotFollowed { source, .. } => match source.class() {
                class @ (Class::RateLimit | Class::Auth) => class,
                _ => Class::Transient,
            },
        }
    }

    fn scope(&self, reach: Reach, area: Area) -> FailureScope {
        let everywhere = match (area, self) {
            (Area::Zone, _) => false,
            (Area::Region, Self::Answered { one_region, .. }) => *one_region,
            (Area::Region, _) => false,
            (Area::Project, _) => true,
        };
        FailureScope::new(reach, if everywhere { PlacementReach::Every } else { PlacementReach::This })
    }

    /// True when this is the answer that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// True when this is the answer, of the call or its operation, that there is an instance of that name.
    pub(crate) fn is_name_taken(&self) -> bool {
        let codes = ["alreadyExists", "ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"];
        match self {
            // The same is said of a disk that an earlier instance has left behind.
            Self::Answered { code, message, status, .. } => {
                (codes.contains(&code.as_str()) || *status == 409 && message.contains("already exists"))
                    && !message.contains("/disks/")
            }
            _ => false,
        }
    }
}

impl QuotaError for GceError {
    fn quota(&self) -> Option<FailureScope> {
        match self.class() {
            Class::Quota(reach, area) => Some(self.scope(reach, area)),
            _ => None,
        }
    }
}

impl CapacityError for GceError {
    fn capacity(&self) -> Option<FailureScope> {
        match self.class() {
            Class::Capacity(reach, area) => Some(self.scope(reach, area)),
            _ => None,
        }
    }
}

impl RateLimitError for GceError {
    fn rate_limit(&self) -> Option<RateLimit> {
        let retry_after = match self {
            Self::Answered { retry_after, .. } | Self::NoCode { retry_after, .. } => *retry_after,
            Self::NotFollowed { source, .. } => return source.rate_limit(),
            _ => return None,
        };
        (self.class() == Class::RateLimit).then_some(RateLimit { retry_after })
    }
}

impl CloudError for GceError {
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
            Self::Partial { .. }
            | Self::NotConnected { .. }
            | Self::NoCredentials { .. }
            | Self::NotSent { .. }
            | Self::BadRequest { .. } => true,
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

    fn answered(code: &str, message: &str, status: u16, one_region: bool) -> GceError {
        GceError::Answered {
            call: "instances.insert",
            code: code.into(),
            message: message.into(),
            status,
            retry_after: Some(Duration::from_secs(7)),
            one_region,
        }
    }

    #[test]
    fn the_provider_s_message_and_code_are_kept() {
        let error = answered("ZONE_RESOURCE_POOL_EXHAUSTED", "no room", 503, true);
        assert_eq!(error.to_string(), "instances.insert: no room (ZONE_RESOURCE_POOL_EXHAUSTED)");
        assert_eq!(error.provider_code(), Some("ZONE_RESOURCE_POOL_EXHAUSTED"));
        assert_eq!(error.capacity(), Some(FailureScope::new(Reach::InstanceType, PlacementReach::This)));
        assert_eq!((error.quota(), error.rate_limit()), (None, None));
        assert_eq!(error.effect(), Effect::NotDone);
    }

    #[test]
    fn a_quota_of_a_region_holds_everywhere_when_there_is_no_other_region() {
        let message = "Quota 'N2_CPUS' exceeded.  Limit: 24.0 in region europe-west1.";
        let places = |one| answered("QUOTA_EXCEEDED", message, 403, one).quota().map(|s| s.placements);
        assert_eq!(places(true), Some(PlacementReach::Every));
        assert_eq!(places(false), Some(PlacementReach::This));
    }

    #[test]
    fn a_name_that_is_taken_is_an_instance_s() {
        let taken = "The resource 'projects/p/zones/z/instances/pool-1' already exists";
        assert!(answered("alreadyExists", taken, 409, true).is_name_taken());
        assert!(answered("RESOURCE_ALREADY_EXISTS", taken, 0, true).is_name_taken());
        assert!(answered("UNKNOWN", taken, 409, true).is_name_taken());
        assert!(!answered("conflict", "Something else", 409, true).is_name_taken());
        assert!(!answered("alreadyExists", &taken.replace("instances", "disks"), 409, true).is_name_taken());
    }

    #[test]
    fn only_a_rate_limit_says_when_to_come_again() {
        let wait = Some(RateLimit { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(answered("rateLimitExceeded", "", 403, true).rate_limit(), wait);
        assert_eq!(answered("backendError", "", 503, true).rate_limit(), None);
    }

    #[test]
    fn what_was_accepted_and_cannot_be_followed_is_of_unknown_effect_whatever_the_reason() {
        let reasons = [
            (answered("rateLimitExceeded", "", 403, true), ErrorKind::RateLimit),
            (answered("quotaExceeded", "Quota 'CPUS' exceeded.", 403, true), ErrorKind::Transient),
            (answered("notFound", "", 404, true), ErrorKind::Transient),
            (answered("forbidden", "", 403, true), ErrorKind::Auth),
        ];
        for (reason, kind) in reasons {
            let error = GceError::not_followed("instances.insert", "operation-1".into(), reason);
            assert_eq!((error.kind(), error.effect()), (kind, Effect::Unknown), "{error}");
            assert_eq!((error.quota(), error.capacity()), (None, None));
        }
    }

    #[test]
    fn what_was_not_answered_may_have_been_done_unless_nothing_was_sent() {
        let source = || -> Source { "x".into() };
        let call = "instances.insert";
        let open = [
            GceError::TimedOut { call, limit: Duration::from_secs(1), source: source() },
            GceError::ConnectionLost { call, source: source() },
            GceError::BadAnswer { call, source: source() },
            GceError::OperationNotDone { call, operation: "o".into(), limit: Duration::from_secs(1) },
            answered("backendError", "", 503, true),
            GceError::NoCode { call, status: 502, retry_after: None, source: source() },
        ];
        for error in open {
            assert_eq!((error.effect(), error.kind()), (Effect::Unknown, ErrorKind::Transient), "{error}");
        }
        let certain = [
            (GceError::NotConnected { call, source: source() }, ErrorKind::Transient),
            (GceError::NoCredentials { call, passes: false, source: source() }, ErrorKind::Auth),
            (GceError::NoCredentials { call, passes: true, source: source() }, ErrorKind::Transient),
            (GceError::bad_request("image", "is missing"), ErrorKind::InvalidRequest),
        ];
        for (error, kind) in certain {
            assert_eq!((error.effect(), error.kind()), (Effect::NotDone, kind), "{error}");
        }
    }
}
