//! Reading the queue's file beside its owner, who is not kept waiting by that.

use super::{JobReader, QueueError, failure::Failure, file, read::Reading};
use crate::job::QueueTag;
use rusqlite::Connection;
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::Semaphore, task};

/// Questions that are answered at once; more wait. Each has a thread and a connection meanwhile.
const AT_ONCE: usize = 4;

/// Answers questions over connections of its own that only read. Clones share them.
///
/// Each answer is of one moment, and shows all that was committed before it was asked for: the owner's commits are
/// durable, and visible to all connections, before anybody hears of them.
#[derive(Clone)]
pub(crate) struct QueueReader(Arc<Shared>);

struct Shared {
    path: PathBuf,
    tag: QueueTag,
    room: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for QueueReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueReader").field(&self.0.path).finish()
    }
}

impl QueueReader {
    pub(super) fn new(path: PathBuf, tag: QueueTag) -> Self {
        let (room, idle) = (Arc::new(Semaphore::new(AT_ONCE)), Mutex::default());
        Self(Arc::new(Shared { path, tag, room, idle }))
    }

    /// Has a question answered on a thread where it may block.
    ///
    /// # Errors
    /// What the question says, or that the file cannot be opened.
    ///
    /// # Cancel safety
    /// May be dropped at any time; a question that has begun goes on to its end, for nothing.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn JobReader) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        // It is never closed.
        let permit = Arc::clone(&self.0.room).acquire_owned().await.ok();
        let shared = Arc::clone(&self.0);
        let answered = task::spawn_blocking(move || {
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
        // One that has failed may be of no use any more.
        if answer.is_ok() {
            self.idle().push(connection);
        }
        answer
    }
}
