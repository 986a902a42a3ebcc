//! Network tags: <https://cloud.google.com/vpc/docs/add-remove-network-tags#restrictions>.

use super::read;
use crate::{http::ApiError, names};
use serde_json::Value;
use std::collections::HashSet;

/// "You can assign up to 64 different tags per VM."
const MOST: usize = 64;

/// The tags.
pub(crate) fn tags(tags: &Value, path: &str) -> Result<Vec<Value>, ApiError> {
    let items = read::list(tags, "items", path)?;
    if items.len() > MOST {
        let why = format!("The number of tags {} exceeds the maximum of {MOST}.", items.len());
        return Err(ApiError::invalid(&format!("{path}.items"), "", &why));
    }
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let field = format!("{path}.items[{index}]");
        let tag = item.as_str().unwrap_or_default();
        if !names::is_name(tag) {
            let why = format!("Must be a match of regex '{}'", names::NAME_REGEX);
            return Err(ApiError::invalid(&field, tag, &why));
        }
        if !seen.insert(tag) {
            return Err(ApiError::invalid(&field, tag, "Duplicate tags are not allowed."));
        }
    }
    Ok(items.to_vec())
}
