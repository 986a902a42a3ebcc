//! Labels.

use super::read;
use crate::{http::ApiError, names};
use serde_json::{Map, Value};

/// "Each resource can have up to 64 labels":
/// <https://cloud.google.com/compute/docs/labeling-resources#requirements>.
const MOST: usize = 64;

/// The labels that a body has.
pub(crate) fn labels(body: &Value, path: &str) -> Result<Map<String, Value>, ApiError> {
    let labels = read::object(body, "labels", path)?.cloned().unwrap_or_default();
    let field = format!("{path}.labels");
    let invalid = |why: &str| Err(ApiError::invalid(&field, "", why));
    if labels.len() > MOST {
        return invalid(&format!("The number of labels {} exceeds the maximum of {MOST}.", labels.len()));
    }
    for (key, value) in &labels {
        let Some(value) = value.as_str() else {
            return Err(ApiError::payload(&format!("Invalid value at '{field}.{key}' (TYPE_STRING).")));
        };
        if !names::is_label_key(key) {
            return invalid(&format!(
                "Label key '{key}' violates format constraints. The key must start with a lowercase \
                 character, can only contain lowercase letters, numeric characters, underscores and dashes. \
                 The key can be at most 63 characters long. International characters are allowed."
            ));
        }
        if !names::is_label_value(value) {
            return invalid(&format!(
                "Label value '{value}' violates format constraints. The value can only contain lowercase \
                 letters, numeric characters, underscores and dashes. The value can be at most 63 \
                 characters long. International characters are allowed."
            ));
        }
    }
    Ok(labels)
}
