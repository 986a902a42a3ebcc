//! A request's query, or its form: they are written in the same way.

use percent_encoding::percent_decode_str;

/// The parameters, decoded. What no call asks for is ignored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let decoded =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parameter = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        };
        Query { parameters: pairs.map(parameter).collect() }
    }

    /// A parameter's value, if it is there and not empty. The names of parameters have no case.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a parameter has this value, whose case does not matter.
    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case(value))
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn a_query_is_decoded_and_its_names_have_no_case() {
        let query = Query::parse("api-version=2024-07-01&%24Expand=instanceview&scope=a+b%2Fc&empty=");
        assert_eq!(query.text("api-version"), Some("2024-07-01"));
        assert!(query.is("$expand", "instanceView"));
        assert_eq!(query.text("scope"), Some("a b/c"));
        assert_eq!(query.text("empty"), None);
    }
}
