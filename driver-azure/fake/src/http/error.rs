//! Errors in the provider's shape.

use serde_json::{Value, json};

/// Why a call is refused, in the shape of
/// <https://learn.microsoft.com/en-us/azure/azure-resource-manager/troubleshooting/overview>.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub(crate) struct ApiError {
    status: u16,
    code: String,
    message: String,
    target: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        ApiError { status, code: code.into(), message: message.into(), target: None, headers: Vec::new() }
    }

    /// What in the request it is about.
    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = Some(target.into());
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn into_headers(self) -> Vec<(&'static str, String)> {
        self.headers
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(target) = &self.target {
            error["target"] = target.as_str().into();
        }
        json!({ "error": error })
    }

    /// A parameter with a value that cannot be: `InvalidParameter`, with the parameter as the target.
    pub(crate) fn invalid(target: &str, message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameter", message).target(target)
    }

    pub(crate) fn required(target: &str) -> Self {
        Self::invalid(target, format!("Required parameter '{target}' is missing (null)."))
    }

    /// A body that is not JSON, or has other members than it may.
    pub(crate) fn content(why: &str) -> Self {
        let message = format!("The request content was invalid and could not be deserialized: '{why}'.");
        Self::new(400, "InvalidRequestContent", message)
    }

    /// As <https://github.com/Azure/azure-powershell/issues/7621> has it.
    pub(crate) fn change_not_allowed(property: &str) -> Self {
        let message = format!("Changing property '{property}' is not allowed.");
        Self::new(409, "PropertyChangeNotAllowed", message).target(property)
    }

    pub(crate) fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(409, "OperationNotAllowed", message)
    }

    /// As <https://github.com/cloud-barista/cb-spider/issues/342> has it.
    pub(crate) fn marked_for_deletion(operation: &str, machine: &str) -> Self {
        Self::not_allowed(format!(
            "Operation '{operation}' is not allowed on VM '{machine}' since the VM is marked for deletion. \
             You can only retry the Delete operation (or wait for an ongoing one to complete)."
        ))
    }

    /// <https://learn.microsoft.com/en-us/azure/azure-resource-manager/troubleshooting/error-not-found>.
    pub(crate) fn resource_not_found(resource_type: &str, name: &str, group: &str) -> Self {
        let message = format!(
            "The Resource '{resource_type}/{name}' under resource group '{group}' was not found. For more \
             details please go to https://aka.ms/ARMResourceNotFoundFix"
        );
        Self::new(404, "ResourceNotFound", message)
    }

    pub(crate) fn group_not_found(group: &str) -> Self {
        Self::new(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
    }

    pub(crate) fn subscription_not_found(subscription: &str) -> Self {
        let message = format!("The subscription '{subscription}' could not be found.");
        Self::new(404, "SubscriptionNotFound", message)
    }

    /// A resource that a body speaks of and that there is not.
    pub(crate) fn reference(resource: &str, by: &str) -> Self {
        let message = format!(
            "Resource {resource} referenced by resource {by} was not found. Please make sure that the \
             referenced resource exists, and that both resources are in the same region."
        );
        Self::new(400, "InvalidResourceReference", message)
    }

    pub(crate) fn no_route() -> Self {
        Self::new(404, "NotFound", "The requested resource does not exist.")
    }

    pub(crate) fn no_method(method: &str) -> Self {
        let message = format!("The HTTP method '{method}' is not supported for this resource.");
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(crate) fn no_namespace(namespace: &str) -> Self {
        let message = format!("The resource namespace '{namespace}' is invalid.");
        Self::new(404, "InvalidResourceNamespace", message)
    }

    pub(crate) fn no_type(namespace: &str, resource_type: &str, version: &str) -> Self {
        let message = format!(
            "The resource type '{resource_type}' could not be found in the namespace '{namespace}' for api \
             version '{version}'."
        );
        Self::new(404, "InvalidResourceType", message)
    }

    pub(crate) fn no_version() -> Self {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        Self::new(400, "MissingApiVersionParameter", message)
    }

    /// As <https://github.com/Azure/azure-cli/issues/28496> has it.
    pub(crate) fn unknown_version(location: &str, version: &str, of: &str, known: &[String]) -> Self {
        let message = format!(
            "No registered resource provider found for location '{location}' and API version '{version}' for \
             type '{of}'. The supported api-versions are '{}'. The supported locations are '{location}'.",
            known.join(", ")
        );
        Self::new(400, "NoRegisteredProviderFound", message)
    }

    /// A call without a token.
    pub(crate) fn no_token() -> Self {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        Self::new(401, "AuthenticationFailed", message).challenge()
    }

    /// A token that has not been issued.
    pub(crate) fn bad_token() -> Self {
        Self::new(401, "InvalidAuthenticationToken", "The access token is invalid.").challenge()
    }

    /// As <https://github.com/hashicorp/terraform-provider-azurerm/issues/20867> has it.
    pub(crate) fn expired_token(expired: &str, now: &str) -> Self {
        let message =
            format!("The access token expiry UTC time '{expired}' is earlier than current UTC time '{now}'.");
        Self::new(401, "ExpiredAuthenticationToken", message).challenge()
    }

    fn challenge(self) -> Self {
        let challenge = "Bearer authorization_uri=\"https://login.windows.net/\", error=\"invalid_token\", \
             error_description=\"The authentication failed because of missing or invalid access token.\"";
        self.header("www-authenticate", challenge)
    }

    /// <https://learn.microsoft.com/en-us/troubleshoot/azure/virtual-machines/troubleshooting-throttling-errors>.
    pub(crate) fn too_many_requests(seconds: u64) -> Self {
        let message = "The server rejected the request because too many requests have been received for this \
                       subscription.";
        Self::new(429, "TooManyRequests", message)
            .header("retry-after", seconds.to_string())
            .header("x-ms-ratelimit-remaining-resource", "Microsoft.Compute/VMServiceRequests3Min;0")
    }

    /// <https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/request-limits-and-throttling>.
    pub(crate) fn subscription_throttled(seconds: u64) -> Self {
        let message = format!(
            "Number of requests exceeded the limit for the subscription. Please try again after '{seconds}' \
             seconds."
        );
        Self::new(429, "SubscriptionRequestsThrottled", message)
            .header("retry-after", seconds.to_string())
            .header("x-ms-ratelimit-remaining-subscription-reads", "0")
            .header("x-ms-ratelimit-remaining-subscription-writes", "0")
            .header("x-ms-ratelimit-remaining-subscription-deletes", "0")
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "InternalServerError", "An internal error occurred.")
    }

    pub(crate) fn unavailable(seconds: u64) -> Self {
        let message = "The service is temporarily unavailable. Please try again later.";
        Self::new(503, "ServiceUnavailable", message).header("retry-after", seconds.to_string())
    }

    pub(crate) fn forbidden(client: &str, scope: &str) -> Self {
        let message = format!(
            "The client '{client}' with object id '{client}' does not have authorization to perform this \
             action over scope '{scope}' or the scope is invalid. If access was recently granted, please \
             refresh your credentials."
        );
        Self::new(403, "AuthorizationFailed", message)
    }

    /// An `If-Match` or `If-None-Match` that does not hold.
    pub(crate) fn precondition() -> Self {
        let message = "The precondition given in one of the request headers evaluated to false.";
        Self::new(412, "PreconditionFailed", message)
    }
}
