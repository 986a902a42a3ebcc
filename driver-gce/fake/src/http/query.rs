//! A request's query.

use super::ApiError;
use percent_encoding::percent_decode_str;

/// The parameters, decoded. What no method asks for is ignored: the system parameters among them (`$alt`,
/// `alt`, `key`, `fields`, `prettyPrint`, `$apiVersion`…),
/// <https://cloud.google.com/apis/docs/system-parameters>.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let decoded =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(key), decoded(value))
                })
                .collect(),
        )
    }

    /// A parameter's value, if it is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name) {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(ApiError::invalid(name, value, "Must be a boolean.")),
        }
    }

    /// "Acceptable values are 0 to 500, inclusive. (Default: 500)":
    /// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/list>. Nothing says what a page of
    /// none would be: it is taken for "as many as by default", as <https://google.aip.dev/158> has it.
    pub(crate) fn max_results(&self) -> Result<usize, ApiError> {
        const MOST: usize = 500;
        let Some(text) = self.text("maxResults") else { return Ok(MOST) };
        match text.parse::<usize>() {
            Ok(0) => Ok(MOST),
            Ok(count) if count <= MOST => Ok(count),
            _ => {
                let why = "Must be less than or equal to 500, and greater than or equal to 0.";
                Err(ApiError::invalid("maxResults", text, why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn a_query_is_decoded() {
        let query = Query::parse(
            "filter=labels.a%3Db+AND+name%21%3D%22x+y%22&maxResults=7&empty=&returnPartialSuccess=true",
        );
        assert_eq!(query.text("filter"), Some("labels.a=b AND name!=\"x y\""));
        assert_eq!(query.max_results().unwrap(), 7);
        assert_eq!(query.text("empty"), None);
        assert!(query.flag("returnPartialSuccess").unwrap());
        assert!(!query.flag("includeAllScopes").unwrap());
    }

    #[test]
    fn a_page_has_at_most_five_hundred() {
        assert_eq!(Query::default().max_results().unwrap(), 500);
        assert_eq!(Query::parse("maxResults=0").max_results().unwrap(), 500);
        assert_eq!(Query::parse("maxResults=500").max_results().unwrap(), 500);
        for bad in ["maxResults=501", "maxResults=-1", "maxResults=x"] {
            assert!(Query::parse(bad).max_results().is_err(), "{bad}");
        }
    }
}
