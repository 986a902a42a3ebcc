//! Addresses as providers give them: `HOST`, `HOST:PORT`, `[V6]:PORT`.

use pool_api::ExecutorError;
use std::{fmt, net::Ipv6Addr, str::FromStr};

/// The port of SSH, where an address names none.
const DEFAULT_PORT: u16 = 22;

/// Where to connect to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    /// Never 0.
    pub(crate) port: u16,
}

impl FromStr for Address {
    type Err = ExecutorError;

    fn from_str(text: &str) -> Result<Self, ExecutorError> {
        parse(text).ok_or_else(|| ExecutorError::BadAddress { address: text.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn parse(text: &str) -> Option<Address> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        let port = if after.is_empty() { DEFAULT_PORT } else { parse_port(after.strip_prefix(':')?)? };
        (host, port)
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, DEFAULT_PORT)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, DEFAULT_PORT),
        };
        is_host(host).then_some((host, port))?
    };
    Some(Address { host: host.to_owned(), port })
}

/// Digits only: `u16::from_str` alone would take `+22`.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// A host name or an IPv4 address: what a resolver may be asked, not what it will find.
fn is_host(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    !text.is_empty() && text.len() <= 253 && !text.starts_with('-') && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_understood() {
        for (text, host, port) in [
            ("10.0.0.7", "10.0.0.7", 22),
            ("127.0.0.1:2201", "127.0.0.1", 2201),
            ("worker-1.example_net", "worker-1.example_net", 22),
            ("worker:65535", "worker", 65535),
            ("[::1]:2022", "::1", 2022),
            ("[fe80::2]", "fe80::2", 22),
            ("::1", "::1", 22),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_named() {
        for text in [
            "",
            ":22",
            "host:",
            "host:0",
            "host:65536",
            "host:+22",
            "host:22:23",
            "a b",
            "user@host",
            "-oProxy",
            "[::1",
            "[::1]22",
            "[::1]:",
            "[host]:22",
            "host/x",
            "h\u{f6}st",
            "::1:",
            "host\n",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(matches!(&error, ExecutorError::BadAddress { address } if address == text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = text.parse::<Address>();
        }

        #[test]
        fn what_is_shown_is_understood_again(host in "[a-z0-9][a-z0-9.-]{0,20}", port in 1..=u16::MAX) {
            let address = Address { host, port };
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }

        #[test]
        fn so_is_ipv6(bits in any::<u128>(), port in 1..=u16::MAX) {
            let address = Address { host: Ipv6Addr::from_bits(bits).to_string(), port };
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}
