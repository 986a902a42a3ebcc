//! Who asks, and what they may.

use super::{answer::Refusal, carrier::Peer, gate::Gate, watched};
use crate::{
    access::{Digest, Role},
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
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    /// Of the token; none for the socket's user.
    pub(super) digest: Option<Digest>,
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
    /// Too many wrong tokens came from this address: again after so long.
    WrongTooOften(Duration),
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
    let Some(Peer::Network(_)) = peer else {
        remember(&mut request, found);
        return next.run(request).await;
    };
    if let Ok(caller) = &found
        && let Err(wait) = gate.limits.may_ask(&caller.name)
    {
        return too_many(wait);
    }
    // Whoever has none may still ask for what needs none.
    let found = found.map_err(|stranger| match stranger {
        Stranger::WrongToken => gate.wrong_token(peer),
        other => other,
    });
    let caller = remember(&mut request, found);
    let response = next.run(request).await;
    match caller {
        Some(caller) => response.map(|body| watched::watch(body, gate, caller)),
        None => response,
    }
}

fn remember(request: &mut Request, found: Result<Caller, Stranger>) -> Option<Caller> {
    let extensions = request.extensions_mut();
    match found {
        Ok(caller) => {
            extensions.insert(caller.clone());
            Some(caller)
        }
        Err(stranger) => {
            extensions.insert(stranger);
            None
        }
    }
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
    let message = match stranger.unwrap_or(Stranger::Silent) {
        Stranger::Silent => {
            "this needs a token: send `Authorization: Bearer TOKEN`. `poold token create` makes one"
        }
        Stranger::WrongToken => {
            "the token is wrong, has expired or was revoked: `poold token list` shows those that there are"
        }
        Stranger::WrongSession => "the log-in is over: log in again",
        Stranger::WrongTooOften(wait) => return too_many(wait),
    };
    Refusal::from(ServiceError::new(ErrorCode::Unauthorized, message)).into_response()
}

/// The answer to who asks too often.
fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let message = format!(
        "too many requests, or wrong tokens: ask again after {seconds} s (api.max_requests_per_second)"
    );
    let mut response = Refusal::from(ServiceError::new(ErrorCode::TooManyRequests, message)).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
