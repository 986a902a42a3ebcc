//! Members of bodies, with the types that they must have.

use crate::http::ApiError;
use serde_json::{Map, Value};

/// A value that is there and not `null`.
fn present<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn wrong_type(path: &str, name: &str, wanted: &str) -> ApiError {
    ApiError::content(&format!("Error converting value to type '{wanted}'. Path '{path}.{name}'."))
}

/// A text that is not empty: an empty one is as good as none.
pub(crate) fn text<'a>(object: &'a Value, name: &str, path: &str) -> Result<Option<&'a str>, ApiError> {
    let text = present(object, name)
        .map(|value| value.as_str().ok_or_else(|| wrong_type(path, name, "System.String")))
        .transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

pub(crate) fn flag(object: &Value, name: &str, path: &str) -> Result<Option<bool>, ApiError> {
    present(object, name)
        .map(|value| value.as_bool().ok_or_else(|| wrong_type(path, name, "System.Boolean")))
        .transpose()
}

pub(crate) fn number(object: &Value, name: &str, path: &str) -> Result<Option<u64>, ApiError> {
    present(object, name)
        .map(|value| value.as_u64().ok_or_else(|| wrong_type(path, name, "System.Int32")))
        .transpose()
}

pub(crate) fn list<'a>(object: &'a Value, name: &str, path: &str) -> Result<&'a [Value], ApiError> {
    match present(object, name) {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(wrong_type(path, name, "a list")),
    }
}

pub(crate) fn object<'a>(object: &'a Value, name: &str, path: &str) -> Result<Option<&'a Value>, ApiError> {
    match present(object, name) {
        None => Ok(None),
        Some(value @ Value::Object(_)) => Ok(Some(value)),
        Some(_) => Err(wrong_type(path, name, "an object")),
    }
}

/// One of these values, in the case in which they are written here.
pub(crate) fn one_of<'a>(
    object: &Value,
    name: &str,
    path: &str,
    values: &[&'a str],
) -> Result<Option<&'a str>, ApiError> {
    let Some(text) = text(object, name, path)? else { return Ok(None) };
    let found = values.iter().find(|value| value.eq_ignore_ascii_case(text));
    let bad = || {
        let target = format!("{path}.{name}");
        let message = format!(
            "The value '{text}' of parameter '{name}' is not allowed. Allowed values are: {}.",
            values.join(", ")
        );
        ApiError::invalid(target.trim_start_matches("properties."), message)
    };
    found.copied().map(Some).ok_or_else(bad)
}

/// That an object has no members but these.
pub(crate) fn only(object: &Value, of_type: &str, path: &str, members: &[&str]) -> Result<(), ApiError> {
    let none = Map::new();
    let names = object.as_object().unwrap_or(&none).keys();
    match names.into_iter().find(|name| !members.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            Err(ApiError::content(&format!(
                "Could not find member '{name}' on object of type '{of_type}'. Path '{path}'."
            )))
        }
    }
}

/// These members, as they are given.
pub(crate) fn as_given(object: &Value, members: &[&str]) -> Map<String, Value> {
    let given = members.iter().filter_map(|name| Some(((*name).to_owned(), present(object, name)?.clone())));
    given.collect()
}
