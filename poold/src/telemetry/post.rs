//! One request to the collector of traces, over HTTP or HTTPS.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// For all of a request.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer that is read: nobody reads what it says.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("it cannot be reached")]
    Connect(#[from] io::Error),
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    #[error("it did not answer within {LIMIT:?}")]
    Silence,
    #[error("it answered {0}")]
    Refused(StatusCode),
}

impl PostError {
    /// The same batch may be taken later, as OTLP has it.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Http(_) | Self::Silence => true,
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502..=504),
        }
    }
}

/// What is wrong with an address, for people; none if nothing is.
pub(crate) fn endpoint_problem(endpoint: &str) -> Option<&'static str> {
    let Ok(uri) = endpoint.parse::<Uri>() else {
        return Some("is no address: write it as in http://localhost:4318");
    };
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain =
        uri.query().is_none() && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    (!known || !plain).then_some(
        "is no address: write it as in http://localhost:4318, with http or https, without user and query",
    )
}

/// Where batches go.
pub(super) struct Collector {
    host: String,
    port: u16,
    path: String,
    authority: HeaderValue,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Collector {
    /// None for an address that has a [problem](endpoint_problem).
    pub(super) fn new(endpoint: &str, headers: HeaderMap) -> Option<Self> {
        let uri: Uri = endpoint.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = uri.scheme_str()? == "https";
        let tls = if secure { Some((tls()?, ServerName::try_from(host.clone()).ok()?)) } else { None };
        Some(Self {
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            path: format!("{}/v1/traces", uri.path().trim_end_matches('/')),
            authority: HeaderValue::from_str(uri.authority()?.as_str()).ok()?,
            host,
            headers,
            tls,
        })
    }

    /// Sends a batch over a connection of its own: there is one a second at most, unless there is much to send.
    ///
    /// # Cancel safety
    /// Dropping it breaks the request off; the batch may have arrived.
    pub(super) async fn post(&self, body: Bytes) -> Result<(), PostError> {
        match timeout(LIMIT, self.connect_and_post(body)).await {
            Ok(result) => result,
            Err(_) => Err(PostError::Silence),
        }
    }

    async fn connect_and_post(&self, body: Bytes) -> Result<(), PostError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            None => self.post_on(stream, body).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                self.post_on(stream, body).await
            }
        }
    }

    async fn post_on(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        body: Bytes,
    ) -> Result<(), PostError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(HOST, self.authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("poold/", env!("CARGO_PKG_VERSION"))));
        let ask = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            // To its end, so that the collector is not told of a broken connection.
            drop(Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await);
            drop(sender);
            if status.is_success() { Ok(()) } else { Err(PostError::Refused(status)) }
        };
        let (answered, _connection_ended) = tokio::join!(ask, connection);
        answered
    }
}

/// With the certificates that the system trusts.
fn tls() -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_used_are_named() {
        for good in ["http://localhost:4318", "https://otlp.example.org/otlp", "http://[::1]:4318/"] {
            assert_eq!(endpoint_problem(good), None, "{good}");
            assert!(Collector::new(good, HeaderMap::new()).is_some(), "{good}");
        }
        for bad in
            ["localhost:4318", "ftp://host", "http://user:word@host", "http://host/?a=b", "", "/v1/traces"]
        {
            assert!(endpoint_problem(bad).is_some(), "{bad}");
        }
        let collector = Collector::new("https://otlp.example.org/otlp/", HeaderMap::new()).unwrap();
        assert_eq!((collector.port, collector.path.as_str()), (443, "/otlp/v1/traces"));
    }
}
