//! Starting the job's process.

use super::output::Streams;
use crate::{job_user::JobUser, journal::RunRecord, layout::RunDir, process::RUN_VARIABLE};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::{
    ffi::OsString,
    fs::File,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// For workers where the runner itself has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A job's process that runs, or has ended and was not reaped.
#[derive(Debug)]
pub(super) struct Job {
    /// Also the number of its process group. Valid for signals as long as the process was not reaped.
    pub(super) pid: Pid,
    /// Readable when the process has ended.
    pub(super) pidfd: OwnedFd,
    pub(super) streams: Streams,
}

/// Starts it, or says why that cannot be.
pub(super) fn spawn(
    record: &RunRecord,
    dir: &RunDir,
    user: Option<&JobUser>,
    mut streams: Streams,
) -> Result<Job, String> {
    let spec = &record.spec;
    let Some((program, args)) = spec.command.split_first() else {
        return Err("the command is empty".into());
    };
    let directory = spec.directory.as_ref().map_or_else(|| dir.work(), PathBuf::from);
    if !directory.is_dir() {
        return Err(format!("the directory {} does not exist", directory.display()));
    }
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(directory)
        .process_group(0)
        .env_clear()
        .envs(environment(record, dir, user))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(user) = user {
        for own in [dir.work(), dir.temporary()] {
            give(&own, user)
                .map_err(|error| format!("cannot give {} to the job's user: {error}", own.display()))?;
        }
        // This drops all supplementary groups as well.
        command.uid(user.uid).gid(user.gid);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        streams.connect(File::from(OwnedFd::from(stdout)), File::from(OwnedFd::from(stderr)));
    }
    let pid = Pid::from_child(&child);
    // The number is the child's until this process reaps it, and nobody else can.
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        let _ = child.wait();
        format!("cannot watch {program}: {error}")
    })?;
    Ok(Job { pid, pidfd, streams })
}

fn give(path: &Path, user: &JobUser) -> std::io::Result<()> {
    std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
}

/// The runner's defaults, then what the job asks for, then what marks its processes.
fn environment(record: &RunRecord, dir: &RunDir, user: Option<&JobUser>) -> Vec<(OsString, OsString)> {
    let own = |name: &str, or: &str| std::env::var_os(name).unwrap_or_else(|| or.into());
    let home = user.map_or_else(
        || own("HOME", "/"),
        |user| user.home.as_ref().map_or_else(|| dir.work().into_os_string(), OsString::from),
    );
    let mut environment: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), own("PATH", PATH)),
        ("HOME".into(), home),
        ("LANG".into(), own("LANG", "C.UTF-8")),
        ("TMPDIR".into(), dir.temporary().into_os_string()),
    ];
    environment.extend(record.spec.environment.iter().map(|(name, value)| (name.into(), value.into())));
    environment.extend([
        ("POOL_JOB_ID".into(), record.run.job.as_str().into()),
        ("POOL_ATTEMPT".into(), record.run.attempt.to_string().into()),
        ("POOL_INSTANCE_SET".into(), record.instance_set.as_str().into()),
        (RUN_VARIABLE.into(), dir.path().into()),
    ]);
    environment
}
