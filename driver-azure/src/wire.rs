//! What carries requests: within a time limit, to our own servers alone, and with errors that say what came back.
//!
//! The SDK's own errors show the whole body and all headers of an answer, and do not tell a broken connection from one that
//! was never made.

use async_trait::async_trait;
use azure_core::{
    Body, BytesStream, HttpClient, Request, Response, StatusCode, Url,
    error::{Error as SdkError, ErrorKind},
    headers::{HeaderName, Headers},
};
use futures_util::StreamExt as _;
use pool_api::one_line;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::{error::Error, sync::Arc, time::Duration};

/// Bytes of an answer: more than any page of a list has.
const LARGEST_ANSWER: usize = 64 << 20;

/// Why there was no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// An error of the Resource Manager's.
    #[error("{message} ({code}, HTTP status {status})")]
    Answered { code: String, message: String, status: u16, retry_after: Option<Duration> },
    /// An HTTP error without one of its codes.
    #[error("HTTP status {status}: {text}")]
    NoCode { text: String, status: u16, retry_after: Option<Duration> },
    /// No answer.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Nothing was sent.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// It broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// An answer has led to a server that is none of ours: nothing was sent there.
    #[error("an answer leads to {0}, which is not the configured server")]
    Foreign(String),
}

/// An HTTP client with limits. Gives an answer with a good status whole, or an error with a [`WireError`].
#[derive(Debug)]
pub(crate) struct Wire {
    http: Arc<dyn HttpClient>,
    /// For plain http, which goes to this machine or its metadata server alone, and must not pass a proxy:
    /// <https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#proxies>.
    direct: Arc<dyn HttpClient>,
    limit: Duration,
    /// Where requests may go.
    servers: Vec<Url>,
}

impl Wire {
    /// Makes the client.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub(crate) fn new(limit: Duration, servers: Vec<Url>) -> Result<Arc<Self>, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                // A redirect would take a secret with it to a server that nobody has configured.
                .redirect(reqwest::redirect::Policy::none())
                // As azure_core's own client has it: https://github.com/hyperium/hyper/issues/2312
                .pool_max_idle_per_host(0)
        };
        let (http, direct) = (builder().build()?, builder().no_proxy().build()?);
        Ok(Arc::new(Self { http: Arc::new(http), direct: Arc::new(direct), limit, servers }))
    }

    async fn whole(&self, request: &Request) -> Result<(StatusCode, Headers, Vec<u8>), SdkError> {
        let http = if request.url().scheme() == "http" { &self.direct } else { &self.http };
        let (status, headers, mut stream) = http.execute_request(request).await?.deconstruct();
        let mut body = Vec::new();
        while let Some(part) = stream.next().await {
            body.extend_from_slice(&part?);
            if body.len() > LARGEST_ANSWER {
                return Err(wrapped(WireError::Lost("the answer is too long".to_owned())));
            }
        }
        Ok((status, headers, body))
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> Result<Response, SdkError> {
        let is_ours = |server: &Url| server.origin() == request.url().origin();
        if !self.servers.iter().any(is_ours) {
            return Err(wrapped(WireError::Foreign(request.url().origin().ascii_serialization())));
        }
        let request = without_nulls(request);
        let answer = match tokio::time::timeout(self.limit, self.whole(&request)).await {
            Ok(answer) => answer.map_err(broken)?,
            Err(_) => return Err(wrapped(WireError::TimedOut(self.limit))),
        };
        let (status, headers, body) = answer;
        if !status.is_success() {
            return Err(wrapped(refusal(u16::from(status), &headers, &body)));
        }
        Ok(Response::new(status, headers, Box::pin(BytesStream::new(body))))
    }
}

/// The SDK writes some fields that only answers have, as null: they are left out of a request.
fn without_nulls(request: &Request) -> Request {
    let mut request = request.clone();
    if let Body::Bytes(bytes) = request.body()
        && let Ok(mut body) = serde_json::from_slice::<Value>(bytes)
    {
        strip(&mut body);
        request.set_body(body.to_string());
    }
    request
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn wrapped(error: WireError) -> SdkError {
    SdkError::new(ErrorKind::Io, error)
}

/// The errors of the Resource Manager:
/// <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>.
#[derive(Deserialize)]
struct Refusal {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default, deserialize_with = "or_default")]
    code: String,
    #[serde(default, deserialize_with = "or_default")]
    message: String,
    #[serde(default, deserialize_with = "or_default")]
    details: Vec<Told>,
}

