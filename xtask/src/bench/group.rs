use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{ops::ControlFlow, process::ExitStatus};

use super::criterion;
use super::figure::Figure;
use crate::built;
use crate::child;
use crate::error::TaskError;
use crate::process::{cargo, output_of, repository_root};

/// What measures all that is more than one library.
const PROGRAM: &str = "poold-bench";
/// A library whose benches are groups of their own: the benches, and what they measure.
const LIBRARY: &str = "pool-state";
pub(super) const BENCHES: [(&str, &str); 3] = [
    ("decisions", "What a decision costs"),
    ("plan", "What a plan costs"),
    ("memory", "The memory of a worker's state"),
];
/// The folder of that library, from the repository's top folder.
const FOLDER: &str = "pool-core/state";
/// A group that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is measured together, by one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    /// What it measures, for people.
    pub(super) about: String,
    by: By,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    Program(PathBuf),
    Bench,
}

/// Why a group has not all of its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmeasured(pub(super) String);

/// Builds what measures, and says which groups there are. None if that fails, which the compiler has said why.
pub(super) fn all() -> Result<Option<Vec<Group>>, TaskError> {
    let mut build = cargo(["build", "--quiet", "--locked", "--release", "--bins"]);
    // The program that is measured, too.
    build.args(["--package", "poold", "--package", PROGRAM]);
    let Some(program) = built::program(&mut build, PROGRAM, "bin")? else { return Ok(None) };
    let listed = output_of(Command::new(&program).arg("groups"))?;
    let listed = String::from_utf8_lossy(&listed);
    let own = listed.lines().map(|line| {
        let (name, about) = line.split_once('\t').unwrap_or((line, ""));
        Group { name: name.to_owned(), about: about.to_owned(), by: By::Program(program.clone()) }
    });
    let benches =
        BENCHES.map(|(name, about)| Group { name: name.to_owned(), about: about.to_owned(), by: By::Bench });
    Ok(Some(own.chain(benches).collect()))
}

impl Group {
    /// The program that measures it, with its arguments. None if it cannot be built, which the compiler has said why.
    pub(super) fn command(&self) -> Result<Option<Command>, TaskError> {
        match &self.by {
            By::Program(program) => {
                let mut command = Command::new(program);
                command.arg(&self.name);
                Ok(Some(command))
            }
            By::Bench => bench(&self.name),
        }
    }
}

/// A bench of the library. None if it cannot be built, which the compiler has said why.
pub(super) fn bench(name: &str) -> Result<Option<Command>, TaskError> {
    let mut build =
        cargo(["bench", "--quiet", "--locked", "--no-run", "--package", LIBRARY, "--bench", name]);
    let Some(program) = built::program(&mut build, name, "bench")? else { return Ok(None) };
    // As cargo runs it.
    let mut command = Command::new(program);
    command.arg("--bench").current_dir(repository_root().join(FOLDER));
    Ok(Some(command))
}

/// Runs a program that measures. Hands over what it measures and says, as it comes. `scratch` is a folder of the caller's.
pub(super) fn measure(
    mut command: Command,
    scratch: &Path,
    on_line: impl Fn(&str),
) -> Result<(Vec<Figure>, Option<Unmeasured>), TaskError> {
    clear(scratch)?;
    command.env(criterion::VARIABLE, scratch);
    let mut figures = Vec::new();
    let ended = child::run(&mut command, PATIENCE, |line| {
        figures.extend(Figure::read(line));
        on_line(line);
        ControlFlow::Continue(())
    })?;
    figures.extend(criterion::medians(scratch)?);
    let failed = !matches!(&ended.end, child::End::Exited(status) if ExitStatus::success(status));
    Ok((figures, failed.then(|| Unmeasured(ended.to_string()))))
}

fn clear(folder: &Path) -> Result<(), TaskError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(TaskError::Create { path: folder.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-bench-{name}-{}", std::process::id()))
    }

    #[test]
    fn figures_are_kept_and_all_else_is_only_shown() {
        let script = r#"echo Benchmarking; echo '{"id":"a.b","value":2,"unit":"ratio"}'"#;
        let lines = std::cell::Cell::new(0);
        let measured = measure(shell(script), &scratch("fine"), |_| lines.set(lines.get() + 1));
        let (figures, unmeasured) = measured.unwrap();
        assert_eq!((figures.len(), figures[0].id.as_str(), lines.get()), (1, "a.b", 2));
        assert_eq!(unmeasured, None);
    }

    #[test]
    fn a_group_that_fails_keeps_what_it_has_measured() {
        let script = r#"echo '{"id":"a.b","value":2,"unit":"ratio"}'; echo oh >&2; exit 1"#;
        let (figures, unmeasured) = measure(shell(script), &scratch("broken"), |_| {}).unwrap();
        assert_eq!(figures.len(), 1);
        assert_eq!(unmeasured.unwrap().0, "the program ended with exit status: 1: oh");
    }
}
