//! What a request asks, or what is wrong with it.

use super::answer::Refusal;
use crate::{
    api::{ErrorCode, ServiceError},
    job::JobKey,
};
use axum::{
    body::Body,
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, header::CONTENT_TYPE, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

/// Longest body of a request, in bytes.
pub(crate) const MAX_BODY: usize = 8 * 1024 * 1024;

/// The parts of the address.
#[derive(Debug)]
pub(super) struct Address<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Address<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(parts)) => Ok(Self(parts)),
            Err(error) => Err(Refusal::invalid(format!("the address: {}", error.body_text()))),
        }
    }
}

/// What follows the question mark.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Refusal::invalid(format!("the query: {}", error.body_text()))),
        }
    }
}

/// A job's id or number.
pub(super) fn job_key(text: &str) -> Result<JobKey, Refusal> {
    text.parse().map_err(|error| Refusal::invalid(format!("the job in the address: {error}")))
}

/// A body that may be left out, or be `null`.
pub(super) async fn optional_json<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Refusal> {
    let bytes = read(body, MAX_BODY).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    check_type(headers)?;
    Ok(parse::<Option<T>>(&bytes)?.unwrap_or_default())
}

pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Refusal> {
    json_up_to(MAX_BODY, headers, body).await
}

/// The same with another limit, in bytes.
pub(super) async fn json_up_to<T: DeserializeOwned>(
    most: usize,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Refusal> {
    check_type(headers)?;
    parse(&read(body, most).await?)
}

/// What a form of another's page can send is not JSON.
fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("the header Content-Type is {given:?}: send application/json");
    Err(ServiceError::new(ErrorCode::UnsupportedMediaType, message).into())
}

/// The frames are copied together: each may be one byte, and what it takes to keep one is more.
async fn read(body: Body, most: usize) -> Result<Bytes, Refusal> {
    let (mut body, mut whole) = (Limited::new(body, most), BytesMut::new());
    while let Some(frame) = body.frame().await {
        match frame {
            // Trailers say nothing.
            Ok(frame) => whole.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(error) if error.is::<LengthLimitError>() => {
                let message = format!("the body has more than {most} bytes: send fewer jobs at once");
                return Err(ServiceError::new(ErrorCode::TooLarge, message).into());
            }
            Err(error) => return Err(Refusal::invalid(format!("the body did not arrive: {error}"))),
        }
    }
    Ok(whole.freeze())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner();
        match path.as_str() {
            "." => Refusal::invalid(format!("the body: {problem}")),
            _ => Refusal::invalid(format!("the body: {path}: {problem}")),
        }
    })?;
    json.end().map_err(|error| Refusal::invalid(format!("the body: {error}")))?;
    Ok(value)
}
