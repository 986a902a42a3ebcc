//! Who asks, and what they may.

use super::{answer::Refusal, carrier::Peer, gate::Gate};
use crate::{
    access::Role,
    api::{ErrorCode, ServiceError},
};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, header::RETRY_AFTER},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::{sync::Arc, time::Duration};

/// Who asks: among the extensions of each request whose sender is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
}

/// Why it is not known who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stranger {
    /// Nothing was said.
    Silent,
    /// No such token, or it has expired.
    WrongToken,
    /// The page's log-in is over.
    WrongSession,
}

impl Stranger {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Silent => {
                "this needs a token: send `Authorization: Bearer TOKEN`. `poold token create` makes one"
            }
            Self::WrongToken => {
                "the token is wrong, has expired or was revoked: `poold token list` shows those that there are"
            }
            Self::WrongSession => "the log-in is over: log in again",
        }
    }
}

/// Finds out who asks, refuses what no browser of ours would send, and bounds how often each may ask. What the caller may do
/// is looked at where the address is known: by [`require`].
pub(super) async fn identify(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let found = match peer {
        Some(Peer::Socket { .. }) => Ok(gate.socket_caller()),
        Some(Peer::Network(_)) => {
            if let Err(refusal) = gate.check_source(request.uri(), request.headers()) {
                return refusal.into_response();
            }
            gate.caller(request.method(), request.headers())
        }
        // Whoever serves requests says where they come from.
        None => Err(Stranger::Silent),
    };
    match found {
        Ok(caller) => {
            if let Some(Peer::Network(_)) = peer
                && let Err(wait) = gate.limits.may_ask(&caller.name)
            {
                return too_many(wait);
            }
            request.extensions_mut().insert(caller);
        }
        Err(stranger) => {
            if stranger != Stranger::Silent
                && let Some(Peer::Network(address)) = peer
            {
                gate.note_failure(address);
                if let Err(wait) = gate.limits.may_fail(address.ip()) {
                    return too_many(wait);
                }
            }
            request.extensions_mut().insert(stranger);
        }
    }
    next.run(request).await
}

/// Lets only those pass who may do that.
pub(super) async fn require(State(role): State<Role>, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        Some(caller) if caller.role >= role => next.run(request).await,
        Some(caller) => {
            let message = format!("the token {} is for {}, and this needs {role}", caller.name, caller.role);
            Refusal::from(ServiceError::new(ErrorCode::Forbidden, message)).into_response()
        }
        None => unknown(request.extensions().get::<Stranger>().copied()),
    }
}

/// The answer to who is not known.
pub(super) fn unknown(stranger: Option<Stranger>) -> Response {
    Refusal::unknown(stranger.unwrap_or(Stranger::Silent)).into_response()
}

/// The answer to who asks too often.
pub(super) fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let message = format!("too many requests: ask again after {seconds} s (api.max_requests_per_second)");
    let mut response = Refusal::from(ServiceError::new(ErrorCode::TooManyRequests, message)).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
