use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::error::TaskError;
use crate::process::{cargo, repository_root, shown, succeeds};

/// Where the example of a third party's driver is: a workspace of its own, which no other command builds.
const TEMPLATE: &str = "examples/driver-template";

/// Builds and runs the example of a third party's driver as its author would: format, lints, the trials that every driver
/// must pass, the daemon with it.
pub(crate) fn run() -> Result<bool, TaskError> {
    let root = repository_root();
    let folder = root.join(TEMPLATE);
    // Not kept: it would have to change with every dependency of ours. This way it is built with the versions that all
    // else was tested with, most of which are compiled already.
    let lock = folder.join("Cargo.lock");
    fs::copy(root.join("Cargo.lock"), &lock).map_err(|source| TaskError::Create { path: lock, source })?;
    for mut command in commands() {
        println!("-- {}", shown(&command));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        command.current_dir(&folder).env("CARGO_TARGET_DIR", root.join(target));
        if !succeeds(&mut command)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn commands() -> [Command; 3] {
    [
        cargo(["fmt", "--check"]),
        cargo(["clippy", "--all-targets", "--all-features", "--", "-D", "warnings"]),
        cargo(["test", "--all-features"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_where_it_should_be_and_no_member() {
        let manifest = fs::read_to_string(repository_root().join(TEMPLATE).join("Cargo.toml")).unwrap();
        let table: toml::Table = manifest.parse().unwrap();
        assert!(
            table.contains_key("workspace"),
            "without a workspace of its own it is not built as a third party's"
        );
    }
}
