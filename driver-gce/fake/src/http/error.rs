//! Errors in the provider's shape.

use serde_json::{Value, json};

/// Why a call is refused. Its shape is that of
/// <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-api-errors> and
/// <https://cloud.google.com/apis/design/errors#http_mapping>.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{status} {reason}: {message}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    reason: &'static str,
    message: String,
    form: &'static Form,
}

/// What an error has besides.
#[derive(Debug, PartialEq)]
struct Form {
    domain: &'static str,
    /// Where in the request the problem is, and what kind of place that is.
    location: Option<(&'static str, &'static str)>,
    /// The name of a `google.rpc.Code`, which errors of Google's front end have and those of Compute Engine
    /// itself lack.
    rpc: Option<&'static str>,
    /// `google.rpc.ErrorInfo`'s `reason`.
    info: Option<&'static str>,
}

const PLAIN: Form = Form { domain: "global", location: None, rpc: None, info: None };

impl ApiError {
    fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        ApiError { status, reason, message: message.into(), form: &PLAIN }
    }

    fn with(self, form: &'static Form) -> Self {
        ApiError { form, ..self }
    }

    /// A field, or a parameter, with a value that cannot be.
    pub(crate) fn invalid(field: &str, value: &str, why: &str) -> Self {
        // Compute Engine shows no more of a long value either.
        let value: String = value.chars().take(100).collect();
        Self::new(400, "invalid", format!("Invalid value for field '{field}': '{value}'. {why}"))
    }

    pub(crate) fn required(field: &str) -> Self {
        Self::new(400, "required", format!("Required field '{field}' not specified"))
    }

    pub(crate) fn malformed_url(field: &str, value: &str) -> Self {
        Self::invalid(field, value, "The URL is malformed.")
    }

    /// A combination that cannot be.
    pub(crate) fn invalid_usage(why: &str) -> Self {
        Self::new(400, "invalidResourceUsage", format!("Invalid resource usage: '{why}'."))
    }

    /// A body that is not JSON, or has fields that there are not.
    pub(crate) fn payload(why: &str) -> Self {
        const FORM: Form = Form { rpc: Some("INVALID_ARGUMENT"), ..PLAIN };
        Self::new(400, "badRequest", format!("Invalid JSON payload received. {why}")).with(&FORM)
    }

    /// A resource, or a method, that there is not.
    pub(crate) fn not_found(resource: &str) -> Self {
        Self::new(404, "notFound", format!("The resource '{resource}' was not found"))
    }

    /// "The resource 'hostkeys/' of type 'Guest Attribute' was not found."
    pub(crate) fn no_guest_attribute(path: &str) -> Self {
        Self::new(404, "notFound", format!("The resource '{path}' of type 'Guest Attribute' was not found."))
    }

    pub(crate) fn no_method() -> Self {
        Self::new(404, "notFound", "The requested URL was not found on this server.")
    }

    pub(crate) fn already_exists(resource: &str) -> Self {
        Self::new(409, "alreadyExists", format!("The resource '{resource}' already exists"))
    }

    /// A change to a resource that another operation holds.
    pub(crate) fn not_ready(resource: &str) -> Self {
        Self::new(400, "resourceNotReady", format!("The resource '{resource}' is not ready"))
    }

    /// A fingerprint that is missing, or not the current one.
    pub(crate) fn condition_not_met(message: &str) -> Self {
        const FORM: Form = Form { location: Some(("If-Match", "header")), ..PLAIN };
        Self::new(412, "conditionNotMet", message).with(&FORM)
    }

    pub(crate) fn quota_exceeded(message: &str) -> Self {
        Self::new(403, "quotaExceeded", message)
    }

    /// Too many calls: <https://cloud.google.com/compute/api-quota>.
    pub(crate) fn rate_limit() -> Self {
        const FORM: Form = Form { domain: "usageLimits", ..PLAIN };
        Self::new(403, "rateLimitExceeded", "Rate Limit Exceeded").with(&FORM)
    }

    /// The other form of [`ApiError::rate_limit`].
    pub(crate) fn too_many_requests() -> Self {
        const FORM: Form =
            Form { rpc: Some("RESOURCE_EXHAUSTED"), info: Some("RATE_LIMIT_EXCEEDED"), ..PLAIN };
        let message = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service \
                       'compute.googleapis.com'.";
        Self::new(429, "rateLimitExceeded", message).with(&FORM)
    }

    /// A part of the cloud that does not answer.
    pub(crate) fn backend(scope: &str) -> Self {
        const FORM: Form = Form { rpc: Some("UNAVAILABLE"), ..PLAIN };
        let message =
            format!("Internal error. Please try again or contact Google Support. (Scope: '{scope}')");
        Self::new(503, "backendError", message).with(&FORM)
    }

    /// A call without credentials.
    pub(crate) fn no_credentials() -> Self {
        const FORM: Form = Form {
            location: Some(("Authorization", "header")),
            rpc: Some("UNAUTHENTICATED"),
            info: Some("CREDENTIALS_MISSING"),
            ..PLAIN
        };
        let message = "Request is missing required authentication credential. Expected OAuth 2 access \
                       token, login cookie or other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        Self::new(401, "required", message).with(&FORM)
    }

    /// A call with another token than the settings'.
    pub(crate) fn bad_credentials() -> Self {
        const FORM: Form =
            Form { location: Some(("Authorization", "header")), rpc: Some("UNAUTHENTICATED"), ..PLAIN };
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
                       cookie or other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        Self::new(401, "authError", message).with(&FORM)
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let ApiError { status, reason, message, form } = self;
        let mut first = json!({ "message": message, "domain": form.domain, "reason": reason });
        if let Some((location, kind)) = form.location {
            first["location"] = location.into();
            first["locationType"] = kind.into();
        }
        let mut error = json!({ "code": status, "message": message, "errors": [first] });
        if let Some(rpc) = form.rpc {
            error["status"] = rpc.into();
        }
        if let Some(reason) = form.info {
            error["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "googleapis.com",
                "metadata": { "service": "compute.googleapis.com" },
            }]);
        }
        json!({ "error": error })
    }
}
