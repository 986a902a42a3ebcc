use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::TaskError;
use crate::process::{cargo, not_started, output_of, shown};

/// The program of the simulation.
pub(crate) const PROGRAM: &str = "poold-sim";
/// Its package.
pub(crate) const PACKAGE: &str = "poold";

/// Builds the program; none if that fails, which the compiler has said why.
pub(crate) fn build() -> Result<Option<PathBuf>, TaskError> {
    build_with(cargo(["build"]), PROGRAM)
}

/// Adds to `cargo build` what is built and how, does it, and says where the program is.
pub(crate) fn build_with(mut command: Command, program: &str) -> Result<Option<PathBuf>, TaskError> {
    command.args([
        "--locked",
        "--profile",
        "sim",
        "--package",
        PACKAGE,
        "--features",
        "sim",
        "--bin",
        program,
    ]);
    command.args(["--quiet", "--message-format=json-render-diagnostics"]).stderr(Stdio::inherit());
    let output = command.output().map_err(|source| not_started(&command, source))?;
    if !output.status.success() {
        return Ok(None);
    }
    executable(&String::from_utf8_lossy(&output.stdout), program).map(Some).ok_or_else(|| TaskError::Output {
        command: shown(&command),
        source: io::Error::other("cargo does not say which program it has built"),
    })
}

/// The program in the messages of cargo, one JSON object a line.
fn executable(messages: &str, program: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact"
                && message["target"]["name"] == program
                && message["target"]["kind"][0] == "bin"
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Where cargo builds.
pub(crate) fn target_folder() -> Result<PathBuf, TaskError> {
    let mut command = cargo(["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let output = output_of(&mut command)?;
    let read = |text: &[u8]| -> Option<PathBuf> {
        let metadata: serde_json::Value = serde_json::from_slice(text).ok()?;
        metadata["target_directory"].as_str().map(PathBuf::from)
    };
    read(&output).ok_or_else(|| TaskError::Output {
        command: shown(&command),
        source: io::Error::other("it does not say where cargo builds"),
    })
}

/// Runs the program on this terminal. Its exit code; none if a signal ended it.
pub(crate) fn run(program: &Path, arguments: &[String]) -> Result<Option<i32>, TaskError> {
    let mut command = Command::new(program);
    command.args(arguments);
    let status = command.status().map_err(|source| not_started(&command, source))?;
    Ok(status.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_the_messages_of_cargo() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"poold","kind":["lib"]},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"poold-sim","kind":["bin"]},"executable":"/t/poold-sim"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, PROGRAM), Some("/t/poold-sim".into()));
        assert_eq!(executable(messages, "poold-sim-mutants"), None);
    }
}
