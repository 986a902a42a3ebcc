use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::args::Pace;
use super::crew;
use super::progress::Progress;
use super::seeds::Seeds;
use crate::child;
use crate::error::TaskError;

/// A seed that did not do the same both times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differs {
    seed: u64,
    what: String,
}

impl std::fmt::Display for Differs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "seed {}: {}", self.seed, self.what)
    }
}

/// Runs each seed in two processes and compares their logs, byte by byte. Logs that differ stay in `folder`.
///
/// That a check fails is no matter here, if it fails both times.
pub(crate) fn run(
    program: &Path,
    folder: &Path,
    seeds: Seeds,
    pace: Pace,
    progress: &Progress,
) -> Result<Vec<Differs>, TaskError> {
    fs::create_dir_all(folder).map_err(|source| TaskError::Create { path: folder.to_path_buf(), source })?;
    let next = AtomicU64::new(seeds.first());
    let found = Mutex::new(Vec::new());
    let work = || -> Result<(), TaskError> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.iter().contains(&seed) {
                return Ok(());
            }
            if let Some(differs) = one(program, folder, seed, pace)? {
                progress.say(&differs);
                found.lock().unwrap_or_else(PoisonError::into_inner).push(differs);
            }
            progress.add(1);
        }
    };
    crew::run(pace.jobs, work)?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|differs| differs.seed);
    Ok(found)
}

fn one(program: &Path, folder: &Path, seed: u64, pace: Pace) -> Result<Option<Differs>, TaskError> {
    let differs = |what: String| Ok(Some(Differs { seed, what }));
    let logs = [1, 2].map(|turn| folder.join(format!("seed-{seed}-{turn}.log")));
    let mut codes = Vec::new();
    for log in &logs {
        let mut command = Command::new(program);
        command.args(["run", "--no-shrink", "--seed", &seed.to_string(), "--log"]).arg(log);
        let ended = child::run(&mut command, pace.limit, |_| ControlFlow::Continue(()))?;
        match ended.code() {
            Some(code @ (0 | 1)) => codes.push(code),
            _ => return differs(ended.to_string()),
        }
    }
    if codes.first() != codes.last() {
        return differs(format!("exit codes {codes:?}; the logs are in {}", folder.display()));
    }
    if let Some(what) = compare(&logs)? {
        return differs(what);
    }
    for log in &logs {
        fs::remove_file(log).map_err(unreadable(log))?;
    }
    Ok(None)
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> TaskError {
    |source| TaskError::Read { path: path.to_path_buf(), source }
}

/// Where two files differ; none if they do not.
fn compare(files: &[PathBuf; 2]) -> Result<Option<String>, TaskError> {
    let open = |file: &PathBuf| File::open(file).map(BufReader::new).map_err(unreadable(file));
    let [mut one, mut two] = [open(&files[0])?, open(&files[1])?];
    let (mut this, mut other) = (Vec::new(), Vec::new());
    for number in 1_u64.. {
        this.clear();
        other.clear();
        one.read_until(b'\n', &mut this).map_err(unreadable(&files[0]))?;
        two.read_until(b'\n', &mut other).map_err(unreadable(&files[1]))?;
        if this != other {
            let shown = |line: &[u8]| String::from_utf8_lossy(line).trim_end().to_owned();
            return Ok(Some(format!(
                "the logs differ from line {number} on\n  {}: {}\n  {}: {}",
                files[0].display(),
                shown(&this),
                files[1].display(),
                shown(&other)
            )));
        }
        if this.is_empty() {
            return Ok((number == 1).then(|| "both logs are empty".to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let folder = tempfile();
        let files = [folder.join("1"), folder.join("2")];
        let compare = |one: &str, two: &str| {
            fs::write(&files[0], one).unwrap();
            fs::write(&files[1], two).unwrap();
            compare(&files).unwrap()
        };
        assert_eq!(compare("a\nb\n", "a\nb\n"), None);
        for (one, two) in [("a\nb\n", "a\nc\n"), ("a\n", "a\nb\n"), ("a\nb\n", "a\nb")] {
            let what = compare(one, two).unwrap();
            assert!(what.starts_with("the logs differ from line 2 on\n"), "{what}");
        }
        // A program that writes no log shows nothing.
        assert_eq!(compare("", "").as_deref(), Some("both logs are empty"));
        fs::remove_dir_all(folder).unwrap();
    }

    fn tempfile() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-sim-twice-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}
