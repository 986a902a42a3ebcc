//! Which servers are believed, and what is said of the others.

use super::front::{Certificates, Front, TOKEN};
use crate::{
    client::{Client, ClientError, Server, Target},
    commands::Failure,
    http::tests::fake::{Fake, Serving},
};
use rcgen::{BasicConstraints, IsCa, date_time_ymd};
use std::path::PathBuf;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

/// The exit code and the text of a refusal.
async fn refused(client: &Client) -> (u8, String) {
    let failure = Failure::from(client.status().await.unwrap_err());
    assert!(!format!("{client:?} {failure:?} {} {}", failure.text(), failure.json()).contains("sesame"));
    (failure.exit_code(), failure.text())
}

async fn front(certificates: Certificates) -> (Serving, Front) {
    let serving = Serving::new(&Fake::new());
    let front = Front::new(serving.dir.path(), Some(certificates)).await;
    (serving, front)
}

#[tokio::test]
async fn a_server_of_an_authority_that_we_were_given_is_believed() {
    let (_serving, front) = front(Certificates::new(&["127.0.0.1", "localhost"])).await;
    front.client().status().await.unwrap();
}

#[tokio::test]
async fn an_unknown_authority_is_named_as_the_problem() {
    let (_serving, front) = front(Certificates::new(&["127.0.0.1"])).await;
    // One of the same name, with another key.
    let other = Certificates::new(&["127.0.0.1"]);
    for ca_file in [Some(other.ca_file()), None] {
        let (code, text) = refused(&front.client_by("127.0.0.1", Some(TOKEN), ca_file)).await;
        assert!(code == 1 && text.contains("--ca-file"), "{text}");
        // Machines without any authorities say that.
        assert!(
            text.contains("authority that is not known here") || text.contains("ca-certificates"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_named_as_the_problem() {
    let certificates = Certificates::new(&["pool.example"]);
    let (_serving, front) = front(certificates).await;
    let (code, text) = refused(&front.client()).await;
    assert!(code == 1 && text.contains("is for another name") && text.contains("pool.example"), "{text}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_named_as_the_problem() {
    let certificates =
        Certificates::changed(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2001, 1, 1));
    let (_serving, front) = front(certificates).await;
    let (code, text) = refused(&front.client()).await;
    assert!(code == 1 && text.contains("not valid now") && text.contains("renewed"), "{text}");
}

#[tokio::test]
async fn an_authoritys_own_certificate_is_named_as_the_problem() {
    let certificates = Certificates::changed(&["127.0.0.1"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let (_serving, front) = front(certificates).await;
    let (code, text) = refused(&front.client()).await;
    assert!(code == 1 && text.contains("CA:TRUE"), "{text}");
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let (_serving, front) = front(Certificates::new(&["127.0.0.1"])).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca");
    for (content, part) in [
        (None, "cannot be read"),
        (Some(""), "no certificate in PEM form"),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "cannot be used"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let (code, text) = refused(&front.client_by("127.0.0.1", Some(TOKEN), Some(file.clone()))).await;
        assert!(code == 2 && text.contains(part) && text.contains("--ca-file"), "{text}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_named_and_the_token_does_not_reach_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificates = Certificates::new(&["127.0.0.1"]);
    let server = Server::new(
        &format!("https://127.0.0.1:{port}"),
        Some(TOKEN.into()),
        Some(certificates.ca_file()),
        false,
    );
    let client = Client::new(Target::Server(server.unwrap()));
    let plain = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = [0; 1024];
        let length = stream.read(&mut seen).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        seen[..length].to_vec()
    };
    let ((code, text), seen) = tokio::join!(refused(&client), plain);
    assert!(code == 1 && text.contains("does not speak TLS"), "{text}");
    assert!(!String::from_utf8_lossy(&seen).contains("sesame"));
}

#[tokio::test]
async fn without_the_right_token_it_is_said_what_to_do() {
    let (_serving, front) = front(Certificates::new(&["127.0.0.1"])).await;
    let ca_file: Option<PathBuf> = Some(front.certificates().ca_file());
    let (code, text) = refused(&front.client_by("127.0.0.1", Some("poold_other"), ca_file.clone())).await;
    assert!(code == 1 && text.contains("401: the token is wrong, expired or revoked"), "{text}");
    assert!(text.contains("because: who are you"), "{text}");
    let client = front.client_by("127.0.0.1", None, ca_file);
    let (code, text) = refused(&client).await;
    assert!(
        code == 1 && text.contains("401: the server wants a token") && text.contains("POOLD_TOKEN"),
        "{text}"
    );
    let failure = Failure::from(client.status().await.unwrap_err());
    assert_eq!(failure.json()["error"]["code"], "unauthorized");
}

#[tokio::test]
async fn where_nobody_listens_it_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Server::new(&format!("http://127.0.0.1:{port}"), None, None, false).unwrap();
    let (code, text) = refused(&Client::new(Target::Server(server))).await;
    assert!(code == 3 && text.contains("nobody listens on 127.0.0.1:"), "{text}");
}

/// The clock runs on when nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let certificates = Certificates::new(&["127.0.0.1"]);
    let server = |scheme: &str| {
        let url = format!("{scheme}://{address}");
        Client::new(Target::Server(Server::new(&url, None, Some(certificates.ca_file()), false).unwrap()))
    };
    let error = server("https").status().await.unwrap_err();
    assert!(matches!(error, ClientError::Slow { .. }), "{error:?}");
    let error = server("http").status().await.unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer(_)), "{error:?}");
    assert_eq!(Failure::from(error).exit_code(), 3);
}
