//! All that is needed to tell who asks.

use super::{
    answer::Refusal,
    caller::{Caller, Stranger},
    carrier::Peer,
    limits::Limits,
    session::{self, Sessions},
    source,
};
use crate::{
    access::{Digest, Entry, Role, SOCKET_NAME, Tokens},
    config::ApiConfig,
    job::Moment,
};
use axum::http::{
    HeaderMap, Method, Uri,
    header::{AUTHORIZATION, COOKIE, ORIGIN},
};
use std::{path::Path, sync::Arc};

/// Tokens, log-ins and limits.
pub(crate) struct Gate {
    tokens: Tokens,
    pub(super) sessions: Sessions,
    pub(super) limits: Limits,
    hosts: Vec<String>,
    /// Browsers send the cookie over TLS alone.
    pub(super) secure_cookies: bool,
    socket_name: Arc<str>,
}

impl Gate {
    /// With the tokens of a state directory.
    pub(crate) fn new(state_dir: &Path, config: &ApiConfig) -> Self {
        Self {
            tokens: Tokens::of(state_dir),
            sessions: Sessions::new(),
            limits: Limits::new(config.max_requests_per_second),
            hosts: config.hosts.clone(),
            secure_cookies: config.behind_proxy || config.tls_certificate.is_some(),
            socket_name: SOCKET_NAME.into(),
        }
    }

    /// Who can open the socket may do everything.
    pub(super) fn socket_caller(&self) -> Caller {
        Caller { name: Arc::clone(&self.socket_name), role: Role::Admin, digest: None }
    }

    /// Refuses names that are not ours, and pages of others.
    pub(super) fn check_source(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = source::host(uri, headers);
        source::check_host(host.as_ref(), &self.hosts)?;
        source::check_origin(headers, host.as_ref(), self.secure_cookies)
    }

    /// Who asks: by token, or by the page's cookie. What changes something and comes with a cookie must name its origin,
    /// which was checked before: another page's form could send it too.
    pub(super) fn caller(&self, method: &Method, headers: &HeaderMap) -> Result<Caller, Stranger> {
        if let Some(authorization) = headers.get(AUTHORIZATION) {
            let (scheme, token) = split_scheme(authorization.as_bytes()).ok_or(Stranger::WrongToken)?;
            if !scheme.eq_ignore_ascii_case(b"bearer") {
                return Err(Stranger::WrongToken);
            }
            return self.by_token(token, caller).ok_or(Stranger::WrongToken);
        }
        let mut cookies = cookies(headers).peekable();
        if cookies.peek().is_none() {
            return Err(Stranger::Silent);
        }
        if !method.is_safe() && !headers.contains_key(ORIGIN) {
            return Err(Stranger::WrongSession);
        }
        let entries = self.tokens.counting();
        // A page of another port of the same host may have set one of its own.
        let found = cookies.find_map(|cookie| self.sessions.whose(cookie, &entries, Moment::now()));
        found.map(caller).ok_or(Stranger::WrongSession)
    }

    /// What is made of who has this token; none: nobody has. It takes the same time for each wrong token.
    pub(super) fn by_token<T>(&self, token: &[u8], then: impl FnOnce(&Entry) -> T) -> Option<T> {
        let (digest, now) = (Digest::of(token), Moment::now());
        let entries = self.tokens.counting();
        let mut found = None;
        for entry in entries.iter() {
            if entry.digest.is(&digest) && !entry.is_expired(now) {
                found = Some(entry);
            }
        }
        found.map(then)
    }

    /// Whether the token that a caller has shown still counts.
    pub(super) fn knows(&self, caller: &Caller) -> bool {
        let (Some(digest), now) = (&caller.digest, Moment::now()) else { return true };
        let counts =
            |entry: &Entry| entry.digest.is(digest) && entry.role == caller.role && !entry.is_expired(now);
        self.tokens.counting().iter().any(counts)
    }

    /// What somebody is who has shown a token that is none.
    pub(super) fn wrong_token(&self, peer: Option<Peer>) -> Stranger {
        let Some(Peer::Network(address)) = peer else { return Stranger::WrongToken };
        tracing::debug!(%address, "a token that does not count");
        self.limits.may_fail(address.ip()).map_or_else(Stranger::WrongTooOften, |()| Stranger::WrongToken)
    }
}

fn caller(entry: &Entry) -> Caller {
    Caller { name: entry.name.as_str().into(), role: entry.role, digest: Some(entry.digest) }
}

fn split_scheme(authorization: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = authorization.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = authorization.split_at(at);
    Some((scheme, rest.trim_ascii()))
}

/// The page's cookies, whatever their names begin with.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|all| all.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| [session::COOKIE, session::SECURE_COOKIE].contains(name)).map(|(_, value)| value)
}

/// The header that sets the page's cookie, or takes it away.
pub(super) fn set_cookie(value: Option<&str>, secure: bool) -> String {
    let (name, secure) = if secure { (session::SECURE_COOKIE, "; Secure") } else { (session::COOKIE, "") };
    let (value, age) = value.map_or(("", 0), |value| (value, session::LASTS.as_secs()));
    format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}")
}
