//! What a worker does that no pool cares for any more.

use super::{Due, Runner, Scene};
use crate::sim::SimEvent;
use std::time::Duration;

/// A power-off that did not end the machine is tried again after this long.
const AGAIN: Duration = Duration::from_secs(60);
/// How long a daemon stays that was started but never greeted by a pool.
const NEVER_GREETED: Duration = Duration::from_secs(600);

/// Since when nobody cares.
#[derive(Debug, Default)]
pub(super) struct Orphan {
    /// None while a pool is attached.
    since: Option<Duration>,
    powered_off: Option<Duration>,
    /// When it will be looked at next.
    checked_at: Option<Duration>,
}

impl Orphan {
    pub(super) fn since(now: Duration) -> Self {
        Self { since: Some(now), ..Self::default() }
    }

    /// A look that was planned takes place.
    pub(super) fn checked(&mut self, now: Duration) {
        self.checked_at = self.checked_at.filter(|at| *at > now);
    }
}

impl Runner {
    /// How long without a session until the worker is orphaned; none when it is held.
    fn orphan_timeout(&self) -> Option<Duration> {
        match &self.told {
            None => Some(NEVER_GREETED),
            Some(told) if told.held => None,
            Some(told) => Some(told.orphan_timeout),
        }
    }

    /// When the worker ends itself if nothing changes; none if it does not.
    fn orphaned_at(&self) -> Option<Duration> {
        if self.any_going_on() {
            return None;
        }
        let due = self.orphan.since?.checked_add(self.orphan_timeout()?)?;
        Some(self.orphan.powered_off.map_or(due, |last| due.max(last + AGAIN)))
    }

    /// To be called after anything that could matter.
    pub(super) fn look_after_orphan(&mut self, scene: &mut Scene) {
        if !self.up {
            return;
        }
        if self.is_attached() {
            self.orphan.since = None;
            return;
        }
        self.orphan.since.get_or_insert(scene.now);
        let Some(at) = self.orphaned_at() else { return };
        if scene.now < at {
            if self.orphan.checked_at.is_none_or(|checked| at < checked) {
                self.orphan.checked_at = Some(at);
                scene.due.push((at, Due::Orphan));
            }
            return;
        }
        scene.emit(SimEvent::Orphaned { instance: scene.instance.clone() });
        if self.told.as_ref().is_some_and(|told| told.power_off.is_some()) {
            self.orphan.powered_off = Some(scene.now);
            scene.powers_off = true;
            // Unless the machine goes: then nobody looks.
            scene.after(AGAIN, Due::Orphan);
        } else {
            self.leave(scene);
        }
    }

    /// The daemon ends. It has no job that goes on.
    pub(super) fn leave(&mut self, scene: &mut Scene) {
        let channels: Vec<_> = self.sessions.keys().copied().collect();
        for channel in channels {
            self.close(channel, scene);
        }
        self.up = false;
    }
}
