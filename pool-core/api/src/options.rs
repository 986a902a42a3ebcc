//! What drivers check alike in their tables of a configuration.

use crate::DriverConfigError;

impl DriverConfigError {
    /// What serde says of a table, with the path of the field that it is about (`.` is the table itself): a field that
    /// is missing is named as such. `problem` must quote no secret.
    ///
    /// ```
    /// use pool_api::DriverConfigError;
    ///
    /// let error = DriverConfigError::unreadable(".", "missing field `project`");
    /// assert_eq!(error.to_string(), "project: is required");
    /// ```
    pub fn unreadable(path: &str, problem: impl AsRef<str>) -> Self {
        let problem = problem.as_ref();
        let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        match missing {
            Some(name) if path == "." => Self::new(name, "is required"),
            Some(name) => Self::new(format!("{path}.{name}"), "is required"),
            None => Self::new(path, problem),
        }
    }

    /// Checks the URL of an API, in the field `endpoint`. `example` is a good one.
    ///
    /// # Errors
    /// When it is no `http` or `https` URL, or there is a user in it: such a password would be shown.
    pub fn check_endpoint(endpoint: &str, example: &str) -> Result<(), Self> {
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        let plain = |host: &str| {
            !host.is_empty()
                && !host.starts_with('/')
                && host.bytes().all(|b| b.is_ascii_graphic() && b != b'@')
        };
        if host.is_some_and(plain) {
            return Ok(());
        }
        Err(Self::new("endpoint", format!("must be a URL such as {example}, without a user")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_is_named_with_its_path() {
        let cases = [
            ((".", "missing field `zones`"), ("zones", "is required")),
            (("credentials", "missing field `key`"), ("credentials.key", "is required")),
            (("zones[0]", "invalid type"), ("zones[0]", "invalid type")),
        ];
        for ((path, problem), expected) in cases {
            let error = DriverConfigError::unreadable(path, problem);
            assert_eq!((error.field.as_str(), error.problem.as_str()), expected);
        }
    }

    #[test]
    fn an_endpoint_is_a_url_without_a_user() {
        for good in ["https://example.com", "http://127.0.0.1:8086/path", "http://[::1]:1"] {
            assert!(DriverConfigError::check_endpoint(good, "x").is_ok(), "{good}");
        }
        for bad in
            ["example.com", "https://", "https:///x", "http://user:pw@example.com", "http://a b", "ftp://a"]
        {
            let error = DriverConfigError::check_endpoint(bad, "https://a").unwrap_err();
            assert!(error.problem.contains("https://a"), "{bad}: {error}");
        }
    }
}
