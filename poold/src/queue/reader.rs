//! Reading the queue's file beside its owner, who is not kept waiting by that.

use super::{JobReader, QueueError, failure::Failure, file, read::Reading};
use crate::job::QueueTag;
use rusqlite::Connection;
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::Semaphore, task};

/// Questions that are answered at once; more wait. Each has a thread and a connection meanwhile.
const AT_ONCE: u32 = 4;

/// Answers questions over connections of its own that only read. Clones share them.
///
/// Each answer is of one moment, and shows all that was committed before it was asked for: the owner's commits are
/// durable, and visible to all connections, before anybody hears of them.
#[derive(Clone)]
pub(crate) struct QueueReader(Arc<Shared>);

struct Shared {
    path: PathBuf,
    tag: QueueTag,
    /// Closed with the owner.
    room: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// A log of so many bytes.
    large: u64,
    /// When the log is longer than this, it is emptied. More than `large` after that was in vain.
    limit: AtomicU64,
}

impl fmt::Debug for QueueReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueReader").field(&self.0.path).finish()
    }
}

impl QueueReader {
    /// Sees to it that the log does not get much longer than `large` bytes.
    pub(super) fn new(path: PathBuf, tag: QueueTag, large: u64) -> Self {
        let (room, idle) = (Arc::new(Semaphore::new(AT_ONCE as usize)), Mutex::default());
        Self(Arc::new(Shared { path, tag, room, idle, large, limit: large.into() }))
    }

    /// From now on nothing is answered. What has begun goes on to its end.
    pub(super) fn close(&self) {
        self.0.room.close();
        self.0.idle().clear();
    }

    /// Has a question answered on a thread where it may block.
    ///
    /// # Errors
    /// What the question says, that the file cannot be opened, or that its owner is gone.
    ///
    /// # Cancel safety
    /// May be dropped at any time; a question that has begun goes on to its end, for nothing.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn JobReader) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let shared = Arc::clone(&self.0);
        // Alone, if the log is to be emptied: those who come later wait, and those before come to their end.
        let wanted = if shared.is_log_large() { AT_ONCE } else { 1 };
        let permit = Arc::clone(&shared.room).acquire_many_owned(wanted).await;
        let mut permit = permit.map_err(|_| QueueError::Closed { path: shared.path.clone() })?;
        let answered = task::spawn_blocking(move || {
            if wanted == AT_ONCE {
                shared.empty_log();
                drop(permit.split(AT_ONCE as usize - 1));
            }
            let answer = shared.answer(question);
            drop(permit);
            answer
        });
        let answered = answered.await;
        answered.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(error) => Err(Failure::Misuse(error.to_string()).at(&self.0.path)),
        })
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_log_large(&self) -> bool {
        file::log_size(&self.path) > self.limit.load(Ordering::Relaxed)
    }

    /// Empties the log, which the owner's commits cannot begin anew while there is always one who reads it. Nobody else
    /// reads now.
    fn empty_log(&self) {
        if !self.is_log_large() {
            return;
        }
        let emptied = file::empty_log(&self.path).unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "the queue's log cannot be moved into its file");
            false
        });
        // Somebody else may read it for long, with `sqlite3`: not tried again with each question.
        let limit = if emptied { self.large } else { file::log_size(&self.path).saturating_add(self.large) };
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn answer<T>(
        &self,
        question: impl FnOnce(&dyn JobReader) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let failed = |failure: Failure| failure.at(&self.path);
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => file::open_to_read(&self.path).map_err(|error| failed(error.into()))?,
        };
        let answer = {
            // All of an answer is of one moment.
            let moment = connection.unchecked_transaction().map_err(|error| failed(error.into()))?;
            question(&Reading { on: &moment, tag: &self.tag, path: &self.path })
        };
        let mut idle = self.idle();
        // One that has failed may be of no use any more.
        if answer.is_ok() && !self.room.is_closed() {
            idle.push(connection);
        }
        answer
    }
}
