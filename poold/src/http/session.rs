//! The web page's log-in: a cookie in place of the token, so that no script and no address ever holds it.

use crate::{
    access::{Digest, Entry},
    job::Moment,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngExt as _;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The cookie's name.
pub(super) const COOKIE: &str = "poold_session";
/// Its name over TLS: browsers take it from this very host alone, and over TLS alone.
pub(super) const SECURE_COOKIE: &str = "__Host-poold_session";
/// How long a log-in lasts.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// Longer ones are none of ours.
const MAX_COOKIE: usize = 512;
/// Bytes of a token's digest by which one token is told from a later one of the same name.
const WHICH: usize = 8;

/// What a cookie says, signed.
#[derive(Serialize, Deserialize)]
struct Claims {
    name: String,
    which: [u8; WHICH],
    until: Moment,
}

/// Makes cookies and knows its own again. A restart ends all log-ins: the key is of this process alone.
pub(super) struct Sessions(hmac::Key);

impl Sessions {
    /// With a key of chance.
    pub(super) fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &rand::rng().random::<[u8; 32]>()))
    }

    /// The value of the cookie of somebody who has shown a token.
    pub(super) fn cookie(&self, entry: &Entry, now: Moment) -> String {
        let until = Moment(now.0.saturating_add(u64::try_from(LASTS.as_millis()).unwrap_or(u64::MAX)));
        let claims = Claims { name: entry.name.clone(), which: which(&entry.digest), until };
        let claims = serde_json::to_vec(&claims).unwrap_or_else(|_| unreachable!("it has only text keys"));
        let signature = hmac::sign(&self.0, &claims);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&claims), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Whose cookie it is, of those who have tokens now; none: nobody's any longer, or forged.
    pub(super) fn whose<'a>(&self, cookie: &str, entries: &'a [Entry], now: Moment) -> Option<&'a Entry> {
        if cookie.len() > MAX_COOKIE {
            return None;
        }
        let (claims, signature) = cookie.split_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // In constant time.
        hmac::verify(&self.0, &claims, &signature).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let of = |entry: &&Entry| entry.name == claims.name && which(&entry.digest) == claims.which;
        entries.iter().find(of).filter(|entry| claims.until > now && !entry.is_expired(now))
    }
}

fn which(digest: &Digest) -> [u8; WHICH] {
    let mut which = [0; WHICH];
    which.copy_from_slice(&digest.as_bytes()[..WHICH]);
    which
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{self, Role};

    #[test]
    fn a_cookie_counts_until_it_or_its_token_is_over() {
        let sessions = Sessions::new();
        let (mut entries, now) = (Vec::new(), Moment(1_000_000));
        access::create(&mut entries, "alice", Role::Submit, now, None).unwrap();
        access::create(&mut entries, "bob", Role::Admin, now, Some(Moment(now.0 + 5))).unwrap();
        let cookies: Vec<String> = entries.iter().map(|entry| sessions.cookie(entry, now)).collect();
        let whose = |cookie: &str, entries: &[Entry], now| {
            sessions.whose(cookie, entries, now).map(|entry| (entry.name.clone(), entry.role))
        };
        assert_eq!(whose(&cookies[0], &entries, now), Some(("alice".to_owned(), Role::Submit)));
        assert_eq!(whose(&cookies[1], &entries, now), Some(("bob".to_owned(), Role::Admin)));
        assert_eq!(whose(&cookies[1], &entries, Moment(now.0 + 5)), None, "the token has expired");
        let later = Moment(now.0 + LASTS.as_millis() as u64);
        assert_eq!(whose(&cookies[0], &entries, later), None);
        let swapped =
            format!("{}.{}", cookies[1].split('.').next().unwrap(), cookies[0].split('.').nth(1).unwrap());
        for forged in ["", ".", "e30.", &swapped, &cookies[0][1..], &"x".repeat(600)] {
            assert_eq!(whose(forged, &entries, now), None, "{forged}");
        }
        assert!(Sessions::new().whose(&cookies[0], &entries, now).is_none(), "of another process");
        access::revoke(&mut entries, "alice").unwrap();
        assert_eq!(whose(&cookies[0], &entries, now), None);
        access::create(&mut entries, "alice", Role::Admin, now, None).unwrap();
        assert_eq!(whose(&cookies[0], &entries, now), None, "another token of the same name");
    }
}
