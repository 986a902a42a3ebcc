//! The file of tokens in a state directory.

use super::{
    role::Role,
    token::{Digest, Token},
};
use crate::{job::Moment, say::with_causes};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, Metadata},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

const FILE: &str = "tokens.json";
/// Whoever changes the file holds a lock on this one: the file itself is replaced.
const LOCK: &str = "tokens.lock";
const MAX_NAME: usize = 64;
/// The name that the socket's user has.
pub(crate) const SOCKET_NAME: &str = "socket";

/// The file of tokens cannot be used, or a change makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokensError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is damaged: restore it, or remove it and make new tokens with `poold token create`")]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} cannot be written: nothing was changed")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{0:?} is no name of a token: give 1 to {MAX_NAME} letters, digits, `.`, `_`, `-` or `@`, and not `{SOCKET_NAME}`"
    )]
    Name(String),
    #[error("there is a token {0} already: revoke it first, or choose another name")]
    Exists(String),
    #[error("there is no token {0}: `poold token list` shows those that there are")]
    Unknown(String),
}

/// One token, as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Names who has it, in the audit log.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) digest: Digest,
    pub(crate) created: Moment,
    /// From then on it is refused; none: never.
    pub(crate) expires: Option<Moment>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    role: Role,
    sha256: String,
    created: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Moment>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    tokens: Vec<Line>,
}

impl Entry {
    fn of(line: Line) -> Result<Self, serde_json::Error> {
        let Line { name, role, sha256, created, expires } = line;
        let wrong = || serde::de::Error::custom(format!("the sha256 of token {name:?} is none"));
        let digest = Digest::from_hex(&sha256).ok_or_else(wrong)?;
        Ok(Self { name, role, digest, created, expires })
    }

    fn line(&self) -> Line {
        let Self { name, role, digest, created, expires } = self.clone();
        Line { name, role, sha256: digest.to_hex(), created, expires }
    }

    /// Whether it counts no longer.
    pub(crate) fn is_expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The tokens of a state directory as they are now: a change of the file counts from the next question on.
#[derive(Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
    read: Mutex<Option<(Version, Known)>>,
}

/// All tokens at one time.
type Known = Arc<Vec<Entry>>;

/// Tells one content of the file from another: it is only ever replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Version(Option<(u64, i64, i64, u64)>);

impl Version {
    fn of(metadata: Option<&Metadata>) -> Self {
        Self(metadata.map(|file| (file.ino(), file.mtime(), file.mtime_nsec(), file.len())))
    }
}

impl Tokens {
    /// Nothing is read yet.
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self { path: state_dir.join(FILE), read: Mutex::default() }
    }

    /// All tokens, the expired ones too.
    ///
    /// # Errors
    /// [`TokensError::Read`] and [`TokensError::Damaged`].
    pub(crate) fn all(&self) -> Result<Vec<Entry>, TokensError> {
        read_file(&self.path)
    }

    /// The same for who lets people in: read only when the file has changed. None while it cannot be read, which is logged
    /// once.
    pub(crate) fn counting(&self) -> Arc<Vec<Entry>> {
        // What cannot be looked at has no version, and no file has neither.
        let version = Version::of(fs::metadata(&self.path).ok().as_ref());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, known)) = &*read
            && *before == version
        {
            return Arc::clone(known);
        }
        // Replaced in between: then it is newer than its version, and is read again the next time.
        let known = Arc::new(read_file(&self.path).unwrap_or_else(|error| {
            tracing::error!(error = %with_causes(&error), "nobody is let in with a token");
            Vec::new()
        }));
        *read = Some((version, Arc::clone(&known)));
        known
    }
}

fn read_file(path: &Path) -> Result<Vec<Entry>, TokensError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(TokensError::Read { path: path.to_owned(), source }),
    };
    let read = serde_json::from_slice::<Lines>(&text)
        .and_then(|lines| lines.tokens.into_iter().map(Entry::of).collect());
    read.map_err(|source| TokensError::Damaged { path: path.to_owned(), source })
}

/// Changes the tokens of a state directory: all or nothing, durable when it returns, one change at a time.
///
/// # Errors
/// [`TokensError`]; nothing was changed then.
pub(crate) fn change<T>(
    state_dir: &Path,
    change: impl FnOnce(&mut Vec<Entry>) -> Result<T, TokensError>,
) -> Result<T, TokensError> {
    let path = state_dir.join(FILE);
    let failed = |source| TokensError::Write { path: path.clone(), source };
    // Its user's alone: whoever can open it can hold the lock.
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(state_dir.join(LOCK))
        .map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut entries = read_file(&path)?;
    let changed = change(&mut entries)?;
    let lines = Lines { tokens: entries.iter().map(Entry::line).collect() };
    let mut text = serde_json::to_vec_pretty(&lines).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    // Its mode is its user's alone.
    let mut file = tempfile::NamedTempFile::new_in(state_dir).map_err(failed)?;
    file.write_all(&text).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    File::open(state_dir).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(changed)
}

/// Adds a new token.
///
/// # Errors
/// [`TokensError::Name`] and [`TokensError::Exists`].
pub(crate) fn create(
    entries: &mut Vec<Entry>,
    name: &str,
    role: Role,
    now: Moment,
    expires: Option<Moment>,
) -> Result<Token, TokensError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(allowed) || name == SOCKET_NAME {
        return Err(TokensError::Name(name.chars().take(MAX_NAME).collect()));
    }
    if entries.iter().any(|entry| entry.name == name) {
        return Err(TokensError::Exists(name.to_owned()));
    }
    let token = Token::draw(&mut rand::rng());
    entries.push(Entry { name: name.to_owned(), role, digest: token.digest(), created: now, expires });
    Ok(token)
}

/// Takes a token away.
///
/// # Errors
/// [`TokensError::Unknown`].
pub(crate) fn revoke(entries: &mut Vec<Entry>, name: &str) -> Result<(), TokensError> {
    let before = entries.len();
    entries.retain(|entry| entry.name != name);
    if entries.len() == before { Err(TokensError::Unknown(name.to_owned())) } else { Ok(()) }
}
