//! How many channels run at once on one connection.

use std::{
    cmp::max,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, futures::Notified};

/// What a channel is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// A command that ends within its time limit.
    Command,
    /// A conversation that lasts as long as its caller wants.
    Conversation,
}

/// The places for channels on one connection.
#[derive(Debug)]
pub(crate) struct Slots {
    total: Arc<Semaphore>,
    commands: Arc<Semaphore>,
    conversations: Arc<Semaphore>,
    /// Channels that the host has confirmed and that have not ended.
    open: AtomicUsize,
    /// All channels that the host has ever confirmed.
    confirmed: AtomicUsize,
    /// Whether a channel was closed by us before the host did.
    given_up: AtomicBool,
    released: Notify,
}

impl Slots {
    /// So many places in all.
    pub(crate) fn new(max_channels: usize) -> Arc<Self> {
        let places = |count: usize| Arc::new(Semaphore::new(max(1, count).min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            total: places(max_channels),
            // Neither may take all places: the other's next one then waits for a single end at most.
            commands: places(max_channels.saturating_sub(1)),
            conversations: places(max_channels.saturating_sub(2)),
            open: AtomicUsize::new(0),
            confirmed: AtomicUsize::new(0),
            given_up: AtomicBool::new(false),
            released: Notify::new(),
        })
    }

    /// Waits for a place; in the order of asking. Cancel safe.
    pub(crate) async fn acquire(self: &Arc<Self>, purpose: Use) -> Slot {
        let class = match purpose {
            Use::Command => &self.commands,
            Use::Conversation => &self.conversations,
        };
        // The class first: who waits for it must not hold a place that the other class could use.
        let class = Arc::clone(class).acquire_owned().await;
        let total = Arc::clone(&self.total).acquire_owned().await;
        // Nobody closes these semaphores, so both are always there.
        Slot { permits: [class.ok(), total.ok()], open: false, slots: Arc::clone(self) }
    }

    /// Ends when a place is given back after this call.
    pub(crate) fn released(&self) -> Notified<'_> {
        self.released.notified()
    }

    /// Notes that the host has confirmed a channel. To be called in the order of the host's answers, so that
    /// a refusal that comes later finds it noted.
    pub(crate) fn note_confirmed(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.confirmed.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that a channel was closed by us: the host may count it until its process ends.
    pub(crate) fn note_given_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// True once a channel was closed by us.
    pub(crate) fn any_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// What is open now.
    pub(crate) fn look(&self) -> Look {
        Look { open: self.open.load(Ordering::SeqCst), confirmed: self.confirmed.load(Ordering::SeqCst) }
    }
}

/// What was open at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    open: usize,
    confirmed: usize,
}

impl Look {
    /// True when any channel was open at some time between these two looks.
    pub(crate) fn any_open_until(self, later: Self) -> bool {
        self.open > 0 || later.open > 0 || self.confirmed != later.confirmed
    }
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    permits: [Option<OwnedSemaphorePermit>; 2],
    open: bool,
    slots: Arc<Slots>,
}

impl Slot {
    /// Says that the channel of this place is one of those that the host has confirmed.
    pub(crate) fn set_open(&mut self) {
        self.open = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.open {
            self.slots.open.fetch_sub(1, Ordering::SeqCst);
        }
        self.permits = [None, None];
        self.slots.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    /// A place if there is one at once.
    fn try_acquire(slots: &Arc<Slots>, purpose: Use) -> Option<Slot> {
        let mut acquiring = Box::pin(slots.acquire(purpose));
        match acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    #[test]
    fn commands_leave_a_place_for_a_conversation_and_conversations_for_commands() {
        let slots = Slots::new(8);
        let commands: Vec<_> = std::iter::from_fn(|| try_acquire(&slots, Use::Command)).collect();
        assert_eq!(commands.len(), 7);
        assert!(try_acquire(&slots, Use::Conversation).is_some());
        drop(commands);

        let conversations: Vec<_> = std::iter::from_fn(|| try_acquire(&slots, Use::Conversation)).collect();
        assert_eq!(conversations.len(), 6);
        let commands: Vec<_> = std::iter::from_fn(|| try_acquire(&slots, Use::Command)).collect();
        assert_eq!(commands.len(), 2);
        drop(commands);
        assert!(try_acquire(&slots, Use::Command).is_some());
    }

    #[test]
    fn one_place_is_enough_for_either() {
        let slots = Slots::new(0);
        let only = try_acquire(&slots, Use::Command).unwrap();
        assert!(try_acquire(&slots, Use::Conversation).is_none());
        drop(only);
        assert!(try_acquire(&slots, Use::Conversation).is_some());
    }

    #[test]
    fn a_channel_that_came_and_went_between_two_looks_is_seen() {
        let slots = Slots::new(3);
        let before = slots.look();
        assert!(!before.any_open_until(slots.look()));

        let mut slot = try_acquire(&slots, Use::Command).unwrap();
        slots.note_confirmed();
        slot.set_open();
        let during = slots.look();
        assert!(before.any_open_until(during));
        drop(slot);
        let after = slots.look();
        assert!(before.any_open_until(after));
        assert!(during.any_open_until(after));
        assert!(!after.any_open_until(after));
    }
}
