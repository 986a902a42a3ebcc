//! Fields of bodies, with the types that they must have.

use crate::http::ApiError;
use serde_json::{Map, Value};

/// A value that is there and not `null`.
fn present<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn wrong_type(path: &str, wanted: &str) -> ApiError {
    ApiError::payload(&format!("Invalid value at '{path}' ({wanted})."))
}

pub(crate) fn text<'a>(object: &'a Value, name: &str, path: &str) -> Result<Option<&'a str>, ApiError> {
    let value = present(object, name);
    value
        .map(|value| value.as_str().ok_or_else(|| wrong_type(&format!("{path}.{name}"), "TYPE_STRING")))
        .transpose()
}

/// A text that is not empty: an empty one is as good as none.
pub(crate) fn some_text<'a>(object: &'a Value, name: &str, path: &str) -> Result<Option<&'a str>, ApiError> {
    Ok(text(object, name, path)?.filter(|text| !text.is_empty()))
}

pub(crate) fn flag(object: &Value, name: &str, path: &str) -> Result<Option<bool>, ApiError> {
    let value = present(object, name);
    value
        .map(|value| value.as_bool().ok_or_else(|| wrong_type(&format!("{path}.{name}"), "TYPE_BOOL")))
        .transpose()
}

pub(crate) fn list<'a>(object: &'a Value, name: &str, path: &str) -> Result<&'a [Value], ApiError> {
    match present(object, name) {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(wrong_type(&format!("{path}.{name}"), "a list")),
    }
}

pub(crate) fn object<'a>(
    object: &'a Value,
    name: &str,
    path: &str,
) -> Result<Option<&'a Map<String, Value>>, ApiError> {
    let value = present(object, name);
    value
        .map(|value| value.as_object().ok_or_else(|| wrong_type(&format!("{path}.{name}"), "an object")))
        .transpose()
}

/// A 64-bit number: a string of digits, as in answers, or a number, which is also read.
pub(crate) fn number(object: &Value, name: &str, path: &str) -> Result<Option<u64>, ApiError> {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    let value = present(object, name);
    value
        .map(|value| number(value).ok_or_else(|| wrong_type(&format!("{path}.{name}"), "TYPE_INT64")))
        .transpose()
}
