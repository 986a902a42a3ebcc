//! What the job's process leaves behind when it ends.
//!
//! The keeper is the subreaper of all that descends from it. So when the job's process has ended, its orphans are the
//! keeper's own children, and when one of these is killed, its children are in turn. Only own children are ever
//! signalled by number: a child that was not reaped keeps its number, nobody else can get it.

use crate::process;
use nix::sys::resource::{UsageWho, getrusage};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, pidfd_open, wait,
        waitpid,
    },
};
use std::{
    io,
    time::{Duration, Instant},
};

/// How long leftovers may take to end by themselves: a filter that the job has written through is just about to.
pub(super) const GRACE: Duration = Duration::from_millis(100);
/// How long it may take to kill them. A process can be stuck in the kernel for good; the run's end is told nevertheless.
const BOUND: Duration = Duration::from_secs(10);
/// How often is looked for more, at the latest.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The keeper's children.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) job: Pid,
}

impl Family {
    /// Reaps orphans that have ended; gives the number of those that have not. The job's process is neither reaped
    /// nor counted.
    pub(super) fn reap_orphans(&self) -> usize {
        self.orphans().into_iter().filter(|pid| !has_ended(*pid)).count()
    }

    fn orphans(&self) -> Vec<Pid> {
        let mut children = process::own_children().unwrap_or_default();
        children.retain(|pid| *pid != self.job);
        children
    }

    /// Kills all that is left, and reaps the job's process at last. Call it once that has ended. `left`: there was something at the
    /// last look. None: it had been reaped already, which cannot be.
    pub(super) fn end(&self, left: bool) -> Option<WaitStatus> {
        let deadline = Instant::now() + BOUND;
        if left {
            // The job's process, not yet reaped, keeps the group's number.
            let _ = kill_process_group(self.job, Signal::KILL);
            while kill_and_reap(&self.orphans()) && Instant::now() < deadline {}
        }
        let status = waitpid(Some(self.job), WaitOptions::empty()).ok().flatten().map(|(_, status)| status);
        // The list of children may miss one that comes at just that moment; the system's own count does not.
        while Instant::now() < deadline {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => {
                    kill_and_reap(&self.orphans());
                }
                Err(_) => break,
            }
        }
        status
    }
}

fn has_ended(child: Pid) -> bool {
    !matches!(waitpid(Some(child), WaitOptions::NOHANG), Ok(None))
}

/// Kills these children and waits a moment until one of them has ended; false when there are none.
fn kill_and_reap(children: &[Pid]) -> bool {
    for child in children {
        let _ = kill_process(*child, Signal::KILL);
    }
    if let Some(first) = children.first()
        && let Ok(pidfd) = pidfd_open(*first, PidfdFlags::empty())
    {
        let timeout = Timespec::try_from(LOOK_EVERY).unwrap_or_default();
        let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout));
    }
    for child in children {
        has_ended(*child);
    }
    !children.is_empty()
}

/// What all children together have used that were reaped, and theirs.
#[derive(Debug)]
pub(super) struct Usage {
    /// User and system time.
    pub(super) cpu_time: Duration,
    /// The largest resident memory of any of them, in bytes.
    ///
    /// At least that of the keeper at the time when it started the job (two or three MiB): the system counts a process's
    /// memory from before it has become another program.
    pub(super) peak_memory: u64,
}

impl Usage {
    pub(super) fn of_children() -> io::Result<Self> {
        Self::of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> io::Result<Self> {
        let usage = getrusage(who)?;
        let micros = |time: nix::sys::time::TimeVal| {
            Duration::from_secs(time.tv_sec().unsigned_abs())
                + Duration::from_micros(time.tv_usec().unsigned_abs())
        };
        Ok(Self {
            cpu_time: micros(usage.user_time()) + micros(usage.system_time()),
            peak_memory: usage.max_rss().unsigned_abs() * 1024,
        })
    }
}

/// Whether a run has left nothing behind that could be taken for something of the next one: no process, and no memory that was larger
/// than the keeper's own, for the system keeps the largest of all.
pub(super) fn nothing_is_left() -> bool {
    let no_child = matches!(wait(WaitOptions::NOHANG), Err(Errno::CHILD));
    let usage = |who| Usage::of(who).map(|usage| usage.peak_memory);
    no_child
        && matches!((usage(UsageWho::RUSAGE_CHILDREN), usage(UsageWho::RUSAGE_SELF)), (Ok(children), Ok(own)) if children <= own)
}
