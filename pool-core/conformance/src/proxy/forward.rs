//! Sends a request on and reads the answer.

use super::{Answer, Request};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Body, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{error::Error, io, net::SocketAddr};
use tokio::net::TcpStream;

/// Largest body, in bytes: no provider of machines sends more, and a test must not eat all memory.
const LARGEST_BODY: usize = 64 << 20;

pub(super) async fn forward(upstream: SocketAddr, request: &Request) -> io::Result<Answer> {
    let stream = TcpStream::connect(upstream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let mut outgoing = hyper::Request::builder().method(request.method.as_str()).uri(&request.path);
    for (name, value) in request.headers.iter().filter(|(name, _)| !is_of_the_connection(name)) {
        outgoing = outgoing.header(name, value);
    }
    let outgoing = outgoing.body(Full::new(request.body.clone())).map_err(io::Error::other)?;
    let (head, body) = sender.send_request(outgoing).await.map_err(io::Error::other)?.into_parts();
    let answer = Answer {
        status: head.status.as_u16(),
        headers: plain(&head.headers).filter(|(name, _)| !is_of_the_connection(name)).collect(),
        body: whole(body).await?,
    };
    connection.abort();
    Ok(answer)
}

/// Reads a request from the driver.
pub(super) async fn read(incoming: hyper::Request<hyper::body::Incoming>) -> io::Result<Request> {
    let (head, body) = incoming.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let headers = plain(&head.headers).collect();
    Ok(Request { method: head.method.to_string(), path, headers, body: whole(body).await? })
}

async fn whole<B>(body: B) -> io::Result<Bytes>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Ok(Limited::new(body, LARGEST_BODY).collect().await.map_err(io::Error::other)?.to_bytes())
}

fn plain(headers: &hyper::HeaderMap) -> impl Iterator<Item = (String, String)> {
    headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    })
}

/// Of one connection, not of the message: set anew on the other side.
fn is_of_the_connection(name: &str) -> bool {
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT, header::UPGRADE]
        .iter()
        .any(|own| own.as_str() == name)
}
