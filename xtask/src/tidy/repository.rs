use std::path::Path;
use std::process::Command;

use super::finding::{Finding, SourceFile};
use super::{manifests, markdown, parity, readme, rust_style, text};
use crate::error::TaskError;
use crate::process::output_of;

/// The result of all checks.
#[derive(Debug)]
pub(crate) struct Report {
    /// Number of text files that were read.
    pub(crate) files: usize,
    /// In the order of path and line.
    pub(crate) findings: Vec<Finding>,
}

/// Runs every check on the files that git knows of, and on new ones that it does not ignore.
pub(crate) fn check_repository(root: &Path, tasks: &[String]) -> Result<Report, TaskError> {
    let paths = list(root)?;
    let mut files = Vec::new();
    for path in &paths {
        files.extend(read(root, path)?);
    }
    let mut findings = check(&files, &paths, tasks);
    findings.sort();
    Ok(Report { files: files.len(), findings })
}

fn check(files: &[SourceFile], paths: &[String], tasks: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(text::check(file));
        if file.has_extension("rs") {
            findings.extend(rust_style::check(file));
        }
        if file.has_extension("md") {
            findings.extend(markdown::check(file, paths));
        }
    }
    findings.extend(manifests::check(files));
    findings.extend(parity::check(files));
    findings.extend(readme::check(files, tasks));
    findings
}

fn list(root: &Path) -> Result<Vec<String>, TaskError> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = output_of(&mut git)?;
    Ok(output
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect())
}

/// `None` for what is no text, and for what was deleted but not yet committed.
fn read(root: &Path, path: &str) -> Result<Option<SourceFile>, TaskError> {
    let full = root.join(path);
    match std::fs::read(&full) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok().map(|text| SourceFile { path: path.to_owned(), text })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TaskError::Read { path: full, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::file;
    use super::*;

    /// One file per check that breaks its rule: a check that is no longer called is missed here.
    #[test]
    fn every_check_is_called() {
        let files = [
            file("a.rs", "fn a() { dbg!(1); }\n"),
            file("b.txt", "no line end"),
            file("c.md", "[gone](gone.md)\n"),
            file("d/Cargo.toml", "[package]\nname = \"d\"\n"),
            file("README.md", "nothing\n"),
        ];
        let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let findings = check(&files, &paths, &[]);
        for path in ["a.rs", "b.txt", "c.md", "d/Cargo.toml", "README.md", "docs/parity.md"] {
            assert!(findings.iter().any(|finding| finding.path == path), "{path}: {findings:?}");
        }
    }
}
