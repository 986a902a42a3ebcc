//! Why the runner could not do what its command line asks for.

use std::{io, path::PathBuf};

/// An error that ends the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunnerError {
    /// A file or directory could not be used.
    #[error("cannot {what} {}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// A file holds something else than it should.
    #[error("{} is damaged: move it away if nothing on this worker is needed any more", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    /// A system call without a file failed.
    #[error("cannot {what}")]
    System { what: &'static str, source: io::Error },
    /// The daemon did not come up.
    #[error("the daemon does not answer after {seconds} s; see {}", log.display())]
    NoDaemon { seconds: u64, log: PathBuf },
    /// The daemon ended at once.
    #[error("the daemon could not start: {message} (its log is {})", log.display())]
    DaemonFailed { message: String, log: PathBuf },
    /// The program that runs would not understand if it was started as `… runner daemon`.
    #[error("this program cannot be its own runner: it does not call pool_runner::run_if_asked first")]
    CannotRunSelf,
}

impl RunnerError {
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> RunnerError {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> RunnerError {
        move |source| Self::System { what, source: source.into() }
    }
}

/// An error with all its sources, for people.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
