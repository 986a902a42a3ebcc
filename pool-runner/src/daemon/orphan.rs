//! What a worker does that no pool cares for any more.

use super::Daemon;
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// After a power-off command that did not end the machine it is tried again. The machine costs money.
const AGAIN: Duration = Duration::from_secs(60);

/// Since when nobody cares.
#[derive(Debug)]
pub(super) struct Orphan {
    /// None while a pool is attached.
    since: Option<Instant>,
    powered_off: Option<Instant>,
}

impl Orphan {
    pub(super) fn since(now: Instant) -> Self {
        Self { since: Some(now), powered_off: None }
    }
}

impl Daemon {
    /// When the worker ends itself if nothing changes; none if it does not.
    pub(super) fn orphaned_at(&self) -> Option<Instant> {
        if self.is_attached() || self.runs.any_going_on() {
            return None;
        }
        let timeout = self.settings.orphan_timeout()?;
        let due = self.orphan.since?.checked_add(timeout)?;
        Some(self.orphan.powered_off.map_or(due, |last| due.max(last + AGAIN)))
    }

    /// To be called after anything that could matter.
    pub(super) fn look_after_orphan(&mut self, now: Instant) {
        if self.is_attached() {
            self.orphan.since = None;
            return;
        }
        self.orphan.since.get_or_insert(now);
        if self.orphaned_at().is_none_or(|at| now < at) {
            return;
        }
        match self.settings.told().and_then(|told| told.power_off.clone()) {
            // The machine is not the runner's to end: it ends itself, and it has no jobs. Ended runs stay on disk.
            None => {
                log!("no pool for too long: the daemon ends");
                self.leaving = true;
            }
            Some(command) => {
                log!("no pool for too long: powering off");
                self.orphan.powered_off = Some(now);
                power_off(&command);
                self.reap_soon();
            }
        }
    }
}

fn power_off(command: &str) {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::null());
    if let Err(error) = shell.spawn() {
        log!("cannot power off: {error}");
    }
}
