//! The section `api`.

use pool_core::FieldProblem;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

/// Where the API and the web page can be reached on a network, beside the Unix socket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ApiConfig {
    /// The address to listen on; none: the Unix socket alone.
    pub(crate) listen: Option<SocketAddr>,
    /// The certificate and those that it was signed with, as PEM.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The key of the certificate, as PEM.
    pub(crate) tls_key: Option<PathBuf>,
    /// Plain HTTP on an address that others reach: something in front does TLS.
    pub(crate) behind_proxy: bool,
    /// Names by which it is asked, beside `localhost` and addresses: others are refused.
    pub(crate) hosts: Vec<String>,
    /// Most connections at once. More wait.
    pub(crate) max_connections: u32,
    /// Most requests in a second with one token, twice as many for a moment. 0: no limit.
    pub(crate) max_requests_per_second: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tls_certificate: None,
            tls_key: None,
            behind_proxy: false,
            hosts: Vec::new(),
            max_connections: 2048,
            max_requests_per_second: 1000,
        }
    }
}

/// Where it listens, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    /// Certificate and key; none: plain HTTP.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

impl ApiConfig {
    /// Where it listens, and how; none: nowhere.
    pub(crate) fn listening(&self) -> Option<Listening> {
        let tls = self.tls_certificate.clone().zip(self.tls_key.clone());
        self.listen.map(|address| Listening { address, tls })
    }

    /// All that types alone cannot say.
    pub(crate) fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, problem: &str| {
            problems.push(FieldProblem { field: field.to_owned(), problem: problem.to_owned() });
        };
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => wrong("tls_key", "is missing: a certificate is of no use without its key"),
            (None, Some(_)) => {
                wrong("tls_certificate", "is missing: a key is of no use without its certificate");
            }
            _ => {}
        }
        let absolute = |path: &Option<PathBuf>| path.as_deref().is_none_or(Path::is_absolute);
        if !absolute(&self.tls_certificate) {
            wrong("tls_certificate", "is not absolute: begin it with /");
        }
        if !absolute(&self.tls_key) {
            wrong("tls_key", "is not absolute: begin it with /");
        }
        if let Some(address) = self.listen
            && !address.ip().is_loopback()
            && self.tls_certificate.is_none()
            && !self.behind_proxy
        {
            let problem = "others reach this address, and without TLS they could read tokens: set tls_certificate and \
                           tls_key, or listen on 127.0.0.1, or say behind_proxy = true where something in front does TLS";
            wrong("listen", problem);
        }
        for (at, host) in self.hosts.iter().enumerate() {
            let plain =
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            if !plain || host.parse::<IpAddr>().is_ok() {
                wrong(&format!("hosts[{at}]"), "give a name without a port, as in \"pool.example.org\"");
            }
        }
        if self.max_connections == 0 {
            wrong("max_connections", "must be at least 1");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<String> {
        let config: ApiConfig = pool_core::read_toml(text).unwrap();
        config.problems().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn nobody_else_is_let_in_by_accident() {
        assert!(ApiConfig::default().listening().is_none());
        for good in [
            "",
            "listen = '127.0.0.1:8600'",
            "listen = '[::1]:8600'",
            "listen = '0.0.0.0:8600'\nbehind_proxy = true",
            "listen = '0.0.0.0:8600'\ntls_certificate = '/c'\ntls_key = '/k'\nhosts = ['pool.example.org']",
        ] {
            assert!(fields(good).is_empty(), "{good}: {:?}", fields(good));
        }
        let cases = [
            ("listen = '0.0.0.0:8600'", "listen"),
            ("listen = '192.0.2.1:8600'", "listen"),
            ("tls_key = '/k'", "tls_certificate"),
            ("tls_certificate = '/c'", "tls_key"),
            ("tls_certificate = 'c'\ntls_key = '/k'", "tls_certificate"),
            ("hosts = ['a', 'pool.example.org:8600']", "hosts[1]"),
            ("hosts = ['10.0.0.1']", "hosts[0]"),
            ("max_connections = 0", "max_connections"),
        ];
        for (bad, field) in cases {
            assert_eq!(fields(bad), [field], "{bad}");
        }
    }
}
