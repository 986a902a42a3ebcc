//! Where everything lies below the root.

use crate::{error::RunnerError, files};
use pool_api::{JobId, RunId};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Longest path of a root. Commands and environments carry it; the socket's path does not (it is relative).
const LONGEST_ROOT: usize = 1000;

/// The worker's directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Takes the directory, made absolute. Nothing is created.
    pub(crate) fn new(root: &Path) -> Result<Self, RunnerError> {
        let root = std::path::absolute(root).map_err(RunnerError::file("use", root))?;
        if root.as_os_str().len() > LONGEST_ROOT {
            let source = std::io::Error::other(format!("its path is longer than {LONGEST_ROOT} bytes"));
            return Err(RunnerError::File { what: "use", path: root, source });
        }
        Ok(Self { root })
    }

    /// Makes the directories. They are the owner's alone; if jobs have a user of their own, that user can pass
    /// through, but list and read nothing.
    pub(crate) fn create(&self) -> Result<(), RunnerError> {
        let mode = if self.job_user().exists() { 0o711 } else { 0o700 };
        if !self.root.is_dir() {
            if let Some(parent) = self.root.parent() {
                fs::create_dir_all(parent).map_err(RunnerError::file("make", parent))?;
            }
            files::make_dir(&self.root, mode).map_err(RunnerError::file("make", &self.root))?;
        }
        if mode == 0o711 {
            let current = fs::metadata(&self.root).map_err(RunnerError::file("use", &self.root))?;
            let permissions = fs::Permissions::from_mode(current.permissions().mode() | mode);
            fs::set_permissions(&self.root, permissions).map_err(RunnerError::file("open", &self.root))?;
        }
        for dir in [self.dir(), self.runs()] {
            files::make_dir(&dir, mode).map_err(RunnerError::file("make", &dir))?;
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(&dir, permissions).map_err(RunnerError::file("protect", &dir))?;
        }
        Ok(())
    }

    /// The worker's directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The runner's own directory: the daemon's working directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.root.join("runner")
    }

    /// If this exists, the worker says of itself that it is broken.
    pub(crate) fn broken(&self) -> PathBuf {
        self.root.join("broken")
    }

    /// Names the user that jobs run as.
    pub(crate) fn job_user(&self) -> PathBuf {
        self.root.join("runner-user")
    }

    /// Whoever locks this is the daemon.
    pub(crate) fn lock(&self) -> PathBuf {
        self.dir().join("lock")
    }

    /// Keepers write the names of runs here, about which the daemon should look.
    pub(crate) fn notify(&self) -> PathBuf {
        self.dir().join("notify")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir().join("daemon.log")
    }

    pub(crate) fn program_hash(&self) -> PathBuf {
        self.dir().join("program-hash")
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.dir().join("runs")
    }

    /// Where the keeper with this number gets its orders.
    pub(crate) fn keeper(&self, number: u64) -> PathBuf {
        self.runs().join(format!("{KEEPER}{number}"))
    }

    pub(crate) fn run(&self, run: &RunId) -> RunDir {
        self.run_named(&run.to_string())
    }

    pub(crate) fn run_named(&self, name: &str) -> RunDir {
        RunDir { path: self.runs().join(name) }
    }
}

/// The name of the socket in [`Layout::dir`]. Bound and connected to by this relative path, because the path of a
/// socket may have some 100 bytes only.
pub(crate) const SOCKET: &str = "socket";

/// How the name of a keeper's FIFO begins.
pub(crate) const KEEPER: &str = ".keeper-";

/// The run that a directory of this name belongs to.
pub(crate) fn run_of_name(name: &str) -> Option<RunId> {
    let (job, attempt) = name.rsplit_once('#')?;
    Some(RunId::new(JobId::new(job).ok()?, attempt.parse().ok()?))
}

/// The directory of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the run.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Where its keeper gets its orders: another name of that keeper's [FIFO](Layout::keeper).
    pub(crate) fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// Is there once the job has written something.
    pub(crate) fn output(&self, stream: pool_protocol::OutputStream) -> PathBuf {
        self.path.join(match stream {
            pool_protocol::OutputStream::Stdout => "stdout",
            pool_protocol::OutputStream::Stderr => "stderr",
        })
    }

    /// The job's directory.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// The job's directory for temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.path.join("tmp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_after_its_run_and_back() {
        let run = RunId::new(JobId::new("a.b-c_d").unwrap(), 12);
        assert_eq!(run_of_name(&run.to_string()), Some(run));
        for bad in ["", "#", "a#", "#1", "a#b", ".trash-1-a#1", ".keeper-1", "a#-1", "../x#1"] {
            assert_eq!(run_of_name(bad), None, "{bad}");
        }
    }
}
