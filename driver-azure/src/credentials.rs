//! Access tokens: as whom the driver calls.
//!
//! The SDK's own crate for them, `azure_identity` 0.21, is not used. Its managed identity is always the system's, at an
//! address that no test can replace; it signs with certificates by OpenSSL alone; its errors carry whole answers to a request
//! for a token (`oauth2::RequestTokenError::Parse`, `HttpError`); and its cache renews a token only 20 s before its end, when
//! an authority that does not answer for a while is a pool that makes no call. What is needed of it is one request.

mod answer;
mod certificate;
mod identity;
#[cfg(test)]
mod testing;
mod token_error;

pub(crate) use identity::METADATA_SERVER;
pub(crate) use token_error::TokenError;

use crate::config::AzureConfig;
use async_trait::async_trait;
use azure_core::{
    HttpClient,
    auth::{AccessToken, TokenCredential},
    error::ErrorKind,
};
use identity::Identity;
use pool_api::DriverConfigError;
use std::{
    cmp,
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{sync::Mutex, time};

/// How long before its end a token is renewed, as Microsoft's own libraries do. Of one that lasts for less than twice as
/// long, half of its life is enough: it is not to be asked for with each call.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// How long a renewal is waited for, and how long the next one is waited with: calls can be made with the token at hand.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(5);
const RENEW_AGAIN: Duration = Duration::from_secs(30);

/// What calls are made with. Makes no call.
///
/// What a failed [`get_token`](TokenCredential::get_token) gives can be downcast to a [`TokenError`].
///
/// # Errors
/// [`DriverConfigError`] when the certificate cannot be used, or the authority is no URL.
pub(crate) fn credential(
    config: &AzureConfig,
    http: Arc<dyn HttpClient>,
) -> Result<Arc<dyn TokenCredential>, DriverConfigError> {
    let identity = Identity::new(config)?;
    Ok(Arc::new(Credential { identity, http, held: Mutex::default() }))
}

/// An identity and its current token. `Debug` shows no secret.
#[derive(Debug)]
struct Credential {
    identity: Identity,
    http: Arc<dyn HttpClient>,
    /// Locked while a token is fetched: whoever else needs one waits for it.
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    token: AccessToken,
    /// What it is for.
    scope: String,
    ends: SystemTime,
    renew: SystemTime,
}

impl Credential {
    /// The token for a scope: the one at hand, or a new one. A failure is not kept.
    async fn token(&self, scope: &str, now: SystemTime) -> Result<AccessToken, TokenError> {
        let mut held = self.held.lock().await;
        if let Some(good) = held.as_mut().filter(|held| held.scope == scope && now < held.ends) {
            if now >= good.renew {
                self.renew(good, now).await;
            }
            return Ok(good.token.clone());
        }
        let fresh = self.fetch(scope, now).await?;
        Ok(held.insert(fresh).token.clone())
    }

    /// Replaces a token that is still good, if that can be done.
    async fn renew(&self, good: &mut Held, now: SystemTime) {
        // Before the call, so that it counts also for a caller that goes away in the middle of it.
        good.renew = cmp::min(now + RENEW_AGAIN, good.ends);
        let problem = "the access token could not be renewed; the one at hand is used until it ends";
        match time::timeout(RENEWAL_PATIENCE, self.fetch(&good.scope, now)).await {
            Ok(Ok(fresh)) => *good = fresh,
            Ok(Err(error)) => tracing::warn!(error = &error as &dyn Error, "{problem}"),
            Err(elapsed) => tracing::warn!(error = &elapsed as &dyn Error, "{problem}"),
        }
    }

    async fn fetch(&self, scope: &str, now: SystemTime) -> Result<Held, TokenError> {
        let asked = self.identity.ask(scope, now)?;
        let answered = self.http.execute_request(&asked.request).await;
        let granted = answer::read(answered, &asked, now).await?;
        let ends = now + granted.lasts;
        Ok(Held {
            token: AccessToken::new(granted.token, ends.into()),
            scope: scope.to_owned(),
            ends,
            renew: ends - cmp::min(RENEW_BEFORE, granted.lasts / 2),
        })
    }
}

#[async_trait]
impl TokenCredential for Credential {
    async fn get_token(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let token = self.token(&scopes.join(" "), SystemTime::now()).await;
        token.map_err(|error| azure_core::Error::new(ErrorKind::Credential, error))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        *self.held.lock().await = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        testing::{Reply, Script, config, secret_config},
        *,
    };
    use crate::config::AzureCredentials;
    use std::time::UNIX_EPOCH;

    const SCOPE: &str = "https://management.azure.com/.default";
    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    fn with(script: &Arc<Script>) -> Credential {
        let identity = Identity::new(&secret_config()).unwrap();
        Credential { identity, http: script.clone(), held: Mutex::default() }
    }

    async fn token_after(credential: &Credential, passed: Duration) -> Result<String, TokenError> {
        let token = credential.token(SCOPE, now() + passed).await?;
        Ok(token.token.secret().to_owned())
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_its_end() {
        let script = Script::new([Reply::token("first", HOUR), Reply::token("second", HOUR)]);
        let credential = with(&script);
        let token = credential.token(SCOPE, now()).await.unwrap();
        assert_eq!(token.token.secret(), "first");
        assert_eq!(token.expires_on, now() + HOUR);
        assert_eq!(token_after(&credential, minutes(54)).await.unwrap(), "first");
        assert_eq!(script.requests().len(), 1);
        assert_eq!(token_after(&credential, minutes(55)).await.unwrap(), "second");
        assert_eq!(token_after(&credential, minutes(100)).await.unwrap(), "second");
        assert_eq!(script.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_token_with_a_short_life_is_not_asked_for_with_each_call() {
        let script =
            Script::new([Reply::token("first", minutes(2)), Reply::token("second", Duration::from_secs(0))]);
        let credential = with(&script);
        for (seconds, expected) in [(0, "first"), (59, "first"), (60, "second")] {
            assert_eq!(token_after(&credential, Duration::from_secs(seconds)).await.unwrap(), expected);
        }
        // It has ended when it comes: it is handed out, for clocks differ, and not kept.
        token_after(&credential, minutes(1)).await.unwrap_err();
        assert_eq!(script.requests().len(), 3);
    }

    #[tokio::test]
    async fn callers_at_the_same_time_fetch_once() {
        let script = Script::new([Reply::token("first", HOUR)]);
        let credential = with(&script);
        let calls = (0..8).map(|_| token_after(&credential, Duration::ZERO));
        for token in futures_util::future::join_all(calls).await {
            assert_eq!(token.unwrap(), "first");
        }
        assert_eq!(script.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let refusal = r#"{"error":"invalid_client","error_description":"AADSTS7000222: keys are expired."}"#;
        let script = Script::new([
            Reply::json(401, refusal),
            Reply::json(200, "<html>"),
            Reply::Silence,
            Reply::token("first", HOUR),
        ]);
        let credential = with(&script);
        let mut passes = Vec::new();
        for _ in 0..3 {
            passes.push(token_after(&credential, Duration::ZERO).await.unwrap_err().passes());
        }
        assert_eq!(passes, [false, true, true]);
        assert_eq!(token_after(&credential, Duration::ZERO).await.unwrap(), "first");
        assert_eq!(script.requests().len(), 4);
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_renewed_is_used_until_it_ends() {
        let script =
            Script::new([Reply::token("first", HOUR), Reply::json(503, "{}"), Reply::json(503, "{}")]);
        let credential = with(&script);
        assert_eq!(token_after(&credential, Duration::ZERO).await.unwrap(), "first");
        assert_eq!(token_after(&credential, minutes(56)).await.unwrap(), "first");
        assert_eq!(
            token_after(&credential, minutes(56) + Duration::from_secs(29)).await.unwrap(),
            "first",
            "it is not tried again at once"
        );
        assert_eq!(script.requests().len(), 2);
        let error = token_after(&credential, HOUR).await.unwrap_err();
        assert!(matches!(error, TokenError::Unavailable { status: 503, .. }), "{error:?}");
        assert_eq!(script.requests().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_is_not_answered_holds_nobody_up_for_long() {
        let script = Script::new([Reply::token("first", HOUR), Reply::Hang]);
        let credential = with(&script);
        assert_eq!(token_after(&credential, Duration::ZERO).await.unwrap(), "first");
        let started = time::Instant::now();
        let calls = (0..8).map(|_| token_after(&credential, minutes(56)));
        for token in futures_util::future::join_all(calls).await {
            assert_eq!(token.unwrap(), "first");
        }
        assert_eq!(started.elapsed(), RENEWAL_PATIENCE);
        assert_eq!(script.requests().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_leaves_nothing_locked() {
        let script = Script::new([Reply::Hang, Reply::token("first", HOUR)]);
        let credential = with(&script);
        let call = token_after(&credential, Duration::ZERO);
        time::timeout(Duration::from_secs(1), call).await.unwrap_err();
        assert_eq!(token_after(&credential, Duration::ZERO).await.unwrap(), "first");
    }

    #[tokio::test]
    async fn a_token_for_one_scope_is_not_given_for_another() {
        let script = Script::new([Reply::token("first", HOUR), Reply::token("second", HOUR)]);
        let credential = with(&script);
        assert_eq!(token_after(&credential, Duration::ZERO).await.unwrap(), "first");
        let other = credential.token("https://vault.azure.net/.default", now()).await.unwrap();
        assert_eq!(other.token.secret(), "second");
    }

    #[tokio::test]
    async fn what_the_sdk_calls_gives_typed_errors_and_forgets_when_told_to() {
        let script = Script::new([
            Reply::token("first", HOUR),
            Reply::token("second", HOUR),
            Reply::json(400, r#"{"error":"invalid_request"}"#),
        ]);
        let credential = credential(&secret_config(), script.clone()).unwrap();
        for expected in ["first", "first"] {
            assert_eq!(credential.get_token(&[SCOPE]).await.unwrap().token.secret(), expected);
        }
        credential.clear_cache().await.unwrap();
        assert_eq!(credential.get_token(&[SCOPE]).await.unwrap().token.secret(), "second");
        credential.clear_cache().await.unwrap();
        let error = credential.get_token(&[SCOPE]).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Credential);
        let source = error.downcast_ref::<TokenError>();
        assert!(matches!(source, Some(TokenError::Refused { status: 400, .. })), "{source:?}");
    }

    #[tokio::test]
    async fn debug_shows_no_secret() {
        let script = Script::new([Reply::token("the-token", HOUR)]);
        let credential = with(&script);
        token_after(&credential, Duration::ZERO).await.unwrap();
        let shown = format!("{credential:?}");
        assert!(shown.contains("Held") && shown.contains(testing::CLIENT), "{shown}");
        assert!(!shown.contains(testing::SECRET) && !shown.contains("the-token"), "{shown}");

        let with_certificate = config(AzureCredentials::ClientCertificate {
            tenant_id: testing::TENANT.into(),
            client_id: testing::CLIENT.into(),
            certificate_file: testing::principal(),
        });
        let identity = Identity::new(&with_certificate).unwrap();
        let shown = format!("{identity:?}");
        // The key's public half, and nothing as long as a private one.
        assert!(shown.contains("thumbprint") && shown.len() < 2000, "{shown}");
    }
}
