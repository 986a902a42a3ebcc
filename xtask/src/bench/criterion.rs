use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::figure::Figure;
use super::quantity::{Quantity, Unit};
use crate::error::TaskError;

/// Where criterion is told to write, instead of to cargo's target folder.
pub(super) const VARIABLE: &str = "CRITERION_HOME";

/// Criterion's `new/benchmark.json`.
#[derive(Deserialize)]
struct Benchmark {
    /// Group, function and parameter, with slashes between them.
    full_id: String,
}

/// Criterion's `new/estimates.json`, in nanoseconds.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// The medians of all that criterion has written to a folder, none if there is no such folder.
pub(super) fn medians(folder: &Path) -> Result<Vec<Figure>, TaskError> {
    let mut figures = Vec::new();
    collect(folder, &mut figures)?;
    figures.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(figures)
}

fn collect(folder: &Path, figures: &mut Vec<Figure>) -> Result<(), TaskError> {
    let unreadable = |source| TaskError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if !path.is_dir() {
            continue;
        }
        if !path.ends_with("new") || !path.join("benchmark.json").exists() {
            collect(&path, figures)?;
            continue;
        }
        let Benchmark { full_id } = read(&path.join("benchmark.json"))?;
        let Estimates { median } = read(&path.join("estimates.json"))?;
        let quantity = Quantity { value: median.point_estimate * 1e-9, unit: Unit::Seconds };
        figures.push(Figure { id: full_id.replace('/', "."), quantity });
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, TaskError> {
    fs::read(path)
        .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::other))
        .map_err(|source| TaskError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_found_by_the_names_of_the_benches() {
        let folder = std::env::temp_dir().join(format!("xtask-criterion-{}", std::process::id()));
        let new = folder.join("state/start_job/10000/new");
        fs::create_dir_all(&new).unwrap();
        fs::create_dir_all(folder.join("report")).unwrap();
        fs::write(new.join("benchmark.json"), r#"{"full_id":"state/start_job/10000","title":"it"}"#).unwrap();
        fs::write(new.join("estimates.json"), r#"{"mean":{},"median":{"point_estimate":1500.0}}"#).unwrap();
        let figures = medians(&folder);
        let none = medians(&folder.join("nothing"));
        fs::remove_dir_all(&folder).unwrap();
        let quantity = Quantity { value: 1500.0 * 1e-9, unit: Unit::Seconds };
        assert_eq!(figures.unwrap(), [Figure { id: "state.start_job.10000".into(), quantity }]);
        assert_eq!(none.unwrap(), []);
    }
}
