//! The directory in which all state lives.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Says that a directory is ours.
const MARKER: &str = "poold-state";
const MARKER_TEXT: &str = "This directory belongs to poold. Format 1.\n";

/// A directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateDirError {
    #[error(
        "{path} cannot be used as the state directory: choose another with --state-dir, or let this user write there"
    )]
    Unusable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{path} is not empty and not a state directory of poold (it has no file {MARKER}): choose an empty or new \
         directory with --state-dir"
    )]
    NotOurs { path: PathBuf },
    #[error("{path} is a state directory of another version of poold: choose another with --state-dir")]
    OtherFormat { path: PathBuf },
}

/// Takes a directory as the state directory: one that is ours, or a new or empty one.
///
/// # Errors
/// [`StateDirError`]; nothing was changed then.
pub(crate) fn open(path: &Path) -> Result<PathBuf, StateDirError> {
    let unusable = |source| StateDirError::Unusable { path: path.to_owned(), source };
    match fs::read_to_string(path.join(MARKER)) {
        Ok(text) if text == MARKER_TEXT => return path.canonicalize().map_err(unusable),
        // Whoever began to write it was killed, or the power failed.
        Ok(text) if MARKER_TEXT.starts_with(&text) => {
            fs::write(path.join(MARKER), MARKER_TEXT).map_err(unusable)?;
            return path.canonicalize().map_err(unusable);
        }
        Ok(_) => return Err(StateDirError::OtherFormat { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(error)),
    }
    match fs::read_dir(path) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(StateDirError::NotOurs { path: path.to_owned() });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Its names tell more than others need to know.
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        }
        Err(error) => return Err(unusable(error)),
    }
    // create_new: of two programs that find it empty, one makes it its own.
    let mut marker = fs::File::create_new(path.join(MARKER)).map_err(unusable)?;
    marker.write_all(MARKER_TEXT.as_bytes()).map_err(unusable)?;
    path.canonicalize().map_err(unusable)
}

/// Where state is kept if nothing else is said: `$XDG_STATE_HOME/poold`, or `~/.local/state/poold`. None: there is no home.
pub(crate) fn default_path() -> Option<PathBuf> {
    default_below(|name| std::env::var_os(name).map(PathBuf::from))
}

fn default_below(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // A relative one is to be ignored (XDG Base Directory Specification).
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("poold"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_default_is_below_the_home_directory() {
        let path = |state: Option<&str>, home: Option<&str>| {
            default_below(|name| match name {
                "XDG_STATE_HOME" => state.map(PathBuf::from),
                _ => home.map(PathBuf::from),
            })
        };
        assert_eq!(path(Some("/s"), Some("/h")), Some("/s/poold".into()));
        assert_eq!(path(Some("s"), Some("/h")), Some("/h/.local/state/poold".into()));
        assert_eq!(path(None, Some("/h")), Some("/h/.local/state/poold".into()));
        assert_eq!((path(None, None), path(None, Some(""))), (None, None));
    }

    #[test]
    fn new_empty_and_our_own_directories_are_taken_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("a/b");
        open(&new).unwrap();
        open(&new).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o700);
        let others = dir.path().join("others");
        fs::create_dir(&others).unwrap();
        fs::write(others.join("thesis.tex"), "").unwrap();
        assert!(matches!(open(&others), Err(StateDirError::NotOurs { .. })));
        assert_eq!(fs::read_dir(&others).unwrap().count(), 1, "nothing was changed");
        fs::write(new.join(MARKER), &MARKER_TEXT[..7]).unwrap();
        open(&new).unwrap();
        assert_eq!(fs::read_to_string(new.join(MARKER)).unwrap(), MARKER_TEXT, "it was cut off by a kill");
        fs::write(new.join(MARKER), "Format 9").unwrap();
        assert!(matches!(open(&new), Err(StateDirError::OtherFormat { .. })));
        assert!(matches!(open(&others.join("thesis.tex")), Err(StateDirError::Unusable { .. })));
    }
}
