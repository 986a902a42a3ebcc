//! The keepers that this daemon has started: one for each run that goes on, and some that wait for the next.

use super::open_files::OpenFiles;
use crate::{layout::Layout, order, program};
use pool_api::RunId;
use rustix::process::Pid;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
    rc::Rc,
    time::{Duration, Instant},
};

/// How long a keeper waits for another run.
const IDLE_FOR: Duration = Duration::from_secs(5);

/// Names a keeper, as long as this daemon lives.
pub(super) type KeeperId = u64;

/// One keeper.
#[derive(Debug)]
struct Keeper {
    /// Takes the names of runs, and says when there is [news](order::NEWS) of one and when the [next](order::NEXT) may come. A keeper without a
    /// run ends with it.
    line: UnixStream,
    /// Where it gets its orders.
    control: Rc<File>,
    now: Now,
}

#[derive(Debug)]
enum Now {
    Keeps(RunId),
    Waits { since: Instant },
}

/// What a keeper's line has said.
#[derive(Debug)]
pub(super) enum Said {
    /// There is something to read in the run's journal, or of its output.
    News(RunId),
    /// The keeper is gone, and this was its run.
    Gone(Option<RunId>),
    Nothing,
}

/// All of this daemon's own.
#[derive(Debug)]
pub(super) struct Keepers {
    files: OpenFiles,
    keepers: BTreeMap<KeeperId, Keeper>,
    /// Those that wait, the one that does so for the longest time first.
    waiting: Vec<KeeperId>,
    last: KeeperId,
}

impl Keepers {
    pub(super) fn new(files: OpenFiles) -> Self {
        Self { files, keepers: BTreeMap::new(), waiting: Vec::new(), last: 0 }
    }

    /// Most runs that may go on at once.
    pub(super) fn most(&self) -> usize {
        self.files.runs()
    }

    /// Gives a run to a keeper, one that waits if there is one. The run's directory and journal are there. Returns the way to
    /// give it orders.
    pub(super) fn give(&mut self, layout: &Layout, run: &RunId) -> io::Result<Rc<File>> {
        loop {
            let waiting = self.waiting.pop();
            let id = match waiting {
                Some(id) => id,
                None => self.start(layout)?,
            };
            let Some(keeper) = self.keepers.get_mut(&id) else { continue };
            let control = layout.run(run).control();
            let given = fs::hard_link(layout.keeper(id), &control)
                .and_then(|()| keeper.line.write_all(format!("{run}\n").as_bytes()));
            match given {
                Ok(()) => {
                    keeper.now = Now::Keeps(run.clone());
                    return Ok(Rc::clone(&keeper.control));
                }
                Err(error) => {
                    self.remove(layout, id);
                    if waiting.is_none() {
                        return Err(error);
                    }
                    // It has just been killed: another one.
                    let _ = fs::remove_file(control);
                }
            }
        }
    }

    fn start(&mut self, layout: &Layout) -> io::Result<KeeperId> {
        self.last += 1;
        let path = layout.keeper(self.last);
        order::make_fifo(&path)?;
        let start = || {
            let both = order::open_both(&path)?;
            let control = order::open_writer(&path)?.ok_or(io::ErrorKind::BrokenPipe)?;
            let (line, its) = UnixStream::pair()?;
            let mut command = program::command("keep", layout).map_err(io::Error::other)?;
            let child = command.stdin(both).stdout(Stdio::from(OwnedFd::from(its))).spawn()?;
            // Before it is given a run.
            self.files.reset(Pid::from_child(&child))?;
            Ok(Keeper { line, control: Rc::new(control), now: Now::Waits { since: Instant::now() } })
        };
        match start() {
            Ok(keeper) => {
                self.keepers.insert(self.last, keeper);
                Ok(self.last)
            }
            Err(error) => {
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// What each has to say comes through its line.
    pub(super) fn lines(&self) -> impl Iterator<Item = (KeeperId, &UnixStream)> {
        self.keepers.iter().map(|(id, keeper)| (*id, &keeper.line))
    }

    /// To be called when a line is readable, or has ended.
    pub(super) fn listen(&mut self, layout: &Layout, id: KeeperId, now: Instant) -> Said {
        let Some(keeper) = self.keepers.get_mut(&id) else { return Said::Nothing };
        let mut bytes = [0; 16];
        match keeper.line.read(&mut bytes) {
            Ok(length) if length > 0 => {
                let Now::Keeps(run) = &keeper.now else { return Said::Nothing };
                let run = run.clone();
                if bytes[..length].contains(&order::NEXT) {
                    keeper.now = Now::Waits { since: now };
                    self.waiting.push(id);
                }
                Said::News(run)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Said::Nothing,
            Ok(_) | Err(_) => Said::Gone(self.remove(layout, id)),
        }
    }

    /// Returns its run.
    fn remove(&mut self, layout: &Layout, id: KeeperId) -> Option<RunId> {
        self.waiting.retain(|waiting| *waiting != id);
        let _ = fs::remove_file(layout.keeper(id));
        match self.keepers.remove(&id)?.now {
            Now::Keeps(run) => Some(run),
            Now::Waits { .. } => None,
        }
    }

    /// When one has waited for too long.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.keepers.get(self.waiting.first()?)?.now {
            Now::Waits { since } => Some(since + IDLE_FOR),
            Now::Keeps(_) => None,
        }
    }

    /// Lets those go that have waited for too long. True if there were any: they are about to end.
    pub(super) fn dismiss(&mut self, layout: &Layout, now: Instant) -> bool {
        let mut any = false;
        while self.next().is_some_and(|at| at <= now)
            && let Some(id) = self.waiting.first().copied()
        {
            self.remove(layout, id);
            any = true;
        }
        any
    }
}
