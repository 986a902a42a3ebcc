//! What `/proc` says of processes, and how those that a run left behind are ended.

use crate::journal::ProcessId;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    fs, io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::Path,
};

/// The variable that marks all processes of a run: the run's directory.
pub(crate) const RUN_VARIABLE: &str = "POOL_RUN_DIRECTORY";

/// The fields of `/proc/<pid>/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    zombie: bool,
    parent: i32,
    session: i32,
    start_ticks: u64,
}

impl Stat {
    fn of(pid: Pid) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
        Self::parse(&String::from_utf8_lossy(&text))
            .ok_or_else(|| io::Error::other("unexpected /proc/…/stat"))
    }

    /// The second field is the program's name in parentheses, which may hold anything: what counts begins behind
    /// the last parenthesis, with field 3.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        Some(Self {
            zombie: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Identifies a process that is known to live (a child that was not reaped, or the caller itself).
pub(crate) fn identify(pid: Pid) -> io::Result<ProcessId> {
    Ok(ProcessId {
        pid: pid.as_raw_nonzero().get(),
        start_ticks: Stat::of(pid)?.start_ticks,
        boot_id: boot_id()?,
    })
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// All processes of this machine (or container).
fn all() -> io::Result<impl Iterator<Item = Pid>> {
    Ok(fs::read_dir("/proc")?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw))
}

/// The children of the calling process, which has one thread; those included that have ended and were not reaped.
pub(crate) fn own_children() -> io::Result<Vec<Pid>> {
    match fs::read_to_string("/proc/thread-self/children") {
        Ok(text) => {
            Ok(text.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
        }
        // A kernel without this file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let own = rustix::process::getpid().as_raw_nonzero().get();
            Ok(all()?.filter(|pid| Stat::of(*pid).is_ok_and(|stat| stat.parent == own)).collect())
        }
        Err(error) => Err(error),
    }
}

/// What is left of a run whose keeper was killed.
#[derive(Debug)]
pub(crate) struct Leftovers<'a> {
    /// None if it is not known.
    pub(crate) keeper: Option<&'a ProcessId>,
    pub(crate) run_dir: &'a Path,
}

impl Leftovers<'_> {
    /// Kills what is there at this moment; gives the number of processes that were found.
    ///
    /// Found are: those that carry the run's mark in their environment, and those of the keeper's session, which
    /// the job's processes are in unless they left it. A number is only used while a handle on the process proves
    /// that it still means the same process.
    pub(crate) fn kill(&self) -> io::Result<usize> {
        let boot_id = boot_id()?;
        let session = self.keeper.filter(|id| id.boot_id == boot_id);
        // While a session has members the kernel gives its number to no new process. So another process of that
        // number means that the session is another one. The keeper itself may be there still: it was not reaped yet.
        let session = session.filter(|id| {
            let found = Pid::from_raw(id.pid).map(Stat::of);
            found.is_some_and(|stat| stat.map_or(true, |stat| stat.start_ticks == id.start_ticks))
        });
        let mut found = 0;
        for pid in all()? {
            let Some((handle, stat)) = open(pid) else { continue };
            if stat.zombie {
                continue;
            }
            let in_session = session.is_some_and(|id| id.pid == stat.session);
            if in_session || self.marks(pid) {
                found += 1;
                // Gone meanwhile is as good.
                let _ = pidfd_send_signal(&handle, Signal::KILL);
            }
        }
        Ok(found)
    }

    fn marks(&self, pid: Pid) -> bool {
        // Unreadable: another user's process, not one of the run's.
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| {
            variable
                .strip_prefix(RUN_VARIABLE.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
                .is_some_and(|value| value == self.run_dir.as_os_str().as_bytes())
        })
    }
}

/// A handle on a process, and what it is; none if it is gone.
fn open(pid: Pid) -> Option<(OwnedFd, Stat)> {
    // In this order: what is read afterwards is of the process that the handle means, or there is nothing to read.
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let stat = Stat::of(pid).ok()?;
    Some((handle, stat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_program_name_cannot_confuse_the_fields() {
        let text = "7 (a) Z 1 (b)) S 5 6 8 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 100";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat, Stat { zombie: false, parent: 5, session: 8, start_ticks: 4242 });
        assert_eq!(Stat::parse("7 (short) S 1"), None);
    }

    #[test]
    fn children_are_found() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(own_children().unwrap().contains(&pid));
        let id = identify(pid).unwrap();
        assert_eq!(id.pid, pid.as_raw_nonzero().get());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!own_children().unwrap().contains(&pid));
    }

    #[test]
    fn what_carries_the_mark_is_killed_and_nothing_else() {
        use std::os::unix::process::ExitStatusExt as _;
        let dir = tempfile::tempdir().unwrap();
        let spawn = |value: &Path| Command::new("sleep").arg("60").env(RUN_VARIABLE, value).spawn().unwrap();
        let (mut ours, mut other) = (spawn(dir.path()), spawn(&dir.path().join("x")));
        let leftovers = Leftovers { keeper: None, run_dir: dir.path() };
        // The mark is there once the program has been executed, which spawn waits for.
        assert_eq!(leftovers.kill().unwrap(), 1);
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert_eq!(leftovers.kill().unwrap(), 0);
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
