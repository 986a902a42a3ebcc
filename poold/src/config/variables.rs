//! Environment variables that override fields of the file.

use config::{Environment, Source as _};
use pool_core::FieldProblem;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const PREFIX: &str = "POOLD";
/// Between the names. The variables of the command line's options have one underscore after the prefix.
const SEPARATOR: &str = "__";

/// Variables that name fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, Variable>);

/// What a variable says.
#[derive(Clone, Debug)]
struct Variable {
    /// A number or truth value, if it looks like one.
    guessed: Value,
    text: String,
}

impl Variables {
    /// None at all, for what must not be changed from outside.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Those of this process.
    pub(crate) fn of_this_process() -> Result<Self, FieldProblem> {
        Self::of(None)
    }

    /// These, or those of this process.
    pub(super) fn of(given: Option<&config::Map<String, String>>) -> Result<Self, FieldProblem> {
        let environment = |parsing| {
            let environment =
                Environment::with_prefix(PREFIX).prefix_separator(SEPARATOR).separator(SEPARATOR);
            environment.try_parsing(parsing).source(given.cloned()).collect()
        };
        let failed = |error: config::ConfigError| FieldProblem {
            field: "environment".to_owned(),
            problem: error.to_string(),
        };
        let texts = environment(false).map_err(failed)?;
        let mut guesses = environment(true).map_err(failed)?;
        let variable = |(path, text): (String, config::Value)| {
            let guessed = guesses.remove(&path).and_then(|value| value.try_deserialize().ok());
            Some((path, Variable { guessed: guessed?, text: text.into_string().ok()? }))
        };
        Ok(Self(texts.into_iter().filter_map(variable).collect()))
    }

    /// The name of the variable for a field.
    fn name(path: &str) -> String {
        format!("{PREFIX}{SEPARATOR}{}", path.to_uppercase().replace('.', SEPARATOR))
    }

    /// A field for people, with the variable that sets it, if one does.
    pub(super) fn describe(&self, field: &str) -> String {
        let path = field.to_lowercase();
        let within = format!("{path}.");
        match self.0.keys().find(|set| **set == path || set.starts_with(&within)) {
            Some(set) => format!("{field} ({})", Self::name(set)),
            None => field.to_owned(),
        }
    }

    /// What the variable of a field says, word for word.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.0.get(&field.to_lowercase()).map(|variable| variable.text.as_str())
    }

    /// Sets all fields. Returns what could not be set.
    pub(super) fn apply(&self, root: &mut Map<String, Value>) -> Vec<FieldProblem> {
        let set = |(path, variable): (&String, &Variable)| {
            let problem = set(root, path, &variable.guessed).err()?;
            Some(FieldProblem { field: Self::name(path), problem: problem.to_owned() })
        };
        self.0.iter().filter_map(set).collect()
    }
}

fn set(root: &mut Map<String, Value>, path: &str, value: &Value) -> Result<(), &'static str> {
    let mut at = root;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        if name.is_empty() {
            return Err("names no field: write it as in POOLD__POOL__MAX_INSTANCES");
        }
        // Variables are told apart without regard to case; fields, such as the names of groups, are not.
        let known = at.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
        let field = at.entry(known.unwrap_or_else(|| name.to_owned()));
        if names.peek().is_some() {
            match field.or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(table) => at = table,
                Value::Array(_) => return Err("is within a list: change that in the file"),
                _ => return Err("is within what is no table"),
            }
        } else {
            match field.or_insert(Value::Null) {
                Value::Object(_) => return Err("names a whole table: name a field of it"),
                Value::Array(_) => return Err("names a list: change that in the file"),
                field => *field = value.clone(),
            }
            return Ok(());
        }
    }
    Ok(())
}
