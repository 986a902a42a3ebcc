//! How often somebody may ask.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use std::{net::IpAddr, num::NonZeroU32, time::Duration};

/// Wrong tokens from one address, in a second and at once. Nobody finds a token by trying; this keeps the log short.
const FAILURES: (u32, u32) = (2, 20);
/// Addresses that are remembered before those are forgotten that have been quiet.
const ADDRESSES: usize = 10_000;

/// What each token and each address has used up.
pub(super) struct Limits {
    by_token: Option<DefaultKeyedRateLimiter<String>>,
    failures: Option<DefaultKeyedRateLimiter<IpAddr>>,
}

fn quota(per_second: NonZeroU32, at_once: u32) -> Quota {
    Quota::per_second(per_second).allow_burst(NonZeroU32::new(at_once).unwrap_or(per_second))
}

impl Limits {
    /// `max_requests_per_second` for each token, and a few wrong ones from each address; 0: no limits.
    pub(super) fn new(max_requests_per_second: u32) -> Self {
        let Some(most) = NonZeroU32::new(max_requests_per_second) else {
            return Self { by_token: None, failures: None };
        };
        let (per_second, at_once) = FAILURES;
        let failures = quota(NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN), at_once);
        Self {
            by_token: Some(RateLimiter::keyed(quota(most, most.get().saturating_mul(2)))),
            failures: Some(RateLimiter::keyed(failures)),
        }
    }

    /// # Errors
    /// How long to wait.
    pub(super) fn may_ask(&self, name: &str) -> Result<(), Duration> {
        // There are as many as there are tokens.
        self.by_token.as_ref().map_or(Ok(()), |limiter| check(limiter, &name.to_owned()))
    }

    /// # Errors
    /// How long to wait.
    pub(super) fn may_fail(&self, address: IpAddr) -> Result<(), Duration> {
        let Some(limiter) = &self.failures else { return Ok(()) };
        if limiter.len() > ADDRESSES {
            limiter.retain_recent();
        }
        check(limiter, &address)
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
) -> Result<(), Duration> {
    limiter.check_key(key).map_err(|until| until.wait_time_from(limiter.clock().now()))
}
