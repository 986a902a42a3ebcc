use toml::{Table, Value};

use super::list::{ListError, Mutant};

/// The folder of the copied code, beside the workspace's manifest.
///
/// Not the top folder: cargo names what it builds by the path within the workspace, and would take the copy's packages
/// for the original's in the target folder that they share.
pub(crate) const CODE: &str = "code";

/// The workspace's manifest, for a copy of the code one folder deeper, without lints: the changes need not be neat.
pub(crate) fn workspace(text: &str) -> Result<String, toml::de::Error> {
    let mut manifest: Table = text.parse()?;
    if let Some(Value::Table(workspace)) = manifest.get_mut("workspace") {
        for list in ["members", "default-members", "exclude"] {
            for member in workspace.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                move_down(member);
            }
        }
        let dependencies = workspace.get_mut("dependencies").and_then(Value::as_table_mut);
        for (_, dependency) in dependencies.into_iter().flatten() {
            if let Some(path) = dependency.get_mut("path") {
                move_down(path);
            }
        }
        workspace.insert("lints".to_owned(), Value::Table(Table::new()));
    }
    Ok(manifest.to_string())
}

fn move_down(path: &mut Value) {
    if let Value::String(path) = path {
        *path = format!("{CODE}/{path}");
    }
}

/// A package's manifest with another name for one of its programs: each build puts its programs beside all others of the
/// target folder. None if it has no such program.
pub(crate) fn renamed(text: &str, program: &str, to: &str) -> Result<Option<String>, toml::de::Error> {
    let mut manifest: Table = text.parse()?;
    let programs = manifest.get_mut("bin").and_then(Value::as_array_mut);
    let mut programs = programs.into_iter().flatten().filter_map(Value::as_table_mut);
    let Some(found) = programs.find(|found| found.get("name").and_then(Value::as_str) == Some(program))
    else {
        return Ok(None);
    };
    found.insert("name".to_owned(), Value::String(to.to_owned()));
    Ok(Some(manifest.to_string()))
}

/// How the code of a package asks whether a mutant is switched on: by a function of the contract's crate, which the pool
/// passes on.
pub(crate) fn switch(manifest: &str, mutant: &Mutant) -> Result<&'static str, ListError> {
    let no_switch = || ListError::NoSwitch { name: mutant.name.clone(), file: mutant.file.clone() };
    let manifest: Table = manifest.parse().map_err(|_| no_switch())?;
    if manifest.get("package").and_then(|package| package.get("name")?.as_str()) == Some("pool-api") {
        return Ok("crate::mutated");
    }
    let has = |name: &str| manifest.get("dependencies").is_some_and(|all| all.get(name).is_some());
    if has("pool-api") {
        Ok("pool_api::mutated")
    } else if has("pool-core") {
        Ok("pool_core::mutated")
    } else {
        Err(no_switch())
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::Trial;
    use super::*;
    use crate::sim::seeds::Seeds;

    #[test]
    fn the_copied_workspace_has_its_code_one_folder_deeper() {
        let text = "[workspace]\nmembers = ['a', 'b/c']\ndefault-members = ['a']\n\
            [workspace.dependencies]\na = { path = 'a', version = '1' }\nserde = '1'\n\
            [workspace.lints.rust]\nunsafe_code = 'forbid'\n[profile.sim]\ninherits = 'release'\n";
        let copy: Table = workspace(text).unwrap().parse().unwrap();
        let expected = "[workspace]\nmembers = ['code/a', 'code/b/c']\ndefault-members = ['code/a']\nlints = {}\n\
            [workspace.dependencies]\na = { path = 'code/a', version = '1' }\nserde = '1'\n\
            [profile.sim]\ninherits = 'release'\n";
        assert_eq!(copy, expected.parse().unwrap());
    }

    #[test]
    fn a_program_gets_another_name() {
        let text = "[[bin]]\nname = 'poold'\npath = 'a'\n[[bin]]\nname = 'poold-sim'\npath = 'b'\n";
        let copy: Table = renamed(text, "poold-sim", "other").unwrap().unwrap().parse().unwrap();
        assert_eq!(copy, text.replace("poold-sim", "other").parse().unwrap());
        assert_eq!(renamed(text, "none", "other").unwrap(), None);
    }

    #[test]
    fn a_package_asks_the_crate_that_it_knows() {
        let mutant = Mutant {
            name: "one".into(),
            rules: Vec::new(),
            file: "a.rs".into(),
            find: String::new(),
            replace: String::new(),
            run: Trial::Seeds(Seeds::one(0)),
            not_caught: None,
        };
        let asks = |manifest: &str| switch(manifest, &mutant).map_err(|error| error.to_string());
        assert_eq!(asks("[package]\nname = 'pool-api'"), Ok("crate::mutated"));
        assert_eq!(
            asks("[dependencies]\npool-api.workspace = true\npool-core = '1'"),
            Ok("pool_api::mutated")
        );
        assert_eq!(asks("[dependencies]\npool-core.workspace = true"), Ok("pool_core::mutated"));
        assert!(asks("[dependencies]\nserde = '1'").is_err());
    }
}
