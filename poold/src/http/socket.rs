//! Where the socket of a state directory is.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

/// The private directory of the socket, below the state directory.
pub(super) const DIRECTORY: &str = "run";
const NAME: &str = "poold.sock";
/// Longest path that a socket's address takes, with its final zero (`sun_path`, unix(7)).
const MAX_ADDRESS: usize = 108;

/// The socket of a state directory.
pub(crate) fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join(DIRECTORY).join(NAME)
}

/// A path of a socket that the kernel takes, however long the state directory's own path is.
#[derive(Debug)]
pub(crate) struct Reach {
    path: PathBuf,
    /// What the path leads through; it ends with this.
    _directory: Option<File>,
}

impl Reach {
    /// # Errors
    /// The directory of a socket with a long path cannot be opened.
    pub(crate) fn new(state_dir: &Path) -> io::Result<Self> {
        let path = socket_path(state_dir);
        if path.as_os_str().as_bytes().len() < MAX_ADDRESS {
            return Ok(Self { path, _directory: None });
        }
        // A process has a short name for each directory that it has open. It works for every thread and every
        // length, and changes nothing that others see, as a change of the working directory would.
        let directory = File::open(state_dir.join(DIRECTORY))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()));
        Ok(Self { path, _directory: Some(directory) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
