//! The socket itself: who can reach it, and what becomes of it.

use super::fake::{Fake, Serving};
use crate::http::{Reach, SocketError, listen, socket_path};
use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_reaches_it_whatever_the_directory_was_before() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::set_permissions(&run, Permissions::from_mode(0o755)).unwrap();
    let listener = listen(dir.path()).unwrap();
    let socket = socket_path(dir.path());
    assert_eq!((mode(&run), mode(&socket)), (0o700, 0o600));
    drop(listener);
    assert!(!socket.exists(), "it is removed at the end");
}

#[tokio::test]
async fn a_dead_processs_socket_is_replaced_a_living_ones_and_a_file_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let socket = socket_path(dir.path());
    fs::create_dir(socket.parent().unwrap()).unwrap();
    // Its file stays, as after SIGKILL.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let listener = listen(dir.path()).unwrap();
    assert!(UnixStream::connect(&socket).is_ok());
    assert!(matches!(listen(dir.path()), Err(SocketError::InUse { .. })));
    drop(listener);
    fs::write(&socket, "precious").unwrap();
    assert!(matches!(listen(dir.path()), Err(SocketError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
}

#[tokio::test]
async fn a_link_in_place_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("run")).unwrap();
    assert!(matches!(listen(dir.path()), Err(SocketError::Directory { .. })));
    assert_eq!(mode(elsewhere.path()), 0o755);
}

#[tokio::test]
async fn a_state_directory_with_a_long_path_is_reached_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("x".repeat(120));
    fs::create_dir(&long).unwrap();
    let listener = listen(&long).unwrap();
    assert!(socket_path(&long).exists());
    let reach = Reach::new(&long).unwrap();
    assert!(UnixStream::connect(reach.path()).is_ok());
    drop(listener);
    assert!(!socket_path(&long).exists());
}

#[tokio::test]
async fn a_client_that_sends_half_a_request_hinders_neither_others_nor_the_end() {
    let fake = Fake::new();
    let mut serving = Serving::new(&fake);
    let socket = socket_path(serving.dir.path());
    let mut slow = tokio::net::UnixStream::connect(&socket).await.unwrap();
    slow.write_all(b"POST /v1/jobs HTTP/1.1\r\nhost: poold\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{").await.unwrap();
    let mut other = tokio::net::UnixStream::connect(&socket).await.unwrap();
    other.write_all(b"GET /_health/ping HTTP/1.1\r\nhost: poold\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"{"health":"OK"}"#), "{answer}");
    serving.stop().await;
    assert!(!socket.exists());
    let mut rest = Vec::new();
    // Broken off, with or without an error.
    drop(slow.read_to_end(&mut rest).await);
}