/// What Azure has written as null is as if it were not there.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn refusal(status: u16, headers: &Headers, body: &[u8]) -> WireError {
    let retry_after = seconds(headers, "retry-after");
    let bare = |_| serde_json::from_slice::<Told>(body).map(|error| Refusal { error });
    match serde_json::from_slice::<Refusal>(body).or_else(bare) {
        Ok(Refusal { error }) if !error.code.is_empty() => {
            let (code, message) = told(&error);
            WireError::Answered { code, message, status, retry_after }
        }
        _ => WireError::NoCode { text: one_line(&String::from_utf8_lossy(body)), status, retry_after },
    }
}

/// What stands in an error, or, where that is a mere heading, in its only detail.
fn told(error: &Told) -> (String, String) {
    const HEADINGS: [&str; 3] = ["DeploymentFailed", "ResourceDeploymentFailure", "MultipleErrorsOccurred"];
    match &error.details[..] {
        [detail] if HEADINGS.contains(&error.code.as_str()) && !detail.code.is_empty() => told(detail),
        _ => (error.code.clone(), one_line(&error.message)),
    }
}

/// The error of an operation that has failed, as if a call had answered it.
pub(crate) fn of_operation(body: &Value) -> (String, String) {
    match serde_json::from_value::<Told>(body.clone()) {
        Ok(error) => told(&error),
        Err(_) => (String::new(), String::new()),
    }
}

/// A header that holds a number of seconds.
pub(crate) fn seconds(headers: &Headers, name: &'static str) -> Option<Duration> {
    let text = headers.get_optional_str(&HeaderName::from_static(name))?;
    text.trim().parse().ok().map(Duration::from_secs)
}

fn broken(error: SdkError) -> SdkError {
    if error.downcast_ref::<WireError>().is_some() {
        return error;
    }
    let chain = || std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
    let text = one_line(&chain().last().map(ToString::to_string).unwrap_or_default());
    let mut of_http = chain().filter_map(|error| error.downcast_ref::<reqwest::Error>());
    // Also when its name is not known, or TLS does not come about.
    let never = of_http.any(reqwest::Error::is_connect);
    wrapped(if never { WireError::NotConnected(text) } else { WireError::Lost(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(body: &str) -> String {
        refusal(409, &Headers::new(), body.as_bytes()).to_string()
    }

    #[test]
    fn a_heading_gives_way_to_its_only_detail() {
        let inner = r#"{"code":"SkuNotAvailable","message":"no D2\n here"}"#;
        assert_eq!(
            answered(&format!(r#"{{"error":{inner}}}"#)),
            "no D2 here (SkuNotAvailable, HTTP status 409)"
        );
        let heading =
            format!(r#"{{"error":{{"code":"DeploymentFailed","message":"x","details":[{inner}]}}}}"#);
        assert_eq!(answered(&heading), "no D2 here (SkuNotAvailable, HTTP status 409)");
        let two =
            format!(r#"{{"error":{{"code":"DeploymentFailed","message":"x","details":[{inner},{inner}]}}}}"#);
        assert_eq!(answered(&two), "x (DeploymentFailed, HTTP status 409)");
        let bare = r#"{"code":"SkuNotAvailable","message":null,"details":null,"target":null}"#;
        assert_eq!(answered(bare), " (SkuNotAvailable, HTTP status 409)");
        assert_eq!(answered(&format!(r#"{{"error":{bare}}}"#)), " (SkuNotAvailable, HTTP status 409)");
        assert_eq!(answered("<html>\n</html>"), "HTTP status 409: <html> </html>");
    }

    #[test]
    fn nulls_are_left_out_of_json_and_other_bodies_stay() {
        let sent = |body: &'static str| {
            let mut request = Request::new("https://a".parse().unwrap(), azure_core::Method::Put);
            request.set_body(body);
            match without_nulls(&request).body() {
                Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Body::SeekableStream(_) => panic!("a stream"),
            }
        };
        assert_eq!(sent(r#"{"a":null,"b":[{"c":null,"d":1}],"e":"null"}"#), r#"{"b":[{"d":1}],"e":"null"}"#);
        assert_eq!(sent("grant_type=client_credentials"), "grant_type=client_credentials");
        assert_eq!(sent(""), "");
    }

    #[tokio::test]
    async fn nothing_is_sent_to_a_server_that_is_not_ours() {
        let ours: Url = "https://management.azure.com".parse().unwrap();
        let wire = Wire::new(Duration::from_secs(1), vec![ours]).unwrap();
        for url in ["https://management.azure.com.example.com/x", "http://management.azure.com/x"] {
            let request = Request::new(url.parse().unwrap(), azure_core::Method::Get);
            let error = wire.execute_request(&request).await.unwrap_err();
            let error = error.into_downcast::<WireError>().unwrap();
            assert!(matches!(error, WireError::Foreign(_)), "{error}");
        }
    }
}
