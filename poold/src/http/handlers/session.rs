//! The web page's log-in.

use crate::{
    access::Role,
    api::routes,
    http::{
        answer::Refusal,
        ask,
        audit::Noted,
        caller::{Caller, unknown},
        carrier::Peer,
        gate::{Gate, set_cookie},
    },
    job::Moment,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header::SET_COOKIE},
    response::{IntoResponse as _, Response},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Longest body of a log-in, in bytes: whoever sends it is not known.
const MAX_LOG_IN: usize = 4096;

/// A token, to log in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct LogIn {
    #[schema(value_type = String)]
    token: SecretString,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct WhoAmI {
    /// The name of the token.
    name: String,
    #[schema(inline)]
    role: Role,
}

/// Logs the web page in
///
/// The cookie that it sets lasts for 12 hours, and no longer than the token and the program.
#[utoipa::path(post, path = routes::SESSION, tag = "session", request_body = LogIn, responses(
    (status = 200, body = WhoAmI, headers(("set-cookie" = String)))
))]
pub(in crate::http) async fn log_in(
    State(gate): State<Arc<Gate>>,
    Extension(noted): Extension<Noted>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let LogIn { token } = ask::json_up_to(MAX_LOG_IN, &headers, body).await?;
    let found = gate.by_token(token.expose_secret().as_bytes(), |entry| {
        let cookie = set_cookie(Some(&gate.sessions.cookie(entry, Moment::now())), gate.secure_cookies);
        (WhoAmI { name: entry.name.clone(), role: entry.role }, cookie)
    });
    let Some((who, cookie)) = found else {
        return Ok(unknown(Some(gate.wrong_token(Some(peer)))));
    };
    noted.who(&who.name);
    Ok(([(SET_COOKIE, cookie)], Json(who)).into_response())
}

/// Who asks
#[utoipa::path(get, path = routes::SESSION, tag = "session", responses((status = 200, body = WhoAmI)))]
pub(in crate::http) async fn who_am_i(Extension(caller): Extension<Caller>) -> Json<WhoAmI> {
    Json(WhoAmI { name: caller.name.to_string(), role: caller.role })
}

/// Logs the web page out
///
/// The browser forgets its cookie. Whoever has a copy of it is kept out by revoking the token.
#[utoipa::path(delete, path = routes::SESSION, tag = "session", responses(
    (status = 204, headers(("set-cookie" = String)))
))]
pub(in crate::http) async fn log_out(State(gate): State<Arc<Gate>>) -> Response {
    (StatusCode::NO_CONTENT, [(SET_COOKIE, set_cookie(None, gate.secure_cookies))]).into_response()
}
