//! Events: one producer for all readers, which works for as long as there is one.

use super::{
    feed::{Feed, Taken},
    handle::Handle,
    rows::instance_row,
};
use crate::api::{
    ErrorCode, EventKind, EventMessage, EventStream, InstancesChanged, JobRow, JobsChanged, PoolStatus,
    Service as _, ServiceError,
};
use futures_util::{StreamExt as _, stream};
use pool_core::{HoldOffView, InstanceId, InstanceView};
use serde::Serialize;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{
        Mutex,
        broadcast::{self, error::RecvError},
    },
    time::{MissedTickBehavior, interval},
};

/// How often jobs are told of.
const TURN: Duration = Duration::from_millis(250);
/// All else is told of once in so many turns.
const SELDOM: u32 = 4;
/// Most jobs, or instances, in one event.
const ROWS: usize = 500;
/// Events that a reader may be behind. One that is more so misses the oldest.
const BEHIND: usize = 32;
/// Most bytes of a command in an event: an event of many long ones would be as large as all of them.
const COMMAND: usize = 2000;

/// Where events come from and go to.
#[derive(Debug, Default)]
pub(super) struct Hub {
    /// Held by the producer alone: with it the readers' streams end, however it ends.
    pub(super) readers: Mutex<Option<broadcast::WeakSender<EventMessage>>>,
    pub(super) feed: Arc<Feed>,
}

/// Follows the events, and begins to produce them if nobody has followed them so far.
pub(super) async fn follow(handle: &Handle) -> Result<EventStream, ServiceError> {
    let receiver = {
        let mut readers = handle.hub.readers.lock().await;
        match readers.as_ref().and_then(broadcast::WeakSender::upgrade) {
            Some(readers) => readers.subscribe(),
            None => {
                let (sender, receiver) = broadcast::channel(BEHIND);
                // From here on nothing is missed: what the reader reads after its first event is newer.
                handle.hub.feed.begin();
                *readers = Some(sender.downgrade());
                tokio::spawn(Producer::new(handle.clone(), sender).run());
                receiver
            }
        }
    };
    let first = message(EventKind::Status, &handle.status().await?);
    let rest = stream::unfold(receiver, |mut receiver| async move {
        match receiver.recv().await {
            Ok(message) => Some((message, receiver)),
            Err(RecvError::Lagged(_)) => Some((missed(), receiver)),
            Err(RecvError::Closed) => None,
        }
    });
    Ok(stream::iter(first).chain(rest).boxed())
}

/// None if it is no JSON: there is no such.
fn message(event: EventKind, data: &impl Serialize) -> Option<EventMessage> {
    match serde_json::to_string(data) {
        Ok(data) => Some(EventMessage { event, data: data.into() }),
        Err(error) => {
            tracing::error!(%error, event = event.as_str(), "an event cannot be written");
            None
        }
    }
}

fn missed() -> EventMessage {
    EventMessage { event: EventKind::Missed, data: "{}".into() }
}

/// Looks at what has changed, and tells all readers.
struct Producer {
    handle: Handle,
    readers: broadcast::Sender<EventMessage>,
    instances: HashMap<InstanceId, InstanceView>,
    creating: Vec<InstanceView>,
    hold_offs: Vec<HoldOffView>,
    status: Option<PoolStatus>,
}

impl Producer {
    /// What is now is what changes are told against.
    fn new(handle: Handle, readers: broadcast::Sender<EventMessage>) -> Self {
        let mut producer = Self {
            instances: HashMap::new(),
            creating: Vec::new(),
            hold_offs: handle.pool.summary().hold_offs,
            status: None,
            handle,
            readers,
        };
        producer.changed_instances();
        producer
    }

