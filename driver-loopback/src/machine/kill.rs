//! Ends every process of an instance, or those of its runs.

use super::{
    InstanceDir,
    process_table::{Process, processes_of, processes_of_runs},
};
use crate::LoopbackError;
use pool_api::InstanceId;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use std::{
    collections::HashSet,
    io,
    path::Path,
    time::{Duration, Instant},
};

/// For so long processes are looked for and killed before they are reported as still running. A process can be
/// unkillable only while the kernel waits for a device.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills every process of the instance in `dir` and waits until they have ended. Blocks.
pub(crate) fn end_processes(id: &InstanceId, dir: &Path) -> Result<(), LoopbackError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let killed = stop_and_kill(|| processes_of(dir)).map_err(LoopbackError::storage("read", "/proc"))?;
        if killed.is_empty() {
            return Ok(());
        }
        for process in &killed {
            wait(*process, deadline).map_err(LoopbackError::storage("wait for a process of", dir))?;
        }
        if Instant::now() >= deadline {
            let pids =
                killed.iter().filter(|process| process.is_alive()).map(|process| process.pid).collect();
            return Err(LoopbackError::StillRunning { id: id.clone(), pids });
        }
    }
}

/// Kills every process of the runs that the instance's runner has now, and waits until they have ended. What the
/// runner starts meanwhile may be among them or not. Blocks.
pub(crate) fn end_runs(dir: &InstanceDir) -> Result<(), LoopbackError> {
    let deadline = Instant::now() + PATIENCE;
    let killed = stop_and_kill(|| processes_of_runs(dir.path(), &dir.runs()))
        .map_err(LoopbackError::storage("read", "/proc"))?;
    for process in killed {
        wait(process, deadline).map_err(LoopbackError::storage("wait for a process of", dir.path()))?;
    }
    Ok(())
}

/// One round. First all are stopped, and looked for again until no new one turns up, because what runs can start
/// others; then all are killed at once.
fn stop_and_kill(find: impl Fn() -> io::Result<Vec<Process>>) -> io::Result<Vec<Process>> {
    let mut stopped = HashSet::new();
    loop {
        let new: Vec<Process> = find()?.into_iter().filter(|process| !stopped.contains(process)).collect();
        if new.is_empty() {
            break;
        }
        for process in new {
            signal(process, Signal::STOP);
            stopped.insert(process);
        }
    }
    for process in &stopped {
        signal(*process, Signal::KILL);
    }
    Ok(stopped.into_iter().collect())
}

/// Sends a signal to this very process, or to none. That it may not be signalled shows in that it does not end.
fn signal(process: Process, signal: Signal) {
    if let Some(handle) = open(process)
        && let Err(error) = pidfd_send_signal(&handle, signal)
        && error != Errno::SRCH
    {
        tracing::warn!(pid = process.pid, %error, "cannot signal a process of an instance");
    }
}

/// A handle on this very process; none when it has ended.
fn open(process: Process) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?).filter(|pid| !pid.is_init())?;
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // Only now the number cannot go to another process unnoticed: look whose it was when the handle was made.
    process.is_alive().then_some(handle)
}

/// Waits until the process has ended or the deadline has come.
fn wait(process: Process, deadline: Instant) -> io::Result<()> {
    let Some(handle) = open(process) else { return Ok(()) };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}
