//! Hands out the files of the page.

use super::assets::{Asset, INDEX, find};
use crate::api::{ErrorCode, Problem, ServiceError};
use axum::{
    Json, Router,
    extract::{Path, rejection::PathRejection},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Nothing but the page's own files and the API of its own origin. Trusted types: a browser that knows them refuses to take
/// any string for markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// `/` and `/assets/…`. They hold no secret, so they need no token.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(async |headers: HeaderMap| answer(&INDEX, &headers)))
        .route("/assets/{name}", get(asset))
        .method_not_allowed_fallback(no_such_method)
}

async fn asset(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    // What is no text names no file either.
    match name.ok().and_then(|Path(name)| find(&name)) {
        Some(asset) => answer(asset, &headers),
        None => {
            let message = "there is no such file in this release of poold";
            refusal(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
        }
    }
}

async fn no_such_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} cannot be asked with {method}", uri.path());
    refusal(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, message)
}

/// An error as the API says it (RFC 9457).
fn refusal(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let problem = Problem::new(status.as_u16(), title, ServiceError::new(code, message));
    let headers = [
        (CONTENT_TYPE, "application/problem+json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Json(problem)).into_response()
}

fn answer(asset: &Asset, asked: &HeaderMap) -> Response {
    let tag = tag(asset);
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|list| list.split(',')).any(|known| known.trim() == tag);
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => asset.text.into_response(),
    };
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, asset.content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // Kept, but asked for each time: a new release shows at once.
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// Changes whenever the file does.
fn tag(asset: &Asset) -> String {
    let mut hasher = DefaultHasher::new();
    asset.text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
