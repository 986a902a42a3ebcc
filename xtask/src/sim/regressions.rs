use std::path::Path;

use serde::Deserialize;

use super::seeds::Seeds;
use crate::error::TaskError;

/// Where the seeds are listed that have found something.
pub(crate) const REGRESSIONS: &str = "poold/sim/regressions.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    regression: Vec<Regression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Regression {
    seed: u64,
    /// What it has found, for people.
    #[serde(rename = "found")]
    _found: String,
}

/// The seeds of the list, each on its own.
pub(crate) fn seeds(root: &Path) -> Result<Vec<Seeds>, TaskError> {
    let path = root.join(REGRESSIONS);
    let text = std::fs::read_to_string(&path).map_err(|source| TaskError::Read { path, source })?;
    parse(&text).map_err(TaskError::Regressions)
}

fn parse(text: &str) -> Result<Vec<Seeds>, toml::de::Error> {
    let File { regression } = toml::from_str(text)?;
    Ok(regression.iter().map(|regression| Seeds::one(regression.seed)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_has_seeds() {
        assert!(!seeds(&crate::process::repository_root()).unwrap().is_empty());
    }

    #[test]
    fn each_has_a_seed_and_says_what_it_found() {
        let one = "[[regression]]\nseed = 7\nfound = 'a lost hold'\n";
        assert_eq!(parse(one).unwrap(), [Seeds::one(7)]);
        for wrong in ["", "[[regression]]\nseed = 7\n", "[[regression]]\nseed = -1\nfound = 'a'\n"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
