//! What cargo builds, and where.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::TaskError;
use crate::process::{cargo, not_started, output_of, shown};

/// Runs a command of cargo's that builds, and says where the program of this name is, which is of a kind: `bin`, `test`. None if
/// the build fails, which the compiler has said why.
pub(crate) fn program(command: &mut Command, name: &str, kind: &str) -> Result<Option<PathBuf>, TaskError> {
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().map_err(|source| not_started(command, source))?;
    if !output.status.success() {
        return Ok(None);
    }
    executable(&String::from_utf8_lossy(&output.stdout), name, kind).map(Some).ok_or_else(|| {
        TaskError::Output {
            command: shown(command),
            source: io::Error::other("cargo does not say which program it has built"),
        }
    })
}

/// The program in the messages of cargo, one JSON object a line.
fn executable(messages: &str, name: &str, kind: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact"
                && message["target"]["name"] == name
                && message["target"]["kind"][0] == kind
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Where cargo builds.
pub(crate) fn target_folder() -> Result<PathBuf, TaskError> {
    let mut command = cargo(["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let output = output_of(&mut command)?;
    let read = |text: &[u8]| -> Option<PathBuf> {
        let metadata: Value = serde_json::from_slice(text).ok()?;
        metadata["target_directory"].as_str().map(PathBuf::from)
    };
    read(&output).ok_or_else(|| TaskError::Output {
        command: shown(&command),
        source: io::Error::other("it does not say where cargo builds"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_the_messages_of_cargo() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"poold","kind":["lib"]},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"poold","kind":["bin"]},"executable":"/t/poold"}
            {"reason":"compiler-artifact","target":{"name":"conformance","kind":["test"]},"executable":"/t/conformance-1"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "poold", "bin"), Some("/t/poold".into()));
        assert_eq!(executable(messages, "conformance", "test"), Some("/t/conformance-1".into()));
        assert_eq!(executable(messages, "poold-sim", "bin"), None);
        assert_eq!(executable("Compiling", "poold", "bin"), None);
    }
}
