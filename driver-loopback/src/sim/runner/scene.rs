//! What a runner knows of the world at one moment, and what it wants of it.

use super::Due;
use crate::sim::{SimEvent, SimOptions, chance::millis, line::ChannelId};
use pool_api::{ExitStatus, InstanceId};
use pool_protocol::{ToPool, encode};
use std::time::{Duration, SystemTime};

/// Something that comes out of a channel.
#[derive(Debug)]
pub(in crate::sim) enum Said {
    Frame(Vec<u8>),
    Stderr(&'static str),
    Exit(ExitStatus),
}

/// One moment of a runner.
pub(in crate::sim) struct Scene {
    pub(super) instance: InstanceId,
    pub(super) now: Duration,
    pub(super) options: SimOptions,
    /// What was said, in order.
    pub(in crate::sim) said: Vec<(ChannelId, Said)>,
    pub(in crate::sim) events: Vec<SimEvent>,
    /// What is to be done later.
    pub(in crate::sim) due: Vec<(Duration, Due)>,
    /// Whether the machine is to be powered off.
    pub(in crate::sim) powers_off: bool,
    pub(in crate::sim) frames_taken: u64,
}

impl Scene {
    pub(in crate::sim) fn new(instance: InstanceId, now: Duration, options: SimOptions) -> Self {
        Self {
            instance,
            now,
            options,
            said: Vec::new(),
            events: Vec::new(),
            due: Vec::new(),
            powers_off: false,
            frames_taken: 0,
        }
    }

    /// The machine's wall clock, in milliseconds since the Unix epoch.
    pub(super) fn now_ms(&self) -> u64 {
        let since = self.options.wall_clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        millis(since + self.now)
    }

    pub(super) fn say(&mut self, channel: ChannelId, frame: &ToPool) {
        // All that is said is bounded below the longest frame.
        if let Ok(bytes) = encode(frame) {
            self.said.push((channel, Said::Frame(bytes)));
        }
    }

    /// Attach ends, because its session has.
    pub(super) fn end_channel(&mut self, channel: ChannelId) {
        self.said.push((channel, Said::Exit(ExitStatus::Code(0))));
    }

    pub(super) fn emit(&mut self, event: SimEvent) {
        self.events.push(event);
    }

    pub(super) fn after(&mut self, after: Duration, due: Due) {
        self.due.push((self.now.saturating_add(after), due));
    }
}
