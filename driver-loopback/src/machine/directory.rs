//! What is where in an instance's directory.

use crate::{LoopbackError, model::Record};
use pool_api::{InstanceId, PublicKey};
use russh::keys::{Algorithm, PrivateKey, ssh_key::LineEnding};
use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The directory of one instance. Only the current user can look into it.
#[derive(Clone, Debug)]
pub(crate) struct InstanceDir(PathBuf);

impl InstanceDir {
    pub(crate) fn new(state_dir: &Path, id: &InstanceId) -> Self {
        Self(state_dir.join(id.as_str()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// [`Instance::root`](pool_api::Instance::root).
    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Where a runner would keep its program. A file of this name keeps it from being put there.
    fn runner_program(&self) -> PathBuf {
        self.root().join("bin")
    }

    /// Where a runner would keep its own files. A file of this name keeps it from starting.
    fn runner_files(&self) -> PathBuf {
        self.root().join("runner")
    }

    /// Where a runner keeps a directory for each run, which is where the run's processes are at home.
    pub(super) fn runs(&self) -> PathBuf {
        self.runner_files().join("runs")
    }

    /// Where programs of the instance put their temporary files, so that these go with the instance.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// The init command, until it has run.
    pub(crate) fn init(&self) -> PathBuf {
        self.0.join("init")
    }

    /// What the init command printed.
    pub(crate) fn boot_log(&self) -> PathBuf {
        self.0.join("boot.log")
    }

    fn record_file(&self) -> PathBuf {
        self.0.join("instance.json")
    }

    fn host_key_file(&self) -> PathBuf {
        self.0.join("ssh_host_ed25519_key")
    }

    fn authorized_keys_file(&self) -> PathBuf {
        self.0.join("authorized_keys")
    }

    /// Makes everything of a new instance. The record comes last: a directory without one is no instance yet.
    pub(crate) fn create(
        &self,
        record: &Record,
        init: &str,
        public_key: &PublicKey,
    ) -> Result<(), LoopbackError> {
        for dir in [self.0.clone(), self.root(), self.tmp()] {
            let made = fs::DirBuilder::new().mode(0o700).create(&dir);
            made.map_err(LoopbackError::storage("create", dir))?;
        }
        if record.fate.without_runner {
            for file in [self.runner_program(), self.runner_files()] {
                write_private(&file, b"the loopback's faults say that this machine takes no runner\n")
                    .map_err(LoopbackError::storage("write", file))?;
            }
        }
        self.make_host_key()?;
        let authorized_keys = self.authorized_keys_file();
        write_private(&authorized_keys, format!("{}\n", public_key.0.trim()).as_bytes())
            .map_err(LoopbackError::storage("write", authorized_keys))?;
        write_private(&self.init(), init.as_bytes()).map_err(LoopbackError::storage("write", self.init()))?;
        self.save(record)
    }

    /// Replaces the record. A reader, and whoever comes after a crash, finds the old one or the new one.
    pub(crate) fn save(&self, record: &Record) -> Result<(), LoopbackError> {
        let file = self.record_file();
        let text = serde_json::to_vec_pretty(record).map_err(io::Error::from);
        let new = file.with_extension("json.new");
        text.and_then(|text| write_private(&new, &text))
            .and_then(|()| fs::rename(&new, &file))
            .map_err(LoopbackError::storage("write", file))
    }

    /// Reads the record; none where the directory was never finished or is half removed.
    pub(crate) fn load(&self) -> io::Result<Option<Record>> {
        match fs::read(self.record_file()) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes it a new host key.
    pub(crate) fn make_host_key(&self) -> Result<(), LoopbackError> {
        let file = self.host_key_file();
        PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .map_err(io::Error::other)
            .and_then(|key| write_private(&file, key.as_bytes()))
            .map_err(LoopbackError::storage("write", file))
    }

    /// The host key that was made for it.
    pub(crate) fn host_key(&self) -> Result<PrivateKey, LoopbackError> {
        let file = self.host_key_file();
        fs::read(&file)
            .and_then(|text| PrivateKey::from_openssh(text).map_err(io::Error::other))
            .map_err(LoopbackError::storage("read", file))
    }

    /// Who may log in.
    pub(crate) fn authorized_key(&self) -> Result<russh::keys::PublicKey, LoopbackError> {
        let file = self.authorized_keys_file();
        let text = fs::read_to_string(&file).map_err(LoopbackError::storage("read", file))?;
        russh::keys::PublicKey::from_openssh(text.trim()).map_err(LoopbackError::BadPublicKey)
    }

    /// Removes everything. What is gone already is no error.
    pub(crate) fn remove(&self) -> Result<(), LoopbackError> {
        remove_tree(&self.0).map_err(LoopbackError::storage("remove", self.0.clone()))
    }
}

/// Writes a file that only the current user can read.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(dir) {
        // A job may have left directories that even their owner cannot write to.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_tree(dir)?;
            fs::remove_dir_all(dir)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the owner all rights on every directory of a tree. Follows no symbolic link.
fn open_tree(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_tree(&entry.path())?;
        }
    }
    Ok(())
}
