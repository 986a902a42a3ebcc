//! From a file and variables to sections.

use super::{section, variables::Variables};
use crate::program_config::InputError;
use pool_core::{ConfigError, FieldProblem, read_toml, read_toml_file};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;

/// Reads one section after the other, and gathers all that is wrong.
#[derive(Debug)]
pub(crate) struct Reader {
    place: String,
    sections: Map<String, Value>,
    variables: Variables,
    problems: Vec<FieldProblem>,
}

/// A section, as far as it could be read.
#[derive(Debug)]
pub(crate) struct Section<T> {
    /// With defaults where something was wrong.
    pub(crate) value: Option<T>,
    /// Nothing was wrong with any of its fields by itself.
    pub(crate) whole: bool,
    /// What it says of itself as a whole is right.
    pub(crate) sound: bool,
}

impl Reader {
    /// A file, or else the built-in text, with what variables change.
    ///
    /// # Errors
    /// [`InputError::Config`] for what is no TOML at all.
    pub(crate) fn open(
        path: Option<&Path>,
        built_in: &str,
        variables: Variables,
    ) -> Result<Self, InputError> {
        let (place, read) = match path {
            Some(path) => (path.display().to_string(), read_toml_file(path)?),
            None => ("the built-in configuration".to_owned(), read_toml(built_in)?),
        };
        // TOML has nothing else at its top.
        let Value::Object(mut sections) = read else {
            let problem = "it is no table".to_owned();
            return Err(ConfigError::Unreadable { place, problem }.into());
        };
        let problems = variables.apply(&mut sections);
        Ok(Self { place, sections, variables, problems })
    }

    /// A section. One that is not there is read as an empty one.
    pub(crate) fn section<T: DeserializeOwned>(&mut self, name: &str) -> Section<T> {
        let value = self.sections.remove(name).unwrap_or_else(|| Value::Object(Map::new()));
        if !value.is_object() {
            self.wrong(name, "is no table: write it as a section in brackets");
            return Section { value: None, whole: false, sound: false };
        }
        let variables = &self.variables;
        let text = |field: &str| variables.text(&format!("{name}.{field}"));
        let section::Found { value, whole, sound, problems } = section::read(value, text);
        self.all_wrong(name, problems);
        Section { value, whole, sound }
    }

    /// Whether there is such a section.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.sections.contains_key(name)
    }

    /// A problem of a field, by its whole path.
    pub(crate) fn wrong(&mut self, field: &str, problem: impl Into<String>) {
        self.problems.push(FieldProblem { field: self.variables.describe(field), problem: problem.into() });
    }

    /// Problems of a section, by their fields in it.
    pub(crate) fn all_wrong(&mut self, section: &str, problems: impl IntoIterator<Item = FieldProblem>) {
        for FieldProblem { field, problem } in problems {
            let dot = if field.is_empty() { "" } else { "." };
            self.wrong(&format!("{section}{dot}{field}"), problem);
        }
    }

    /// What a check of a section says.
    pub(crate) fn checked(&mut self, section: &str, result: Result<(), ConfigError>) {
        match result {
            Ok(()) => {}
            Err(ConfigError::Invalid(problems)) => self.all_wrong(section, problems),
            Err(other) => self.wrong(section, other.to_string()),
        }
    }

    /// The value, if nothing was wrong. Sections that nobody has read are wrong too.
    ///
    /// # Errors
    /// [`InputError::Problems`] with all that was wrong.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, InputError> {
        let unknown: Vec<String> =
            std::mem::take(&mut self.sections).into_iter().map(|(name, _)| name).collect();
        for name in unknown {
            self.wrong(&name, "unknown section");
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(InputError::Problems { place: self.place, problems: self.problems }),
        }
    }
}
