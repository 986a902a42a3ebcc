//! Which processes are an instance's.

use super::environment::MARKER;
use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// A process, told apart from a later one of the same number by the time of its start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// In clock ticks since the machine was booted.
    pub(super) start: u64,
}

/// What `/proc/PID/stat` says, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stat {
    process: Process,
    parent: u32,
    group: u32,
    session: u32,
    /// 0: none.
    terminal: i64,
    /// Has ended, and waits for its parent to notice.
    ended: bool,
}

impl Process {
    /// True while this very process is there and has not ended.
    pub(super) fn is_alive(self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.process == self && !stat.ended)
    }
}

/// Every living process of the instance in `dir`:
///
/// 1. those with the instance's marker in the environment that they were started with;
/// 2. those without any instance's marker and without a terminal whose program, working directory, root directory or
///    an open file is in `dir` (a terminal means a person who looks at the files), except children of this process that
///    have not begun their own program yet: they hold whatever this process holds;
/// 3. all descendants of these, and all members of the process groups and sessions that these lead.
///
/// Never this process itself, its ancestors, or process 1, and nothing is followed through them.
///
/// What is not found: a process that has cleared its environment *and* left the directory with its working directory
/// and files *and* whose ancestors within the instance had all ended when the table was read *and* that is in no
/// session or group with a living leader of the instance.
pub(super) fn processes_of(dir: &Path) -> io::Result<Vec<Process>> {
    find(|stat| belongs(stat, dir))
}

/// Those of the processes of the instance in `dir` that are of a run of its runner, which keeps its runs in `runs`: a
/// run's keeper, whose standard input is a file of the run; a job, which begins in the run's directory; and their
/// descendants and groups, as above.
///
/// Nothing else of the runner: its daemon and what joins it to a connection have their working directory above `runs`
/// and another standard input.
///
/// What is not found, beside what is not found above: a process that has left its run's directory and whose keeper
/// had been killed before.
pub(super) fn processes_of_runs(dir: &Path, runs: &Path) -> io::Result<Vec<Process>> {
    find(|stat| {
        let proc_dir = proc_dir(stat.process.pid);
        belongs(stat, dir) && ["fd/0", "cwd"].iter().any(|link| points_into(&proc_dir.join(link), runs))
    })
}

/// Living processes that are of the kind that is looked for, with all their kin, as [`processes_of`] says.
fn find(is_one: impl Fn(&Stat) -> bool) -> io::Result<Vec<Process>> {
    let table = read_table()?;
    let protected = protected(&table);
    let mut found: HashSet<u32> =
        table.values().filter(|stat| is_one(stat)).map(|stat| stat.process.pid).collect();
    found.retain(|pid| !protected.contains(pid));
    // Each round adds children and group members of what the last one has found.
    loop {
        let more: Vec<u32> = table
            .values()
            .filter(|stat| {
                let kin = [stat.parent, stat.group, stat.session];
                kin.iter().any(|relative| found.contains(relative))
            })
            .map(|stat| stat.process.pid)
            .filter(|pid| !protected.contains(pid) && !found.contains(pid))
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    Ok(found
        .iter()
        .filter_map(|pid| table.get(pid))
        .filter(|stat| !stat.ended)
        .map(|stat| stat.process)
        .collect())
}

fn read_table() -> io::Result<HashMap<u32, Stat>> {
    let mut table = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = read_stat(pid) {
            table.insert(pid, stat);
        }
    }
    Ok(table)
}

/// This process, its ancestors, and process 1.
fn protected(table: &HashMap<u32, Stat>) -> HashSet<u32> {
    let mut protected = HashSet::from([0, 1]);
    let mut pid = std::process::id();
    while protected.insert(pid) {
        let Some(stat) = table.get(&pid) else { break };
        pid = stat.parent;
    }
    protected
}

/// `None` when there is no such process (any more).
fn read_stat(pid: u32) -> Option<Stat> {
    parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields are numbered as in proc(5). The name (2) is in parentheses and may itself hold blanks and parentheses.
fn parse_stat(pid: u32, line: &str) -> Option<Stat> {
    const FIRST_AFTER_NAME: usize = 3;
    let fields: Vec<&str> = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - FIRST_AFTER_NAME).copied();
    Some(Stat {
        process: Process { pid, start: field(22)?.parse().ok()? },
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        terminal: field(7)?.parse().ok()?,
        ended: matches!(field(3)?, "Z" | "X"),
    })
}

fn proc_dir(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

fn belongs(stat: &Stat, dir: &Path) -> bool {
    let proc_dir = proc_dir(stat.process.pid);
    match marker(&proc_dir) {
        Some(marker) => marker == dir.as_os_str().as_bytes(),
        None => stat.terminal == 0 && !is_being_started(stat, &proc_dir) && is_in(&proc_dir, dir),
    }
}

/// True for a child that this process is just starting, whoever it is for.
fn is_being_started(stat: &Stat, proc_dir: &Path) -> bool {
    let program = |proc_dir: &Path| fs::read_link(proc_dir.join("exe")).ok();
    stat.parent == std::process::id() && program(proc_dir) == program(Path::new("/proc/self"))
}

/// The marker in a process's environment. A process of another user has none that we can see.
fn marker(proc_dir: &Path) -> Option<Vec<u8>> {
    let environment = fs::read(proc_dir.join("environ")).ok()?;
    environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(MARKER.as_bytes())?.strip_prefix(b"="))
        .map(<[u8]>::to_vec)
}

fn is_in(proc_dir: &Path, dir: &Path) -> bool {
    ["exe", "cwd", "root"].iter().any(|link| points_into(&proc_dir.join(link), dir))
        || fs::read_dir(proc_dir.join("fd"))
            .is_ok_and(|files| files.filter_map(Result::ok).any(|file| points_into(&file.path(), dir)))
}

fn points_into(link: &Path, dir: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| lies_in(&target, dir))
}

/// The kernel adds ` (deleted)` to the path of what was removed.
fn lies_in(target: &Path, dir: &Path) -> bool {
    let target = target.as_os_str().as_bytes();
    target
        .strip_prefix(dir.as_os_str().as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || rest == b" (deleted)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b) S 7 8 9 34816 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 231190 0 0";
        let stat = parse_stat(42, line).unwrap();
        let expected = Stat {
            process: Process { pid: 42, start: 231_190 },
            parent: 7,
            group: 8,
            session: 9,
            terminal: 34816,
            ended: false,
        };
        assert_eq!(stat, expected);
        assert_eq!(parse_stat(42, "42 (cut"), None);
    }

    #[test]
    fn a_directory_with_the_same_beginning_is_another() {
        let dir = Path::new("/s/i-1");
        for inside in ["/s/i-1", "/s/i-1/root/x", "/s/i-1 (deleted)", "/s/i-1/x (deleted)"] {
            assert!(lies_in(Path::new(inside), dir), "{inside}");
        }
        for outside in ["/s", "/s/i-12", "/s/i-1x/root", "/", "pipe:[1]"] {
            assert!(!lies_in(Path::new(outside), dir), "{outside}");
        }
    }

    #[test]
    fn this_process_its_ancestors_and_process_1_are_protected() {
        let table = read_table().unwrap();
        let protected = protected(&table);
        assert!(protected.contains(&1));
        assert!(protected.contains(&std::process::id()));
        assert!(protected.contains(&std::os::unix::process::parent_id()));
        assert!(read_stat(std::process::id()).unwrap().process.is_alive());
    }
}
