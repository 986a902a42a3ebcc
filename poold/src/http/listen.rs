//! A socket that nobody else can reach.

use super::socket::{DIRECTORY, Reach, socket_path};
use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

const PRIVATE_DIRECTORY: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// A socket on which nobody can listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("{path} cannot be made a directory for this user alone")]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is in the way: it is not a socket, so it is left alone. Move it elsewhere")]
    NotASocket { path: PathBuf },
    #[error("another process answers on {path}: stop it first")]
    InUse { path: PathBuf },
    #[error("there can be no socket {path}")]
    Bind {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Listens on a state directory's socket. Its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) socket: UnixListener,
    path: PathBuf,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // One that stays is replaced by the next start.
        drop(fs::remove_file(&self.path));
    }
}

/// Makes the socket of a state directory, which replaces that of a dead process.
///
/// The socket is made in a directory that nobody else can enter, so at no moment can others reach it.
///
/// # Errors
/// [`SocketError`].
pub(crate) fn listen(state_dir: &Path) -> Result<Listener, SocketError> {
    let directory = state_dir.join(DIRECTORY);
    private_directory(&directory)
        .map_err(|source| SocketError::Directory { path: directory.clone(), source })?;
    let path = socket_path(state_dir);
    let failed = |source| SocketError::Bind { path: path.clone(), source };
    let reach = Reach::new(state_dir).map_err(failed)?;
    match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path });
        }
        Ok(_) => {
            if UnixStream::connect(reach.path()).is_ok() {
                return Err(SocketError::InUse { path });
            }
            fs::remove_file(&path).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let socket = UnixListener::bind(reach.path()).map_err(failed)?;
    fs::set_permissions(&path, Permissions::from_mode(PRIVATE_FILE)).map_err(failed)?;
    Ok(Listener { socket, path })
}

fn private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A link could lead to a directory of somebody else.
            if !fs::symlink_metadata(path)?.is_dir() {
                return Err(error);
            }
            fs::set_permissions(path, Permissions::from_mode(PRIVATE_DIRECTORY))
        }
        made => made,
    }
}
