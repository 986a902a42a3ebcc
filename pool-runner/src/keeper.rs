//! The process that owns one run.
//!
//! One thread. It needs no daemon: orders come through a FIFO that any daemon can open, and what there is to say is
//! written to the run's directory; a note through the daemon's own FIFO only says that there is something to read.

mod ending;
mod job;
mod leftovers;
mod output;
mod watch;

use crate::{
    error::{RunnerError, chain},
    files::{self, Durability},
    job_user::JobUser,
    layout::{Layout, RunDir},
    order, process,
    record::{KeeperRecord, RunRecord, StartRecord},
    text,
};
use output::Streams;
use pool_protocol::{Outcome, RunEnd};
use std::{io, io::Write as _, thread, time::Duration};

/// How long until a record that could not be written is tried again.
const RECORD_AGAIN: Duration = Duration::from_secs(1);

pub(crate) fn run(layout: &Layout, name: &str) -> Result<(), RunnerError> {
    // A session of its own: signals to the daemon's do not reach it, and leftovers can be found by it.
    rustix::process::setsid().map_err(RunnerError::system("begin a session"))?;
    // Orphans among the job's descendants become this process's children: none is lost sight of.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(RunnerError::system("adopt orphans"))?;
    // What the job makes is readable as usual; the runner's own files have explicit modes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));

    let dir = layout.run_named(name);
    let record = dir.file(RunDir::RECORD);
    let record: RunRecord = files::read_json(&record)
        .and_then(|found| found.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(RunnerError::file("read", record))?;
    let keeper = KeeperRecord {
        keeper: process::identify(rustix::process::getpid()).map_err(RunnerError::system("know itself"))?,
    };
    // Before the job is started. Without it a later daemon takes the run for one that was never begun.
    publish(&dir, RunDir::KEEPER, &keeper, Durability::Kernel)
        .map_err(RunnerError::file("write", dir.file(RunDir::KEEPER)))?;

    let keeper = Keeper { layout, name, dir };
    let end = keeper.keep(&record);
    keeper.record_end(&end);
    Ok(())
}

fn publish<T: serde::Serialize>(
    dir: &RunDir,
    name: &str,
    value: &T,
    durability: Durability,
) -> io::Result<()> {
    files::publish(dir.path(), name, &serde_json::to_vec(value)?, durability)
}

struct Keeper<'a> {
    layout: &'a Layout,
    name: &'a str,
    dir: RunDir,
}

impl Keeper<'_> {
    fn keep(&self, record: &RunRecord) -> RunEnd {
        match self.start(record) {
            Err(reason) => RunEnd {
                outcome: Outcome::NotStarted { reason: text::reason(&reason) },
                killed: None,
                started_ms: None,
                ended_ms: text::now_ms(),
                peak_memory: None,
                cpu_time_ms: None,
                stdout: pool_protocol::StreamSize::default(),
                stderr: pool_protocol::StreamSize::default(),
            },
            Ok((job, started_ms)) => watch::Watch::new(self, job, &record.spec).until_end(started_ms),
        }
    }

    fn start(&self, record: &RunRecord) -> Result<(job::Job, u64), String> {
        let user = JobUser::configured(self.layout).map_err(|error| chain(&error))?;
        let streams = Streams::open(&self.dir, record.spec.output_limit.0)
            .map_err(|error| format!("cannot open the output files: {error}"))?;
        let job = job::spawn(record, &self.dir, user.as_ref(), streams)?;
        let started_ms = text::now_ms();
        let started = process::identify(job.pid).map(|job| StartRecord { job, started_ms });
        // Its space is reserved, so this cannot fail for want of it. If it does, the daemon hears of the end only.
        if let Err(error) =
            started.and_then(|it| publish(&self.dir, RunDir::STARTED, &it, Durability::Kernel))
        {
            log!("{}: cannot record the start: {error}", self.name);
        }
        self.notify();
        Ok((job, started_ms))
    }

    /// Writes how the run ended. Does not give up: until that is on disk, nobody may be told.
    fn record_end(&self, end: &RunEnd) {
        while let Err(error) = publish(&self.dir, RunDir::END, end, Durability::Disk) {
            if !self.dir.path().exists() {
                return;
            }
            log!("{}: cannot record the end, trying again: {error}", self.name);
            thread::sleep(RECORD_AGAIN);
        }
        self.notify();
    }

    /// Tells the daemon, if there is one, that there is news of this run.
    fn notify(&self) {
        // No daemon: the next one looks by itself. A daemon that does not read: it sees the end all the same,
        // when the control FIFO loses its reader.
        if let Ok(Some(mut file)) = order::open_writer(&self.layout.notify()) {
            let _ = file.write_all(format!("{}\n", self.name).as_bytes());
        }
    }
}
