//! The daemon: what comes to it, and what comes due.

use super::{
    orphan::Orphan,
    output::WaitingRead,
    runs::Run,
    scene::Scene,
    sessions::{Session, Stage},
};
use crate::sim::line::ChannelId;
use pool_api::{InstanceSetId, RunId};
use pool_protocol::RequestId;
use std::{collections::BTreeMap, time::Duration};

/// What the pool has told, on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) instance_set: InstanceSetId,
    /// The highest ever seen.
    pub(super) epoch: u64,
    pub(super) held: bool,
    pub(super) orphan_timeout: Duration,
    pub(super) power_off: Option<String>,
}

/// Something that comes due. A run is told from an earlier one with the same id by its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::sim) enum Due {
    /// A job ends by itself.
    JobEnds { run: RunId, number: u64 },
    /// A job has reached its time limit.
    TimeLimit { run: RunId, number: u64 },
    /// A job ends by a signal.
    Signal { run: RunId, number: u64, signal: &'static str },
    /// The record of an ended run can be read again.
    Unlock { run: RunId, number: u64 },
    /// There is something for a read that waits.
    Read { channel: ChannelId, request: RequestId },
    /// A connection should have said hello by now.
    Hello(ChannelId),
    /// Perhaps nobody has cared for too long.
    Orphan,
}

/// A machine's runner.
#[derive(Debug, Default)]
pub(in crate::sim) struct Runner {
    // On disk.
    pub(super) told: Option<Told>,
    pub(super) runs: BTreeMap<RunId, Run>,
    pub(super) broken: Option<String>,
    // Of the daemon, while there is one. While a job goes on, there is.
    pub(super) up: bool,
    pub(super) sessions: BTreeMap<ChannelId, Session>,
    pub(super) reads: Vec<WaitingRead>,
    pub(super) orphan: Orphan,
    /// Whether the record of a run is locked for a while after its end.
    pub(super) locks_records: bool,
    pub(super) started: u64,
}

impl Runner {
    /// A runner that was never started.
    pub(in crate::sim) fn new(locks_records: bool) -> Self {
        Self { locks_records, ..Self::default() }
    }

    /// `attach` was started on a channel. It starts the daemon if there is none.
    pub(in crate::sim) fn attach(&mut self, channel: ChannelId, program: u32, scene: &mut Scene) {
        if !self.up {
            self.up = true;
            self.orphan = Orphan::since(scene.now);
        }
        self.sessions.insert(channel, Session::new(program));
        scene.after(super::sessions::HELLO_TIMEOUT, Due::Hello(channel));
        self.look_after_orphan(scene);
    }

    /// Does what has come due.
    pub(in crate::sim) fn handle(&mut self, due: Due, scene: &mut Scene) {
        match due {
            Due::JobEnds { run, number } => self.job_ends(&run, number, scene),
            Due::TimeLimit { run, number } => self.time_limit(&run, number, scene),
            Due::Signal { run, number, signal } => self.signal_ends(&run, number, signal, scene),
            Due::Unlock { run, number } => self.unlock(&run, number, scene),
            Due::Read { channel, request } => self.try_read(channel, request, scene),
            Due::Hello(channel) => {
                if self.sessions.get(&channel).is_some_and(|session| session.stage == Stage::New) {
                    self.close(channel, scene);
                }
            }
            Due::Orphan => self.orphan.checked(scene.now),
        }
        self.look_after_orphan(scene);
    }

    /// All its processes end at once; what is on disk stays.
    pub(in crate::sim) fn halt(&mut self, scene: &mut Scene) {
        self.drop_all_sessions(scene);
        self.up = false;
        self.end_all_runs(scene);
    }

    /// The jobs and their keepers are killed; the daemon notices.
    pub(in crate::sim) fn kill_jobs(&mut self, scene: &mut Scene) {
        self.end_all_runs(scene);
        self.look_after_orphan(scene);
    }

    /// The machine says of itself that it is broken.
    pub(in crate::sim) fn break_down(&mut self, reason: String, scene: &mut Scene) {
        self.broken = Some(reason);
        self.tell_if_broken(scene);
    }

    /// The runs that it knows, and whether their processes are alive.
    pub(in crate::sim) fn known_runs(&self) -> Vec<(RunId, bool)> {
        self.runs.iter().map(|(id, run)| (id.clone(), run.goes_on())).collect()
    }

    /// The program and the epoch of the open session.
    pub(in crate::sim) fn open_session(&self) -> Option<(u32, u64)> {
        let session = self.sessions.values().find(|session| session.stage == Stage::Attached)?;
        Some((session.program, self.told.as_ref()?.epoch))
    }
}
