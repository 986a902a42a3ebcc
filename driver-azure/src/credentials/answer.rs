//! What is answered to a request for a token.

use super::{TokenError, identity::Asked};
use crate::wire::{self, WireError};
use azure_core::{Response, auth::Secret, error::ErrorKind};
use pool_api::one_line;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No token is used for longer. The longest are a managed identity's, 24 hours; and a time that is far off does not
/// overflow anything.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A token, from now on.
pub(super) struct Granted {
    pub(super) token: Secret,
    pub(super) lasts: Duration,
}

/// Both <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#successful-response-1> and
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#get-a-token-using-http>,
/// where the numbers are texts.
#[derive(Deserialize)]
struct Success {
    access_token: Secret,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
}

/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#error-response-1>.
#[derive(Default, Deserialize)]
struct Failure {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The token in an answer.
pub(super) async fn read(
    answered: azure_core::Result<Response>,
    asked: &Asked,
    now: SystemTime,
) -> Result<Granted, TokenError> {
    let no_answer = |source| TokenError::NoAnswer { source };
    let response = answered.map_err(|error| failed(error, asked))?;
    let (status, headers, body) = response.deconstruct();
    let body = body.collect().await.map_err(no_answer)?;
    if !status.is_success() {
        let refusal = Refusal::parse(u16::from(status), &body, wire::seconds(&headers, "retry-after"));
        return Err(refusal.read(asked));
    }
    success(&body, now).map_err(|problem| TokenError::BadAnswer { problem })
}

/// What the HTTP client says. An error that is an answer is not kept: it shows the whole of it.
fn failed(error: azure_core::Error, asked: &Asked) -> TokenError {
    let refusal = match error.downcast_ref() {
        Some(WireError::NoCode { text, status, retry_after }) => {
            Refusal::parse(*status, text.as_bytes(), *retry_after)
        }
        Some(WireError::Answered { code, message, status, retry_after }) => Refusal {
            status: *status,
            code: code.clone(),
            description: message.clone(),
            retry_after: *retry_after,
        },
        Some(_) => return TokenError::NoAnswer { source: error },
        None => match (error.as_http_error(), error.kind()) {
            (Some(http), _) => Refusal::parse(u16::from(http.status()), b"", None),
            (None, ErrorKind::HttpResponse { status, .. }) => Refusal::parse(u16::from(*status), b"", None),
            (None, _) => return TokenError::NoAnswer { source: error },
        },
    };
    refusal.read(asked)
}

fn success(body: &[u8], now: SystemTime) -> Result<Granted, &'static str> {
    // What the parser says may quote the token.
    let success: Success = serde_json::from_slice(body).map_err(|_| "is not one of the documented form")?;
    let token = success.access_token;
    if token.secret().is_empty() || !token.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a token that cannot be sent in a header");
    }
    // The time first: the seconds of a managed identity's token count from when it was issued, and the metadata service
    // keeps tokens for hours.
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = |end: Duration| end.saturating_sub(since_epoch);
    let lasts = seconds(&success.expires_on).map(until).or_else(|| seconds(&success.expires_in));
    let lasts = lasts.ok_or("does not say when the token ends")?.min(LONGEST);
    Ok(Granted { token, lasts })
}

fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(number))
}

/// An answer that has no token.
struct Refusal {
    status: u16,
    code: String,
    description: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn parse(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let Failure { error: code, error_description: description } =
            serde_json::from_slice(body).unwrap_or_default();
        Self { status, code, description, retry_after }
    }

    fn read(self, asked: &Asked) -> TokenError {
        let Self { status, code, description, retry_after } = self;
        let code = shown(&code, asked.proof.as_ref(), "no code");
        let description = shown(&description, asked.proof.as_ref(), "no description");
        if passes(status, &code, asked.of_machine) {
            TokenError::Unavailable { status, code, description, retry_after }
        } else {
            TokenError::Refused { status, code, description }
        }
    }
}

fn passes(status: u16, code: &str, of_machine: bool) -> bool {
    match status {
        // https://learn.microsoft.com/entra/identity-platform/reference-error-codes#handling-error-codes-in-your-application
        408 | 429 => true,
        // "IMDS endpoint is updating" and "is going through updates":
        // https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
        404 | 410 => of_machine,
        400..500 => code == "temporarily_unavailable",
        _ => true,
    }
}

