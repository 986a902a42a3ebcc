//! Metadata: <https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations>.

use super::read;
use crate::{http::ApiError, names};
use serde_json::{Value, json};
use std::collections::HashSet;

/// "their size must be less than or equal to 262144 bytes (256 KiB)"
const LARGEST_VALUE: usize = 256 * 1024;

/// "The total size of all keys and values must be less than 512 KB."
const LARGEST: usize = 512 * 1024;

/// The items of metadata, which have a key and a value each and nothing else.
pub(crate) fn metadata(metadata: &Value, path: &str) -> Result<Vec<Value>, ApiError> {
    let mut keys = HashSet::new();
    let mut total = 0;
    let mut items = Vec::new();
    for (index, item) in read::list(metadata, "items", path)?.iter().enumerate() {
        let path = format!("{path}.items[{index}]");
        let field = format!("{path}.key");
        let key = read::some_text(item, "key", &path)?.ok_or_else(|| ApiError::required(&field))?;
        // An item without a value has an empty one.
        let value = read::text(item, "value", &path)?.unwrap_or_default();
        if !names::is_metadata_key(key) {
            return Err(ApiError::invalid(&field, key, "Must be a match of regex '[a-zA-Z0-9-_]{1,128}'"));
        }
        if !keys.insert(key) {
            return Err(ApiError::invalid(&field, key, &format!("Metadata has duplicate key: '{key}'.")));
        }
        if value.len() > LARGEST_VALUE {
            let size = value.len();
            let why =
                format!("Value is too large: maximum size {LARGEST_VALUE} character(s); actual size {size}.");
            return Err(ApiError::invalid(&format!("{path}.value"), "", &why));
        }
        total += key.len() + value.len();
        items.push(json!({ "key": key, "value": value }));
    }
    if total > LARGEST {
        let why = format!("Metadata is too large: maximum size {LARGEST} character(s); actual size {total}.");
        return Err(ApiError::invalid(path, "", &why));
    }
    Ok(items)
}
