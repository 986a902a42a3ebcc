//! The runner program that workers get.

use bytes::Bytes;
use pool_api::{Architecture, InstanceType};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

/// Where the runner program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunnerSource {
    /// A file for each architecture, copied to the workers.
    Files(BTreeMap<Architecture, PathBuf>),
    /// The running program itself, which must have called
    /// [`run_as_runner_if_asked`](crate::run_as_runner_if_asked) first thing in its `main`.
    #[cfg(feature = "runner")]
    ThisProgram,
    /// Installed on the workers already, at this path.
    Installed(String),
}

impl RunnerSource {
    /// One file, for workers of this machine's kind (x86_64).
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::Files([(Architecture::X86_64, path.into())].into())
    }
}

/// If this program was called as the runner (`PROGRAM runner …`), does the work of a runner and ends the process. Else
/// it returns at once, and from then on the program may be deployed as [`RunnerSource::ThisProgram`].
///
/// Call it first thing in `main`, before anything is opened or started.
///
/// # Panics
/// Within a tokio runtime, and so in a `main` under `#[tokio::main]`: the runner closes all files that it finds open,
/// the runtime's own among them. Make the runtime afterwards.
#[cfg(feature = "runner")]
pub fn run_as_runner_if_asked() {
    assert!(
        tokio::runtime::Handle::try_current().is_err(),
        "call pool_core::run_as_runner_if_asked() before there is a tokio runtime: in a plain `fn main`, which then makes one"
    );
    pool_runner::run_if_asked();
}

/// The runner program cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RunnerError {
    /// Its file cannot be read.
    #[error("the runner program {path} cannot be read: build it, or configure where it is")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Arc<io::Error>,
    },
    /// No file is configured for a type's architecture.
    #[error("no runner program is configured for {0} workers: build one, and configure where it is")]
    NoneFor(Architecture),
    /// This program does not know how to be a runner.
    #[error(
        "this program cannot serve as the runner: it must call pool_core::run_as_runner_if_asked() first thing in \
         main, or a runner program must be configured"
    )]
    NotARunner,
}

/// The runner program of one architecture, ready to be deployed.
#[derive(Clone, Debug)]
pub(crate) enum RunnerProgram {
    /// To be copied.
    Copy {
        /// What. Shared by all that copy it now.
        bytes: ProgramBytes,
        /// Its SHA-256, in hexadecimal digits.
        hash: String,
    },
    /// There already.
    Installed(String),
}

/// A program's content.
#[derive(Clone, Debug)]
pub(crate) struct ProgramBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for ProgramBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<ProgramBytes> for Bytes {
    fn from(bytes: ProgramBytes) -> Self {
        Self::from_owner(bytes)
    }
}

/// A program that was loaded. Tens of megabytes are kept only for as long as somebody copies them.
#[derive(Debug)]
pub(crate) enum Loaded {
    Copy { bytes: Weak<Vec<u8>>, hash: String },
    Installed(String),
}

impl RunnerProgram {
    /// What is remembered of it.
    pub(crate) fn remember(&self) -> Loaded {
        match self {
            Self::Copy { bytes, hash } => {
                Loaded::Copy { bytes: Arc::downgrade(&bytes.0), hash: hash.clone() }
            }
            Self::Installed(path) => Loaded::Installed(path.clone()),
        }
    }
}

impl Loaded {
    /// The program, if it is still there.
    pub(crate) fn get(&self) -> Option<RunnerProgram> {
        match self {
            Self::Copy { bytes, hash } => {
                let bytes = ProgramBytes(bytes.upgrade()?);
                Some(RunnerProgram::Copy { bytes, hash: hash.clone() })
            }
            Self::Installed(path) => Some(RunnerProgram::Installed(path.clone())),
        }
    }
}

impl RunnerSource {
    /// Loads the program for an architecture. Reads the file each time: it may have been replaced.
    pub(crate) fn load(&self, architecture: Architecture) -> Result<RunnerProgram, RunnerError> {
        let path = match self {
            Self::Installed(path) => return Ok(RunnerProgram::Installed(path.clone())),
            Self::Files(files) => {
                files.get(&architecture).cloned().ok_or(RunnerError::NoneFor(architecture))?
            }
            #[cfg(feature = "runner")]
            Self::ThisProgram if !pool_runner::can_run_self() => return Err(RunnerError::NotARunner),
            // Not current_exe(): its path may have been replaced since the program started.
            #[cfg(feature = "runner")]
            Self::ThisProgram => PathBuf::from("/proc/self/exe"),
        };
        let read = |mut file: File| {
            let size = file.metadata()?.len();
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            file.read_to_end(&mut bytes).map(|_| bytes)
        };
        match open_file(&path).and_then(read) {
            Ok(bytes) => {
                let hash = hex::encode(Sha256::digest(&bytes));
                Ok(RunnerProgram::Copy { bytes: ProgramBytes(Arc::new(bytes)), hash })
            }
            Err(error) => Err(RunnerError::Unreadable { path, source: Arc::new(error) }),
        }
    }

    /// Changes when the program's file does.
    pub(crate) fn version(&self, architecture: Architecture) -> Option<(u64, std::time::SystemTime)> {
        let Self::Files(files) = self else { return None };
        let metadata = std::fs::metadata(files.get(&architecture)?).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    }

    /// Whether workers of all these types could be given their program, without reading all of it.
    ///
    /// # Errors
    /// [`RunnerError`] for the first that could not.
    pub fn check_types<'a>(
        &self,
        types: impl IntoIterator<Item = &'a InstanceType>,
    ) -> Result<(), RunnerError> {
        types.into_iter().try_for_each(|instance_type| self.check(instance_type.architecture))
    }

    /// Whether it could be loaded, without reading all of it.
    pub(crate) fn check(&self, architecture: Architecture) -> Result<(), RunnerError> {
        match self {
            Self::Files(files) => {
                let path = files.get(&architecture).ok_or(RunnerError::NoneFor(architecture))?;
                open_file(path)
                    .map(drop)
                    .map_err(|error| RunnerError::Unreadable { path: path.clone(), source: Arc::new(error) })
            }
            #[cfg(feature = "runner")]
            Self::ThisProgram if !pool_runner::can_run_self() => Err(RunnerError::NotARunner),
            #[cfg(feature = "runner")]
            Self::ThisProgram => Ok(()),
            Self::Installed(_) => Ok(()),
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    // Looked at first: to open a named pipe would wait for its other end.
    if std::fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::other("it is not a file"))
    }
}

#[cfg(all(test, feature = "runner"))]
mod tests {
    #[tokio::test]
    #[should_panic(expected = "before there is a tokio runtime")]
    async fn being_the_runner_within_a_runtime_is_refused() {
        super::run_as_runner_if_asked();
    }
}