/// A server's text, in one line.
fn shown(text: &str, proof: Option<&SecretString>, instead: &str) -> String {
    let line = one_line(text);
    if line.is_empty() {
        return instead.to_owned();
    }
    // None that is known repeats what it was sent; a proxy in between might.
    match proof {
        Some(proof) if text.contains(proof.expose_secret()) => "not shown: it repeats a secret".to_owned(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            identity::Identity,
            testing::{Reply, SECRET, config, secret_config},
        },
        *,
    };
    use crate::config::AzureCredentials;
    use azure_core::{
        error::HttpError,
        headers::{Headers, RETRY_AFTER},
    };

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn asked(of_machine: bool) -> Asked {
        let config = if of_machine { config(AzureCredentials::ManagedIdentity) } else { secret_config() };
        Identity::new(&config).unwrap().ask("scope", now()).unwrap()
    }

    async fn lasts(body: &str) -> Result<u64, TokenError> {
        let granted = read(Reply::json(200, body).answer().await, &asked(false), now()).await?;
        assert_eq!(granted.token.secret(), "t");
        Ok(granted.lasts.as_secs())
    }

    async fn refused(status: u16, body: &str, of_machine: bool) -> TokenError {
        read(Reply::json(status, body).answer().await, &asked(of_machine), now()).await.err().unwrap()
    }

    #[tokio::test]
    async fn times_are_numbers_or_texts() {
        let day = LONGEST.as_secs();
        for (body, expected) in [
            (r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"t"}"#, 3599),
            (r#"{"access_token":"t","expires_in":"3599","expires_on":"1700000060"}"#, 60),
            (r#"{"access_token":"t","expires_on":1700000060,"not_before":"1"}"#, 60),
            (r#"{"access_token":"t","expires_in":"3599","expires_on":"soon"}"#, 3599),
            (r#"{"access_token":"t","expires_on":"1600000000"}"#, 0),
            (r#"{"access_token":"t","expires_in":18446744073709551615}"#, day),
            (r#"{"access_token":"t","expires_on":"18446744073709551615"}"#, day),
        ] {
            assert_eq!(lasts(body).await.unwrap(), expected, "{body}");
        }
    }

    #[tokio::test]
    async fn a_garbled_answer_is_not_quoted() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"access_token":"hush"}"#,
            r#"{"access_token":"","expires_in":1}"#,
            r#"{"access_token":"hush hush","expires_in":1}"#,
            r#"{"access_token":"hush\r\nx: y","expires_in":1}"#,
            r#"{"access_token":["hush"],"expires_in":1}"#,
            r#"{"access_token":"hush","expires_in":-1}"#,
            r#"{"access_token":"hush","expires_in":1"#,
        ] {
            let error = lasts(body).await.unwrap_err();
            assert!(matches!(error, TokenError::BadAnswer { .. }), "{body}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{body}: {error:?}");
            assert!(error.passes());
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_from_what_passes() {
        for (status, code, passes, of_machines) in [
            (400, "invalid_request", false, false),
            (400, "temporarily_unavailable", true, true),
            (401, "invalid_client", false, false),
            (403, "", false, false),
            (404, "", false, true),
            (408, "", true, true),
            (410, "", false, true),
            (429, "", true, true),
            (500, "server_error", true, true),
            (503, "", true, true),
            (302, "", true, true),
        ] {
            let body = format!(r#"{{"error":"{code}","error_description":"Why."}}"#);
            assert_eq!(refused(status, &body, false).await.passes(), passes, "{status} {code}");
            assert_eq!(refused(status, &body, true).await.passes(), of_machines, "{status} {code}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_in_one_line_and_not_too_long() {
        let long = "x".repeat(10_000);
        let body = format!(
            r#"{{"error":"invalid_client","error_description":"AADSTS7000215: No.\r\nTrace: {long}"}}"#
        );
        let error = refused(401, &body, false).await;
        let text = error.to_string();
        assert!(text.starts_with("an access token was refused: AADSTS7000215: No. Trace: xxx"), "{text}");
        assert!(text.ends_with("(invalid_client, HTTP 401)"), "{text}");
        assert!(text.len() < 2200 && !text.contains('\n'), "{text}");
        assert_eq!(
            refused(403, "<html>", false).await.to_string(),
            "an access token was refused: no description (no code, HTTP 403)"
        );
    }

    #[tokio::test]
    async fn a_secret_that_comes_back_is_not_shown() {
        let body = format!(r#"{{"error":"{SECRET}","error_description":"Bad: {SECRET}."}}"#);
        for status in [401, 500] {
            let error = refused(status, &body, false).await;
            assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        }
    }

    #[tokio::test]
    async fn how_long_to_wait_is_read() {
        let mut headers = Headers::default();
        headers.insert(RETRY_AFTER, "17");
        let answer = Reply::json(429, "{}").with(headers).answer().await;
        let error = read(answer, &asked(false), now()).await.err().unwrap();
        let TokenError::Unavailable { status: 429, retry_after, .. } = error else { panic!("{error:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(17)));
    }

    #[tokio::test]
    async fn an_answer_may_come_as_an_error() {
        for (status, passes) in [(401, false), (503, true)] {
            let response = Reply::json(status, "hush").answer().await.unwrap();
            let kind = ErrorKind::http_response(response.status(), None);
            let bare = kind.clone().into_error();
            let whole = azure_core::Error::new(kind, HttpError::new(response).await);
            for error in [bare, whole] {
                let error = read(Err(error), &asked(false), now()).await.err().unwrap();
                assert_eq!(error.passes(), passes, "{error:?}");
                assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_may_come_as_the_wires_error() {
        let wrapped = |error: WireError| azure_core::Error::new(ErrorKind::Io, error);
        let text = r#"{"error":"invalid_client","error_description":"AADSTS7000222: keys are expired."}"#;
        let retry_after = Some(Duration::from_secs(17));
        let refused = WireError::NoCode { text: text.into(), status: 401, retry_after: None };
        let error = read(Err(wrapped(refused)), &asked(false), now()).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "an access token was refused: AADSTS7000222: keys are expired. (invalid_client, HTTP 401)"
        );
        let throttled = WireError::Answered {
            code: "TooMany".into(),
            message: format!("Slow down, {SECRET}."),
            status: 429,
            retry_after,
        };
        let error = read(Err(wrapped(throttled)), &asked(false), now()).await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        let TokenError::Unavailable { retry_after: told, .. } = error else { panic!("{error:?}") };
        assert_eq!(told, retry_after);
        let late = wrapped(WireError::TimedOut(Duration::from_secs(30)));
        let error = read(Err(late), &asked(false), now()).await.err().unwrap();
        assert!(matches!(error, TokenError::NoAnswer { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_may_not_come_or_be_cut_short() {
        for reply in [Reply::Silence, Reply::CutShort] {
            let error = read(reply.answer().await, &asked(false), now()).await.err().unwrap();
            assert!(matches!(error, TokenError::NoAnswer { .. }) && error.passes(), "{error:?}");
        }
    }
}
