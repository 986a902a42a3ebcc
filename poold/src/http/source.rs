//! Where a request was made: pages of others may not make their readers' browsers ask us.

use super::answer::Refusal;
use crate::api::{ErrorCode, ServiceError};
use axum::http::{HeaderMap, Uri, header::HOST, header::ORIGIN, uri::Authority};
use std::net::IpAddr;

/// The name or address that a request is for, with its port as it was written.
pub(super) fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Refuses names that are not ours. A page whose name was made to lead here (DNS rebinding) has another one; an address is
/// no name, and cannot be made to lead elsewhere.
///
/// # Errors
/// It is another, or none was given.
pub(super) fn check_host(host: Option<&Authority>, ours: &[String]) -> Result<(), Refusal> {
    let refused = |message: String| Refusal::from(ServiceError::new(ErrorCode::Forbidden, message));
    let Some(authority) = host else {
        return Err(Refusal::invalid("the header Host is missing, or is there twice"));
    };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let known = name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok()
        || ours.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    let has_user = authority.as_str().contains('@');
    if known && !has_user {
        Ok(())
    } else {
        Err(refused(format!(
            "poold is not known as {name:?}: add the name to api.hosts of its configuration"
        )))
    }
}

/// Refuses what a page of another origin sends. Where it is asked over TLS, a page without is another, for others can change it on its
/// way. (A proxy in front may take TLS off: name and port are the same.)
///
/// # Errors
/// It is of another origin.
pub(super) fn check_origin(
    headers: &HeaderMap,
    host: Option<&Authority>,
    over_tls: bool,
) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let same =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).is_some_and(|(scheme, rest)| {
            (scheme == "https" || scheme == "http" && !over_tls)
                && host.is_some_and(|host| host.as_str().eq_ignore_ascii_case(rest.trim_end_matches('/')))
        });
    if same {
        Ok(())
    } else {
        let message = "a page of another origin has sent this: only poold's own page may ask from a browser";
        Err(ServiceError::new(ErrorCode::Forbidden, message).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_our_names_are_ours() {
        let ours = ["pool.example.org".to_owned()];
        let good =
            ["127.0.0.1:8600", "[::1]:8600", "localhost", "LOCALHOST:1", "10.0.0.7", "Pool.example.org:443"];
        for host in good {
            assert!(check_host(Some(&host.parse().unwrap()), &ours).is_ok(), "{host}");
        }
        for host in
            ["evil.example", "pool.example.org.evil.example", "localhost.evil.example:8600", "user@localhost"]
        {
            assert!(check_host(Some(&host.parse().unwrap()), &ours).is_err(), "{host}");
        }
        assert!(check_host(None, &ours).is_err());
    }

    #[test]
    fn two_hosts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(host(&Uri::from_static("/"), &headers).is_some());
        headers.append(HOST, "evil.example".parse().unwrap());
        assert!(host(&Uri::from_static("/"), &headers).is_none());
    }

    #[test]
    fn only_our_own_pages_may_ask() {
        let host: Authority = "pool.example.org:8600".parse().unwrap();
        let check = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().unwrap());
            [false, true].map(|over_tls| check_origin(&headers, Some(&host), over_tls).is_ok())
        };
        assert!(check_origin(&HeaderMap::new(), Some(&host), true).is_ok(), "no browser");
        assert_eq!(check("https://pool.example.org:8600"), [true, true]);
        assert_eq!(check("http://pool.example.org:8600"), [true, false]);
        for bad in
            ["null", "https://pool.example.org", "https://evil.example", "file://pool.example.org:8600", "x"]
        {
            assert_eq!(check(bad), [false, false], "{bad}");
        }
    }
}
