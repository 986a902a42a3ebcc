//! Access tokens: where they are to be had, and whether they are good.

use super::{Answer, ApiError, Query};
use crate::Settings;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// The tokens that have been issued.
#[derive(Default)]
pub(super) struct Tokens {
    issued: Mutex<HashMap<String, SystemTime>>,
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Tokens {
    fn issue(&self, lifetime: Duration) -> (String, SystemTime) {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let token = format!("fake-access-token-{}", issued.len() + 1);
        let expires = SystemTime::now() + lifetime;
        issued.insert(token.clone(), expires);
        (token, expires)
    }

    /// Lets all tokens that have been issued be expired.
    pub(super) fn expire(&self) {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let before = SystemTime::now() - Duration::from_secs(1);
        issued.values_mut().for_each(|expires| *expires = before);
    }

    /// Whether an `Authorization` lets a call through.
    pub(super) fn check(&self, authorization: Option<&str>) -> Result<(), ApiError> {
        let given = authorization.ok_or_else(ApiError::no_token)?;
        let (scheme, token) = given.split_once(' ').ok_or_else(ApiError::bad_token)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(ApiError::bad_token());
        }
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let expires = *issued.get(token.trim()).ok_or_else(ApiError::bad_token)?;
        let now = SystemTime::now();
        if expires > now {
            return Ok(());
        }
        let show = |at| humantime::format_rfc3339_seconds(at).to_string();
        Err(ApiError::expired_token(&show(expires), &show(now)))
    }

    /// Client credentials:
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
    pub(super) fn client_credentials(
        &self,
        method: &str,
        tenant: &str,
        form: &Query,
        settings: &Settings,
    ) -> Answer {
        if method != "POST" {
            let why = format!("The endpoint only accepts POST requests. Received a {method} request.");
            return refusal(400, "invalid_request", 900_561, &why);
        }
        match check_client(tenant, form, settings) {
            Err(refusal) => refusal,
            Ok(()) => {
                let (token, _) = self.issue(settings.token_lifetime);
                let seconds = settings.token_lifetime.as_secs();
                Answer::ok(json!({
                    "token_type": "Bearer",
                    "expires_in": seconds,
                    "ext_expires_in": seconds,
                    "access_token": token,
                }))
            }
        }
    }

    /// The managed identity's:
    /// <https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.
    /// All numbers are strings there.
    pub(super) fn identity(&self, metadata: Option<&str>, query: &Query, settings: &Settings) -> Answer {
        let refused =
            |error: &str, why: &str| Answer::new(400, json!({ "error": error, "error_description": why }));
        if !metadata.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return refused("invalid_request", "Required metadata header not specified");
        }
        if query.text("api-version").is_none() {
            return refused("invalid_request", "Required api-version query parameter not specified");
        }
        let Some(resource) = query.text("resource") else {
            return refused("invalid_request", "Required query variable 'resource' is missing");
        };
        let known = |id: &str| id.eq_ignore_ascii_case(&settings.identity_client_id);
        if query.text("client_id").is_some_and(|id| !known(id)) {
            return refused("invalid_request", "Identity not found");
        }
        let (token, expires) = self.issue(settings.token_lifetime);
        let unix = |at: SystemTime| {
            at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
        };
        let seconds = settings.token_lifetime.as_secs().to_string();
        Answer::ok(json!({
            "access_token": token,
            "client_id": settings.identity_client_id,
            "expires_in": seconds,
            "expires_on": unix(expires),
            "ext_expires_in": seconds,
            "not_before": unix(SystemTime::now()),
            "resource": resource,
            "token_type": "Bearer",
        }))
    }
}

fn check_client(tenant: &str, form: &Query, settings: &Settings) -> Result<(), Answer> {
    let missing = |name: &str| {
        let why = format!("The request body must contain the following parameter: '{name}'.");
        refusal(400, "invalid_request", 900_144, &why)
    };
    if !tenant.eq_ignore_ascii_case(&settings.tenant) {
        let why = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing \
             into the correct cloud."
        );
        return Err(refusal(400, "invalid_request", 90_002, &why));
    }
    let grant = form.text("grant_type").ok_or_else(|| missing("grant_type"))?;
    if grant != "client_credentials" {
        let why = format!("The app requested an unsupported grant type '{grant}'.");
        return Err(refusal(400, "unsupported_grant_type", 70_003, &why));
    }
    let client = form.text("client_id").ok_or_else(|| missing("client_id"))?;
    if !client.eq_ignore_ascii_case(&settings.client_id) {
        let why =
            format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
        return Err(refusal(400, "unauthorized_client", 700_016, &why));
    }
    let scope = form.text("scope").ok_or_else(|| missing("scope"))?;
    if !scope.split(' ').any(|scope| scope.ends_with("/.default")) {
        let why = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must \
                           have a scope value with /.default suffixed to the resource identifier."
        );
        return Err(refusal(400, "invalid_scope", 1_002_012, &why));
    }
    if let Some(secret) = form.text("client_secret") {
        if secret == settings.client_secret {
            return Ok(());
        }
        let why = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client \
             secret value, not the client secret ID, for a secret added to app '{client}'."
        );
        return Err(refusal(401, "invalid_client", 7_000_215, &why));
    }
    let assertion = form.text("client_assertion").filter(|_| form.is("client_assertion_type", ASSERTION));
    match assertion {
        None => {
            let why = "The request body must contain the following parameter: 'client_assertion' or \
                       'client_secret'.";
            Err(refusal(401, "invalid_client", 7_000_218, why))
        }
        Some(given) if settings.client_assertion.as_deref().is_none_or(|good| good == given) => Ok(()),
        Some(_) => {
            let why = "The certificate with identifier used to sign the client assertion is not registered \
                       on application.";
            Err(refusal(401, "invalid_client", 700_027, why))
        }
    }
}

/// The shape that <https://github.com/OfficeDev/microsoft-365-agents-toolkit/issues/8621> shows.
fn refusal(status: u16, error: &str, code: u32, why: &str) -> Answer {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace('T', " ");
    let (trace, correlation) =
        ("00000000-0000-0000-0000-0000000000aa", "00000000-0000-0000-0000-0000000000bb");
    let description =
        format!("AADSTS{code}: {why} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}");
    let body: Value = json!({
        "error": error,
        "error_description": description,
        "error_codes": [code],
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    Answer::new(status, body)
}
