//! The process that owns a run: one at a time.
//!
//! One thread. It needs no daemon: orders come through a FIFO that any daemon can open, and what there is to say is
//! written to the run's journal; a note through the daemon's own FIFO only says that there is something to read. The daemon that has
//! started it gives it another run when one has ended; it ends when that daemon does, but not before its run.

mod ending;
mod job;
mod leftovers;
mod output;
mod watch;

use crate::{
    error::RunnerError,
    files,
    job_user::JobUser,
    journal::{Entry, Journal, RunRecord},
    layout::{Layout, RunDir},
    order, process, text,
};
use leftovers::Usage;
use output::Streams;
use pool_protocol::{FrameBuffer, Outcome, RunEnd};
use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

/// How long until a line that could not be written is tried again.
const RECORD_AGAIN: Duration = Duration::from_secs(1);
/// Most bytes that are taken from a pipe at once.
const CHUNK: usize = 64 * 1024;

pub(crate) fn run(layout: &Layout) -> Result<(), RunnerError> {
    // A session of its own: signals to the daemon's do not reach it, and leftovers can be found by it.
    rustix::process::setsid().map_err(RunnerError::system("begin a session"))?;
    // Orphans among the job's descendants become this process's children: none is lost sight of.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(RunnerError::system("adopt orphans"))?;
    // What the job makes is readable as usual; the runner's own files have explicit modes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let process = process::identify(rustix::process::getpid()).map_err(RunnerError::system("know itself"))?;
    let line = io::stdout().as_fd().try_clone_to_owned().map_err(RunnerError::system("use its line"))?;
    let mut line = BufReader::new(File::from(line));
    let mut tools = Tools { orders: FrameBuffer::new(), buffer: vec![0; CHUNK].into() };
    loop {
        let mut name = String::new();
        // The daemon is gone, or needs no further keeper.
        if line.read_line(&mut name).map_err(RunnerError::system("use its line"))? == 0 {
            return Ok(());
        }
        let name = name.trim_end();
        let dir = layout.run_named(name);
        let (mut journal, content) =
            Journal::open(&dir.journal()).map_err(RunnerError::file("open", dir.journal()))?;
        let Some(Entry::Accepted(record)) = content.entries.into_iter().next() else {
            let source = io::ErrorKind::InvalidData.into();
            return Err(RunnerError::File { what: "read", path: dir.journal(), source });
        };
        // Before the job is started. Without it a later daemon takes the run for one that was never begun.
        journal.append(&Entry::Kept(process.clone())).map_err(RunnerError::file("write", dir.journal()))?;
        let before = Usage::of_children().map_err(RunnerError::system("know what it uses"))?;
        let mut keeper = Keeper { layout, name, dir, journal, line: line.get_ref() };
        let end = keeper.keep(&record, &before, &mut tools);
        keeper.record_end(end);
        if !leftovers::nothing_is_left() {
            keeper.say(order::NEWS);
            return Ok(());
        }
        keeper.say(order::NEXT);
    }
}

/// What a keeper needs for any run.
struct Tools {
    /// What has come of orders.
    orders: FrameBuffer,
    /// For output on its way.
    buffer: Box<[u8]>,
}

/// A run that it keeps.
struct Keeper<'a> {
    layout: &'a Layout,
    name: &'a str,
    dir: RunDir,
    journal: Journal,
    /// To the daemon that has started this process.
    line: &'a File,
}

impl Keeper<'_> {
    fn keep(&mut self, record: &RunRecord, before: &Usage, tools: &mut Tools) -> RunEnd {
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
            Ok((job, started_ms)) => {
                watch::Watch::new(self, job, record, tools).until_end(started_ms, before)
            }
        }
    }

    fn start(&mut self, record: &RunRecord) -> Result<(job::Job, u64), String> {
        let user = JobUser::configured(self.layout).map_err(|error| crate::error::chain(&error))?;
        let streams = Streams::new(&self.dir, record.spec.output_limit.0);
        let job = job::spawn(record, &self.dir, user.as_ref(), streams)?;
        let at_ms = text::now_ms();
        // Its space is reserved, so this cannot fail for want of it. If it does, the daemon hears of the end only.
        if let Err(error) = self.journal.append(&Entry::Started { at_ms }) {
            log!("{}: cannot record the start: {error}", self.name);
        }
        self.say(order::NEWS);
        Ok((job, at_ms))
    }

    /// Writes how the run ended. Does not give up: until that is on record, nobody may be told.
    fn record_end(&mut self, end: RunEnd) {
        let end = Entry::Ended(end);
        while let Err(error) = self.try_record(&end) {
            if !self.layout.runs().exists() {
                return;
            }
            log!("{}: cannot record the end, trying again: {error}", self.name);
            thread::sleep(RECORD_AGAIN);
        }
    }

    fn try_record(&mut self, end: &Entry) -> io::Result<()> {
        let path = self.dir.journal();
        if !self.journal.is_at(&path)? {
            log!("{}: its job has deleted its record: it is written again", self.name);
            files::make_dir(self.dir.path(), 0o700)?;
            self.journal.restore(&path)?;
        }
        self.journal.append(end)
    }

    /// Tells the daemon that there is news of this run: the one that has started this process, or the one that has followed it.
    fn say(&self, what: u8) {
        let mut line = self.line;
        if line.write_all(&[what]).is_ok() {
            return;
        }
        // No daemon: the next one looks by itself. A daemon that does not read: it sees the end all the same, for this
        // process ends then.
        if let Ok(Some(mut file)) = order::open_writer(&self.layout.notify()) {
            let _ = file.write_all(format!("{}\n", self.name).as_bytes());
        }
    }
}
