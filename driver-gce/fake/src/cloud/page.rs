//! Pages.

use super::fingerprint;
use crate::http::{ApiError, Query};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// "By default, results are returned in alphanumerical order based on the resource name."
    Name,
    /// "Currently, only sorting by name or creationTimestamp desc is supported."
    Newest,
}

/// Where the next page starts. What is in it is nobody's business but the server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Which list this is a place in.
    of: String,
    /// The last resource of the page before.
    pub(super) zone: String,
    pub(super) name: String,
    pub(super) sequence: u64,
}

/// A page that is asked for.
pub(super) struct Asked {
    pub(super) count: usize,
    pub(super) order: Order,
    pub(super) after: Option<Place>,
    of: String,
}

impl Asked {
    /// `scope` is what is listed. "The user is expected to keep all other arguments to the RPC the same; if
    /// any arguments are different, the API should send an INVALID_ARGUMENT error",
    /// <https://google.aip.dev/158>. A page's size may change.
    pub(super) fn new(query: &Query, scope: &str) -> Result<Self, ApiError> {
        let count = query.max_results()?;
        let order = match query.text("orderBy") {
            None | Some("name" | "name asc") => Order::Name,
            Some("creationTimestamp desc") => Order::Newest,
            Some(other) => {
                let why = "Currently only sorting by name or creationTimestamp desc is supported.";
                return Err(ApiError::invalid("orderBy", other, why));
            }
        };
        let of = fingerprint(&json!([scope, query.text("filter"), query.text("orderBy")]));
        let invalid = |token| ApiError::invalid("pageToken", token, "The page token is not valid.");
        let after = query
            .text("pageToken")
            .map(|token| Place::decode(token).filter(|place| place.of == of).ok_or_else(|| invalid(token)));
        Ok(Asked { count, order, after: after.transpose()?, of })
    }

    /// The token of the page after the one that ends here.
    pub(super) fn next(&self, zone: &str, name: &str, sequence: u64) -> String {
        let place = Place { of: self.of.clone(), zone: zone.to_owned(), name: name.to_owned(), sequence };
        URL_SAFE_NO_PAD.encode(json!(place).to_string())
    }
}

impl Place {
    fn decode(token: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Asked;
    use crate::http::Query;

    #[test]
    fn a_token_is_of_its_list() {
        let asked = Asked::new(&Query::parse("filter=name%3Da"), "zone").unwrap();
        let token = asked.next("z", "a", 7);
        let with =
            |query: &str, scope| Asked::new(&Query::parse(&format!("{query}&pageToken={token}")), scope);
        assert_eq!(with("filter=name%3Da", "zone").unwrap().after.unwrap().sequence, 7);
        assert!(with("filter=name%3Da&maxResults=3", "zone").is_ok());
        assert!(with("filter=name%3Db", "zone").is_err());
        assert!(with("filter=name%3Da", "another").is_err());
        assert!(Asked::new(&Query::parse("pageToken=nonsense"), "zone").is_err());
    }
}
