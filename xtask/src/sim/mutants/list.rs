use std::path::Path;

use serde::Deserialize;

use crate::error::TaskError;
use crate::sim::seeds::Seeds;

/// Where they are listed.
pub(crate) const LIST: &str = "poold/sim/mutants.toml";

/// A change of the code that a check must find.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutant {
    /// What switches it on.
    pub(crate) name: String,
    /// The rules of which it breaks at least one.
    pub(crate) rules: Vec<String>,
    /// From the repository's top folder.
    pub(crate) file: String,
    /// What is replaced. Must be in the file exactly once.
    pub(crate) find: String,
    /// What it becomes; `MUTATED` in it is true when this mutant is switched on.
    pub(crate) replace: String,
    /// What finds it.
    pub(crate) run: Trial,
    /// Why nothing finds it so far.
    #[serde(default)]
    pub(crate) not_caught: Option<String>,
}

/// What is run to find a mutant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Trial {
    Seeds(Seeds),
    Scenario(String),
}

/// Why the list of mutants is of no use as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("mutant {name}: what it replaces is {count} times in {file}, not once: bring it up to date")]
    Find { name: String, file: String, count: usize },
    #[error("mutant {name}: there is no MUTATED in what it puts in, so that nothing could switch it on")]
    NotSwitched { name: String },
    #[error("mutants {first} and {second} replace the same piece of {file}: let them be apart")]
    Overlap { first: String, second: String, file: String },
    #[error("mutant {name}: a name has letters, digits and underscores")]
    Name { name: String },
    #[error("two mutants are named {name}")]
    Twice { name: String },
    #[error("there is no mutant {name}; there are: {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("mutant {name}: {file} is of no package that can ask whether a mutant is switched on")]
    NoSwitch { name: String, file: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutant: Vec<Mutant>,
}

/// Reads the list.
pub(crate) fn read(root: &Path) -> Result<Vec<Mutant>, TaskError> {
    let path = root.join(LIST);
    let text = std::fs::read_to_string(&path).map_err(|source| TaskError::Read { path, source })?;
    Ok(parse(&text)?)
}

fn parse(text: &str) -> Result<Vec<Mutant>, ListError> {
    let File { mutant: mutants } = toml::from_str(text)?;
    let mut names = std::collections::BTreeSet::new();
    for Mutant { name, .. } in &mutants {
        // It is written into the code between quotation marks.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(ListError::Name { name: name.clone() });
        }
        if !names.insert(name) {
            return Err(ListError::Twice { name: name.clone() });
        }
    }
    Ok(mutants)
}

/// Those that are named; if none is, all but those that nothing finds so far.
pub(crate) fn chosen(mutants: &[Mutant], names: &[String]) -> Result<Vec<Mutant>, ListError> {
    if let Some(name) = names.iter().find(|name| mutants.iter().all(|mutant| mutant.name != **name)) {
        let known = mutants.iter().map(|mutant| mutant.name.clone()).collect();
        return Err(ListError::Unknown { name: name.clone(), known });
    }
    let wanted = |mutant: &&Mutant| match names {
        [] => mutant.not_caught.is_none(),
        names => names.contains(&mutant.name),
    };
    Ok(mutants.iter().filter(wanted).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, run: &str) -> String {
        format!(
            "[[mutant]]\nname = '{name}'\nrules = ['held']\nfile = 'a.rs'\nfind = 'a'\nreplace = 'b'\nrun = {run}\n"
        )
    }

    #[test]
    fn a_mutant_is_tried_by_seeds_or_by_a_scenario() {
        let text = entry("one", "{ seeds = '0..20' }") + &entry("two", "{ scenario = 'lost' }");
        let mutants = parse(&text).unwrap();
        assert_eq!(mutants[0].run, Trial::Seeds("0..20".parse().unwrap()));
        assert_eq!(mutants[1].run, Trial::Scenario("lost".to_owned()));
        assert_eq!(chosen(&mutants, &[]).unwrap().len(), 2);
        assert_eq!(chosen(&mutants, &["two".to_owned()]).unwrap(), mutants[1..]);
        let error = chosen(&mutants, &["three".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "there is no mutant three; there are: one, two");
    }

    #[test]
    fn a_list_that_is_wrong_is_refused() {
        let good = "{ seeds = '0..20' }";
        assert!(matches!(parse(&(entry("a", good) + &entry("a", good))), Err(ListError::Twice { .. })));
        assert!(matches!(parse(&entry("a b", good)), Err(ListError::Name { .. })));
        for run in ["{ seeds = '20' }", "{ seed = 3 }", "'batch'"] {
            assert!(matches!(parse(&entry("a", run)), Err(ListError::Toml(_))), "{run}");
        }
    }
}
