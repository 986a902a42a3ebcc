use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::change::apply;
use super::list::{ListError, Mutant};
use super::{files, manifest};
use crate::error::TaskError;
use crate::process::cargo;
use crate::sim::program;

/// The environment variable that switches a mutant on, by its name.
pub(crate) const VARIABLE: &str = "POOLD_MUTANT";
/// The program's name in the copy.
const PROGRAM: &str = "poold-sim-mutants";
/// Where what asks for the variable is added.
const API: &str = "pool-core/api/src/lib.rs";

/// A copy of the code that has all mutants in it.
#[derive(Debug)]
pub(crate) struct Copy {
    folder: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Makes the copy, or brings it up to date.
    pub(crate) fn make(root: &Path, target: PathBuf, mutants: &[Mutant]) -> Result<Self, TaskError> {
        let folder = target.join("mutants");
        let code = folder.join(manifest::CODE);
        let mut changed = changed_files(root, mutants)?;
        changed.extend([changed_manifest(root)?]);
        let mut kept = files::of_code(root)?;
        // The workspace's manifest is above the code.
        kept.remove(Path::new("Cargo.toml"));
        let locked = kept.take(Path::new("Cargo.lock"));
        for path in &kept {
            let content = match changed.remove(path) {
                Some(text) => text.into_bytes(),
                None => read_bytes(&root.join(path))?,
            };
            files::write_if_changed(&code.join(path), &content)?;
        }
        for path in files::below(&code)?.difference(&kept) {
            let path = code.join(path);
            fs::remove_file(&path).map_err(|source| TaskError::Create { path, source })?;
        }
        let workspace = read(&root.join("Cargo.toml"))?;
        let workspace = manifest::workspace(&workspace).map_err(ListError::from)?;
        files::write_if_changed(&folder.join("Cargo.toml"), workspace.as_bytes())?;
        if let Some(lock) = locked {
            files::write_if_changed(&folder.join(&lock), &read_bytes(&root.join(&lock))?)?;
        }
        Ok(Self { folder, target })
    }

    /// Builds the program of the simulation from the copy; none if that fails.
    ///
    /// In the target folder of the original: dependencies that it has compiled are not compiled again.
    pub(crate) fn build(&self) -> Result<Option<PathBuf>, TaskError> {
        let mut command: Command = cargo(["build"]);
        command.current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.target);
        program::build_with(command, PROGRAM)
    }
}

/// The files that are not as they were, each with all that is changed in it.
fn changed_files(root: &Path, mutants: &[Mutant]) -> Result<BTreeMap<PathBuf, String>, TaskError> {
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }
    let mut changed = BTreeMap::new();
    for (file, mutants) in by_file {
        let Some(first) = mutants.first() else { continue };
        let switch = manifest::switch(&manifest_of(root, file)?, first)?;
        let text = apply(&read(&root.join(file))?, switch, &mutants)?;
        changed.insert(PathBuf::from(file), text);
    }
    let api = Path::new(API);
    let mut text = match changed.remove(api) {
        Some(text) => text,
        None => read(&root.join(api))?,
    };
    text.push_str(&switch_code());
    changed.insert(api.to_path_buf(), text);
    Ok(changed)
}

/// The manifest of the program's package, with the program's other name.
fn changed_manifest(root: &Path) -> Result<(PathBuf, String), TaskError> {
    let package = Path::new(program::PACKAGE).join("Cargo.toml");
    let text = read(&root.join(&package))?;
    let renamed = manifest::renamed(&text, program::PROGRAM, PROGRAM).map_err(ListError::from)?;
    let renamed = renamed.ok_or_else(|| TaskError::Read {
        path: root.join(&package),
        source: std::io::Error::other(format!("it has no [[bin]] with the name {}", program::PROGRAM)),
    })?;
    Ok((package, renamed))
}

/// What the code asks whether a mutant is switched on.
fn switch_code() -> String {
    format!(
        "\n/// Whether the mutant of this name is switched on.\n\
         pub fn mutated(name: &str) -> bool {{\n    \
             static ON: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();\n    \
             ON.get_or_init(|| std::env::var(\"{VARIABLE}\").ok()).as_deref() == Some(name)\n}}\n"
    )
}

/// The text of the manifest of the package that a file is of.
fn manifest_of(root: &Path, file: &str) -> Result<String, TaskError> {
    let folders = Path::new(file).ancestors().skip(1);
    let found = folders.map(|folder| root.join(folder).join("Cargo.toml")).find(|path| path.is_file());
    read(&found.unwrap_or_else(|| root.join("Cargo.toml")))
}

fn read(path: &Path) -> Result<String, TaskError> {
    fs::read_to_string(path).map_err(|source| TaskError::Read { path: path.to_path_buf(), source })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, TaskError> {
    fs::read(path).map_err(|source| TaskError::Read { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::*;
    use crate::process::repository_root;

    /// Else it is noticed when somebody runs the mutants, long after the code has changed.
    #[test]
    fn the_list_of_mutants_is_true_of_the_code() {
        let root = repository_root();
        let mutants = list::read(&root).unwrap();
        let changed =
            changed_files(&root, &mutants).unwrap_or_else(|error| panic!("{}: {error}", list::LIST));
        for Mutant { name, file, .. } in &mutants {
            assert!(changed[Path::new(file)].contains(&format!("mutated(\"{name}\")")), "{name}");
        }
        assert!(changed[Path::new(API)].contains("pub fn mutated("));
    }
}
