//! An error type for drivers that need no more than this.

use crate::{
    CapacityError, CloudError, Effect, ErrorKind, FailureScope, QuotaError, RateLimit, RateLimitError,
};
use std::{error::Error, fmt, time::Duration};

/// The longest message of a provider that is kept, in characters.
const LONGEST_MESSAGE: usize = 2000;

/// A provider's message in one line, for a log, a page or an error's text: without line breaks and other control
/// characters, and cut to 2000 characters.
///
/// ```
/// assert_eq!(pool_api::one_line("no room\n  in zone b"), "no room in zone b");
/// ```
pub fn one_line(message: &str) -> String {
    let words = message.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What a failure is, with what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorClass {
    /// A refusal for lack of quota, of this scope.
    Quota(FailureScope),
    /// A refusal for lack of capacity, of this scope.
    Capacity(FailureScope),
    /// A refusal for the rate of calls.
    RateLimit {
        /// How long to wait, if the provider says so.
        retry_after: Option<Duration>,
    },
    /// See [`ErrorKind::Auth`].
    Auth,
    /// See [`ErrorKind::NotFound`].
    NotFound,
    /// See [`ErrorKind::InvalidRequest`].
    InvalidRequest,
    /// See [`ErrorKind::Transient`].
    Transient,
    /// See [`ErrorKind::Unknown`].
    Unknown,
}

impl ErrorClass {
    /// What a call comes to that failed so, when nothing else is said: a provider that refuses has done nothing; what
    /// passes by itself, or is not known, tells nothing.
    const fn usual_effect(self) -> Effect {
        match self {
            Self::Transient | Self::Unknown => Effect::Unknown,
            Self::Quota(_)
            | Self::Capacity(_)
            | Self::RateLimit { .. }
            | Self::Auth
            | Self::NotFound
            | Self::InvalidRequest => Effect::NotDone,
        }
    }
}

/// A driver's error, ready made: what failed, what that is to the pool, and what the provider has said.
///
/// A driver with errors of its own kinds implements [`CloudError`] for them instead.
///
/// ```
/// use pool_api::{CloudError, DriverError, Effect, ErrorClass, ErrorKind};
///
/// let error = DriverError::new("create", ErrorClass::Auth, "the token has expired").code("AuthFailure");
/// assert_eq!(error.kind(), ErrorKind::Auth);
/// assert_eq!(error.effect(), Effect::NotDone);
/// assert_eq!(error.to_string(), "create: the token has expired (AuthFailure)");
/// ```
#[derive(Debug)]
pub struct DriverError {
    operation: &'static str,
    class: ErrorClass,
    effect: Effect,
    code: Option<String>,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl DriverError {
    /// What was tried (`create`, `list`, `create the disk`), what its failure is to the pool, and the provider's own
    /// message. Line ends and other control characters become blanks; more than 2000 characters are cut.
    ///
    /// The message must hold no secret: it is logged.
    pub fn new(operation: &'static str, class: ErrorClass, message: impl AsRef<str>) -> Self {
        let text = message.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c });
        let message = text.take(LONGEST_MESSAGE).collect::<String>().trim().to_owned();
        Self { operation, class, effect: class.usual_effect(), code: None, message, source: None }
    }

    /// The same with the provider's code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same with another effect than is usual for its class: [`Unknown`](Effect::Unknown) for what passes by itself,
    /// else [`NotDone`](Effect::NotDone).
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// The same with what went wrong below. Its text is not repeated in this error's own.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What was tried.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// What the failure is to the pool.
    pub fn class(&self) -> ErrorClass {
        self.class
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)?;
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl Error for DriverError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl QuotaError for DriverError {
    fn quota(&self) -> Option<FailureScope> {
        if let ErrorClass::Quota(scope) = self.class { Some(scope) } else { None }
    }
}

impl CapacityError for DriverError {
    fn capacity(&self) -> Option<FailureScope> {
        if let ErrorClass::Capacity(scope) = self.class { Some(scope) } else { None }
    }
}

impl RateLimitError for DriverError {
    fn rate_limit(&self) -> Option<RateLimit> {
        if let ErrorClass::RateLimit { retry_after } = self.class {
            Some(RateLimit { retry_after })
        } else {
            None
        }
    }
}

impl CloudError for DriverError {
    fn kind(&self) -> ErrorKind {
        match self.class {
            ErrorClass::Quota(_) => ErrorKind::Quota,
            ErrorClass::Capacity(_) => ErrorKind::Capacity,
            ErrorClass::RateLimit { .. } => ErrorKind::RateLimit,
            ErrorClass::Auth => ErrorKind::Auth,
            ErrorClass::NotFound => ErrorKind::NotFound,
            ErrorClass::InvalidRequest => ErrorKind::InvalidRequest,
            ErrorClass::Transient => ErrorKind::Transient,
            ErrorClass::Unknown => ErrorKind::Unknown,
        }
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn provider_code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PlacementReach, Reach};

    #[test]
    fn every_class_answers_with_its_own_kind_and_nothing_else() {
        let scope = FailureScope::new(Reach::QuotaGroup, PlacementReach::This);
        let time = Some(Duration::from_secs(3));
        let table = [
            (ErrorClass::Quota(scope), ErrorKind::Quota, Effect::NotDone),
            (ErrorClass::Capacity(scope), ErrorKind::Capacity, Effect::NotDone),
            (ErrorClass::RateLimit { retry_after: time }, ErrorKind::RateLimit, Effect::NotDone),
            (ErrorClass::RateLimit { retry_after: None }, ErrorKind::RateLimit, Effect::NotDone),
            (ErrorClass::Auth, ErrorKind::Auth, Effect::NotDone),
            (ErrorClass::NotFound, ErrorKind::NotFound, Effect::NotDone),
            (ErrorClass::InvalidRequest, ErrorKind::InvalidRequest, Effect::NotDone),
            (ErrorClass::Transient, ErrorKind::Transient, Effect::Unknown),
            (ErrorClass::Unknown, ErrorKind::Unknown, Effect::Unknown),
        ];
        for (class, kind, effect) in table {
            let error = DriverError::new("create", class, "no");
            assert_eq!((error.kind(), error.effect()), (kind, effect), "{class:?}");
            assert_eq!(error.quota(), (kind == ErrorKind::Quota).then_some(scope));
            assert_eq!(error.capacity(), (kind == ErrorKind::Capacity).then_some(scope));
            assert_eq!(error.rate_limit().is_some(), kind == ErrorKind::RateLimit);
        }
        let error = DriverError::new("list", ErrorClass::RateLimit { retry_after: time }, "slow down");
        assert_eq!(error.rate_limit().and_then(|limit| limit.retry_after), time);
    }

    #[test]
    fn it_is_one_line_with_the_providers_words_and_without_its_source() {
        let error = DriverError::new("create", ErrorClass::Transient, "the server\nis on fire \n")
            .code("Fire")
            .with_effect(Effect::NotDone)
            .because(std::io::Error::other("smoke"));
        assert_eq!(error.to_string(), "create: the server is on fire (Fire)");
        assert_eq!(error.effect(), Effect::NotDone);
        assert_eq!(error.provider_code(), Some("Fire"));
        assert_eq!(Error::source(&error).map(ToString::to_string), Some("smoke".into()));
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\n b\t\u{1b}[2Jc"), "a b [2Jc");
        assert_eq!(one_line(&"\u{e9}".repeat(3000)).chars().count(), LONGEST_MESSAGE + 1);
    }

    #[test]
    fn a_long_message_is_cut() {
        let error = DriverError::new("list", ErrorClass::Unknown, "\u{e9}".repeat(100_000));
        assert_eq!(error.to_string().chars().count(), LONGEST_MESSAGE + "list: ".len());
    }
}
