//! Fingerprints: "essentially a hash of the […] contents and used for optimistic locking",
//! <https://cloud.google.com/compute/docs/reference/rest/v1/instances>.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The fingerprint that Compute Engine shows for an instance without labels, or without tags.
const OF_NOTHING: &str = "42WmSpB8rSM=";

/// The fingerprint of some contents: eight bytes in base 64, in the alphabet of URLs.
pub(crate) fn fingerprint(contents: &Value) -> String {
    let is_empty = match contents {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if is_empty {
        return OF_NOTHING.to_owned();
    }
    // A map's keys are in order, whatever the order in which they came.
    let digest = Sha256::digest(contents.to_string());
    URL_SAFE.encode(&digest[..8])
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use serde_json::json;

    #[test]
    fn contents_make_the_fingerprint() {
        assert_eq!(fingerprint(&json!({})), fingerprint(&json!([])));
        assert_eq!(fingerprint(&json!({ "a": "1", "b": "2" })), fingerprint(&json!({ "b": "2", "a": "1" })));
        assert_ne!(fingerprint(&json!({ "a": "1" })), fingerprint(&json!({ "a": "2" })));
        assert_ne!(fingerprint(&json!({ "a": "1" })), fingerprint(&json!({})));
    }
}