    /// Works until nobody reads any longer, or the dispatcher is gone.
    async fn run(mut self) {
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for turn in 0_u32.. {
            turns.tick().await;
            let hub = Arc::clone(&self.handle.hub);
            // Held while it is decided: nobody comes in between.
            let mut readers = hub.readers.lock().await;
            if self.readers.receiver_count() == 0 {
                hub.feed.end();
                *readers = None;
                return;
            }
            drop(readers);
            match self.turn(turn.is_multiple_of(SELDOM)).await {
                Ok(()) => {}
                Err(ServiceError { code: ErrorCode::Stopping, .. }) => {
                    // With the last sender the readers' streams end.
                    hub.feed.end();
                    *hub.readers.lock().await = None;
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "changes could not be read: who follows them is to read everything again");
                    self.send(Some(missed()));
                }
            }
        }
    }

    fn send(&self, message: Option<EventMessage>) {
        if let Some(message) = message {
            // Fails when nobody reads: that is seen in the next turn.
            drop(self.readers.send(message));
        }
    }

    async fn turn(&mut self, all: bool) -> Result<(), ServiceError> {
        self.tell_jobs().await?;
        if all {
            self.tell_instances();
            self.tell_hold_offs().await?;
            self.tell_status().await?;
        }
        Ok(())
    }

    async fn tell_jobs(&self) -> Result<(), ServiceError> {
        let numbers = match self.handle.hub.feed.take(ROWS) {
            Taken::Jobs(numbers) if numbers.is_empty() => return Ok(()),
            Taken::Jobs(numbers) => numbers,
            Taken::TooMany => {
                self.send(Some(missed()));
                return Ok(());
            }
        };
        let mut changed: Vec<JobRow> = self.handle.rows(numbers).await?;
        for row in &mut changed {
            shorten(&mut row.command, COMMAND);
        }
        self.send(message(EventKind::Jobs, &JobsChanged { changed }));
        Ok(())
    }

    fn tell_instances(&mut self) {
        let now = self.handle.pool.now();
        let Some(Changes { changed, gone }) = self.changed_instances() else { return };
        let row = |view: &InstanceView| instance_row(view.clone(), now);
        let creating: Vec<_> = self.creating.iter().map(row).collect();
        let mut rest = changed.chunks(ROWS);
        let first = InstancesChanged {
            changed: rest.next().unwrap_or_default().iter().map(row).collect(),
            gone,
            creating: creating.clone(),
        };
        self.send(message(EventKind::Instances, &first));
        for chunk in rest {
            let changed = chunk.iter().map(row).collect();
            let more = InstancesChanged { changed, gone: Vec::new(), creating: creating.clone() };
            self.send(message(EventKind::Instances, &more));
        }
    }

    /// Compares the instances with what they were. None if nothing has changed.
    fn changed_instances(&mut self) -> Option<Changes> {
        let mut before = std::mem::take(&mut self.instances);
        let (mut changed, mut creating) = (Vec::new(), Vec::new());
        for view in self.handle.pool.instances() {
            let Some(id) = view.id.clone() else {
                creating.push(view);
                continue;
            };
            if !before.remove(&id).is_some_and(|old| is_same(&old, &view)) {
                changed.push(view.clone());
            }
            self.instances.insert(id, view);
        }
        let gone: Vec<InstanceId> = before.into_keys().collect();
        let same = changed.is_empty() && gone.is_empty() && creating == self.creating;
        self.creating = creating;
        (!same).then_some(Changes { changed, gone })
    }

    async fn tell_hold_offs(&mut self) -> Result<(), ServiceError> {
        let hold_offs = self.handle.pool.summary().hold_offs;
        if hold_offs != self.hold_offs {
            self.hold_offs = hold_offs;
            self.send(message(EventKind::HoldOffs, &self.handle.hold_offs().await?));
        }
        Ok(())
    }

    async fn tell_status(&mut self) -> Result<(), ServiceError> {
        let status = Some(self.handle.status().await?);
        if status != self.status {
            self.send(status.as_ref().and_then(|status| message(EventKind::Status, status)));
            self.status = status;
        }
        Ok(())
    }
}

/// Leaves so many bytes of a command, in all its words, and a sign where it was cut.
fn shorten(command: &mut Vec<String>, most: usize) {
    let mut left = most;
    for (at, word) in command.iter_mut().enumerate() {
        // A word without letters takes room too.
        let size = word.len() + 1;
        if size > left {
            word.truncate(word.floor_char_boundary(left));
            word.push('…');
            command.truncate(at + 1);
            return;
        }
        left -= size;
    }
}

/// Of instances.
struct Changes {
    changed: Vec<InstanceView>,
    gone: Vec<InstanceId>,
}

/// Whether nothing is different but how long it has been idle.
fn is_same(old: &InstanceView, new: &InstanceView) -> bool {
    old == new || InstanceView { last_busy: new.last_busy, ..old.clone() } == *new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_cut_at_a_character_and_says_so() {
        let shortened = |words: &[&str], most| {
            let mut command = words.iter().map(ToString::to_string).collect();
            shorten(&mut command, most);
            command
        };
        assert_eq!(shortened(&["ab", "cd"], 6), ["ab", "cd"]);
        assert_eq!(shortened(&["ab", "cdé", "f"], 6), ["ab", "cd…"]);
        assert_eq!(shortened(&["ab", "cd", "", "f"], 6), ["ab", "cd", "…"]);
        assert_eq!(shortened(&["äää"], 3), ["ä…"]);
    }
}
