use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::TaskError;
use crate::process::output_of;

/// The files of the code, from its top folder: those that git knows and new ones that it does not ignore. Without a git,
/// all but what is built and what is hidden.
pub(crate) fn of_code(root: &Path) -> Result<BTreeSet<PathBuf>, TaskError> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    // A copy without a repository of its own may lie within another.
    let listed = if root.join(".git").exists() { output_of(&mut git).ok() } else { None };
    if let Some(listed) = listed {
        let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        let paths = paths.map(|path| PathBuf::from(String::from_utf8_lossy(path).into_owned()));
        // One that was deleted but not yet committed is not there.
        return Ok(paths.filter(|path| root.join(path).is_file()).collect());
    }
    let mut found = BTreeSet::new();
    let wanted = |name: &str| name != "target" && !name.starts_with('.');
    walk(root, Path::new(""), &wanted, &mut found)
        .map_err(|source| TaskError::Read { path: root.to_path_buf(), source })?;
    Ok(found)
}

/// The files below a folder, from there. None if there is no such folder.
pub(crate) fn below(folder: &Path) -> Result<BTreeSet<PathBuf>, TaskError> {
    let mut found = BTreeSet::new();
    match walk(folder, Path::new(""), &|_| true, &mut found) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(found),
        result => {
            result.map_err(|source| TaskError::Read { path: folder.to_path_buf(), source })?;
            Ok(found)
        }
    }
}

fn walk(
    root: &Path,
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(wanted) {
            continue;
        }
        let path = folder.join(name);
        if entry.file_type()?.is_dir() {
            walk(root, &path, wanted, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

/// Writes a file unless it is so already: what has not changed is not built again. Makes its folder.
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), TaskError> {
    if fs::read(path).is_ok_and(|before| before == content) {
        return Ok(());
    }
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, content));
    written.map_err(|source| TaskError::Create { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_git_what_is_built_and_what_is_hidden_is_left_out() {
        let root = std::env::temp_dir().join(format!("xtask-sim-files-{}", std::process::id()));
        for path in ["a/b.rs", "Cargo.toml", "target/c", "d/target/e", ".hidden/f"] {
            write_if_changed(&root.join(path), b"x").unwrap();
        }
        let expected: BTreeSet<PathBuf> = ["Cargo.toml", "a/b.rs"].map(PathBuf::from).into();
        assert_eq!(of_code(&root).unwrap(), expected);
        assert_eq!(below(&root).unwrap().len(), 5);
        assert!(below(&root.join("none")).unwrap().is_empty());
        let before = fs::metadata(root.join("a/b.rs")).unwrap().modified().unwrap();
        write_if_changed(&root.join("a/b.rs"), b"x").unwrap();
        assert_eq!(fs::metadata(root.join("a/b.rs")).unwrap().modified().unwrap(), before);
        fs::remove_dir_all(root).unwrap();
    }
}
