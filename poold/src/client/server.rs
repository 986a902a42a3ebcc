//! A `poold serve` on a network, as people name it.

use hyper::{Uri, header::HeaderValue, http::uri::Scheme};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Longest file of a token, in bytes: a token has less than a hundred.
const MAX_TOKEN_FILE: usize = 4096;

/// A server, or what is given for one, that cannot be used. Nothing was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("the server {0:?} is no address: give one like https://pool.example:8600")]
    NotAnAddress(String),
    #[error("the server's address has a user name or a password in it: a token is given with --token-file")]
    UserInfo,
    #[error("the server {0:?} has more than http:// or https://, a host and a port: leave the rest away")]
    TooMuch(String),
    #[error(
        "{0}: over http:// the token, and all that jobs are given and print, can be read and changed by whoever stands \
         between. Use https://, or http:// to this machine itself (through an SSH tunnel, say); --insecure-http does \
         it all the same"
    )]
    Insecure(Authority),
    #[error("the token file {path} cannot be read")]
    TokenFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The text is not shown: it may be a token all the same.
    #[error(
        "what is in {0} is no token: it is one line of letters, digits and signs, as `poold token create` prints it"
    )]
    NotAToken(String),
}

/// Host and port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Authority {
    /// A name or an address, an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Authority {
    /// The host is an address of this machine itself, or the name of one.
    fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Where a `poold serve` listens on a network, and by what it knows us.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(super) authority: Authority,
    /// Else plain.
    pub(super) tls: bool,
    /// Plain connections go to this machine alone, whatever the name says.
    pub(super) loopback_only: bool,
    /// Certificate authorities in place of the system's.
    pub(super) ca_file: Option<PathBuf>,
    token: Option<SecretString>,
}

impl Server {
    /// From `http://HOST:PORT` or `https://HOST:PORT`.
    ///
    /// # Errors
    /// [`ServerError`].
    pub(crate) fn new(
        url: &str,
        token: Option<SecretString>,
        ca_file: Option<PathBuf>,
        insecure_http: bool,
    ) -> Result<Self, ServerError> {
        let bad = || ServerError::NotAnAddress(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        if authority.as_str().contains('@') {
            return Err(ServerError::UserInfo);
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('#') {
            return Err(ServerError::TooMuch(url.to_owned()));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if tls => 443,
            Some("") => 80,
            Some(port) => port.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or_else(bad)?,
            None => return Err(bad()),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(bad());
        }
        let authority = Authority { host, port };
        if !tls && !insecure_http && !authority.is_loopback() {
            return Err(ServerError::Insecure(authority));
        }
        Ok(Self { authority, tls, loopback_only: !tls && !insecure_http, ca_file, token })
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The value of the header that names us.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref()?;
        // What is no header was refused when it was read.
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A token from a file of one line.
///
/// # Errors
/// [`ServerError`], which does not say what is in it.
pub(crate) fn read_token(path: &Path) -> Result<SecretString, ServerError> {
    let failed = |source| ServerError::TokenFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // More than a token has room in, so that what is longer is seen to be none.
    let limit = MAX_TOKEN_FILE as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    let bytes = SecretSlice::from(bytes);
    let text = str::from_utf8(bytes.expose_secret()).unwrap_or_default();
    token(text, &path.display().to_string())
}

/// A token that came from `whence`.
///
/// # Errors
/// [`ServerError::NotAToken`].
pub(crate) fn token(text: &str, whence: &str) -> Result<SecretString, ServerError> {
    let token = text.trim();
    let good = !token.is_empty()
        && token.len() <= MAX_TOKEN_FILE
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(token.into()) } else { Err(ServerError::NotAToken(whence.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn server(url: &str, insecure: bool) -> Result<Server, ServerError> {
        Server::new(url, None, None, insecure)
    }

    #[test]
    fn servers_are_a_scheme_a_host_and_a_port() {
        let good = |url: &str| {
            let server = server(url, false).unwrap();
            (server.tls, server.authority.to_string())
        };
        assert_eq!(good("https://pool.example:8600"), (true, "pool.example:8600".into()));
        assert_eq!(good("https://pool.example/"), (true, "pool.example:443".into()));
        assert_eq!(good("http://127.0.0.1:8600"), (false, "127.0.0.1:8600".into()));
        assert_eq!(good("http://[::1]:1"), (false, "[::1]:1".into()));
        assert_eq!(good("http://localhost"), (false, "localhost:80".into()));
        for bad in
            ["pool.example:8600", "https://", "ftp://a", "", "https://a b", "https://a:99999", "https://a:"]
        {
            assert!(matches!(server(bad, false), Err(ServerError::NotAnAddress(_))), "{bad}");
        }
        for bad in ["https://a/v1", "https://a?x=y", "https://a/#x"] {
            assert!(matches!(server(bad, false), Err(ServerError::TooMuch(_))), "{bad}");
        }
        let error = server("https://poold_secret@a", false).unwrap_err();
        assert!(matches!(error, ServerError::UserInfo) && !format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn plain_http_leaves_this_machine_only_when_that_is_asked_for() {
        for far in
            ["http://pool.example", "http://10.0.0.1:8600", "http://localhost.example", "http://0.0.0.0"]
        {
            let error = server(far, false).unwrap_err();
            assert!(error.to_string().contains("--insecure-http"), "{error}");
            assert!(!server(far, true).unwrap().loopback_only);
        }
        assert!(server("http://localhost:1", false).unwrap().loopback_only);
    }

    #[test]
    fn a_token_is_one_word_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "poold_sesame\n").unwrap();
        let token = read_token(&path).unwrap();
        let server = Server::new("https://a", Some(token), None, false).unwrap();
        let value = server.authorization().unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer poold_sesame");
        assert!(!format!("{server:?} {value:?}").contains("sesame"));
        let long = "s".repeat(MAX_TOKEN_FILE + 1);
        for bad in [&long, "", "\n", "two\nsesames", "two sesames", "sesamü", "sesame\u{7}"] {
            fs::write(&path, bad).unwrap();
            let error = read_token(&path).unwrap_err();
            assert!(matches!(error, ServerError::NotAToken(_)), "{bad:?}");
            assert!(!format!("{error} {error:?}").contains("sesam"), "{error:?}");
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read_token(&path), Err(ServerError::NotAToken(_))));
        assert!(matches!(read_token(dir.path()), Err(ServerError::TokenFile { .. })));
    }
}
