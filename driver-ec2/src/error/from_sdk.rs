//! From the SDK's errors to ours.

use super::Ec2Error;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use pool_api::one_line;
use std::{error::Error, io, time::Duration};

/// An answer that is none of what EC2 documents.
pub(crate) fn unreadable(call: &'static str, problem: &'static str) -> Ec2Error {
    Ec2Error::BadAnswer { call, source: problem.into() }
}

/// What the SDK says of a failed call.
pub(crate) fn from_sdk<E>(call: &'static str, error: SdkError<E, HttpResponse>) -> Ec2Error
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let retry_after = retry_after(context.raw());
            let source = context.into_err();
            match source.code().map(str::to_owned) {
                Some(code) if !code.is_empty() => {
                    let message = one_line(source.message().unwrap_or("no message"));
                    Ec2Error::Answered { call, code, message, status, retry_after }
                }
                _ if status < 400 => Ec2Error::BadAnswer { call, source: source.into() },
                _ => Ec2Error::NoCode { call, status, retry_after, source: source.into() },
            }
        }
        SdkError::ResponseError(_) => Ec2Error::BadAnswer { call, source: source_of(error) },
        SdkError::TimeoutError(_) => Ec2Error::TimedOut { call, source: source_of(error) },
        SdkError::ConstructionFailure(_) => {
            let source = source_of(error);
            if is_about_credentials(&*source) {
                Ec2Error::NoCredentials { call, source }
            } else {
                Ec2Error::NotSent { call, source }
            }
        }
        SdkError::DispatchFailure(ref failure) => {
            let timed_out = failure.is_timeout();
            let source = source_of(error);
            if is_about_credentials(&*source) {
                Ec2Error::NoCredentials { call, source }
            } else if never_connected(&*source) {
                Ec2Error::NotConnected { call, source }
            } else if timed_out {
                Ec2Error::TimedOut { call, source }
            } else {
                Ec2Error::ConnectionLost { call, source }
            }
        }
        _ => Ec2Error::ConnectionLost { call, source: source_of(error) },
    }
}

fn source_of<E>(error: SdkError<E, HttpResponse>) -> Box<dyn Error + Send + Sync>
where
    E: Error + Send + Sync + 'static,
{
    match error.into_source() {
        Ok(source) => source,
        Err(error) => error.to_string().into(),
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn is_about_credentials(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(<dyn Error>::is::<CredentialsError>)
}

/// Only kinds that there are before anything is sent.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).any(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
        )
    })
}

/// `x-amz-retry-after` is in milliseconds
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>), `Retry-After` in seconds (RFC 9110).
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name| response.headers().get(name)?.trim().parse::<u64>().ok();
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}
