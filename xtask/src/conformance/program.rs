use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::drivers::Driver;
use super::report::{DriverReport, Ended};
use crate::built;
use crate::error::TaskError;
use crate::process::{cargo, not_started, repository_root};

/// What a driver's conformance program is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) filter: Option<String>,
    pub(crate) live: bool,
    pub(crate) config: Option<PathBuf>,
    /// Where its JUnit file is to go.
    pub(crate) junit: Option<PathBuf>,
}

impl Wishes {
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--json".to_owned()];
        if self.live {
            arguments.push("--live".to_owned());
        }
        for (option, path) in [("--config", &self.config), ("--junit", &self.junit)] {
            if let Some(path) = path {
                arguments.extend([option.to_owned(), path.display().to_string()]);
            }
        }
        arguments.extend(self.filter.clone());
        arguments
    }
}

/// Builds a driver's conformance program; none if that fails, which the compiler has said why.
pub(crate) fn build(driver: &Driver) -> Result<Option<PathBuf>, TaskError> {
    let mut command =
        cargo(["test", "--locked", "--no-run", "--package", driver.package, "--test", "conformance"]);
    built::program(&mut command, "conformance", "test")
}

/// Runs a driver's conformance program, in the folder of its package as cargo does.
pub(crate) fn run(driver: &Driver, program: PathBuf, wishes: &Wishes) -> Result<Ended, TaskError> {
    let mut command = Command::new(program);
    command
        .args(wishes.arguments())
        .current_dir(repository_root().join(driver.package))
        .stderr(Stdio::inherit());
    let output = command.output().map_err(|source| not_started(&command, source))?;
    Ok(ended(output.status.code(), &output.stdout))
}

fn ended(code: Option<i32>, stdout: &[u8]) -> Ended {
    match code {
        Some(3) => return Ended::Missing,
        // Cut off by a signal.
        None => return Ended::Broken("it was killed".to_owned()),
        Some(0 | 1) => {}
        Some(code) => return Ended::Broken(format!("it ended with exit code {code}")),
    }
    if stdout.is_empty() {
        return Ended::NothingToRun;
    }
    match serde_json::from_slice::<DriverReport>(stdout) {
        Ok(report) if (code == Some(0)) == (report.failed == 0) => Ended::Ran(report),
        Ok(report) => {
            Ended::Broken(format!("{} trials failed, but its exit code is {code:?}", report.failed))
        }
        Err(error) => Ended::Broken(format!("its report cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_passed_on() {
        let wishes = Wishes {
            filter: Some("quota".into()),
            live: true,
            config: Some("a.toml".into()),
            junit: Some("b.xml".into()),
        };
        let arguments = wishes.arguments().join(" ");
        assert_eq!(arguments, "--json --live --config a.toml --junit b.xml quota");
    }

    #[test]
    fn a_program_that_contradicts_itself_is_broken() {
        let report =
            br#"{"driver":"a","live":false,"seconds":1.0,"passed":1,"failed":1,"excluded":0,"trials":[]}"#;
        assert!(matches!(ended(Some(0), report), Ended::Broken(_)));
        assert!(matches!(ended(Some(1), report), Ended::Ran(_)));
        assert!(matches!(ended(Some(1), b"Hello"), Ended::Broken(_)));
        assert!(matches!(ended(Some(101), b""), Ended::Broken(_)));
        assert!(matches!(ended(None, b""), Ended::Broken(_)));
        assert_eq!(ended(Some(3), b""), Ended::Missing);
        assert_eq!(ended(Some(0), b""), Ended::NothingToRun);
    }
}
