//! What was asked, and what was answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A request and its response.
#[derive(Clone, Serialize, Deserialize)]
pub struct Exchange {
    /// Such as `GET`.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The request's body.
    pub request: Option<Value>,
    /// The response's status.
    pub status: u16,
    /// The response's body.
    pub response: Option<Value>,
}

impl fmt::Debug for Exchange {
    /// Without the bodies: the script that an instance is made with holds a secret, and tokens are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exchange { method, path, status, .. } = self;
        f.debug_struct("Exchange")
            .field("method", method)
            .field("path", path)
            .field("status", status)
            .finish_non_exhaustive()
    }
}

/// The exchanges, in the order in which the requests came.
#[derive(Debug)]
pub struct Exchanges {
    kept: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of the first place.
    first: u64,
    /// `None` for a request whose response is not made yet, or whose caller went away before.
    places: VecDeque<Option<Exchange>>,
}

impl Exchanges {
    /// None yet; so many are kept.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Exchanges { kept, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for the exchange of a request that has come.
    pub fn place(&self) -> u64 {
        let mut inner = self.lock();
        inner.places.push_back(None);
        if inner.places.len() > self.kept {
            inner.places.pop_front();
            inner.first += 1;
        }
        // There is no place at all if none is to be kept: the number is one that nothing has.
        (inner.first + inner.places.len() as u64).wrapping_sub(1)
    }

    /// Puts an exchange into its place, unless that is gone.
    pub fn fill(&self, place: u64, exchange: Exchange) {
        let mut inner = self.lock();
        let index = place.wrapping_sub(inner.first);
        if let Some(place) = usize::try_from(index).ok().and_then(|index| inner.places.get_mut(index)) {
            *place = Some(exchange);
        }
    }

    /// All that are complete.
    #[must_use]
    pub fn all(&self) -> Vec<Exchange> {
        self.lock().places.iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Exchange, Exchanges};

    fn exchange(path: &str) -> Exchange {
        Exchange { method: "GET".into(), path: path.into(), request: None, status: 200, response: None }
    }

    #[test]
    fn exchanges_are_in_the_order_of_their_requests_and_the_oldest_go_first() {
        let exchanges = Exchanges::new(2);
        let (first, second) = (exchanges.place(), exchanges.place());
        exchanges.fill(second, exchange("/second"));
        exchanges.fill(first, exchange("/first"));
        let third = exchanges.place();
        exchanges.fill(first, exchange("/late"));
        exchanges.fill(third, exchange("/third"));
        let paths: Vec<_> = exchanges.all().into_iter().map(|exchange| exchange.path).collect();
        assert_eq!(paths, ["/second", "/third"]);
    }

    #[test]
    fn bodies_are_not_shown() {
        let mut secret = exchange("/path");
        secret.request = Some("a secret".into());
        secret.response = Some("a secret".into());
        assert!(!format!("{secret:?}").contains("secret"));
    }
}
