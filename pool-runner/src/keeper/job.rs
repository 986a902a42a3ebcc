//! Starting the job's process.

use super::output::Streams;
use crate::{job_user::JobUser, journal::RunRecord, layout::RunDir, process::RUN_VARIABLE};
use rustix::{
    fs::{Access, access},
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{
    ffi::OsString,
    fs::File,
    io::Read as _,
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
    let environment = environment(record, dir, user);
    // With a path and the same user, the standard library need not copy this whole process to start another.
    let path = if user.is_none() { find(program, &environment) } else { None };
    let mut command = Command::new(path.unwrap_or_else(|| program.into()));
    command
        .arg0(program)
        .args(args)
        .current_dir(directory)
        .process_group(0)
        .env_clear()
        .envs(environment)
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

/// The file of a program that is named without a directory: the first of that name that can be executed, as the system itself looks for
/// it. None: the system looks for it, and says why it cannot be started.
fn find(program: &str, environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    if program.is_empty() || program.contains('/') {
        return None;
    }
    // The last of several counts.
    let (_, path) = environment.iter().rev().find(|(name, _)| name == "PATH")?;
    let mut files = std::env::split_paths(path).map(|dir| dir.join(program));
    // A relative one is looked for from the job's directory, and that is not this process's.
    let found = files
        .find(|file| file.is_relative() || access(file, Access::EXEC_OK).is_ok() && file.is_file())
        .filter(|file| file.is_absolute())?;
    // For a script that does not say what runs it, the system takes a shell, but not when it is given a path.
    says_what_runs_it(&found).then_some(found)
}

fn says_what_runs_it(file: &Path) -> bool {
    let mut begin = [0; 2];
    File::open(file).and_then(|mut file| file.read_exact(&mut begin)).is_ok()
        && matches!(&begin, b"#!" | b"\x7fE")
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn a_program_is_found_where_the_system_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let make = |dir_name: &str, content: &str, mode| {
            let file = dir.path().join(dir_name).join("tool");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        make("not-executable", "#!/bin/sh\n", 0o644);
        fs::create_dir_all(dir.path().join("directory/tool")).unwrap();
        let script = make("script", "#!/bin/sh\n", 0o755);
        make("bare", "echo no interpreter\n", 0o755);
        let path = |dirs: &[&str]| {
            let dirs = dirs.iter().map(|name| dir.path().join(name));
            vec![
                ("PATH".into(), "/the/first/does/not/count".into()),
                ("PATH".into(), std::env::join_paths(dirs).unwrap()),
            ]
        };
        assert_eq!(
            find("tool", &path(&["none", "directory", "not-executable", "script", "bare"])),
            Some(script)
        );
        // The first counts, also where it is one that the system runs otherwise.
        assert_eq!(find("tool", &path(&["bare", "script"])), None);
        assert_eq!(find("tool", &path(&["none"])), None);
        assert_eq!(find("./tool", &path(&["script"])), None);
        assert_eq!(find("tool", &[("PATH".into(), "script".into())]), None);
        // One that is relative and comes first may hold it, seen from the job's directory.
        for first in ["", ".", "bin"] {
            let path = std::env::join_paths([first.into(), dir.path().join("script")]).unwrap();
            assert_eq!(find("tool", &[("PATH".into(), path)]), None, "{first}");
        }
    }
}
