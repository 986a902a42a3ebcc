//! A request's query.

use super::ApiError;
use percent_encoding::percent_decode_str;

/// The parameters, decoded. What no method asks for is ignored: the system parameters among them (`$alt`,
/// `alt`, `key`, `fields`, `prettyPrint`, `$apiVersion`…),
/// <https://cloud.google.com/apis/docs/system-parameters>.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    parameters: Vec<(String, String)>,
    /// The version of the API that a header names.
    version: Option<String>,
}

/// From this version of the API on, "all AggregatedList RPCs behavior is now return_partial_success=true":
/// <https://github.com/googleapis/google-cloud-python/releases/tag/google-cloud-compute-v1.55.0>.
const PARTIAL_FROM: &str = "2026-09-01";

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let decoded =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parameter = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        };
        Query { parameters: pairs.map(parameter).collect(), version: None }
    }

    /// The header `X-Goog-Api-Version`, which says the same as the parameter `$apiVersion`:
    /// <https://google.aip.dev/client-libraries/4236>.
    pub(crate) fn with_version(self, version: Option<&str>) -> Self {
        Query { version: version.map(str::to_owned), ..self }
    }

    /// Whether a list over all zones leaves out those that cannot be reached, and does not fail. Versions are
    /// dates.
    pub(crate) fn is_partial(&self) -> Result<bool, ApiError> {
        let version = self.text("$apiVersion").or(self.version.as_deref());
        let is_asked = self.flag("returnPartialSuccess")?;
        Ok(is_asked || version.is_some_and(|version| version >= PARTIAL_FROM))
    }

    /// A parameter's value, if it is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let value =
            self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
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
    fn later_versions_of_the_api_leave_out_what_they_cannot_reach() {
        let is_partial = |query, header| Query::parse(query).with_version(header).is_partial().unwrap();
        assert!(is_partial("%24apiVersion=2026-09-01", None) && is_partial("", Some("2026-11-01")));
        assert!(is_partial("$apiVersion=2026-08-01&returnPartialSuccess=true", None));
        assert!(!is_partial("$apiVersion=2026-08-31", None) && !is_partial("", None));
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
